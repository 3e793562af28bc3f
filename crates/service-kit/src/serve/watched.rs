use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::Limits;

/// Marks a request whose head had both `Content-Length` and `Transfer-Encoding`: the sign of request smuggling.
///
/// hyper drops the length silently, so it is looked for in the bytes. A head that comes while an earlier request is still
/// busy is not looked at: it cannot be told from that request's body. hyper then believes the encoding and closes the
/// connection after the answer, so nothing can be smuggled in behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AmbiguousLength;

/// What is known of one connection; shared by its stream, its requests and the task that watches the time.
#[derive(Debug)]
pub(super) struct Watch(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Requests begun and not finished, the bodies of both directions included.
    busy: usize,
    scan: HeadScan,
    write_stalled: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No byte of any request has come.
    Silent {
        since: Instant,
    },
    /// A head has begun to come.
    Head {
        since: Instant,
    },
    Busy,
    /// Between requests.
    Idle {
        since: Instant,
    },
}

/// Why a connection's time is over, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing is lost by closing at once.
    Close(Instant),
    /// Between requests: close as a server does that stops.
    Finish(Instant),
    /// No limit runs.
    Never,
}

impl Watch {
    pub(super) fn new() -> Arc<Self> {
        let phase = Phase::Silent { since: Instant::now() };
        Arc::new(Self(Mutex::new(State { phase, busy: 0, scan: HeadScan::default(), write_stalled: None })))
    }

    /// A request's head is complete. Busy until the last clone of the guard is gone.
    pub(super) fn begin(self: &Arc<Self>) -> (BusyGuard, Option<AmbiguousLength>) {
        let mut state = self.state();
        let ambiguous = state.scan.is_ambiguous().then_some(AmbiguousLength);
        state.phase = Phase::Busy;
        state.busy += 1;
        state.scan = HeadScan::default();
        (BusyGuard(self.clone()), ambiguous)
    }

    pub(super) fn due(&self, limits: &Limits) -> Due {
        let state = self.state();
        if let Some(since) = state.write_stalled {
            return Due::Close(since + limits.stalled_write);
        }
        match state.phase {
            Phase::Silent { since } | Phase::Head { since } => Due::Close(since + limits.head_time),
            Phase::Idle { since } => Due::Finish(since + limits.idle_time),
            Phase::Busy => Due::Never,
        }
    }

    fn read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if let Phase::Silent { .. } | Phase::Idle { .. } = state.phase {
            state.phase = Phase::Head { since: Instant::now() };
        }
        if let Phase::Head { .. } = state.phase {
            state.scan.feed(bytes);
        }
    }

    fn wrote(&self, is_stalled: bool) {
        let mut state = self.state();
        match (is_stalled, state.write_stalled) {
            (true, None) => state.write_stalled = Some(Instant::now()),
            (false, Some(_)) => state.write_stalled = None,
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a connection busy.
#[derive(Debug)]
pub(super) struct BusyGuard(Arc<Watch>);

impl Clone for BusyGuard {
    fn clone(&self) -> Self {
        self.0.state().busy += 1;
        Self(self.0.clone())
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        if state.busy == 0 {
            state.phase = Phase::Idle { since: Instant::now() };
        }
    }
}

/// A TCP stream that tells its [`Watch`] what passes.
pub(super) struct WatchedStream {
    stream: TcpStream,
    watch: Arc<Watch>,
}

impl WatchedStream {
    pub(super) fn new(stream: TcpStream, watch: Arc<Watch>) -> Self {
        Self { stream, watch }
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        let new = &buf.filled()[before..];
        if !new.is_empty() {
            self.watch.read(new);
        }
        polled
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch.wrote(polled.is_pending());
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.watch.wrote(polled.is_pending());
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Looks for two header names in a head that comes in pieces. One step per byte, no buffer but a short line start.
#[derive(Debug, Default)]
struct HeadScan {
    /// The current line's first bytes in lower case, as far as a header name of interest reaches.
    line: Vec<u8>,
    line_length: usize,
    has_length: bool,
    has_encoding: bool,
    is_over: bool,
}

const LENGTH: &[u8] = b"content-length:";
const ENCODING: &[u8] = b"transfer-encoding:";

impl HeadScan {
    fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if self.is_over {
                return;
            }
            match byte {
                b'\n' => {
                    // A first empty line is tolerated by parsers; a later one ends the head.
                    self.is_over = self.line_length == 0 && (self.has_length || self.has_encoding);
                    self.line.clear();
                    self.line_length = 0;
                }
                b'\r' => {}
                _ => {
                    self.line_length += 1;
                    if self.line.len() < ENCODING.len() {
                        self.line.push(byte.to_ascii_lowercase());
                        self.has_length |= self.line == LENGTH;
                        self.has_encoding |= self.line == ENCODING;
                    }
                }
            }
        }
    }

    fn is_ambiguous(&self) -> bool {
        self.has_length && self.has_encoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ambiguous(head: &str, piece: usize) -> bool {
        let mut scan = HeadScan::default();
        head.as_bytes().chunks(piece).for_each(|bytes| scan.feed(bytes));
        scan.is_ambiguous()
    }

    #[test]
    fn both_lengths_are_seen_in_any_order_case_and_cut() {
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTRANSFER-ENCODING:chunked\r\nHost: a\r\ncontent-length:3\r\n\r\n",
        ] {
            for piece in [1, 7, 1000] {
                assert!(is_ambiguous(head, piece), "{head:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn one_length_or_a_name_elsewhere_is_fine() {
        for head in [
            "POST /transfer-encoding: HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nX-Note: transfer-encoding:\r\nContent-Length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ncontent-length: 3\r\n",
        ] {
            assert!(!is_ambiguous(head, 5), "{head:?}");
        }
    }
}
