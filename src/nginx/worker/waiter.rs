//! Ids of waiting requests.

use slotmap::new_key_type;

new_key_type! {
    /// Identifies a suspended request. Ids are never reused, so an id that outlives its request finds nothing.
    pub struct WaiterId;
}
