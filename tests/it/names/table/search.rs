//! Search lists.

use super::{Reply, Row, assert_same_hosts, of, row};

const KUBERNETES: &str =
    "search default.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n";

/// In a cluster.
fn cluster(what: &'static str, names: &[(&str, Reply)]) -> Row {
    row(what).name("authgear").lines(KUBERNETES).zone(names)
}

fn in_a_cluster() -> Vec<Row> {
    let (v4, v6) = (|| of(&["127.0.0.2"]), || of(&["2001:db8::2"]));
    vec![
        cluster(
            "the first has an A, and the last an AAAA",
            &[("authgear.default.svc.cluster.local", v4()), ("*.corp.example", v6())],
        ),
        cluster(
            "the first has an AAAA, and the last an A",
            &[("authgear.default.svc.cluster.local", v6()), ("*.corp.example", v4())],
        ),
        cluster("the second has it", &[("authgear.svc.cluster.local", v4())]),
        cluster("the last has it", &[("*.corp.example", v4())]),
        cluster(
            "the first is there without an address",
            &[("authgear.default.svc.cluster.local", of(&[])), ("authgear.svc.cluster.local", v4())],
        ),
        cluster(
            "the first fails",
            &[("authgear.default.svc.cluster.local", Reply::Failure), ("authgear.svc.cluster.local", v4())],
        ),
        cluster(
            "the first is silent",
            &[("authgear.default.svc.cluster.local", Reply::Silence), ("authgear.svc.cluster.local", v4())],
        ),
        cluster(
            "the first is silent about IPv6",
            &[
                ("authgear.default.svc.cluster.local", Reply::SilentOnIpv6(vec![super::ip("127.0.0.3")])),
                ("*.corp.example", v6()),
            ],
        ),
        cluster("the name alone", &[("authgear", v4())]),
        cluster("nobody has it", &[]),
        cluster(
            "a whole name is looked for in the list first",
            &[("auth.example.corp.example", of(&["127.0.0.3"])), ("auth.example", v4())],
        )
        .name("auth.example"),
        cluster(
            "a dot at the end passes the list over",
            &[("auth.example.corp.example", of(&["127.0.0.3"])), ("auth.example", v4())],
        )
        .name("auth.example."),
    ]
}

fn lists() -> Vec<Row> {
    let v4 = || of(&["127.0.0.2"]);
    vec![
        row("with few dots wanted the name itself is first")
            .lines("search corp.example\n")
            .zone(&[("auth.example.corp.example", of(&["127.0.0.3"])), ("auth.example", v4())]),
        row("and the list is next")
            .lines("search corp.example\n")
            .zone(&[("auth.example.corp.example", of(&["127.0.0.3"]))]),
        row("the last of two lists counts")
            .name("auth")
            .lines("search one.example\nsearch two.example\n")
            .zone(&[("auth.one.example", v4()), ("auth.two.example", of(&["127.0.0.3"]))]),
        row("a domain is a list of one")
            .name("auth")
            .lines("domain one.example\n")
            .zone(&[("auth.one.example", v4())]),
        row("the servers differ")
            .name("auth")
            .lines("search one.example two.example\n")
            .zone(&[("auth.two.example", of(&["127.0.0.3"]))])
            .zone(&[("auth.one.example", v4())]),
    ]
}

#[test]
fn candidates_are_asked_for_one_after_the_other() {
    assert_same_hosts(in_a_cluster().into_iter().chain(lists()).collect(), 15);
}
