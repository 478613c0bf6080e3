//! self-hosted.conf: apps, and the Authgear that they ask, behind one nginx.

use std::fs;

use super::{Example, Kind, Nginx, PATIENCE, Request, Resolver, Stage, ask_plain, free_port, poll};
use crate::standin::echo::{self, Echo};

/// The example runs, with a stand-in for Authgear's pages.
struct Site {
    stage: Stage,
    pages: Echo,
    nginx: Nginx,
    example: Example,
    port: u16,
}

impl Site {
    fn start() -> Self {
        let stage = Stage::with(Resolver::builder().cookie_prefix("myapp_").start());
        let (pages, port) = (echo::Http::start(), free_port());
        let example =
            Example::read("self-hosted.conf").replace("http://10.0.0.5:3001", &stage.resolver.url());
        let example = example.replace("10.0.0.5:3000", &pages.addr().to_string());
        let example = example.replace("127.0.0.1:8080", &stage.echo.addr().to_string());
        let mut example = example.replace("10.0.0.0/24", "127.0.0.1");
        let nginx = example.start(port, free_port());
        Self { stage, pages, nginx, example, port }
    }

    /// With a good session.
    fn request(&self, host: &str) -> Request {
        let session = self.stage.accounts().mint("alice", Kind::Session);
        let request = Request::get("/").host(host).header("Cookie", format!("myapp_session={session}"));
        request.header("X-Forwarded-For", "198.51.100.7")
    }
}

#[test]
fn each_app_is_asked_for_in_its_own_name() {
    let site = Site::start();
    for (host, origin) in
        [("www.example.com", "auth.example.com"), ("shop.example.com", "auth.shop.example.com")]
    {
        site.stage.assert_is("alice", &ask_plain(site.port, &site.request(host)));
        let call = site.stage.resolver.last_call().expect("it was asked");
        assert_eq!((call.text("host"), call.text("x-forwarded-proto")), (Some(origin), Some("https")));
        assert_eq!(call.text("x-forwarded-for"), Some("198.51.100.7"));
        let path = site.example.folder.path().join("access.log");
        let log = || fs::read_to_string(&path).unwrap_or_default();
        let of_app = |line: &str| line.contains(&format!("] {host} ")) && line.contains("credential=session");
        assert!(poll(PATIENCE, || log().lines().any(of_app).then_some(())).is_some(), "{}", log());
    }
    site.nginx.finish();
}

#[test]
fn the_pages_of_authgear_pass_without_a_call() {
    let site = Site::start();
    for host in ["auth.example.com", "auth.shop.example.com"] {
        let request =
            site.request(host).header("X-Authgear-Xhr", "true").header("X-Authgear-User-Id", "forged");
        assert_eq!(ask_plain(site.port, &request).status, 200);
        let seen = site.pages.last().expect("Authgear was asked");
        let of_interest =
            ["host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "x-authgear-xhr"];
        let got = of_interest.map(|name| seen.text(name));
        let expected = [Some(host), Some(host), Some("https"), Some("198.51.100.7"), Some("true")];
        assert_eq!((got, seen.header("x-authgear-user-id")), (expected, None));
        assert!(seen.text("cookie").is_some_and(|cookie| cookie.starts_with("myapp_session=")));
    }
    assert_eq!((site.stage.resolver.call_count(), site.stage.echo.requests().len()), (0, 0));
    site.nginx.finish();
}
