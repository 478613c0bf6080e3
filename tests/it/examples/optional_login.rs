//! optional-login.conf: pages that are kept, each for those who may see it.

use super::{EchoReply, Example, Fault, Kind, Nginx, Request, Stage, ask, free_port, with_bearer};

struct Site {
    stage: Stage,
    nginx: Nginx,
    /// Its folder has the pages that are kept.
    _example: Example,
    port: u16,
}

impl Site {
    fn start() -> Self {
        let (stage, port) = (Stage::start(), free_port());
        let example = Example::read("optional-login.conf").at(&stage.resolver);
        let mut example = example.replace("127.0.0.1:8080", &stage.echo.addr().to_string());
        let nginx = example.start(free_port(), port);
        Self { stage, nginx, _example: example, port }
    }

    /// Whose page this request gets: the echo says whom it was made for. And how often the backend was asked.
    fn page(&self, request: &Request) -> (Option<String>, usize) {
        let before = self.stage.echo.requests().len();
        let reply = EchoReply::of(&ask(self.port, request));
        let id = reply.header("x-authgear-user-id").map(str::to_owned);
        (id, self.stage.echo.requests().len() - before)
    }

    fn id(&self, name: &str) -> Option<String> {
        Some(self.stage.accounts().user(name).id)
    }
}

fn at(target: &str, request: Request) -> Request {
    Request { target: target.into(), ..request }
}

#[test]
fn a_page_of_a_user_is_given_to_nobody_else() {
    let site = Site::start();
    let [alice, bob] = ["alice", "bob"].map(|name| site.stage.request_of(name, Kind::Bearer));
    let bad = with_bearer("bad");
    // Users first, a visitor first: whoever comes first, each gets the own page.
    for target in ["/a", "/b"] {
        let visitor = || (site.page(&at(target, Request::get("/"))).0, site.page(&at(target, bad.clone())).0);
        if target == "/b" {
            assert_eq!(visitor(), (None, None));
        }
        for _ in 0..2 {
            assert_eq!(site.page(&at(target, alice.clone())), (site.id("alice"), 1), "{target}");
            assert_eq!(site.page(&at(target, bob.clone())), (site.id("bob"), 1), "{target}");
            assert_eq!(visitor(), (None, None), "{target}");
        }
        assert_eq!(site.page(&at(target, Request::get("/"))), (None, 0), "it is kept for visitors");
    }
    site.nginx.finish();
}

#[test]
fn a_page_that_is_kept_for_a_user_is_given_to_that_user_alone() {
    let site = Site::start();
    let names = ["alice", "bob", "norole"];
    let requests = names.map(|name| site.stage.request_of(name, Kind::Bearer));
    for round in 0..3 {
        let asked = usize::from(round == 0);
        for (name, request) in names.iter().zip(&requests) {
            assert_eq!(
                site.page(&at("/my/page", request.clone())),
                (site.id(name), asked),
                "{name}, {round}"
            );
        }
        assert_eq!(site.page(&Request::get("/my/page")), (None, asked), "{round}");
    }
    // Another session of the same user is the same user.
    let again = site.stage.unique();
    assert_eq!(site.page(&at("/my/page", again)), (site.id("alice"), 0));
    // What the page depends on besides.
    site.stage.accounts().update("alice", |user| user.roles = vec!["viewer".into()]);
    let again = site.stage.unique();
    assert_eq!(site.page(&at("/my/page", again)), (site.id("alice"), 1));
    site.nginx.finish();
}

#[test]
fn nobody_can_write_a_url_that_has_the_key_of_another_s_page() {
    let site = Site::start();
    for name in ["alice", "norole"] {
        let user = site.stage.accounts().user(name);
        let request = site.stage.request_of(name, Kind::Bearer);
        let key = format!("{}|{}|www.example.com/my/page", user.id, user.roles.join(","));
        for target in [format!("/my/page{}", user.id), format!("/my/page?{key}"), format!("/my/{key}")] {
            assert_eq!(site.page(&at("/my/page", request.clone())).0, site.id(name));
            assert_eq!(site.page(&at(&target, Request::get("/"))), (None, 1), "{target}");
        }
    }
    site.nginx.finish();
}

#[test]
fn without_the_resolver_everyone_is_a_visitor() {
    let site = Site::start();
    site.stage.resolver.set_fault(Some(Fault::Status(503)));
    let alice = site.stage.alice();
    for target in ["/", "/my/page"] {
        assert_eq!(site.page(&at(target, alice.clone())), (None, 1), "{target}");
        assert_eq!(site.page(&Request::get(target)), (None, 0), "{target}");
    }
    site.stage.resolver.clear_faults();
    for target in ["/", "/my/page"] {
        assert_eq!(site.page(&at(target, alice.clone())), (site.id("alice"), 1), "{target}");
    }
    site.nginx.finish();
}
