/* What this crate uses of nginx and nginx-sys does not offer: see build.rs. */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_channel.h>
#include <ngx_http.h>

/* Macros of macros, which bindgen can't translate. */
const ngx_int_t NGX_AUTHGEAR_READ_EVENT = NGX_READ_EVENT;
