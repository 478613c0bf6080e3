//! Options and oddities of `resolv.conf`.

use super::{Reply, Row, assert_same_hosts, of, row};

fn with(what: &'static str, lines: &str) -> Row {
    row(what).server(of(&["127.0.0.2", "2001:db8::1"])).lines(lines)
}

fn rows() -> Vec<Row> {
    vec![
        with("rotate", "options rotate\n"),
        with("one query at a time", "options single-request\n"),
        with("a socket for each query", "options single-request-reopen\n"),
        with("TCP", "options use-vc\n"),
        with("EDNS", "options edns0\n"),
        with("DNSSEC", "options trust-ad\n"),
        with("no AAAA", "options no-aaaa\n"),
        with("no search", "options ndots:0\n"),
        with("an unknown option", "options whatever:7\n"),
        with("an unknown line", "nonsense 1 2 3\n"),
        with("comments", "; one\n# two\n"),
        with("addresses sorted", "sortlist 127.0.0.0/8\n"),
        with("bytes that are no UTF-8", "# B\u{fc}ro\n").lines("search b\u{fc}ro.example\n"),
        with("an address that is none", "nameserver 300.1.2.3\nnameserver nowhere\n"),
        with("a server of IPv6 where nobody listens", "nameserver 2001:db8::3\n"),
        row("rotate, and the servers differ")
            .server(Reply::NoSuchName)
            .server(Reply::NoSuchName)
            .lines("options rotate\n"),
        row("TCP and too long for UDP")
            .server(Reply::ByTcp(vec![super::ip("127.0.0.2")]))
            .lines("options use-vc\n"),
    ]
}

#[test]
fn every_option_is_heeded() {
    assert_same_hosts(rows(), 16);
}
