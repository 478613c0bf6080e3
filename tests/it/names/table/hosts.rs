//! The hosts file, and what `nsswitch.conf` makes of it.

use super::{Reply, Row, assert_same_hosts, assert_same_hosts_in, of, row};

/// DNS has another address, of the other family.
fn against(what: &'static str, hosts: impl AsRef<[u8]>) -> Row {
    row(what).server(of(&["::1", "127.0.0.5"])).hosts(hosts)
}

fn lines() -> Vec<Row> {
    let many: String =
        (0..20_000).map(|n| format!("10.0.{}.{} host-{n}.example\n", n / 256 % 256, n % 256)).collect();
    vec![
        against("one of IPv4", "127.0.0.2 auth.example\n"),
        against("one of IPv4 where nobody listens", "127.0.0.9 auth.example\n"),
        against("one of IPv6", "2001:db8::2 auth.example\n"),
        against("one of IPv6 where nobody listens", "2001:db8::9 auth.example\n"),
        against("both", "127.0.0.2 auth.example\n2001:db8::2 auth.example\n"),
        against("two of a family", "127.0.0.2 auth.example\n127.0.0.3 auth.example\n"),
        against("the same twice", "127.0.0.2 auth.example\n127.0.0.2 auth.example\n"),
        against("an alias", "127.0.0.2 canonical.example auth.example other\n"),
        against("capital letters", "127.0.0.2 AUTH.Example\n"),
        against("tabs and spaces", "  127.0.0.2\t \tauth.example \t\n"),
        against("a comment behind it", "127.0.0.2 auth.example # ours\n"),
        against("a comment alone", "# 127.0.0.2 auth.example\n"),
        against("no line end", "127.0.0.2 auth.example"),
        against("line ends of Windows", "127.0.0.2 auth.example\r\n127.0.0.3 other\r\n"),
        against("bytes that are no UTF-8", b"# B\xfcro\n127.0.0.2 auth.example\n\xff\xfe\n"),
        against("bytes that are no UTF-8 behind it", b"127.0.0.2 auth.example # B\xfcro\n"),
        against("lines that are none", "127.0.0.2\nnonsense auth.example\n300.1.1.1 auth.example\n"),
        against("a longer name", "127.0.0.2 xauth.example auth.example.org\n"),
        against("a dot at its end", "127.0.0.2 auth.example.\n"),
        against("many lines", format!("{many}127.0.0.2 auth.example\n")),
        against("a long line", format!("127.0.0.2 {} auth.example\n", "a.example ".repeat(2_000))),
        against("nothing", ""),
    ]
}

fn names() -> Vec<Row> {
    let unknown = |what, name: &str, hosts: &str| row(what).name(name).server(Reply::NoSuchName).hosts(hosts);
    vec![
        unknown("an underscore in the hosts file", "mystack_authgear", "127.0.0.2 mystack_authgear\n"),
        row("an underscore in DNS").name("mystack_authgear").server(of(&["127.0.0.3"])),
        row("an underscore at the front").name("_auth.example").server(of(&["127.0.0.3"])),
        row("a dot at the end").name("auth.example.").server(of(&["127.0.0.3"])),
        unknown("a dot at the end, and a hosts file", "auth.example.", "127.0.0.2 auth.example\n"),
        row("capital letters").name("Auth.EXAMPLE").server(of(&["127.0.0.3"])),
        row("a hyphen at the end").name("auth-.example").server(of(&["127.0.0.3"])),
        row("a long name").name(&format!("{}.example", "a".repeat(63))).server(of(&["127.0.0.3"])),
        unknown("localhost, known by nobody", "localhost", ""),
        unknown("localhost", "localhost", "127.0.0.1 localhost\n::1 localhost\n"),
        unknown("an address", "127.0.0.4", ""),
        unknown("an address of IPv6", "[2001:db8::1]", ""),
        unknown("an address in the hosts file", "127.0.0.4", "127.0.0.5 127.0.0.4\n"),
    ]
}

fn switches() -> Vec<Row> {
    let both = |what, line| against(what, "127.0.0.2 auth.example\n").nsswitch(line);
    let other = |what, line| against(what, "127.0.0.2 other.example\n").nsswitch(line);
    vec![
        both("files, dns", "hosts: files dns\n"),
        both("dns, files", "hosts: dns files\n"),
        both("dns alone", "hosts: dns\n"),
        other("files alone", "hosts: files\n"),
        other("files, and nothing after them", "hosts: files [NOTFOUND=return] dns\n"),
        other("a service that isn't there", "hosts: files nowhere dns\n"),
        both("both of them, which is for groups alone", "hosts: files [SUCCESS=merge] dns\n"),
        row("DNS fails, then files")
            .server(Reply::Failure)
            .hosts("127.0.0.2 auth.example\n")
            .nsswitch("hosts: dns files\n"),
        other("another order of families", "hosts: files dns\n").gai("precedence ::ffff:0:0/96 100\n"),
    ]
}

#[test]
fn a_line_of_the_hosts_file_is_the_last_word() {
    assert_same_hosts(lines(), 20);
}

#[test]
fn every_name_that_proxy_pass_takes_is_found() {
    assert_same_hosts(names(), 11);
}

#[test]
fn nsswitch_conf_is_heeded() {
    assert_same_hosts(switches(), 6);
}

/// As in most containers: addresses of IPv6 are there, and can't be used.
#[test]
fn where_ipv6_is_off_the_same_hosts_are_reached() {
    let rows = vec![
        row("an AAAA alone").server(of(&["2001:db8::1"])),
        row("both").server(of(&["2001:db8::1", "127.0.0.2"])),
        row("in the hosts file").hosts("2001:db8::1 auth.example\n127.0.0.2 auth.example\n"),
        row("one of IPv6 in the hosts file").hosts("::1 auth.example\n").server(of(&["127.0.0.2"])),
        row("silent about IPv6").server(Reply::SilentOnIpv6(vec![super::ip("127.0.0.2")])),
        row("the first candidate has an AAAA alone")
            .name("auth")
            .lines("search one.example two.example\n")
            .zone(&[("auth.one.example", of(&["2001:db8::1"])), ("auth.two.example", of(&["127.0.0.3"]))]),
    ];
    assert_same_hosts_in(&["192.0.2.1/32", "-6"], rows, 5);
}
