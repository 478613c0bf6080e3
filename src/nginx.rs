//! The edge to nginx: the callbacks that nginx calls, and the nginx functions that we call. All unsafe code is here.
//!
//! The modules are listed in reading order; each uses only the ones above it.
//!
//! Each SAFETY comment names one of the following invariants, and the local fact.
//!
//! - MAIN THREAD: nginx calls the module on a single thread per process, the one that runs the event loop. Only
//!   [`ffi::bridge::Waker::wake`] is called on other threads.
//! - LIVE REQUEST: a request that nginx passes to a callback, its connection, and its pool live until the callback returns
//!   or calls a function that may end the request (`ngx_http_core_run_phases`, `ngx_http_finalize_request`).
//! - POOL: memory from a pool doesn't move, and is writable and ours until the pool is destroyed. Cleanup handlers run
//!   before any of it is freed.
//! - STATE: the state of a request is on the heap. The cleanup handler of the request's pool owns a reference to it, and
//!   cancels the wait, including its timer, before it drops that reference.
//! - WAITER: a request is in the registry of waiters only while it lives: the cleanup handler of its state removes it.
//! - CONF: the master writes the configuration before the workers start. It is only read from then on, except for the
//!   reference counts of the values that requests share.
//! - COMMANDS: nginx itself relies on a module's command table, its indices, and the structures of its levels when it reads
//!   a directive: it calls the setter in the table with the structure, and the setter writes at the offset in the table.
//! - ZONE: the memory of a zone stays mapped, at the same address in every process of a configuration, until the process
//!   ends (except with `master_process off`, where nginx can't reload either). Its slab pool belongs to nginx; the only
//!   allocation in the pool is the arena, which is never freed.
//! - STRING: an `ngx_str_t` that nginx filled in refers to `len` bytes at `data`, or is empty.
//! - LIST: each part of an `ngx_list_t` holds `nelts` elements; the last part has room for `nalloc`.
//! - C API: an nginx function is called with the same kind of arguments as nginx's own callers pass.

pub mod ffi;
pub mod zones;
pub mod conf;
pub mod worker;
pub mod request;
pub mod module;
