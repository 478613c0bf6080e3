use super::*;
use http::HeaderValue;
use proptest::prelude::*;

const MOST: u64 = u32::MAX as u64;

fn map<'a>(lines: impl IntoIterator<Item = (&'static str, &'a [u8])>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

/// The limit set by these Cache-Control lines.
fn of(lines: &[&str]) -> Option<u64> {
    max_age(&map(lines.iter().map(|line| ("cache-control", line.as_bytes()))))
}

fn aged(cache_control: &str, ages: &[&str]) -> Option<u64> {
    let ages = ages.iter().map(|age| ("age", age.as_bytes()));
    max_age(&map([("cache-control", cache_control.as_bytes())].into_iter().chain(ages)))
}

#[test]
fn an_answer_that_says_nothing_has_no_bound() {
    for lines in
        [&[][..], &[""], &[","], &["private"], &["public, must-revalidate"], &["private=\"set-cookie, a\""]]
    {
        assert_eq!(of(lines), None, "{lines:?}");
    }
    assert_eq!(max_age(&map([("age", &b"5"[..])])), None);
    assert_eq!(max_age(&map([("expires", &b"0"[..]), ("pragma", b"no-cache")])), None);
}

#[test]
fn unknown_directives_are_ignored() {
    for line in
        ["max-ages=5", "x-max-age=5", "min-fresh=5", "stale-if-error=5", "no-stores", "no store", "=5", "é=5"]
    {
        assert_eq!(of(&[line]), None, "{line:?}");
    }
    assert_eq!(of(&["foo, max-age=5; bar, baz=\"1\", max-age=7"]), Some(0));
    assert_eq!(of(&["foo, baz=\"1\", max-age=7"]), Some(7));
}

#[test]
fn what_may_not_be_kept_has_a_bound_of_zero() {
    for line in [
        "no-store",
        "no-cache",
        "No-Store",
        "NO-CACHE",
        " \tno-store\t ",
        "no-cache=\"set-cookie\"",
        "private, no-store, max-age=60",
        "max-age=60,no-cache",
        "foo=\"bar, no-store",
        "foo=\"\\\"\", no-store",
    ] {
        assert_eq!(of(&[line]), Some(0), "{line:?}");
    }
}

#[test]
fn the_smallest_bound_counts() {
    for (lines, expected) in [
        (&["max-age=60"][..], 60),
        (&["MAX-AGE=60"], 60),
        (&["max-age=\"60\""], 60),
        (&["max-age = 60"], 60),
        (&["s-maxage=30"], 30),
        (&["max-age=60, s-maxage=30"], 30),
        (&["max-age=30, s-maxage=60"], 30),
        (&["max-age=60, max-age=20"], 20),
        (&["max-age=60", "private", "max-age=20"], 20),
        (&["max-age=60", "no-store"], 0),
        (&["max-age=0"], 0),
        (&["max-age=007"], 7),
    ] {
        assert_eq!(of(lines), Some(expected), "{lines:?}");
    }
}

#[test]
fn a_time_that_can_not_be_read_is_zero() {
    for time in
        ["", "=", "=\"\"", "=abc", "=-1", "=+1", "=1.5", "=1e3", "=60s", "=6 0", "=0x10", "='60'", "=６０"]
    {
        assert_eq!(of(&[&format!("max-age{time}")]), Some(0), "{time:?}");
        assert_eq!(of(&[&format!("max-age=60, s-maxage{time}")]), Some(0), "{time:?}");
    }
}

#[test]
fn large_times_saturate() {
    for (time, expected) in [
        ("4294967294", MOST - 1),
        ("4294967295", MOST),
        ("4294967296", MOST),
        ("18446744073709551616", MOST),
        (&"9".repeat(1000), MOST),
    ] {
        assert_eq!(of(&[&format!("max-age={time}")]), Some(expected), "{time}");
    }
}

#[test]
fn time_in_other_caches_is_subtracted() {
    for (ages, expected) in [
        (&["10"][..], 50),
        (&["0"], 60),
        (&["60"], 0),
        (&["61"], 0),
        (&[&"9".repeat(30)], 0),
        (&["10, 20"], 50),
        (&["10", "20"], 50),
        (&["abc"], 60),
        (&["-5"], 60),
        (&[""], 60),
    ] {
        assert_eq!(aged("max-age=60", ages), Some(expected), "{ages:?}");
    }
    assert_eq!(aged("private", &["10"]), None);
    assert_eq!(aged("no-store", &["10"]), Some(0));
}

proptest! {
    /// Arbitrary lines never cause a panic, and the result never exceeds the limit that the directive sets on its own.
    #[test]
    fn a_directive_bounds_whatever_is_around_it(
        before in "[ -~é]{0,20}",
        after in "[ -~é]{0,20}",
        bytes in prop::collection::vec(prop_oneof![b' '..b'\x7f', b'\x80'.., Just(b'\t')], 0..30),
        time in any::<u64>(),
    ) {
        let line = format!("{before}, max-age={time}, {after}");
        let found = max_age(&map([("cache-control", line.as_bytes()), ("cache-control", &bytes), ("age", &bytes)]));
        prop_assert!(found.is_some_and(|bound| bound <= time.min(MOST)), "{:?}", found);
        max_age(&map([("cache-control", &bytes[..])]));
    }
}
