//! Clients that leave while their request waits for the resolver: whether the backend gets it all the same. That is nginx's to say, by
//! `proxy_ignore_client_abort` and its kin; what `auth_request` does in stock nginx is to be what the module does.

use crate::harness::{Http1, Http2, Nginx, PATIENCE, Request, poll};
use crate::stage::Stage;
use crate::standin::Fault;
use crate::standin::echo::{FastCgi, Grpc, Http, Scgi, Uwsgi};

const COUNTERS: &str = "location = /counters { access_log off; stub_status; }";

const KINDS: [&str; 5] = ["proxy", "fastcgi", "uwsgi", "scgi", "grpc"];

/// Where the directives are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ignored {
    Nowhere,
    /// In the location, for its kind of backend; and for `auth_request` where the resolver is asked, since the request waits there.
    Here,
    /// For the whole server, and for HTTP backends alone.
    ForProxy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Stay,
    Close,
    Reset,
    HalfClose,
    StayH2,
    ResetStream,
    CloseH2,
    ResetH2,
}

const WAYS: [Way; 8] = [
    Way::Stay,
    Way::Close,
    Way::Reset,
    Way::HalfClose,
    Way::StayH2,
    Way::ResetStream,
    Way::CloseH2,
    Way::ResetH2,
];

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
struct End {
    /// How often the backend got it.
    delivered: usize,
    /// The status in the access log.
    logged: String,
    /// The status that the client saw, where it could.
    seen: Option<u16>,
}

struct Sites {
    stage: Stage,
    /// `auth_request` in stock nginx, and the module.
    both: [Nginx; 2],
}

impl Sites {
    fn start(kind: &str, ignored: Ignored) -> Self {
        let stage = Stage::before(match kind {
            "fastcgi" => FastCgi::start(),
            "uwsgi" => Uwsgi::start(),
            "scgi" => Scgi::start(),
            "grpc" => Grpc::start(),
            _ => Http::start(),
        });
        let scheme = if kind == "proxy" { "http://" } else { "" };
        // gRPC has no such directive.
        let ignore = |kind| match (ignored, kind) {
            (Ignored::Here, "proxy" | "fastcgi" | "uwsgi" | "scgi") => {
                format!("{kind}_ignore_client_abort on;")
            }
            _ => String::new(),
        };
        let everywhere = if ignored == Ignored::ForProxy { "proxy_ignore_client_abort on;" } else { "" };
        let params = match kind {
            "fastcgi" | "uwsgi" | "scgi" => format!(
                "{kind}_param REQUEST_METHOD $request_method; {kind}_param REQUEST_URI $uri;
                 {kind}_param CONTENT_LENGTH $content_length; {kind}_param SERVER_PROTOCOL $server_protocol;"
            ),
            _ => String::new(),
        };
        let pass = format!("{params} {} {kind}_pass {scheme}{};", ignore(kind), stage.echo.addr());
        let log = "log_format status $status; access_log status.log status;";
        let start = |module, server: String| {
            Nginx::builder()
                .module(module)
                .http(log)
                .server(server)
                .server(everywhere)
                .server(COUNTERS)
                .start()
        };
        let documented = format!(
            "location / {{ auth_request /auth; {pass} }}
             location = /auth {{ {} proxy_pass {}/_resolver/resolve; proxy_pass_request_body off;
                                 proxy_set_header Content-Length \"\"; }}",
            ignore("proxy"),
            stage.resolver.url()
        );
        let module = format!("location / {{ {} {pass} }}", stage.resolve());
        let both = [start(false, documented), start(true, module)];
        Self { stage, both }
    }

    fn end(&self, nginx: &Nginx, way: Way, request: &Request) -> End {
        let Stage { resolver, echo, .. } = &self.stage;
        echo.clear();
        resolver.set_fault(Some(Fault::Gate));
        let logged = || std::fs::read_to_string(nginx.prefix().join("status.log")).unwrap_or_default();
        let before = logged().len();
        let seen = match way {
            Way::Stay | Way::Close | Way::Reset | Way::HalfClose => {
                let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
                client.send(request).expect("nginx reads");
                assert!(resolver.wait_for_gate(1, PATIENCE), "{way:?}");
                let mut client = Some(client);
                match way {
                    Way::Close => drop(client.take()),
                    Way::Reset => client.take().into_iter().for_each(Http1::reset),
                    Way::HalfClose => client.as_ref().map_or((), |c| c.half_close().expect("it is open")),
                    _ => {}
                }
                self.open_gate(nginx);
                client.and_then(|mut client| client.receive(&request.method).ok()).map(|answer| answer.status)
            }
            _ => {
                let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
                let stream = client.send(request).expect("nginx reads");
                assert!(resolver.wait_for_gate(1, PATIENCE), "{way:?}");
                let mut client = Some(client);
                match way {
                    Way::CloseH2 => drop(client.take()),
                    Way::ResetH2 => client.take().into_iter().for_each(Http2::reset),
                    Way::ResetStream => {
                        let client = client.as_mut().expect("it is there");
                        client.reset_stream(stream).expect("it is open");
                    }
                    _ => {}
                }
                self.open_gate(nginx);
                let stays = client.filter(|_| way == Way::StayH2);
                stays.and_then(|mut client| client.receive(stream).ok()).map(|answer| answer.status)
            }
        };
        nginx.wait_until_in_hand(0);
        let line = poll(PATIENCE, || logged().get(before..).filter(|l| l.ends_with('\n')).map(str::to_owned));
        // For a stream that was reset nginx logs 000 where it ends the request with the subrequest of `auth_request`.
        let logged = line.unwrap_or_else(|| panic!("{way:?} isn't logged")).trim().replace("000", "499");
        End { delivered: echo.requests().len(), logged, seen }
    }

    /// Lets the resolver answer, once nginx has heard that the client left: what it is asked afterwards it answers afterwards.
    fn open_gate(&self, nginx: &Nginx) {
        for _ in 0..2 {
            nginx.in_hand();
        }
        self.stage.resolver.clear_faults();
        assert!(self.stage.resolver.wait_until_idle(PATIENCE));
    }
}

fn requests(stage: &Stage) -> [Request; 2] {
    let post = Request { method: b"POST".to_vec(), ..stage.unique() };
    [stage.unique(), post.body("a body")]
}

#[test]
fn the_backend_gets_what_it_gets_under_auth_request() {
    for kind in KINDS {
        for ignored in [Ignored::Nowhere, Ignored::Here, Ignored::ForProxy] {
            let sites = Sites::start(kind, ignored);
            for way in WAYS {
                for request in requests(&sites.stage) {
                    let [documented, module] =
                        sites.both.each_ref().map(|nginx| sites.end(nginx, way, &request));
                    let method = String::from_utf8_lossy(&request.method).into_owned();
                    assert_eq!(module, documented, "{kind}, ignored: {ignored:?}, {way:?}, {method}");
                    // Were they all delivered, or none, the comparison would show nothing.
                    let ignores = ignored == Ignored::Here && kind != "grpc"
                        || ignored == Ignored::ForProxy && kind == "proxy";
                    if let Way::Stay | Way::Close | Way::Reset | Way::HalfClose = way {
                        let delivered = usize::from(ignores || way == Way::Stay);
                        assert_eq!(
                            module.delivered, delivered,
                            "{kind}, ignored: {ignored:?}, {way:?}, {method}"
                        );
                    }
                }
            }
            sites.both.into_iter().for_each(Nginx::finish);
        }
    }
}
