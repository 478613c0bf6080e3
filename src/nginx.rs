//! The edge to nginx: callbacks in, nginx's functions out. All unsafe code is here.
//!
//! The modules in reading order; each uses only what stands above it.
//!
//! A SAFETY comment names one of these invariants and the local fact.
//!
//! - MAIN THREAD: nginx calls back on one thread of a process, the one that runs its event loop. Of this module only
//!   [`ffi::bridge::Waker::wake`] is called on another.
//! - LIVE REQUEST: a request that nginx passes to a callback, its connection and its pool live until the callback returns,
//!   or calls what may end the request (`ngx_http_core_run_phases`, `ngx_http_finalize_request`).
//! - POOL: memory of a pool stays where it is, writable and ours until the pool is destroyed. Cleanup handlers run
//!   before any of it is freed.
//! - STATE: a request's state is on the heap. The cleanup handler of the request's pool owns a count of it, and cancels
//!   the waiting, timer included, before it gives that up.
//! - WAITER: a request is in the registry of waiters only while it lives: its state's cleanup handler takes it out.
//! - CONF: configuration is written before the workers start, by the master, and only read from then on, but for the counts
//!   of what requests share.
//! - COMMANDS: a module's command table, its indices and the structures of its levels are what nginx itself goes by when it reads a
//!   directive: the setter in the table is called with the structure, and writes at the offset in the table.
//! - ZONE: the memory of a zone stays mapped, at the same address in every process of a configuration, until the process ends
//!   (but for `master_process off`, with which nginx can't reload either); its slab pool is nginx's, the one allocation in that is an arena's, for ever.
//! - STRING: an `ngx_str_t` that nginx filled names `len` bytes at `data`, or is empty.
//! - LIST: each part of an `ngx_list_t` holds `nelts` elements, the last one room for `nalloc`.
//! - C API: an nginx function is called with the arguments that its own callers in nginx give it.

pub mod ffi;
pub mod zones;
pub mod conf;
pub mod worker;
pub mod request;
pub mod module;
