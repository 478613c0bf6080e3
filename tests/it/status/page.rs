//! The page of `authgear_status html`, as a browser shows it: what it tells, and when.

use super::super::harness::{Builder, PATIENCE, poll};
use super::super::standin::{Fault, Kind};
use super::ask;
use super::visit::Visit;

#[test]
fn it_shows_the_right_numbers_and_renews_them() {
    let Some(mut visit) = Visit::start("") else { return };
    let alice = visit.live.alice();
    for _ in 0..4 {
        ask(&visit.live, &alice);
    }
    ask(&visit.live, &visit.live.request_of("disabled", Kind::Bearer));
    for (name, expected) in [("requests.valid", "4"), ("requests.invalid", "1"), ("cache.HIT", "3")] {
        visit.wait_for_count(name, expected);
    }
    // All of them have come since the page was there.
    let [all, valid, none, invalid, error] = &visit.chart("Requests")[..] else { panic!("five numbers") };
    let rates = [all, valid, invalid].map(|rate| rate.parse::<f64>().expect("a number"));
    assert!(rates.iter().all(|rate| *rate > 0.0) && (rates[1] - 4.0 * rates[2]).abs() < 0.02, "{rates:?}");
    assert_eq!([none, error], ["0", "0"]);
    assert_eq!(visit.chart("Answered from the cache"), ["60 %", "60 %"]);
    let times = visit.chart("Time to an answer");
    assert!(times.len() == 4 && times.iter().all(|time| time.ends_with('s')), "{times:?}");
    assert_eq!(visit.chart("Calls in flight"), ["0", "0"]);
    assert_eq!(visit.browser.text("#zones h3"), "sessions");
    for _ in 0..1200 {
        ask(&visit.live, &alice);
    }
    visit.wait_for_count("requests.valid", "1,204");
    let drawn = visit.browser.eval("document.querySelectorAll('.plot path[d^=M]').length");
    assert!(drawn.as_u64() > Some(6 * 3), "lines of the grid are {drawn} of what is drawn");
    visit.finish();
}

/// As nginx merges slashes, and a URL that begins with two of them names a host.
#[test]
fn it_asks_its_own_location_whatever_slashes_lead_to_it() {
    let Some(mut visit) = Visit::start("") else { return };
    let alice = visit.live.alice();
    for (count, path) in ["//page", "/.//page", "//other.example/..%2fpage"].into_iter().enumerate() {
        visit.open(path);
        ask(&visit.live, &alice);
        visit.wait_for_count("requests.valid", &(count + 1).to_string());
    }
    assert!(visit.browser.complaints().is_empty());
    let host = visit.url("/");
    assert!(visit.browser.requests().iter().all(|url| url.starts_with(&host) || url.starts_with("data:")));
    visit.browser.close();
    visit.live.finish();
}

#[test]
fn it_shows_calls_that_wait_and_a_breaker_that_opens() {
    let Some(mut visit) = Visit::start("authgear_breaker max_fails=1 fail_timeout=60s;") else { return };
    visit.live.resolver.set_fault(Some(Fault::Gate));
    let mut waiting = visit.live.begin(&visit.live.unique());
    visit.wait_for_text("#charts", "calls 1");
    visit.live.resolver.clear_faults();
    waiting.receive(b"GET").expect("an answer");
    visit.live.resolver.set_fault(Some(Fault::Status(503)));
    let before = visit.live.resolver.call_count();
    for _ in 0..10 {
        ask(&visit.live, &visit.live.unique());
    }
    // The first made a call, and perhaps a probe.
    let failed = visit.live.resolver.call_count() - before;
    visit.wait_for_count("resolver_requests.503", &failed.to_string());
    visit.wait_for_count("resolver_requests_skipped.breaker", &(10 - failed).to_string());
    let breaker = visit.browser.text("#resolvers .breaker.open");
    assert!(breaker.starts_with("breaker open since ") && !breaker.contains("before"), "{breaker}");
    let url = visit.live.resolver.url();
    visit.wait_for_text(
        "[role=alert]",
        &format!("The resolver {url}/_resolver/resolve fails, and its breaker is open"),
    );
    assert_eq!(visit.browser.eval("document.title"), "Breaker open – Authgear status");
    let failures = visit.chart("Failures");
    let is_zero: Vec<_> = failures.iter().map(|rate| rate == "0").collect();
    assert_eq!(is_zero, [false, true, true, false, false, true], "{failures:?}");
    // A page that finds it open can't know since when.
    visit.open("/page");
    visit.wait_for_text("#resolvers .breaker.open", "breaker open since before ");
    visit.live.resolver.clear_faults();
    let works = poll(PATIENCE, || (ask(&visit.live, &visit.live.unique()).status == 200).then_some(()));
    assert!(works.is_some(), "the breaker stays open");
    visit.wait_for_text("#resolvers", "breaker closed");
    visit.browser.wait_for("document.querySelector('[role=alert]').innerText === ''");
    visit.finish();
}

