//! several-apps.conf: servers of two Authgear apps with one zone.

use super::{EchoReply, Example, Http1, Kind, Request, Resolver, Stage, Tls, ask_at, free_port, with_bearer};

#[test]
fn a_session_of_one_app_is_nobodys_at_another() {
    let (stage, club) = (Stage::start(), Resolver::start());
    let port = free_port();
    let mut example = Example::read("several-apps.conf");
    example.put("https://shop.authgear.cloud", &stage.resolver.url());
    example.put("https://club.authgear.cloud", &club.url());
    for backend in ["127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"] {
        example.put(backend, &stage.echo.addr().to_string());
    }
    let nginx = example.start(free_port(), port);
    let id_at = |name: &str, request: &Request| {
        EchoReply::of(&ask_at(port, name, request)).header("x-authgear-user-id").map(str::to_owned)
    };

    // Of the shop's alice alone, and of the club's bob alone.
    let alice = with_bearer(&stage.accounts().mint("alice", Kind::Bearer));
    let bob = with_bearer(&club.accounts().mint("bob", Kind::Bearer));
    // The very same token, which is someone else's at the club.
    club.accounts().update("alice", |user| user.id = "a-member".into());
    let both = stage.alice();
    let [alice_id, bob_id] = ["alice", "bob"].map(|name| Some(stage.accounts().user(name).id));
    for _ in 0..2 {
        assert_eq!(id_at("shop.example.com", &alice), alice_id);
        assert_eq!(id_at("club.example.org", &alice), None);
        assert_eq!(id_at("club.example.org", &bob), bob_id);
        assert_eq!(id_at("shop.example.com", &bob), None);
        assert_eq!(id_at("shop.example.com", &both), alice_id);
        assert_eq!(id_at("club.example.org", &both).as_deref(), Some("a-member"));
    }
    assert_eq!((stage.resolver.call_count(), club.call_count()), (3, 3), "each was asked once about each");

    // The same app in another server: what is kept serves there, and what is required is required.
    assert_eq!(id_at("office.example.com", &alice), alice_id);
    assert_eq!(stage.resolver.call_count(), 3);
    assert_eq!(ask_at(port, "office.example.com", &bob).status, 401);
    let norole = stage.request_of("norole", Kind::Bearer);
    assert_eq!(ask_at(port, "office.example.com", &norole).status, 403);
    nginx.finish();
}

#[test]
fn names_that_nobody_serves_get_no_answer() {
    let port = free_port();
    let nginx = Example::read("several-apps.conf").start(free_port(), port);
    let connect = |name: &str| Http1::connect_tls(port, &Tls::default().name(name));
    assert!(connect("shop.example.com").is_ok() && connect("other.example.net").is_err());
    nginx.finish();
}
