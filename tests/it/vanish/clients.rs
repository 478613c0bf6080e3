//! Clients that send a request and then go, each in its way.

use crate::harness::{Http1, Http2, Nginx, Request};

/// Streams of one HTTP/2 connection: nginx allows 128.
const STREAMS: usize = 100;

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// FIN
    Close,
    /// RST
    Reset,
    /// FIN for its own direction: it could still read the answer, and nginx takes it for gone.
    HalfClose,
    /// HTTP/2: RST_STREAM, and the connection stays.
    ResetStreams,
    /// HTTP/2: FIN under all streams at once.
    CloseConnection,
    /// HTTP/2: RST under all streams at once.
    ResetConnection,
}

pub(super) const WAYS: [Way; 6] =
    [Way::Close, Way::ResetStreams, Way::Reset, Way::CloseConnection, Way::HalfClose, Way::ResetConnection];

/// Connections with requests that have been sent.
pub(super) enum Clients {
    Http1(Vec<Http1>),
    Http2(Vec<(Http2, Vec<u32>)>),
}

impl Clients {
    pub(super) fn send(nginx: &Nginx, way: Way, total: usize, request: impl Fn(usize) -> Request) -> Self {
        if matches!(way, Way::Close | Way::Reset | Way::HalfClose) {
            let clients = (0..total).map(|i| {
                let mut client = Http1::connect(nginx.port()).expect("nginx accepts");
                client.send(&request(i)).expect("sent");
                client
            });
            return Self::Http1(clients.collect());
        }
        let connections = (0..total).step_by(STREAMS).map(|first| {
            let mut client = Http2::connect(nginx.h2_port()).expect("nginx accepts");
            let streams = first..total.min(first + STREAMS);
            let streams = streams.map(|i| client.send(&request(i)).expect("sent")).collect();
            (client, streams)
        });
        Self::Http2(connections.collect())
    }

    pub(super) fn vanish(self, way: Way) {
        match (self, way) {
            (Self::Http1(clients), Way::Reset) => clients.into_iter().for_each(Http1::reset),
            (Self::Http1(mut clients), Way::HalfClose) => {
                clients.iter().for_each(|client| client.half_close().expect("it is open"));
                // nginx closes without a word, or has an answer under way.
                clients.iter_mut().for_each(|client| drop(client.read_to_end()));
            }
            (Self::Http1(clients), _) => drop(clients),
            (Self::Http2(connections), Way::ResetStreams) => {
                for (mut client, streams) in connections {
                    streams.into_iter().for_each(|stream| client.reset_stream(stream).expect("it is open"));
                    // The connection serves on, or nginx ended it for so many resets, as newer versions do.
                    drop(client.exchange(&Request::get("/")));
                }
            }
            (Self::Http2(connections), Way::ResetConnection) => {
                connections.into_iter().for_each(|(client, _)| client.reset());
            }
            (Self::Http2(connections), _) => drop(connections),
        }
    }
}
