//! nginx's own things in safe words. Nothing here knows what the module does.

pub mod bridge;
pub mod callback;
pub mod clock;
pub mod headers_in;
pub mod headers_out;
pub mod log;
pub mod pool;
pub mod request;
pub mod shm;

/// What nginx-sys leaves out; made by build.rs.
mod bindings {
    #![allow(unreachable_pub, reason = "bindgen makes everything public")]
    use nginx_sys::{ngx_cycle_t, ngx_event_handler_pt, ngx_fd_t, ngx_http_request_t, ngx_int_t, ngx_uint_t};
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}
