//! Calls over HTTP/2.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use super::call::{Call, Connection};
use super::fault::{End, Http2Play, Play, Reach};
use super::idle::{CloseKind, Order};
use super::shared::Shared;
use crate::standin::net::Stream;

/// Messages from streams to their connection.
enum Command {
    /// The connection has no call left; orders to close it arrive here.
    Idle(oneshot::Receiver<Order>),
    Close,
    Reset,
    GoAway,
    Hang,
}

/// The calls of a connection.
struct Activity {
    shared: Arc<Shared>,
    connection: Connection,
    commands: mpsc::UnboundedSender<Command>,
    streams: Mutex<usize>,
}

impl Activity {
    fn command(&self, command: Command) {
        let _ = self.commands.send(command);
    }

    fn begin(self: &Arc<Self>) -> Active {
        let mut streams = self.streams.lock().unwrap();
        *streams += 1;
        self.shared.idle.leave(self.connection.id);
        Active(self.clone())
    }
}

/// Marks the connection as idle again when the last one is dropped.
struct Active(Arc<Activity>);

impl Drop for Active {
    fn drop(&mut self) {
        let mut streams = self.0.streams.lock().unwrap();
        *streams -= 1;
        if *streams == 0 {
            self.0.command(Command::Idle(self.0.shared.idle.enter(self.0.connection.id)));
        }
    }
}

pub(super) async fn serve(shared: Arc<Shared>, stream: Stream, connection: Connection) {
    let reset = stream.reset_switch();
    let mut idle = Some(shared.idle.enter(connection.id));
    let mut builder = h2::server::Builder::new();
    if let Some(streams) = shared.settings.max_streams {
        builder.max_concurrent_streams(streams);
    }
    let Ok(mut h2) = builder.handshake::<_, Bytes>(stream).await else {
        return;
    };
    let (commands, mut commanded) = mpsc::unbounded_channel();
    let activity = Arc::new(Activity { shared, connection, commands, streams: Mutex::new(0) });
    // Kept until the connection has ended: dropping an order signals that it is done.
    let mut _order = None;
    loop {
        let command = tokio::select! {
            request = h2.accept() => match request {
                Some(Ok((request, respond))) => {
                    tokio::spawn(answer(activity.begin(), request, respond));
                    continue;
                }
                _ => break,
            },
            Some(command) = commanded.recv() => command,
            order = ordered(&mut idle) => {
                let command = match order.kind {
                    CloseKind::Fin => Command::GoAway,
                    CloseKind::Reset => Command::Reset,
                };
                _order = Some(order);
                command
            }
        };
        match command {
            Command::Idle(orders) => idle = Some(orders),
            Command::GoAway => h2.abrupt_shutdown(Reason::NO_ERROR),
            Command::Hang => pending().await,
            Command::Close | Command::Reset => {
                // Poll once more, so that queued frames are sent.
                poll_fn(|cx| {
                    let _ = h2.poll_closed(cx);
                    Poll::Ready(())
                })
                .await;
                if matches!(command, Command::Reset) {
                    reset.arm();
                }
                break;
            }
        }
    }
    activity.shared.idle.leave(activity.connection.id);
    drop(h2);
}

async fn ordered(idle: &mut Option<oneshot::Receiver<Order>>) -> Order {
    if let Some(orders) = idle
        && let Ok(order) = orders.await
    {
        return order;
    }
    // A receiver must not be polled again after it has returned that its sender is gone.
    *idle = None;
    pending().await
}

async fn answer(active: Active, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (shared, connection) = (active.0.shared.clone(), active.0.connection.clone());
    let (head, mut incoming) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = incoming.data().await {
        let Ok(chunk) = chunk else { return };
        let _ = incoming.flow_control().release_capacity(chunk.len());
        body.extend_from_slice(&chunk);
    }
    let call = Call::from_http2(&head, body, &connection);
    let mut flight = shared.arrive(&call);
    let play = tokio::select! {
        play = flight.play(&call) => play,
        () = reset(&mut respond) => return,
    };
    if let Some(pace) = play.pace {
        tokio::time::sleep(pace).await;
    }
    let over = (flight, active);
    if play.http2.is_some() || play.raw.is_some() || matches!(play.reach, Reach::Nothing | Reach::HalfHead) {
        return misbehave(&play, over, respond).await;
    }
    send(&play, over, respond, call.method == "HEAD").await;
}

/// Faults without any part of the answer.
async fn misbehave(play: &Play, over: (impl Sized, Active), mut respond: SendResponse<Bytes>) {
    let (flight, active) = over;
    match (play.http2, play.end) {
        (Some(Http2Play::RefuseStream), _) => respond.send_reset(Reason::REFUSED_STREAM),
        (Some(Http2Play::GoAway), _) => active.0.command(Command::GoAway),
        (Some(Http2Play::HangConnection), _) => {
            // Nothing would notice that the client has left.
            drop(flight);
            active.0.command(Command::Hang);
            return reset(&mut respond).await;
        }
        (None, End::Hang) => return reset(&mut respond).await,
        (None, End::Reset) => active.0.command(Command::Reset),
        (None, End::Close | End::Keep) => active.0.command(Command::Close),
    }
    drop(flight);
    // Wait until the connection has carried out the order: dropping `respond` earlier would send an answer, too.
    reset(&mut respond).await;
}

async fn send(play: &Play, over: (impl Sized, Active), mut respond: SendResponse<Bytes>, is_head: bool) {
    if let Some((status, headers)) = &play.interim {
        let _ = respond.send_informational(response(*status, headers.iter().map(|(n, v)| (n, v.as_bytes()))));
    }
    let mut headers = play.answer.sorted_headers();
    if let Some(length) = play.answer.content_length(is_head) {
        headers.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    let head = response(play.answer.status, headers.iter().map(|(n, v)| (n, v.as_slice())));
    let body = if is_head { &[][..] } else { &play.answer.body };
    let complete = play.reach == Reach::All;
    let active = over.1.0.clone();
    let mut over = Some(over);
    let mut finish = |last: bool| {
        if last {
            drop(over.take())
        }
    };

    let only_head = complete && body.is_empty() && play.trailers.is_empty();
    finish(only_head);
    let Ok(mut stream) = respond.send_response(head, only_head) else {
        return;
    };
    if only_head {
        return;
    }
    let (first, second) = body.split_at(body.len() / 2);
    let _ = stream.send_data(Bytes::copy_from_slice(first), false);
    let only_body = complete && play.trailers.is_empty();
    finish(only_body);
    let _ = stream.send_data(Bytes::copy_from_slice(second), only_body);
    if complete && !only_body {
        finish(true);
        let trailers = header_map(play.trailers.iter().map(|(n, v)| (n, v.as_bytes())));
        let _ = stream.send_trailers(trailers);
    } else if !complete {
        if play.end != End::Hang {
            finish(true);
            active.command(Command::Close);
        }
        let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
    }
}

fn response<'a>(status: u16, headers: impl Iterator<Item = (&'a String, &'a [u8])>) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    *response.headers_mut() = header_map(headers);
    response
}

fn header_map<'a>(headers: impl Iterator<Item = (&'a String, &'a [u8])>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a header name"),
            HeaderValue::from_bytes(value).expect("a header value that HTTP/2 can carry"),
        );
    }
    map
}

/// Waits until the client has given up the stream or the connection.
async fn reset(respond: &mut SendResponse<Bytes>) {
    let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
}
