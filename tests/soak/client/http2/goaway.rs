//! Up to which stream a server that goes has read requests. The library knows, and doesn't say.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const GOAWAY: u8 = 7;
const FRAME_HEAD: usize = 9;

/// The last stream that was read; all, as long as the server doesn't go.
#[derive(Clone, Debug)]
pub(super) struct LastStream(Arc<AtomicU32>);

impl LastStream {
    pub(super) fn get(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A connection whose frames are looked at as they come in.
pub(super) struct Watched<S> {
    stream: S,
    last: LastStream,
    /// The head of the frame that is being read, and the beginning of its payload.
    begun: Vec<u8>,
    /// Of its payload.
    to_come: usize,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Self, LastStream) {
        let last = LastStream(Arc::new(AtomicU32::new(u32::MAX)));
        (Self { stream, last: last.clone(), begun: Vec::new(), to_come: 0 }, last)
    }

    fn look_at(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.begun.len() < FRAME_HEAD {
                self.begun.push(bytes[0]);
                bytes = &bytes[1..];
                if self.begun.len() == FRAME_HEAD {
                    self.to_come = self.begun[..3].iter().fold(0, |n, b| n << 8 | usize::from(*b));
                }
            } else {
                let taken = self.to_come.min(bytes.len());
                if self.begun[3] == GOAWAY {
                    self.begun.extend_from_slice(&bytes[..taken]);
                }
                self.to_come -= taken;
                bytes = &bytes[taken..];
            }
            if self.begun.len() >= FRAME_HEAD && self.to_come == 0 {
                self.end_of_frame();
            }
        }
    }

    fn end_of_frame(&mut self) {
        if self.begun[3] == GOAWAY
            && let Some(&[a, b, c, d]) = self.begun.get(FRAME_HEAD..FRAME_HEAD + 4)
        {
            self.last.0.store(u32::from_be_bytes([a & 0x7f, b, c, d]), Ordering::SeqCst);
        }
        self.begun.clear();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.look_at(&buf.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
