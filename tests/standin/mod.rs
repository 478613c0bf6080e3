//! Stand-ins for the outside world in tests and in the demo: Authgear's session resolver, and backends that echo their
//! requests.
//!
//! All servers run on one background runtime, started with the first of them, so that a test is ordinary blocking code. A
//! server stops when its handle is dropped. Nothing here may be called from within that runtime. Programs include this
//! module as `standin`, at their root.
#![allow(dead_code, unused_imports, reason = "three programs include this module and none uses all of it")]
#![allow(unreachable_pub, reason = "a module that others include has no outside of its own")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a stand-in that fails is a failed test"
)]

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

pub mod accounts;
pub mod date;
pub mod dns;
pub mod echo;
pub mod go;
pub mod http1;
pub mod net;
pub mod raw;
pub mod resolver;
pub mod tls;

pub use accounts::{Accounts, Credentials, Kind};
pub use resolver::Resolver;
pub use resolver::call::{Call, Version};
pub use resolver::fault::{ConnectionFault, Fault};
pub use tls::{ClientAuth, Leaf, Pki, ServerTls};

/// The runtime that all servers share. It lives as long as the process.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("standin")
            .enable_all()
            .build()
            .expect("a runtime for the stand-ins")
    })
}
