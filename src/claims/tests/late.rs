//! Overdue flights, and outcomes that are never collected.

use super::*;

#[test]
fn room_is_made_of_what_is_past_due() {
    let mut arena = Arena::new(SMALL);
    let mut claims = arena.claims();
    let most = claims.blocks.len() * BLOCK_BYTES;
    for now in [0, KEEP_LANDED] {
        let id = lead(&mut claims, 1, 1, now);
        follow(&mut claims, 1, 2, now);
        claims.land(id, now, &vec![1; most]).unwrap();
        let late = lead(&mut claims, 2, 1, now);
        follow(&mut claims, 2, 2, now);
        claims.land(late, now + KEEP_LANDED - 1, b"x").unwrap();
        assert_eq!(collect(&mut claims, late), Err(Collected::Gone));
        assert_eq!(usage(&claims), (0, 1));
        let later = lead(&mut claims, 3, 1, now);
        follow(&mut claims, 3, 2, now);
        claims.land(later, now + KEEP_LANDED, b"x").unwrap();
        assert_eq!(collect(&mut claims, later), Ok(b"x".to_vec()));
        assert_eq!(collect(&mut claims, id), Err(Collected::Gone));
    }
    assert_all_free(&mut claims, KEEP_LANDED);
}

#[test]
fn a_flight_past_its_deadline_is_taken_over() {
    let mut arena = Arena::new(ROOMY);
    for by_lead in [false, true] {
        let mut claims = arena.claims();
        let old = lead(&mut claims, 1, 1, 0);
        follow(&mut claims, 1, 2, 99);
        let new = if by_lead {
            assert_eq!(claims.lead(&key(1), worker(3), 99, 500), Ok(None));
            claims.lead(&key(1), worker(3), 100, 500).unwrap().unwrap()
        } else {
            lead(&mut claims, 1, 3, 100)
        };
        assert_eq!(usage(&claims), (1, 1));
        assert_eq!(claims.land(old, 101, b"old"), Ok(Wakes::default()));
        follow(&mut claims, 1, 4, 101);
        assert_eq!(collect(&mut claims, old), Err(Collected::Gone));
        assert_eq!(slots(claims.land(new, 102, b"new").unwrap()), [4]);
        assert_eq!(collect(&mut claims, new), Ok(b"new".to_vec()));
        assert_all_free(&mut claims, 200);
    }
}

#[test]
fn a_late_flight_that_nobody_took_over_still_lands() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let id = lead(&mut claims, 1, 1, 0);
    follow(&mut claims, 1, 2, 99);
    assert_eq!(slots(claims.land(id, 1_000_000, b"late").unwrap()), [2]);
    assert_eq!(collect(&mut claims, id), Ok(b"late".to_vec()));
}

#[test]
fn what_no_follower_comes_for_is_freed_a_few_at_a_time() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let ids: Vec<_> = (0..10).map(|name| lead(&mut claims, name, 1, 0)).collect();
    for (name, id) in (0..).zip(ids) {
        follow(&mut claims, name, 2, 0);
        if name < 5 {
            claims.land(id, 10, b"x").unwrap()
        } else {
            claims.abandon(id, 10).unwrap()
        };
    }
    let stale = lead(&mut claims, 99, 1, 10);
    claims.abandon(stale, 10).unwrap();
    for (now, left) in [(9 + KEEP_LANDED, 10), (10 + KEEP_LANDED, 6), (10 + KEEP_LANDED, 2), (Millis::MAX, 0)]
    {
        claims.land(stale, now, b"").unwrap();
        assert_eq!(usage(&claims), (0, left));
    }
    assert_all_free(&mut claims, 0);
}

#[test]
fn a_leader_that_is_never_heard_of_again_leaves_nothing() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    for name in 0..10 {
        lead(&mut claims, name, 1, 0);
    }
    let followed = follow(&mut claims, 0, 2, 0);
    let lost = 100 + KEEP_LANDED;
    for (now, left) in [(lost - 1, (11, 0)), (lost, (8, 1)), (lost, (5, 1)), (lost, (4, 1))] {
        claims.lead(&key(50 + u64::from(left.0)), worker(1), now, lost * 9).unwrap();
        assert_eq!(usage(&claims), left);
    }
    assert_eq!(collect(&mut claims, followed), Err(Collected::Gone));
}

#[test]
fn a_flight_past_its_deadline_is_over_for_its_followers() {
    let mut arena = Arena::new(ROOMY);
    let mut claims = arena.claims();
    let id = lead(&mut claims, 1, 1, 0);
    let follower = follow(&mut claims, 1, 2, 0);
    assert_eq!(claims.is_over(follower, 99), Ok(false));
    assert_eq!(claims.is_over(follower, 100), Ok(true));
    assert_eq!(collect(&mut claims, follower), Err(Collected::Gone));
    assert_eq!(claims.land(id, 101, b"late"), Ok(Wakes::default()));
    assert_eq!(claims.is_over(follower, 101), Ok(true));
    assert_eq!(claims.usage(), Usage { flying: 0, landed: 0 });
}
