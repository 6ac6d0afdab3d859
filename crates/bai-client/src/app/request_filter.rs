//! What the client of one connection sends on its way to the app. Bytes that begin like an HTTP request are held back
//! until the request's head is complete and was checked; all else passes as it is. Every request of a connection that is
//! kept alive is checked, and bytes are never changed. Which requests are refused is the work of `web_origin`.
//!
//! Only browsers carry requests for strangers, and a browser sends the beginning of a request in one piece. So bytes
//! that could only become a request if they were sent one by one may count as another protocol.

use super::web_origin::{OwnHosts, Refusal, values};
use bytes::BytesMut;
use httparse::Status;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// The largest head of a request, and the largest line of a chunked body.
const HEAD_LIMIT: usize = 64 * 1024;
/// How many headers a request may have.
const HEADERS: usize = 256;
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// The usual methods. When the first bytes are the beginning of one, the rest is waited for.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// The bytes of one client, in order.
#[derive(Debug)]
pub(super) struct RequestFilter {
    hosts: OwnHosts,
    place: Place,
    /// Bytes that are not decided yet.
    held: BytesMut,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A request, or another protocol.
    Start,
    /// So many bytes of a body.
    Body(u64),
    /// The line with the size of a chunk.
    ChunkSize,
    /// So many bytes of a chunk, and its line break.
    Chunk(u64),
    /// The lines after the last chunk.
    Trailers,
    /// Another protocol, up to the end.
    Other,
}

/// How far the beginning of a message was understood.
enum Start {
    Undecided,
    Other,
    Http,
}

impl RequestFilter {
    pub(super) fn new(hosts: OwnHosts) -> Self {
        RequestFilter { hosts, place: Place::Start, held: BytesMut::new() }
    }

    /// Takes the next bytes of the client. Appends what may go on to `passed`.
    ///
    /// # Errors
    /// Why the connection must end.
    pub(super) fn push(&mut self, bytes: &[u8], passed: &mut BytesMut) -> Result<(), Refusal> {
        self.held.extend_from_slice(bytes);
        while !self.held.is_empty() {
            let Some((count, next)) = self.step()? else {
                return match self.held.len() {
                    0..=HEAD_LIMIT => Ok(()),
                    _ => Err(Refusal::Malformed("its head is too large")),
                };
            };
            passed.extend_from_slice(&self.held.split_to(count));
            self.place = next;
        }
        Ok(())
    }

    /// Ends the client's bytes. Appends what may go on to `passed`: a request without its end may not.
    fn finish(&mut self, passed: &mut BytesMut) {
        let held = self.held.split();
        if !held.contains(&b' ') {
            passed.extend_from_slice(&held);
        }
    }

    /// How many of the held bytes may go on, and what comes after them. `None` when more bytes are needed.
    fn step(&self) -> Result<Option<(usize, Place)>, Refusal> {
        let held = &self.held[..];
        let part = |wanted: u64| usize::try_from(wanted).unwrap_or(usize::MAX).min(held.len());
        Ok(match self.place {
            Place::Other => Some((held.len(), Place::Other)),
            Place::Start => match start(held) {
                Start::Undecided => None,
                Start::Other => Some((held.len(), Place::Other)),
                Start::Http => self.request(held)?,
            },
            Place::Body(left) => {
                let count = part(left);
                let left = left - count as u64;
                Some((count, if left == 0 { Place::Start } else { Place::Body(left) }))
            }
            Place::ChunkSize => match httparse::parse_chunk_size(held) {
                Ok(Status::Complete((count, 0))) => Some((count, Place::Trailers)),
                Ok(Status::Complete((count, size))) => Some((count, Place::Chunk(size))),
                Ok(Status::Partial) => None,
                Err(_) => return Err(Refusal::Malformed("a chunk has no size")),
            },
            Place::Chunk(0) => match held {
                [b'\r'] => None,
                [b'\r', b'\n', ..] => Some((2, Place::ChunkSize)),
                [b'\n', ..] => Some((1, Place::ChunkSize)),
                _ => return Err(Refusal::Malformed("a chunk is longer than its size")),
            },
            Place::Chunk(left) => {
                let count = part(left);
                Some((count, Place::Chunk(left - count as u64)))
            }
            Place::Trailers => held.iter().position(|byte| *byte == b'\n').map(|end| {
                let is_last = matches!(held.get(..end), Some([] | [b'\r']));
                (end + 1, if is_last { Place::Start } else { Place::Trailers })
            }),
        })
    }

