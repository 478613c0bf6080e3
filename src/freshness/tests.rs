use super::*;
use proptest::prelude::*;

const TIMES: Times = Times { valid: 60_000, invalid: 10_000, none: 5_000 };
const NO_WINDOWS: StaleWindows = StaleWindows { error: 0, updating: 0 };
const WINDOWS: StaleWindows = StaleWindows { error: 3_000, updating: 1_000 };
const ASKED: Millis = 1_000_000;

fn stamp(kind: Kind) -> Stamp {
    Stamp { kind, asked: ASKED, until: Millis::MAX }
}

#[test]
fn each_kind_has_its_own_time() {
    for (kind, time) in [(Kind::Valid, 60_000), (Kind::Invalid, 10_000), (Kind::None, 5_000)] {
        let judge = |age| stamp(kind).judge(ASKED + age, &TIMES, &NO_WINDOWS);
        assert_eq!((judge(0), judge(time - 1)), (Age::Fresh, Age::Fresh));
        assert_eq!((judge(time), judge(u64::MAX - ASKED)), (Age::Expired, Age::Expired));
    }
}

#[test]
fn a_none_in_doubt_lasts_as_long_as_the_doubt_has_and_a_second_at_least() {
    for (since, lasts) in
        [(ASKED, 1000), (ASKED - 1, 1000), (ASKED - 1000, 1000), (ASKED - 4000, 4000), (ASKED + 1, 1000)]
    {
        assert_eq!(stamp(Kind::None).doubted(since).until, ASKED + lasts, "{since}");
    }
    let short = Stamp { until: ASKED + 7, ..stamp(Kind::None) };
    assert_eq!(short.doubted(ASKED), short);
    let last = Stamp { asked: Millis::MAX, ..stamp(Kind::None) };
    assert_eq!(last.doubted(0).until, Millis::MAX);
}

#[test]
fn only_valid_answers_are_of_use_when_stale() {
    let both = Age::Stale { on_error: true, while_updating: true };
    let one = Age::Stale { on_error: true, while_updating: false };
    for (age, expected) in
        [(60_000, both), (60_999, both), (61_000, one), (62_999, one), (63_000, Age::Expired)]
    {
        assert_eq!(stamp(Kind::Valid).judge(ASKED + age, &TIMES, &WINDOWS), expected, "{age}");
    }
    for (kind, age) in [(Kind::Invalid, 10_000), (Kind::None, 5_000)] {
        assert_eq!(stamp(kind).judge(ASKED + age, &TIMES, &WINDOWS), Age::Expired);
    }
}

#[test]
fn the_answers_own_end_is_the_end() {
    let capped = Stamp { until: ASKED + 61_000, ..stamp(Kind::Valid) };
    assert_ne!(capped.judge(ASKED + 60_999, &TIMES, &WINDOWS), Age::Expired);
    assert_eq!(capped.judge(ASKED + 61_000, &TIMES, &WINDOWS), Age::Expired);
    let short = Stamp { until: ASKED + 10, ..stamp(Kind::Valid) };
    assert_eq!(short.judge(ASKED + 10, &TIMES, &WINDOWS), Age::Expired);
}

#[test]
fn a_time_of_zero_is_never() {
    let times = Times { valid: 0, invalid: 0, none: 0 };
    for kind in [Kind::Valid, Kind::Invalid, Kind::None] {
        assert_eq!(stamp(kind).judge(ASKED, &times, &WINDOWS), Age::Expired);
    }
}

#[test]
fn bounds_are_the_least_of_what_is_said() {
    let until = |kind, max_age, expires| Stamp::new(kind, ASKED, max_age, expires).map(|stamp| stamp.until);
    assert_eq!(until(Kind::Valid, None, None), Some(Millis::MAX));
    assert_eq!(until(Kind::Valid, Some(2), None), Some(ASKED + 2_000));
    assert_eq!(until(Kind::Valid, Some(2), Some(ASKED + 1)), Some(ASKED + 1));
    assert_eq!(until(Kind::Valid, Some(u64::MAX), Some(Millis::MAX)), Some(Millis::MAX));
    assert_eq!(until(Kind::Valid, Some(0), None), None);
    assert_eq!(until(Kind::Valid, None, Some(ASKED)), None);
    for kind in [Kind::Invalid, Kind::None] {
        assert_eq!(until(kind, Some(2), Some(ASKED + 1)), Some(ASKED + 2_000));
    }
}

proptest! {
    /// With any configuration, an answer is never used before its call was sent, after its end, or after its window.
    #[test]
    fn bounds_are_hard(
        asked in any::<u64>(), until in any::<u64>(), now in any::<u64>(),
        valid in any::<u64>(), error in any::<u64>(), updating in any::<u64>(),
    ) {
        let stamp = Stamp { kind: Kind::Valid, asked, until };
        let times = Times { valid, invalid: 0, none: 0 };
        let age = stamp.judge(now, &times, &StaleWindows { error, updating });
        let (now, asked, valid) = (u128::from(now), u128::from(asked), u128::from(valid));
        let last = asked + valid + u128::from(error.max(updating));
        if age != Age::Expired {
            prop_assert!(now >= asked && now < u128::from(until) && now < last && valid > 0);
        }
        prop_assert_eq!(age == Age::Fresh, now >= asked && now < u128::from(until) && now < asked + valid);
    }
}
