//! A body whose hash is in the signature of its request (`docs/wire` §13.8). The handlers read it as any other; its end is
//! an error if the hash is another one.

use axum::body::{Body, Bytes};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use std::io;
use subtle::ConstantTimeEq;

/// The body, with an error at its end unless its SHA-256 in hex is `expected`.
pub(super) fn check(body: Body, expected: String) -> Body {
    Body::from_stream(checked(body.into_data_stream(), expected))
}

fn checked<E: Into<axum::BoxError> + Send + 'static>(
    chunks: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
    expected: String,
) -> impl Stream<Item = Result<Bytes, axum::BoxError>> + Send {
    let start = Some((chunks, Sha256::new()));
    futures_util::stream::unfold(start, move |state| {
        let expected = expected.clone();
        async move {
            let (mut chunks, mut hash) = state?;
            match chunks.next().await {
                Some(Ok(chunk)) => {
                    hash.update(&chunk);
                    Some((Ok(chunk), Some((chunks, hash))))
                }
                Some(Err(error)) => Some((Err(error.into()), None)),
                None => {
                    let found = hex::encode(hash.finalize());
                    let same: bool = found.as_bytes().ct_eq(expected.as_bytes()).into();
                    (!same).then(|| (Err(other_body().into()), None))
                }
            }
        }
    })
}

fn other_body() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not the body that was signed")
}
