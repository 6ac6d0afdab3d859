//! The parsers of a client's bytes, for the fuzz targets in `fuzz`. Each takes any bytes, and panics only on a mistake. This
//! is no part of the crate's interface.

pub use crate::graphql::fuzzing::graphql;

use crate::{auth, files, transfer};
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header;
use bai_protocol::sign;
use bai_protocol::version::ApiVersion;
use futures_util::FutureExt;
use std::path::{Component, Path};

/// The headers of a signed request, each on a line: authorization, date, version.
pub fn authorization(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    if let Some((access_key, signature)) = sign::parse_authorization(line()) {
        assert!(!access_key.contains(':') && !signature.contains(','));
    }
    if let Some((_, day)) = auth::parse_date(line()) {
        assert_eq!(day.trim_start_matches('-').len(), 8, "{day}");
    }
    if let Ok(version) = line().parse::<ApiVersion>() {
        assert_eq!(version.to_string().parse(), Ok(version));
    }
}

/// The form of an upload, whose boundary is `x`: the names of its files lead to places below the session's folder.
pub fn upload(bytes: &[u8]) {
    let content_type = (header::CONTENT_TYPE, "multipart/form-data; boundary=x");
    let request = Request::builder().header(content_type.0, content_type.1).body(Body::from(bytes.to_vec()));
    let Ok(request) = request else { return };
    let read = async {
        let Ok(mut parts) = Multipart::from_request(request, &()).await else { return };
        while let Ok(Some(part)) = parts.next_field().await {
            let name = transfer::decode_name(part.file_name().unwrap_or_default());
            if let Ok(path) = files::relative(Path::new("/home/someone"), &name) {
                assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{name}");
            }
            let _ = part.bytes().await;
        }
    };
    // The body is here already.
    assert!(read.now_or_never().is_some());
}
