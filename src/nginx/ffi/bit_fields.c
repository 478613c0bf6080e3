/*
 * The bit-fields of a request that the module reads. nginx-sys has them by bindgen 0.72, which looks for most of them in the
 * wrong place where a member of two bytes comes before them, as in nginx 1.30 (rust-bindgen, issue 3384).
 */
#include "bindings.h"

ngx_uint_t
ngx_http_authgear_is_post_action(const ngx_http_request_t *r)
{
    return r->post_action;
}


ngx_uint_t
ngx_http_authgear_is_header_only(const ngx_http_request_t *r)
{
    return r->header_only;
}
