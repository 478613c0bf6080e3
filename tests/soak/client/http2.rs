//! HTTP/2: clients that share a connection.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Broken, Door, PATIENCE};
use crate::judge::Answer;
use crate::plan::Plan;
use crate::weather::Weather;
use crate::world::World;
use goaway::{LastStream, Watched};

mod goaway;

/// A connection, to be made again by the client that first needs it.
pub(crate) struct Link {
    door: Door,
    connection: Mutex<Option<Connection>>,
}

#[derive(Clone)]
struct Connection {
    send: SendRequest<Bytes>,
    pid: i32,
    generation: u64,
    /// Tells it from the one before.
    made: Instant,
    last_stream: LastStream,
}

pub(crate) struct Client(Arc<Link>);

impl Link {
    pub(super) fn new(door: Door) -> Arc<Self> {
        Arc::new(Self { door, connection: Mutex::new(None) })
    }

    async fn connection(&self, weather: &Weather) -> (Result<Connection, Broken>, u64) {
        let failed = |generation, why| Broken { pid: 0, unsent: true, raced: false, generation, why };
        let Ok(mut connection) = timeout(PATIENCE, self.connection.lock()).await else {
            return (Err(failed(weather.generation(), "no connection in time".to_owned())), 0);
        };
        if let Some(connection) = &*connection {
            return (Ok(connection.clone()), 0);
        }
        let generation = weather.generation();
        let opened = timeout(PATIENCE, self.open(generation)).await;
        let opened = opened.unwrap_or_else(|_| Err("no connection".into()));
        *connection = opened.as_ref().ok().cloned();
        (opened.map_err(|why| failed(generation, why)), 1)
    }

    /// Asks which worker it is to. Nothing is lost where that fails.
    async fn open(&self, generation: u64) -> Result<Connection, String> {
        let stream = self.door.connect().await.map_err(|e| format!("no connection: {e}"))?;
        let (stream, last_stream) = Watched::new(stream.into_bytes());
        let (send, connection) =
            h2::client::handshake(stream).await.map_err(|e| format!("no HTTP/2: {e}"))?;
        tokio::spawn(connection);
        let mut connection = Connection { send, pid: 0, generation, made: Instant::now(), last_stream };
        let request = Request::get(self.uri("/pid")).body(()).expect("a request");
        let (_, answer) = connection.exchange(request, None).await.map_err(|broken| broken.why)?;
        connection.pid = String::from_utf8_lossy(&answer.body).parse().unwrap_or(0);
        Ok(connection)
    }

    fn uri(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.door.port)
    }

    async fn forget(&self, broken: &Connection) {
        let mut connection = self.connection.lock().await;
        if connection.as_ref().is_some_and(|connection| connection.made == broken.made) {
            *connection = None;
        }
    }
}

impl Client {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self(link)
    }

    pub(super) async fn exchange(
        &mut self,
        world: &World,
        weather: &Weather,
        plan: &Plan,
    ) -> (Result<(Instant, Answer), Broken>, u64) {
        let (connection, connections) = self.0.connection(weather).await;
        let mut connection = match connection {
            Ok(connection) => connection,
            Err(broken) => return (Err(broken), connections),
        };
        let mut request = Request::builder().method(plan.method()).uri(self.0.uri(&plan.path()));
        for (name, value) in plan.headers(world) {
            request = request.header(name.to_ascii_lowercase(), value);
        }
        let request = request.body(()).expect("a request");
        let exchange = connection.exchange(request, plan.body.map(Bytes::from_static));
        let result = match timeout(PATIENCE, exchange).await {
            Ok(result) => result,
            Err(_) => Err(connection.broken(false, false, "timed out".into())),
        };
        if result.is_err() {
            self.0.forget(&connection).await;
        }
        (result, connections)
    }
}

impl Connection {
    async fn exchange(
        &mut self,
        request: Request<()>,
        body: Option<Bytes>,
    ) -> Result<(Instant, Answer), Broken> {
        let ready = self.send.clone().ready().await;
        let mut send = ready.map_err(|error| self.broken(true, false, error.to_string()))?;
        let sent = Instant::now();
        let response = send.send_request(request, body.is_none());
        let (response, mut stream) = response.map_err(|error| self.broken(true, false, error.to_string()))?;
        if let Some(body) = body {
            // Whether that was in vain is told by the answer, or its lack.
            let _ = stream.send_data(body, true);
        }
        let number = response.stream_id().as_u32();
        let response = response.await.map_err(|error| {
            let raced = self.was_not_read(number, &error);
            self.broken(false, raced, format!("{error} instead of an answer"))
        })?;
        let (head, mut stream) = response.into_parts();
        let mut body = Vec::new();
        while let Some(data) = stream.data().await {
            let data = data.map_err(|error| self.broken(false, false, format!("{error} in a body")))?;
            let _ = stream.flow_control().release_capacity(data.len());
            body.extend_from_slice(&data);
        }
        let reason = head.headers.get("x-reason").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok((sent, Answer { status: head.status.as_u16(), reason: reason.to_owned(), body }))
    }

    fn broken(&self, unsent: bool, raced: bool, why: String) -> Broken {
        Broken { pid: self.pid, unsent, raced, generation: self.generation, why }
    }

    /// A server that goes says which streams it has still read, or refuses one.
    fn was_not_read(&self, stream: u32, error: &h2::Error) -> bool {
        stream > self.last_stream.get()
            || error.is_remote() && error.reason() == Some(h2::Reason::REFUSED_STREAM)
    }
}
