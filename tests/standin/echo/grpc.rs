//! gRPC over HTTP/2 in clear text: each request is answered with one message and `grpc-status: 0`.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::TcpStream;

use super::{ANY_PORT, Body, Echo, Log, Seen, Switches};
use crate::standin::http1::ReadError;

pub struct Grpc;

impl Grpc {
    pub fn start() -> Echo {
        Self::listen(ANY_PORT)
    }

    pub fn listen(addr: SocketAddr) -> Echo {
        Echo::serving(addr, Log::default(), serve)
    }
}

async fn serve(stream: TcpStream, log: Arc<Log>) -> Result<(), ReadError> {
    let handshake = h2::server::handshake(stream).await;
    let mut connection = handshake.map_err(|_| ReadError::Malformed("no HTTP/2"))?;
    while let Some(Ok((request, respond))) = connection.accept().await {
        let log = log.clone();
        tokio::spawn(async move { answer(request, respond, &log).await });
    }
    Ok(())
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    log: &Log,
) -> Result<(), h2::Error> {
    let (head, mut incoming) = request.into_parts();
    let mut body = Body::default();
    while let Some(chunk) = incoming.data().await {
        let chunk = chunk?;
        incoming.flow_control().release_capacity(chunk.len())?;
        body.add(&chunk);
    }
    let mut seen = Seen {
        method: head.method.to_string(),
        target: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: head.headers.iter().map(|(n, v)| (n.as_str().into(), v.as_bytes().to_vec())).collect(),
        ..Seen::default()
    };
    body.write_to(&mut seen);
    let switches = Switches::of(&seen.target);
    let text = seen.reply_body();
    log.add(seen);
    tokio::time::sleep(switches.slow).await;

    let builder = Response::builder().status(switches.status).header("content-type", "application/grpc");
    let mut stream = respond.send_response(builder.body(()).expect("a status"), false)?;
    let length = u32::try_from(text.len()).expect("a message's length").to_be_bytes();
    let message = [&[0][..], &length, &text].concat();
    stream.send_data(Bytes::from(message), false)?;
    stream.send_trailers(HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]))
}
