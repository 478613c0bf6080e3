//! `docs/status.png`: the page after five minutes of a site's life. `scripts/test --only picture` makes it.

use std::f64::consts::TAU;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::harness::{Http1, Request};
use super::super::live::Live;
use super::super::standin::accounts::User;
use super::super::standin::{Accounts, Fault, Kind, Resolver};
use super::browser::Browser;
use super::{PLACES, ZONE};

const USERS: usize = 1500;
const VISITORS: u64 = 6;
/// What the charts show, and a little more.
const LIFE: Duration = Duration::from_secs(305);
const WIDTH: u32 = 1280;

/// What happens meanwhile, in seconds.
fn is_slow(time: f64) -> bool {
    (160.0..185.0).contains(&time)
}

fn partners_are_down(time: f64) -> bool {
    (85.0..110.0).contains(&time) || time > 290.0
}

#[test]
fn the_page_is_drawn_for_the_manual() {
    let Ok(path) = std::env::var("AUTHGEAR_PICTURE") else {
        eprintln!("skipped: AUTHGEAR_PICTURE names no file to draw into");
        return;
    };
    let mut browser = Browser::start().expect("a browser to draw with");
    browser.show_on(WIDTH, 900, "light");
    let (accounts, users) = accounts();
    let (start, main, partners) = (Instant::now(), resolver(3001, &accounts), resolver(3002, &accounts));
    main.set_rule(move |_| Some(Fault::Delay(delay(is_slow(start.elapsed().as_secs_f64())))));
    partners.set_rule(move |_| {
        let is_down = partners_are_down(start.elapsed().as_secs_f64());
        Some(if is_down { Fault::Status(503) } else { Fault::Delay(delay(false)) })
    });
    let live = site(main, &partners);
    browser.open(&format!("http://127.0.0.1:{}/page", live.nginx.port()));
    thread::scope(|scope| {
        for visitor in 0..VISITORS {
            let (users, port) = (&users, live.nginx.port());
            scope.spawn(move || visit(port, users, visitor, start));
        }
    });
    let bottom = "document.querySelector('.columns').getBoundingClientRect().bottom + scrollY + 16";
    let clip = json!({ "x": 0, "y": 0, "width": WIDTH, "height": browser.eval(bottom), "scale": 1 });
    let shot = browser.call("Page.captureScreenshot", json!({ "clip": clip, "captureBeyondViewport": true }));
    let image = STANDARD.decode(shot["data"].as_str().expect("an image")).expect("base64");
    std::fs::write(path, image).expect("a file that can be written");
    browser.close();
    live.finish();
}

/// Where Authgear's own manual has it; so these ports have to be free.
fn resolver(port: u16, accounts: &Accounts) -> Resolver {
    Resolver::builder().listen(([127, 0, 0, 1], port).into()).accounts(accounts).keep_calls(1).start()
}

fn accounts() -> (Accounts, Vec<(String, String)>) {
    let accounts = Accounts::default();
    let alice = accounts.user("alice");
    let sessions = (0..USERS).map(|n| {
        let (name, id) = (format!("user{n}"), format!("acdc0d99-f784-43d5-b53d-{n:012}"));
        accounts.add(User { name: name.clone(), id, ..alice.clone() });
        accounts.login(&name).header(Kind::Session, "")
    });
    let sessions = sessions.collect();
    (accounts, sessions)
}

/// A long tail, as answers of servers have it.
fn delay(is_slow: bool) -> Duration {
    let typical = if is_slow { 250.0 } else { 18.0 };
    Duration::from_secs_f64(typical / 1000.0 * (fastrand::f64() * 2.5).exp() / 3.0)
}

fn site(main: Resolver, partners: &Resolver) -> Live {
    let lines = format!(
        "{PLACES}
         authgear_origin https://myapp.authgear.cloud;
         authgear_cache sessions;
         authgear_cache_valid 60s;
         authgear_breaker max_fails=3 fail_timeout=5s;
         location /partners/ {{
             authgear_resolve {};
             authgear_origin https://partners.authgear.cloud;
             authgear_cache partners;
             {{pass}}
         }}",
        partners.url()
    );
    let zones = format!("{ZONE}\nauthgear_cache_zone zone=partners:256k;\nkeepalive_requests 1000000;");
    Live::build(main, &lines, |builder| builder.http(zones).workers(2))
}

/// Requests of many users over one connection, some twelve a second, in waves.
fn visit(port: u16, users: &[(String, String)], visitor: u64, start: Instant) {
    let mut random = fastrand::Rng::with_seed(visitor);
    let mut connection = Http1::connect(port).expect("nginx accepts");
    while start.elapsed() < LIFE {
        let wave = 1.0 + 0.35 * (start.elapsed().as_secs_f64() / 140.0 * TAU).sin();
        thread::sleep(Duration::from_secs_f64(random.f64() * 0.16 / wave));
        // Few come often, many seldom.
        let (name, value) = &users[(users.len() as f64 * random.f64().powi(3)) as usize];
        let request = match random.u8(0..100) {
            0..=13 => Request::get("/"),
            14..=17 => Request::get("/").header("Cookie", format!("session=ended{}", random.u8(..))),
            18..=25 => Request::get("/partners/").header(name, value),
            _ => Request::get("/").header(name, value),
        };
        connection.exchange(&request).expect("an answer");
    }
}
