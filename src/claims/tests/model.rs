//! Claims against a naive model: whatever the order of events, each follower gets what its leader landed, or nothing.

use proptest::prelude::*;

use super::world::{Event, KEYS, WORKERS, World};
use super::*;

pub(super) fn event() -> impl Strategy<Value = Event> {
    let (slot, name, timeout, pick) = (0..WORKERS, 0..KEYS, 1..3_000u64, any::<usize>());
    prop_oneof![
        6 => (slot.clone(), name.clone(), timeout.clone())
            .prop_map(|(slot, name, timeout)| Event::Join { slot, name, timeout }),
        1 => (slot.clone(), name, timeout)
            .prop_map(|(slot, name, timeout)| Event::Lead { slot, name, timeout }),
        3 => (pick, 0..900usize).prop_map(|(pick, len)| Event::Land { pick, len }),
        1 => pick.prop_map(|pick| Event::Abandon { pick }),
        1 => slot.prop_map(|slot| Event::AbandonAll { slot }),
        4 => pick.prop_map(|pick| Event::Collect { pick }),
        1 => pick.prop_map(|pick| Event::Forsake { pick }),
        2 => (0..1_500u64).prop_map(|time| Event::Pass { time }),
    ]
}

/// Where nothing has happened yet.
fn world(claims: &Claims<'_>) -> World {
    World { records: claims.claims.len(), blocks: claims.blocks.len(), ..World::default() }
}

proptest! {
    /// In any order of events: one leader at a time, what was landed or nothing for each follower, and nothing is left.
    #[test]
    fn followers_get_what_their_leader_landed(
        events in prop::collection::vec(event(), 0..150), bytes in prop::sample::select(vec![900, SMALL, ROOMY]),
    ) {
        let mut arena = Arena::new(bytes);
        let mut claims = arena.claims();
        let mut world = world(&claims);
        for event in events {
            world.apply(&mut claims, event);
            let usage = claims.usage();
            prop_assert!((usage.flying + usage.landed) as usize <= claims.claims.len());
            let flying = world.flights.iter().filter(|flight| !flight.is_over()).count();
            prop_assert!(usage.flying as usize <= flying);
        }
        // Nobody comes any more.
        for _ in 0..claims.claims.len() {
            world.now += 10_000;
            claims.sweep(world.now).unwrap();
        }
        assert_all_free(&mut claims, world.now);
    }

    /// Followers who come in the end leave nothing either, without any time passing.
    #[test]
    fn nothing_is_left_when_everybody_has_come(events in prop::collection::vec(event(), 0..150)) {
        let mut arena = Arena::new(SMALL);
        let mut claims = arena.claims();
        let mut world = world(&claims);
        for event in events {
            world.apply(&mut claims, event);
        }
        for slot in 0..WORKERS {
            world.abandon_all(&mut claims, slot);
        }
        while world.registration(0).is_some() {
            world.collect(&mut claims, 0);
        }
        assert_all_free(&mut claims, world.now);
    }
}
