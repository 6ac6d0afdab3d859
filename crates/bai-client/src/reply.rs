//! The reply to one request, read with a limit.

use super::error::{ClientError, ErrorKind, looks_like_html};
use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;

/// A complete reply with a success status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) what: String,
}

impl Reply {
    /// The body as JSON of a known shape.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        bai_protocol::json::from_slice(&self.body).map_err(|error| {
            let start = self.body.get(..512).unwrap_or(&self.body);
            if looks_like_html(&String::from_utf8_lossy(start)) {
                return ClientError::new(
                    ErrorKind::NotABackend,
                    &self.what,
                    "the server answers with a web page",
                );
            }
            ClientError::new(
                ErrorKind::Server,
                &self.what,
                format!("the reply is not what was agreed: {error}"),
            )
            .with_source(error)
        })
    }
}

/// Reads a body of at most `limit` bytes. A longer one is an error, or with `cut` is truncated.
pub(super) async fn read_body(
    mut response: Response,
    what: &str,
    limit: usize,
    cut: bool,
) -> Result<Bytes, ClientError> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(None) => return Ok(body.freeze()),
            Ok(Some(chunk)) if body.len() + chunk.len() >= limit && cut => {
                body.extend_from_slice(&chunk);
                body.truncate(limit);
                return Ok(body.freeze());
            }
            Ok(Some(chunk)) if body.len() + chunk.len() > limit => {
                let why = format!("the reply is larger than {limit} bytes");
                return Err(ClientError::new(ErrorKind::Server, what, why));
            }
            Ok(Some(chunk)) if body.is_empty() => body = chunk.into(),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Err(error) => {
                let why = format!("the reply ended in the middle: {}", super::cause(&error));
                let error = error.without_url();
                return Err(ClientError::new(ErrorKind::Lost, what, why).with_source(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_character_does_not_make_a_reply_unreadable() {
        let body = Bytes::from_static(br#"{"console": [["stdout", "a\ud83d"]], "exitCode": 3}"#);
        let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body, what: "read".into() };
        let read: serde_json::Value = reply.json().unwrap();
        assert_eq!(read["console"][0][1], "a\u{fffd}");
        assert_eq!(read["exitCode"], 3);
    }
}
