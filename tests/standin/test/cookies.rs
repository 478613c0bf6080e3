//! Go's parsing of cookies, of `Authorization`, and of dates.

use super::standin::date::http_date;
use super::standin::go::{bearer, cookie, read_cookies};

/// What Go finds for `session` in these `Cookie` lines.
fn session(lines: &[&[u8]]) -> Option<Vec<u8>> {
    cookie(&read_cookies(lines.iter().copied()), "session").map(<[u8]>::to_vec)
}

#[test]
fn cookies_are_read_as_go_reads_them() {
    let table: &[(&[u8], Option<&[u8]>)] = &[
        (b"session=a; session=b", Some(b"a")),
        (b"Session=a; session=b", Some(b"b")),
        (b"SESSION=; session=b", Some(b"b")),
        (b"session=\"q\"", Some(b"q")),
        (b"session=\"q", None),
        (b"session=\"", None),
        (b"session=\"q; session=b", Some(b"b")),
        (b"session=q\"; session=b", Some(b"b")),
        (b"session=a\\b; session=b", Some(b"b")),
        (b"session=x\\; session=b", Some(b"b")),
        (b"session=\xc3\xa9; session=b", Some(b"b")),
        (b"session=a\tb; session=b", Some(b"b")),
        (b"session=a\x01b; session=b", Some(b"b")),
        (b"session=a\x7f", None),
        (b"session= a", Some(b" a")),
        (b"session = a", Some(b" a")),
        (b"session\t=a", Some(b"a")),
        (b" \tsession=a \t", Some(b"a")),
        (b"session=\"a b\"", Some(b"a b")),
        (b"session= \"q\"", None),
        (b"session", Some(b"")),
        (b"session=", Some(b"")),
        (b"session=\"\"", Some(b"")),
        (b"session=a=b", Some(b"a=b")),
        (b"session=a,b", Some(b"a,b")),
        (b"session=a b", Some(b"a b")),
        (b"session=a%2Eb", Some(b"a%2Eb")),
        (b";;; ; session=a", Some(b"a")),
        (b"se ssion=x; session=a", Some(b"a")),
        (b"=x; session=a", Some(b"a")),
        (b"a=b,session=c", None),
        (b"xsession=a", None),
        (b"", None),
    ];
    for (line, expected) in table {
        assert_eq!(session(&[line]).as_deref(), *expected, "{}", line.escape_ascii());
    }
}

#[test]
fn the_first_cookie_of_several_lines_counts() {
    assert_eq!(session(&[b"x=y", b"session=a", b"session=b"]).as_deref(), Some(&b"a"[..]));
    assert_eq!(session(&[b"session=\"", b"session=b"]).as_deref(), Some(&b"b"[..]));
}

#[test]
fn with_more_than_3000_cookies_there_are_none() {
    let line = |n: usize| [b"session=a".to_vec(), b";x=y".repeat(n - 1)].concat();
    assert_eq!(session(&[&line(3000)]).as_deref(), Some(&b"a"[..]));
    assert_eq!(session(&[&line(3001)]), None);
    // Over all lines, including empty parts.
    assert_eq!(session(&[&line(2999), b";"]), None);
    assert_eq!(session(&[&line(2999), b""]).as_deref(), Some(&b"a"[..]));
}

#[test]
fn bearer_tokens_are_read_as_the_resolver_reads_them() {
    let table: &[(&[u8], Option<&[u8]>)] = &[
        (b"Bearer x", Some(b"x")),
        (b"bEARER x", Some(b"x")),
        (b"Bearer  x", Some(b" x")),
        (b"Bearer x y", Some(b"x y")),
        (b"Bearer\tx", None),
        (b"Bearer ", None),
        (b"Bearer", None),
        (b"", None),
        (b"Basic x", None),
        (b"DPoP x", None),
        (b"Bearer, x", None),
    ];
    for (value, expected) in table {
        assert_eq!(bearer(value), *expected, "{}", value.escape_ascii());
    }
}

#[test]
fn dates_are_written_as_http_wants_them() {
    assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(http_date(951_827_696), "Tue, 29 Feb 2000 12:34:56 GMT");
    assert_eq!(http_date(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
}
