//! Helpers for common operations on claims, and a check that none are left behind. Every program that includes the model also
//! includes this file.

#![allow(unreachable_pub, reason = "programs that include it have no outside of their own")]

use super::{
    BLOCK_BYTES, Capacity, ClaimId, Claims, Collected, Damaged, Joined, MAX_OUTCOME, Millis, Owner, Usage,
    Wakes, key,
};

/// Memory for 12 claims.
pub const SMALL: usize = 12 * 224;
/// Memory with enough blocks for one outcome of any length.
pub const ROOMY: usize = 32 * 1024;

/// Checks that nothing is in use and everything can be used: every record can lead, and every block can hold part of an
/// outcome.
pub fn assert_all_free(claims: &mut Claims<'_>, now: Millis) {
    assert_eq!(claims.usage(), Usage { flying: 0, landed: 0 });
    let Capacity { claims: records, blocks } = claims.capacity();
    let ids: Vec<_> = (0..records).map(|name| lead(claims, name as u64, 1, now)).collect();
    let another = key(records as u64);
    assert_eq!(claims.join(&another, worker(1), now, now + 1), Ok(Joined::Full));
    assert_eq!(claims.lead(&another, worker(1), now, now + 1), Ok(None));
    let most = MAX_OUTCOME / BLOCK_BYTES;
    let shares: Vec<_> =
        (0..records).map(|place| blocks.saturating_sub(place * most).min(most) * BLOCK_BYTES).collect();
    for (name, id) in ids.iter().enumerate() {
        follow(claims, name as u64, 2, now);
        claims.land(*id, now, &vec![7; shares[name]]).unwrap();
    }
    for (id, share) in ids.iter().zip(shares) {
        assert_eq!(collect(claims, *id), Ok(vec![7; share]));
    }
    assert_eq!(claims.usage(), Usage { flying: 0, landed: 0 });
}

pub fn lead(claims: &mut Claims<'_>, name: u64, slot: u32, now: Millis) -> ClaimId {
    match claims.join(&key(name), worker(slot), now, now + 100) {
        Ok(Joined::Lead(id)) => id,
        other => panic!("{other:?}"),
    }
}

pub fn follow(claims: &mut Claims<'_>, name: u64, slot: u32, now: Millis) -> ClaimId {
    match claims.join(&key(name), worker(slot), now, now + 100) {
        Ok(Joined::Follow(id, _)) => id,
        other => panic!("{other:?}"),
    }
}

/// Collects the outcome, if it landed.
///
/// # Errors
/// If there is no outcome: the reason.
pub fn collect(claims: &mut Claims<'_>, id: ClaimId) -> Result<Vec<u8>, Collected> {
    const UNTOUCHED: [u8; MAX_OUTCOME] = [0xee; MAX_OUTCOME];
    let mut out = UNTOUCHED.to_vec();
    match claims.collect(id, &mut out) {
        Ok(Collected::Landed(len)) => {
            assert!(out[len..] == UNTOUCHED[len..]);
            out.truncate(len);
            Ok(out)
        }
        Ok(other) => Err(other),
        Err(Damaged) => panic!("damaged"),
    }
}

#[must_use]
pub fn worker(slot: u32) -> Owner {
    Owner { pid: 1000 + slot, slot, generation: 1 }
}

#[must_use]
pub fn slots(wakes: Wakes) -> Vec<u32> {
    (0..64).filter(|slot| wakes.has(*slot)).collect()
}
