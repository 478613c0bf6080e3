//! Downloads that keep old workers alive while others take their places.

use std::io;

use crate::it::harness::{Http1, Nginx, Request};
use crate::site::DOWNLOAD;

pub(crate) struct Downloads(Vec<Http1>);

impl Downloads {
    /// More of them than there are workers. Nothing is read yet, so that each holds the worker that it came to.
    pub(crate) fn begin(nginx: &Nginx) -> Self {
        let begin = |_| -> io::Result<Http1> {
            let mut connection = Http1::connect(nginx.port())?;
            connection.send(&Request { target: "/download".into(), ..Request::get("/") })?;
            Ok(connection)
        };
        Self((0..6).map(begin).collect::<io::Result<_>>().expect("nginx accepts"))
    }

    /// Reads them to their ends; how many don't come whole.
    pub(crate) fn end(self) -> u64 {
        let is_whole = |mut connection: Http1| {
            connection.receive(b"GET").is_ok_and(|response| response.body.len() == DOWNLOAD)
        };
        self.0.into_iter().map(|connection| u64::from(!is_whole(connection))).sum()
    }
}