#[test]
fn it_says_that_nginx_is_gone_and_how_old_its_numbers_are() {
    let Some(mut visit) = Visit::start("") else { return };
    visit.live.finish();
    let browser = &mut visit.browser;
    browser.wait_for(
        "document.querySelector('[role=alert]').innerText.startsWith('No numbers from nginx since ')",
    );
    let alert = browser.text("[role=alert]");
    assert!(alert.ends_with(": it can’t be reached. What is shown is old."), "{alert}");
    browser.wait_for("document.querySelector('#state').innerText.endsWith(' seconds old')");
    assert_eq!(browser.eval("document.title"), "No numbers – Authgear status");
    visit.browser.close();
}

#[test]
fn it_says_what_it_gets_in_the_place_of_numbers() {
    let lines = "location = /refused { if ($args) { return 403; } authgear_resolve off; authgear_status html; }
                 location = /odd { if ($args) { return 200 '<p>'; } authgear_resolve off; authgear_status html; }
                 location = /other { if ($args) { return 200 '{}'; } authgear_resolve off; authgear_status html; }";
    let Some(mut visit) = Visit::start(lines) else { return };
    for (target, why) in [
        ("/refused", "it answers with the status 403"),
        ("/odd", "it answers with something else"),
        ("/other", "it answers with something else"),
    ] {
        visit.open(target);
        visit.wait_for_text("[role=alert]", &format!("No numbers from nginx: {why}. What is shown is old."));
    }
    visit.browser.close();
    visit.live.finish();
}

#[test]
fn counts_that_begin_anew_are_no_negative_rates() {
    let Some(mut visit) = Visit::build("", Builder::upgradable) else { return };
    for _ in 0..3 {
        ask(&visit.live, &visit.live.unique());
    }
    visit.wait_for_count("requests.valid", "3");
    // So that there are more in the first sample than in those of later.
    visit.open("/page");
    visit.wait_for_text("#state", "Live, ");
    // What the new binary counts is its own.
    visit.live.nginx.upgrade();
    for expected in ["0", "1"] {
        visit.wait_for_count("requests.valid", expected);
        let charts = visit.browser.text("#charts");
        assert!(charts.contains("valid") && !charts.contains('-'), "{charts}");
        ask(&visit.live, &visit.live.unique());
    }
    visit.finish();
}

#[test]
fn it_pauses_and_goes_on() {
    let Some(mut visit) = Visit::start("") else { return };
    visit.browser.eval("document.querySelector('button').click()");
    visit.wait_for_text("#state", "Paused at ");
    ask(&visit.live, &visit.live.alice());
    // One question may have been under way.
    let before = visit.browser.requests().len();
    visit.browser.eval("new Promise(done => setTimeout(done, 5000))");
    assert!(visit.browser.requests().len() <= before + 1);
    assert_eq!(visit.browser.text("[data-count=\"requests.valid\"]"), "0");
    visit.browser.eval("document.querySelector('button').click()");
    visit.wait_for_count("requests.valid", "1");
    visit.wait_for_text("#state", "Live, ");
    visit.finish();
}

#[test]
fn a_clock_that_is_set_back_makes_no_negative_rates() {
    let Some(mut visit) = Visit::start("") else { return };
    visit.browser.eval("{ const now = Date.now; Date.now = () => now() - 3600000 }");
    for expected in ["1", "2"] {
        ask(&visit.live, &visit.live.unique());
        visit.wait_for_count("requests.valid", expected);
        let charts = visit.browser.text("#charts");
        assert!(charts.contains("valid") && !charts.contains('-'), "{charts}");
    }
    visit.wait_for_text("#state", "Live, ");
    visit.finish();
}
