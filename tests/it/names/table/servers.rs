//! What name servers say, and in which order.

use std::time::Duration;

use super::{Reply, Row, assert_same_hosts, ip, of, row};

fn late(milliseconds: u64, reply: Reply) -> Reply {
    Reply::Late(Duration::from_millis(milliseconds), Box::new(reply))
}

/// A first server that knows the name, and a second one that is faster.
fn first_counts() -> Vec<Row> {
    let first = || late(10, of(&["127.0.0.2"]));
    vec![
        row("the second says NXDOMAIN").server(first()).server(late(3, Reply::NoSuchName)),
        row("the second says NODATA").server(first()).server(late(3, of(&[]))),
        row("the second has another address").server(first()).server(late(3, of(&["127.0.0.3"]))),
        row("the second has one of the other family").server(first()).server(late(3, of(&["2001:db8::3"]))),
        row("the second says NOTIMP").server(first()).server(late(3, Reply::NotImplemented)),
        row("the second says SERVFAIL").server(first()).server(late(3, Reply::Failure)),
        row("the second says REFUSED").server(first()).server(late(3, Reply::Refused)),
        row("the second is silent").server(first()).server(Reply::Silence),
        row("the second sends garbage").server(first()).server(Reply::Garbage),
    ]
}

/// A second server that knows the name.
fn second_helps() -> Vec<Row> {
    let second = || of(&["127.0.0.3"]);
    vec![
        row("the first says NXDOMAIN").server(late(10, Reply::NoSuchName)).server(second()),
        row("the first says NODATA").server(late(10, of(&[]))).server(second()),
        row("the first says NOTIMP").server(Reply::NotImplemented).server(second()),
        row("the first says SERVFAIL").server(Reply::Failure).server(second()),
        row("the first says REFUSED").server(Reply::Refused).server(second()),
        row("the first is silent").server(Reply::Silence).server(second()),
        row("the first sends garbage").server(Reply::Garbage).server(second()),
        row("the first two fail").server(Reply::Failure).server(Reply::Refused).server(second()),
        row("of four servers three are asked")
            .server(Reply::Failure)
            .server(Reply::Failure)
            .server(Reply::Failure)
            .server(second()),
    ]
}

fn forms() -> Vec<Row> {
    let both = || of(&["127.0.0.2", "2001:db8::1"]);
    vec![
        row("an A").server(of(&["127.0.0.2"])),
        row("an AAAA").server(of(&["2001:db8::2"])),
        row("both").server(both()),
        row("several").server(of(&["127.0.0.2", "127.0.0.3", "2001:db8::1", "2001:db8::2"])),
        row("a dead one and a good one").server(of(&["127.0.0.9", "127.0.0.3"])),
        row("a dead A and a good AAAA").server(of(&["127.0.0.9", "2001:db8::1"])),
        row("a dead AAAA and a good A").server(of(&["2001:db8::9", "127.0.0.4"])),
        row("dead ones alone").server(of(&["127.0.0.9", "2001:db8::9"])),
        row("a CNAME").server(Reply::Aliases(1, vec![ip("127.0.0.2")])),
        row("a chain of CNAMEs").server(Reply::Aliases(6, vec![ip("127.0.0.2"), ip("2001:db8::1")])),
        row("CNAMEs to nothing").server(Reply::Aliases(2, vec![])),
        row("too long for UDP").server(Reply::ByTcp(vec![ip("127.0.0.2"), ip("127.0.0.3")])),
        row("silent about IPv6").server(Reply::SilentOnIpv6(vec![ip("127.0.0.2")])),
        row("fails for IPv6").server(Reply::FailsOnIpv6(vec![ip("127.0.0.2")])),
        row("slow").server(late(700, both())),
        row("NXDOMAIN").server(Reply::NoSuchName),
        row("NODATA").server(of(&[])),
        row("SERVFAIL").server(Reply::Failure),
        row("no server at all"),
    ]
}

/// RFC 8305 lets late addresses join; the C library waits for both families.
fn late_families() -> Vec<Row> {
    let time = Duration::from_millis(70);
    let addresses = |list: [&str; 2]| list.map(ip).to_vec();
    vec![
        row("a dead A at once, and a good AAAA")
            .server(Reply::LateOnIpv6(time, addresses(["127.0.0.9", "2001:db8::1"]))),
        row("a dead AAAA at once, and a good A")
            .server(Reply::LateOnIpv4(time, addresses(["2001:db8::9", "127.0.0.2"]))),
        row("a dead A, and a good AAAA at once")
            .server(Reply::LateOnIpv4(time, addresses(["127.0.0.9", "2001:db8::1"]))),
        row("all of it late").server(late(70, of(&["127.0.0.9", "2001:db8::1"]))),
    ]
}

#[test]
fn the_first_server_s_word_counts() {
    assert_same_hosts(first_counts(), 9);
}

#[test]
fn the_second_is_asked_where_the_first_fails() {
    assert_same_hosts(second_helps(), 6);
}

#[test]
fn every_form_of_an_answer_is_understood() {
    assert_same_hosts(forms(), 13);
}

#[test]
fn addresses_that_come_late_count() {
    assert_same_hosts(late_families(), 4);
}
