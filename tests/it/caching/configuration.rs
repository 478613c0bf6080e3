//! The cache's directives at `nginx -t`.

use super::super::harness::{Check, Nginx, Place, assert_refused};

const ZONE: &str = "authgear_cache_zone zone=sessions:1m;";

/// With a zone of the name `sessions`.
fn check(place: Place, fragment: &str) -> Check {
    place.put(Nginx::builder().http(ZONE), fragment).check()
}

#[track_caller]
fn assert_accepted(fragment: &str) {
    for place in [Place::Http, Place::Server, Place::Location] {
        println!("{place:?}: {fragment}");
        check(place, fragment).assert_ok();
    }
}

/// Refused with this sentence, in http and in a location, on that line.
#[track_caller]
fn assert_says(fragment: &str, sentence: &str, line: usize) {
    for place in [Place::Http, Place::Location] {
        println!("{place:?}: {fragment}");
        check(place, fragment).assert_refused(fragment, sentence, line);
    }
}

#[test]
fn good_zones_are_accepted() {
    for size in ["32k", "1m", "10M", "512K", "1048576", "64m"] {
        for name in ["a", "sessions_2", "A-b.c", "1"] {
            let fragment = format!("authgear_cache_zone zone={name}:{size};\nauthgear_cache {name};");
            Place::Http.put(Nginx::builder(), &fragment).check().assert_ok();
        }
    }
    let unused = format!("{ZONE}\nauthgear_cache_zone zone=unused:1m;");
    Place::Http.put(Nginx::builder(), &unused).check().assert_ok();
}

#[test]
fn a_zone_may_be_declared_after_its_use() {
    let fragment = format!("authgear_cache sessions;\nserver {{ authgear_cache sessions; }}\n{ZONE}");
    Place::Http.put(Nginx::builder(), &fragment).check().assert_ok();
}

#[test]
fn bad_zones_are_refused() {
    let form = "it must be \"zone=name:size\", where the name isn't \"off\"";
    let size = "its size must be a number of bytes, with \"k\" or \"m\" for more";
    let small = "it is too small, the least is 32k";
    for (argument, why) in [
        ("", form),
        ("sessions", form),
        ("sessions:1m", form),
        ("zone=sessions", form),
        ("zone=:1m", form),
        ("zone=", form),
        ("zone=off:1m", form),
        ("Zone=sessions:1m", form),
        ("keys=sessions:1m", form),
        ("zone=sessions:", size),
        ("zone=sessions:m", size),
        ("zone=sessions:1x", size),
        ("zone=sessions:1.5m", size),
        ("zone=sessions:-1m", size),
        ("zone=sessions:1m:2m", size),
        ("zone=sessions:many", size),
        ("zone=sessions: 1m", size),
        ("zone=sessions:99999999999999999999m", size),
        ("zone=authgear:state:1m", size),
        ("zone=sessions:0", small),
        ("zone=sessions:1", small),
        ("zone=sessions:31k", small),
        ("zone=sessions:32767", small),
    ] {
        let sentence =
            format!("invalid parameter \"{argument}\" in \"authgear_cache_zone\" directive, {why}");
        assert_refused(Place::Http, &format!("authgear_cache_zone \"{argument}\";"), &sentence, 1);
    }
}

#[test]
fn each_zone_has_a_name_of_its_own() {
    let twice = format!("{ZONE}\nauthgear_cache_zone zone=sessions:2m;");
    let sentence = "invalid parameter \"zone=sessions:2m\" in \"authgear_cache_zone\" directive, there is a zone of this name already";
    assert_refused(Place::Http, &twice, sentence, 2);
    for other in ["limit_req_zone $uri zone=sessions:1m rate=1r/s;", "limit_conn_zone $uri zone=sessions:1m;"]
    {
        for (first, second) in [(ZONE, other), (other, ZONE)] {
            let sentence = "the shared memory zone \"sessions\" is already declared for a different use";
            assert_refused(Place::Http, &format!("{first}\n{second}"), sentence, 2);
        }
    }
}

#[test]
fn a_name_that_no_zone_has_is_refused_where_it_is_written() {
    let sentence = |name: &str| {
        format!(
            "zone \"{name}\" is unknown; declare it with \"authgear_cache_zone zone={name}:10m\" at the level http"
        )
    };
    for place in [Place::Http, Place::Server, Place::Location] {
        for name in ["session", "Sessions", "sessions2", "on"] {
            let fragment = format!("# a line\n\nauthgear_cache {name};");
            check(place, &fragment).assert_refused(&fragment, &sentence(name), 3);
        }
        // Whether anything is resolved there or not.
        let resolved = "authgear_resolve http://127.0.0.1:1;\nauthgear_cache nothing;";
        check(place, resolved).assert_refused(resolved, &sentence("nothing"), 2);
    }
    // Another module's zone is none of ours.
    let foreign = "limit_req_zone $uri zone=foreign:1m rate=1r/s;\nauthgear_cache foreign;";
    check(Place::Http, foreign).assert_refused(foreign, &sentence("foreign"), 2);
    let state = "authgear_cache authgear:state;";
    check(Place::Server, state).assert_refused(state, &sentence("authgear:state"), 1);
}

