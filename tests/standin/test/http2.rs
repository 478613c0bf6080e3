//! The resolver over HTTP/2.

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;

use super::client::SOON;
use super::standin::{Fault, Resolver, Version, runtime};

type Driver = JoinHandle<Result<(), h2::Error>>;

pub async fn begin<S>(stream: S) -> (SendRequest<Bytes>, Driver)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    (client, tokio::spawn(connection))
}

async fn open(resolver: &Resolver) -> (SendRequest<Bytes>, Driver) {
    begin(tokio::net::TcpStream::connect(resolver.addr()).await.unwrap()).await
}

pub async fn get(
    client: &mut SendRequest<Bytes>,
    token: &str,
) -> Result<Response<h2::RecvStream>, h2::Error> {
    let request = Request::get("http://auth.example.com/resolve")
        .header("authorization", format!("Bearer {token}"))
        .header("cookie", "a=b")
        .header("cookie", "session=x");
    let mut client = client.clone().ready().await?;
    client.send_request(request.body(()).unwrap(), true)?.0.await
}

#[test]
fn http2_has_the_same_headers() {
    let resolver = Resolver::builder().h2c(true).start();
    let token = resolver.accounts().login("alice").bearer;
    let answer = runtime().block_on(async {
        let (mut client, _driver) = open(&resolver).await;
        get(&mut client, &token).await.unwrap()
    });
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(answer.status(), 200);
    assert_eq!(header("x-authgear-user-roles"), Some("admin,editor"));
    assert_eq!(header("x-authgear-session-amr"), Some(""));
    assert_eq!(header("content-length"), Some("0"));
    assert!(header("date").is_some());
    let call = resolver.last_call().unwrap();
    assert_eq!((call.version, call.text("host")), (Version::Http2, Some("auth.example.com")));
    assert_eq!((call.target.as_str(), call.cookie("session")), ("/resolve", Some(&b"x"[..])));
    assert_eq!(call.header_all("cookie"), [&b"a=b"[..], b"session=x"]);
    // The same port also supports HTTP/1.1.
    super::client::resolve(resolver.addr(), &[]);
    assert_eq!(resolver.last_call().unwrap().version, Version::Http1);
}

#[test]
fn http2_calls_share_a_connection_and_the_gate() {
    let resolver = Resolver::builder().h2c(true).start();
    resolver.set_fault(Some(Fault::Gate));
    let (client, _driver) = runtime().block_on(open(&resolver));
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let mut client = client.clone();
            runtime().spawn(async move { get(&mut client, "bad").await.map(|answer| answer.status()) })
        })
        .collect();
    assert!(resolver.wait_for_gate(4, SOON));
    assert_eq!((resolver.connections(), resolver.in_flight()), (1, 4));
    assert_eq!(resolver.close_idle_connections(), 0);
    resolver.open_gate();
    for call in calls {
        assert_eq!(runtime().block_on(call).unwrap().unwrap(), 200);
    }
    assert_eq!(resolver.in_flight(), 0);
    assert_eq!(resolver.close_idle_connections(), 1);
}

#[test]
fn http2_faults_end_the_stream_or_the_connection() {
    let outcome = |fault: Fault| {
        let resolver = Resolver::builder().h2c(true).start();
        resolver.push_fault(fault);
        runtime().block_on(async {
            let (mut client, _driver) = open(&resolver).await;
            let first = get(&mut client, "bad").await.map(|answer| answer.status().as_u16());
            (first, get(&mut client, "bad").await.is_ok())
        })
    };
    let (first, second) = outcome(Fault::RefusedStream);
    assert_eq!((first.unwrap_err().reason(), second), (Some(h2::Reason::REFUSED_STREAM), true));
    let (first, second) = outcome(Fault::Status(503));
    assert_eq!((first.unwrap(), second), (503, true));
    let (first, second) = outcome(Fault::EarlyHints(vec![("x-authgear-user-id".into(), "evil".into())]));
    assert_eq!((first.unwrap(), second), (200, true));
    for fault in [Fault::GoAway, Fault::CloseBeforeAnswer, Fault::ResetBeforeAnswer] {
        let (first, second) = outcome(fault.clone());
        assert!(first.is_err() && !second, "{fault:?}");
    }
}

#[test]
fn http2_bodies_trailers_and_cut_bodies_arrive_as_such() {
    let resolver = Resolver::builder().h2c(true).start();
    let read = |fault: Fault| {
        resolver.push_fault(fault);
        runtime().block_on(async {
            let (mut client, _driver) = open(&resolver).await;
            let mut body = get(&mut client, "bad").await.unwrap().into_body();
            let mut bytes = Vec::new();
            while let Some(chunk) = body.data().await {
                match chunk {
                    Ok(chunk) => bytes.extend_from_slice(&chunk),
                    Err(_) => return (bytes, None),
                }
            }
            (bytes, Some(body.trailers().await.unwrap().is_some()))
        })
    };
    assert_eq!(read(Fault::Chunked(b"abcd".into())), (b"abcd".to_vec(), Some(false)));
    assert_eq!(read(Fault::Trailers(vec![("x-a".into(), "b".into())])), (Vec::new(), Some(true)));
    assert_eq!(read(Fault::CloseInBody), (b"ten bytes.".to_vec(), None));
}

#[test]
fn http2_hanging_calls_end_when_the_client_gives_up_the_stream() {
    let resolver = Resolver::builder().h2c(true).start();
    let (client, _driver) = runtime().block_on(open(&resolver));
    for fault in [Fault::Hang, Fault::HangInBody] {
        resolver.reset_counters();
        resolver.push_fault(fault);
        let mut client = client.clone();
        let call = runtime().spawn(async move {
            let body = get(&mut client, "bad").await.unwrap().into_body();
            std::future::pending::<()>().await;
            drop(body);
        });
        assert!(resolver.wait_for_calls(1, SOON));
        assert_eq!(resolver.in_flight(), 1);
        call.abort();
        assert!(resolver.wait_until_idle(SOON));
    }
    // The only sign that a connection hangs is that its calls never end.
    resolver.push_fault(Fault::HangConnection);
    let mut last = client.clone();
    let call = runtime().spawn(async move { get(&mut last, "bad").await.is_ok() });
    assert!(resolver.wait_for_calls(2, SOON));
    assert!(resolver.wait_until_idle(SOON));
    assert!(!call.is_finished());
}
