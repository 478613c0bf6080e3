//! Claims whose memory says what can't be: that may cost their contents, and no more. Input: events before, the damage, and
//! events after it.

use arbitrary::Unstructured;

use super::claims::{Arena, SMALL, assert_all_free, events, stir};
use super::store_damage::damage;

pub fn run(input: &[u8]) {
    let mut input = Unstructured::new(input);
    let mut arena = Arena::new(SMALL);
    let mut ids = Vec::new();
    stir(&mut arena.claims(), &events(&mut input, 24), &mut ids);
    if damage(&mut input, arena.bytes()).is_err() {
        return;
    }
    let mut claims = arena.claims();
    stir(&mut claims, &events(&mut input, 400), &mut ids);
    // After a format all is as new.
    claims.format();
    assert_all_free(&mut claims, 0);
}
