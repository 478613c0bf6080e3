//! Names for requests that wait.

use slotmap::new_key_type;

new_key_type! {
    /// Names a suspended request. Never used for another one, so an id that outlives its request finds nothing.
    pub struct WaiterId;
}