#[test]
fn the_name_of_a_zone_is_not_empty() {
    let sentence =
        "invalid value \"\" in \"authgear_cache\" directive, it must be \"off\" or the name of a zone";
    assert_says("authgear_cache \"\";", sentence, 1);
    for fragment in ["authgear_cache off;", "authgear_cache sessions;"] {
        assert_accepted(fragment);
    }
}

#[test]
fn good_times_are_accepted() {
    for arguments in [
        "10m",
        "0",
        "1ms",
        "1h30m",
        "valid 1d",
        "invalid 5s",
        "none 0s",
        "valid invalid none 1m",
        "none valid 30",
    ] {
        assert_accepted(&format!("authgear_cache_valid {arguments};"));
    }
    assert_accepted(
        "authgear_cache_valid 1m;\nauthgear_cache_valid invalid 2m;\nauthgear_cache_valid none 3m;",
    );
    assert_accepted("authgear_cache_valid valid none 1m;\nauthgear_cache_valid invalid 2m;");
    // A level without a cache may say how long its inner ones keep things.
    Place::Http.put(Nginx::builder(), "authgear_cache_valid 1m;").check().assert_ok();
}

#[test]
fn bad_times_are_refused() {
    let time = "it must be a time, after the kinds that it is for";
    let kind = "it must be \"valid\", \"invalid\" or \"none\", and the last one a time";
    for (arguments, argument, why) in [
        ("never", "never", time),
        ("\"\"", "", time),
        ("-1s", "-1s", time),
        ("1x", "1x", time),
        ("1.5s", "1.5s", time),
        ("valid", "valid", time),
        ("valid invalid", "invalid", time),
        ("off", "off", time),
        ("99999999999999999999s", "99999999999999999999s", time),
        ("200 1m", "200", kind),
        ("any 1m", "any", kind),
        ("Valid 1m", "Valid", kind),
        ("valid error 1m", "error", kind),
        ("1m 2m", "1m", kind),
        ("\"\" 1m", "", kind),
    ] {
        let sentence =
            format!("invalid parameter \"{argument}\" in \"authgear_cache_valid\" directive, {why}");
        assert_says(&format!("authgear_cache_valid {arguments};"), &sentence, 1);
    }
}

#[test]
fn each_kind_has_one_time_at_a_level() {
    for (first, second, kind) in [
        ("1m", "2m", "valid"),
        ("1m", "valid 2m", "valid"),
        ("invalid 1m", "none invalid 1m", "invalid"),
        ("valid invalid none 1m", "none 1m", "none"),
        ("0", "0", "valid"),
    ] {
        let sentence = format!(
            "invalid parameter \"{kind}\" in \"authgear_cache_valid\" directive, its time is given twice at this level"
        );
        assert_says(&format!("authgear_cache_valid {first};\nauthgear_cache_valid {second};"), &sentence, 2);
    }
    let sentence = "invalid parameter \"none\" in \"authgear_cache_valid\" directive, its time is given twice at this level";
    assert_says("authgear_cache_valid none none 1m;", sentence, 1);
    // Levels are levels.
    let nested = "authgear_cache_valid 1m;\nlocation /in/ { authgear_cache_valid 2m; }";
    check(Place::Server, nested).assert_ok();
}

#[test]
fn good_windows_are_accepted() {
    for arguments in ["off", "error=1m", "updating=5s", "error=1h updating=10s", "updating=1ms error=1d"] {
        assert_accepted(&format!("authgear_cache_use_stale {arguments};"));
    }
}

#[test]
fn bad_windows_are_refused() {
    let which = "it must be \"error=\", \"updating=\" or \"off\"";
    let time = "it must be a time of more than 0";
    for (arguments, argument, why) in [
        ("on", "on", which),
        ("error", "error", which),
        ("timeout=1m", "timeout=1m", which),
        ("Error=1m", "Error=1m", which),
        ("1m", "1m", which),
        ("\"\"", "", which),
        ("error=", "error=", time),
        ("error=0", "error=0", time),
        ("updating=0s", "updating=0s", time),
        ("error=-1s", "error=-1s", time),
        ("error=always", "error=always", time),
        ("updating=1x", "updating=1x", time),
        ("error=1m error=2m", "error=2m", "it is given twice"),
        ("error=1m off", "off", "\"off\" stands alone"),
        ("off error=1m", "off", "\"off\" stands alone"),
        ("off off", "off", "\"off\" stands alone"),
    ] {
        let sentence =
            format!("invalid parameter \"{argument}\" in \"authgear_cache_use_stale\" directive, {why}");
        assert_says(&format!("authgear_cache_use_stale {arguments};"), &sentence, 1);
    }
}
