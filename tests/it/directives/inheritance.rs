//! Outer levels give what inner ones don't say.

use super::super::harness::{Nginx, PATIENCE, Request, Wire, send};
use super::super::live::ending;
use super::super::standin::{Fault, Resolver};

fn ask(nginx: &Nginx, target: &str) -> (u16, String, String) {
    let request =
        Request::get(target).header("Cookie", "app_session=user:alice:1; p_app_session=user:alice:2");
    ending(&send(nginx, Wire::Http1, request))
}

const SHOW: &str =
    "add_header X-Result $authgear_result always;\nadd_header X-Reason $authgear_reason always;";

#[test]
fn the_resolver_is_inherited_replaced_and_switched_off() {
    let [one, two, three] = [(); 3].map(|()| Resolver::start());
    let nginx = Nginx::builder()
        .http(format!("authgear_resolve {};\n{SHOW}", one.url()))
        .server(format!(
            "location / {{ try_files \"\" =204; }}\n\
             location /two/ {{ authgear_resolve {}; try_files \"\" =204;\n\
               location /two/inner/ {{ try_files \"\" =204; }}\n\
               location /two/off/ {{ authgear_resolve off; try_files \"\" =204;\n\
                 location /two/off/on/ {{ authgear_resolve {}; try_files \"\" =204; }} }} }}",
            two.url(),
            three.url()
        ))
        .start();
    for (target, calls) in [
        ("/", [1, 0, 0]),
        ("/two/", [0, 1, 0]),
        ("/two/inner/", [0, 1, 0]),
        ("/two/off/", [0, 0, 0]),
        ("/two/off/on/", [0, 0, 1]),
    ] {
        assert_eq!(ask(&nginx, target).0, 204);
        assert_eq!([&one, &two, &three].map(Resolver::call_count), calls, "{target}");
        [&one, &two, &three].into_iter().for_each(Resolver::reset_counters);
    }
    nginx.finish();
}

#[test]
fn a_server_overrides_http_and_others_don_t_see_it() {
    let [one, two] = [(); 2].map(|()| Resolver::start());
    let show = format!("{SHOW}\nlocation / {{ try_files \"\" =204; }}");
    let nginx = Nginx::builder()
        .http(format!("authgear_resolve {};\nauthgear_cookie_prefix p_;", one.url()))
        .server(&show)
        .server_named(
            "two.example",
            format!("authgear_resolve {};\nauthgear_cookie_prefix \"\";\n{show}", two.url()),
        )
        .server_named("off.example", format!("authgear_resolve off;\n{show}"))
        .start();
    let ask = |host: &str| {
        let request = Request::get("/").host(host).header("Cookie", "app_session=a; p_app_session=b");
        send(&nginx, Wire::Http1, request)
    };
    assert_eq!(ask("localhost").status, 204);
    assert_eq!(one.last_call().expect("a call").text("cookie"), Some("p_app_session=b"));
    assert_eq!(ask("two.example").status, 204);
    assert_eq!(two.last_call().expect("a call").text("cookie"), Some("app_session=a"));
    assert_eq!(ending(&ask("off.example")).2, "off");
    assert_eq!((one.call_count(), two.call_count()), (1, 1));
    nginx.finish();
}

#[test]
fn every_setting_is_inherited_and_overridden_by_itself() {
    let resolver = Resolver::start();
    let nginx = Nginx::builder()
        .http(
            "authgear_origin https://http.example;\nauthgear_cookie_prefix p_;\nauthgear_on_error 503;\n\
             authgear_timeout 300ms;\nauthgear_pass_set_cookie on;",
        )
        .server(format!(
            "authgear_resolve {};\n{SHOW}\nlocation / {{ try_files \"\" =204; }}\n\
             location /origin/ {{ authgear_origin https://location.example; try_files \"\" =204; }}\n\
             location /prefix/ {{ authgear_cookie_prefix \"\"; try_files \"\" =204; }}\n\
             location /error/ {{ authgear_on_error anonymous; try_files \"\" =204; }}\n\
             location /cookie/ {{ authgear_pass_set_cookie off; try_files \"\" =204; }}",
            resolver.url()
        ))
        .start();
    for (target, host, cookie) in [
        ("/", "http.example", "p_app_session=user:alice:2"),
        ("/origin/", "location.example", "p_app_session=user:alice:2"),
        ("/prefix/", "http.example", "app_session=user:alice:1"),
        ("/error/", "http.example", "p_app_session=user:alice:2"),
    ] {
        assert_eq!(ask(&nginx, target).0, 204);
        let call = resolver.last_call().expect("a call");
        assert_eq!((call.text("host"), call.text("cookie")), (Some(host), Some(cookie)), "{target}");
    }
    for (target, cookies) in [("/", 1), ("/cookie/", 0)] {
        resolver.push_fault(Fault::Headers(vec![("Set-Cookie".into(), "a=b".into())]));
        let request = Request::get(target).header("Cookie", "p_session=x");
        assert_eq!(send(&nginx, Wire::Http1, request).all("set-cookie").len(), cookies, "{target}");
    }
    for (target, status) in [("/", 503), ("/origin/", 503), ("/error/", 204)] {
        resolver.push_fault(Fault::Hang);
        assert_eq!(
            ask(&nginx, target).0,
            status,
            "the timeout is inherited, or this would take 3 s: {target}"
        );
        assert!(resolver.wait_until_idle(PATIENCE));
    }
    nginx.finish();
}
