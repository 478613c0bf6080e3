//! One worker process: its waiting requests, the flights that they wait for, and the caches.

mod calls;
mod ended;
mod flight;
mod follow;
mod following;
mod poll;
pub mod process;
mod state;
mod thread;
mod waiter;

pub use ended::{Arrival, Called};
pub use flight::{Refused, Wanted};
pub use state::{Worker, stop, with};
pub use waiter::WaiterId;