    /// Checks a request. Returns the size of its head, and where its body ends.
    fn request(&self, held: &[u8]) -> Result<Option<(usize, Place)>, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let head = match request.parse(held) {
            Ok(Status::Complete(head)) => head,
            Ok(Status::Partial) => return Ok(None),
            Err(_) => return Err(Refusal::Malformed("its head cannot be read")),
        };
        self.hosts.check(&request)?;
        Ok(Some((head, body(request.headers)?)))
    }
}

/// Whether these bytes, of which there is one at least, begin a request.
fn start(held: &[u8]) -> Start {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let method = held.iter().take_while(|byte| is_token(byte)).count();
    let (method, rest) = held.split_at_checked(method).unwrap_or((held, &[]));
    if rest.is_empty() {
        let is_beginning = METHODS.iter().any(|known| known.as_bytes().starts_with(method));
        return if is_beginning { Start::Undecided } else { Start::Other };
    }
    let Some(target) = rest.strip_prefix(b" ").filter(|_| !method.is_empty()) else { return Start::Other };
    match target.iter().position(|byte| *byte == b'\n') {
        Some(end) => {
            let line = target.get(..end).unwrap_or(target).trim_ascii_end();
            let is_http = [&b" HTTP/1.0"[..], b" HTTP/1.1"].iter().any(|version| line.ends_with(version));
            if is_http { Start::Http } else { Start::Other }
        }
        None if matches!(target, [] | [b'/' | b'*' | b'h' | b'H', ..]) => Start::Undecided,
        None => Start::Other,
    }
}

/// What follows the head of a request with these headers.
fn body(headers: &[httparse::Header<'_>]) -> Result<Place, Refusal> {
    let codings: Vec<_> = values(headers, "transfer-encoding").collect();
    let mut lengths = values(headers, "content-length");
    match (&codings[..], lengths.next()) {
        ([], None) => Ok(Place::Start),
        ([], Some(length)) => {
            let number =
                std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
            let number =
                number.and_then(|text| text.parse().ok()).filter(|_| lengths.all(|other| other == length));
            match number.ok_or(Refusal::Malformed("its length is not a number"))? {
                0 => Ok(Place::Start),
                length => Ok(Place::Body(length)),
            }
        }
        ([coding], None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Place::ChunkSize),
        _ => Err(Refusal::Malformed("the end of its body cannot be told")),
    }
}

/// A reader of what a client sends, as far as it may go on. At a request that is refused it fails.
#[derive(Debug)]
pub(super) struct CheckedReader<R> {
    inner: R,
    filter: RequestFilter,
    piece: Box<[u8]>,
    passed: BytesMut,
    refusal: Option<Refusal>,
}

impl<R> CheckedReader<R> {
    pub(super) fn new(inner: R, filter: RequestFilter) -> Self {
        let piece = vec![0; PIECE].into_boxed_slice();
        CheckedReader { inner, filter, piece, passed: BytesMut::new(), refusal: None }
    }

    /// Why the client was refused.
    pub(super) fn into_refusal(self) -> Option<Refusal> {
        self.refusal
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for CheckedReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.passed.is_empty() {
                let count = this.passed.len().min(buffer.remaining());
                buffer.put_slice(&this.passed.split_to(count));
                return Poll::Ready(Ok(()));
            }
            if this.refusal.is_some() {
                return Poll::Ready(Err(io::ErrorKind::PermissionDenied.into()));
            }
            let mut read = ReadBuf::new(&mut this.piece);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut read))?;
            if read.filled().is_empty() {
                this.filter.finish(&mut this.passed);
                if this.passed.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            } else {
                // What came before the refused request goes on.
                this.refusal = this.filter.push(read.filled(), &mut this.passed).err();
            }
        }
    }
}

#[cfg(test)]
mod tests;
