/* The parts of nginx that this crate uses and nginx-sys lacks: see build.rs. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_channel.h>
#include <ngx_http.h>

/* A macro that expands to a macro, which bindgen can't translate. */
const ngx_int_t NGX_AUTHGEAR_READ_EVENT = NGX_READ_EVENT;

/* See bit_fields.c. */
ngx_uint_t ngx_http_authgear_is_post_action(const ngx_http_request_t *r);
ngx_uint_t ngx_http_authgear_is_header_only(const ngx_http_request_t *r);
