//! login-redirect.conf: where visitors are sent to, whatever they asked for.

use super::{Example, Http1, Http2, Nginx, Request, Response, Stage, Tls, ask, free_port, with_bearer};

struct Site {
    stage: Stage,
    nginx: Nginx,
    port: u16,
}

impl Site {
    fn start() -> Self {
        let (stage, port) = (Stage::start(), free_port());
        let example = Example::read("login-redirect.conf").at(&stage.resolver);
        // Newer versions of nginx have a directive for it, and take this as well.
        let example = example.replace("443 ssl;", "443 ssl http2;");
        let mut example = example.replace("127.0.0.1:8080", &stage.echo.addr().to_string());
        let nginx = example.start(free_port(), port);
        Self { stage, nginx, port }
    }

    /// Over HTTP/1.1 and HTTP/2. Where nginx doesn't take such a request there is no answer.
    fn answers(&self, request: &Request) -> Vec<Response> {
        let tls = Tls::default().name("www.example.com");
        let http1 = Http1::connect_tls(self.port, &tls).and_then(|mut c| c.exchange(request));
        let http2 = Http2::connect_tls(self.port, &tls).and_then(|mut c| c.exchange(request));
        [http1, http2].into_iter().flatten().collect()
    }
}

fn location(response: &Response) -> Option<String> {
    (response.status == 302).then(|| response.header("location").expect("one line"))
}

#[test]
fn visitors_log_in_and_come_back_to_what_they_wanted() {
    let site = Site::start();
    for (target, back) in [
        ("/account/", "/account/"),
        ("/account/a-b/c_d/e.f~g", "/account/a-b/c_d/e.f~g"),
        ("/account/orders?page=2", "/account/orders?page=2"),
        ("/account/orders?q=", "/account/orders?q="),
        // What would need encoding.
        ("/account/orders?page=2&size=10", "/"),
        ("/account/caf%C3%A9", "/"),
        ("/account/a+b", "/"),
    ] {
        let answers = site.answers(&Request::get(target));
        assert_eq!(answers.len(), 2, "{target}");
        for answer in answers {
            assert_eq!(location(&answer), Some(format!("/login?return={back}")), "{target}");
        }
    }
    // A form that was sent without a session isn't sent to the login page.
    let answer = ask(site.port, &Request::post("/account/orders", "amount=1"));
    assert_eq!(location(&answer).as_deref(), Some("/login?return=/account/orders"));
    assert_eq!((site.stage.resolver.call_count(), site.stage.echo.requests().len()), (0, 0));
    let alice = Request { target: "/account/orders".into(), ..site.stage.unique() };
    site.stage.assert_is("alice", &ask(site.port, &alice));
    site.nginx.finish();
}

/// Ways to another site, to more parameters, and to more header lines. All of them are of `/account/` once normalized.
const HOSTILE: [&[u8]; 26] = [
    b"//evil.example/../account/",
    b"///evil.example/../account/",
    b"/.//evil.example/../../account/",
    b"/\\evil.example/../account/",
    b"/%2f%2fevil.example/..%2f..%2f../account/",
    b"/%5cevil.example/../account/",
    b"/account/..//account/",
    b"/account/&return=https://evil.example/",
    b"/account/?a=1&return=https://evil.example/",
    b"/account/?return=//evil.example/&",
    b"/account/?a=b=c&d",
    b"/account/%26return=https://evil.example/",
    b"/account/?a=%26return=//evil.example/",
    b"/account/%0d%0aSet-Cookie:%20a=b",
    b"/account/?a=%0d%0aSet-Cookie:%20a=b",
    b"/account/%250d%250aSet-Cookie:a=b",
    b"/account/\rSet-Cookie:a=b",
    b"/account/\nSet-Cookie:a=b",
    b"/account/\tx",
    b"/account/\x7f\x01",
    b"/account/#return=//evil.example/",
    b"/account/;return=//evil.example/",
    b"/account/\"><script>",
    b"/account/\xe5\xbc\x80\xff",
    b"/account/?a=$request_uri",
    b"/account/@evil.example:80/",
];

#[test]
fn no_url_leads_elsewhere_or_adds_anything() {
    let site = Site::start();
    let mut redirects = 0;
    for target in HOSTILE {
        let shown = String::from_utf8_lossy(target);
        for answer in site.answers(&Request::get(target)) {
            assert!(answer.all("set-cookie").is_empty(), "{shown}: {answer:?}");
            let Some(location) = location(&answer) else {
                assert_eq!(answer.status, 400, "{shown}: {answer:?}");
                continue;
            };
            redirects += 1;
            let back = location.strip_prefix("/login?return=/").expect("the login page, and a path");
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"/._~-?=".contains(&b);
            let plain = back.bytes().all(is_plain) && !back.starts_with('/');
            assert!(plain && back.matches(['?', '=']).count() <= 2, "{shown}: {location}");
            assert!(!back.contains("evil"), "{shown}: {location}");
        }
    }
    assert!(redirects > 20, "{redirects} of them were redirected at all");
    // The name that the client gives for the site is in no answer either.
    for host in ["evil.example", "www.example.com:444"] {
        for answer in site.answers(&Request::get("/account/").host(host)) {
            assert_eq!(location(&answer).as_deref(), Some("/login?return=/account/"), "{host}");
        }
    }
    let absolute = Request::get("https://evil.example/account/");
    let answer = Http1::connect_tls(site.port, &Tls::default()).and_then(|mut c| c.exchange(&absolute));
    assert_eq!(location(&answer.expect("an answer")).as_deref(), Some("/login?return=/account/"));
    site.nginx.finish();
}

#[test]
fn scripts_get_the_challenge_rather_than_a_redirect() {
    let site = Site::start();
    let answer = ask(site.port, &Request::get("/account/api/orders"));
    assert_eq!((answer.status, answer.all("www-authenticate").len()), (401, 1));
    site.nginx.finish();
}

#[test]
fn an_application_that_shows_the_login_page_gets_every_url_as_it_is() {
    let site = Site::start();
    for target in ["/reports/2026?from=1&to=12", "/reports/caf%C3%A9?return=//evil.example/"] {
        for request in [Request::get(target), Request::post(target, "a=b"), with_bearer("bad")] {
            let request = Request { target: target.into(), ..request };
            let forged = request.header("X-Original-URI", "/forged").header("X-Authgear-User-Id", "forged");
            assert_eq!(ask(site.port, &forged).status, 200);
            let seen = site.stage.echo.last().expect("the backend was asked");
            assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/login"));
            assert_eq!((seen.header_all("x-original-uri"), seen.body_len), (vec![target.as_bytes()], 0));
            assert_eq!(seen.header("x-authgear-user-id"), None);
        }
    }
    let alice = Request { target: "/reports/2026".into(), ..site.stage.unique() };
    site.stage.assert_is("alice", &ask(site.port, &alice));
    site.nginx.finish();
}
