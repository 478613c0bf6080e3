/*
 * Accessors for the bit-fields of a request that the module reads. nginx-sys uses bindgen 0.72, which computes wrong offsets for
 * most of them if a member of two bytes precedes them, as in nginx 1.30 (rust-bindgen, issue 3384).
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
