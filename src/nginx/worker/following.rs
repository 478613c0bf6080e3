//! What a worker waits for in the shared claims, and which outcomes it has yet to hand on.

use crate::claims::{ClaimId, MAX_OUTCOME, Owner};
use crate::single_flight::FlightId;

/// What this worker waits for in the shared claims.
pub(super) struct Following {
    pub(super) flights: Vec<Followed>,
    /// Outcomes that could not be handed on because the lock wasn't available.
    pub(super) unlanded: Vec<Unlanded>,
    /// Preallocated, so that nothing is allocated under the lock.
    pub(super) buffer: Box<[u8]>,
}

#[derive(Clone, Copy)]
pub(super) struct Followed {
    pub(super) flight: FlightId,
    pub(super) claim: ClaimId,
    pub(super) leader: Owner,
}

/// A finished claim of this worker.
pub(super) struct Unlanded {
    pub(super) claim: ClaimId,
    /// The outcome for the followers. `None`: the call isn't made, and the followers ask again.
    pub(super) outcome: Option<Vec<u8>>,
}

impl Default for Following {
    fn default() -> Self {
        Self { flights: Vec::new(), unlanded: Vec::new(), buffer: vec![0; MAX_OUTCOME].into_boxed_slice() }
    }
}
