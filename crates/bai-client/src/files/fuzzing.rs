//! Downloads with arbitrary bytes: bodies of several parts, and archives.

use super::multipart;
use super::unpack::Unpacking;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use std::path::Path;

/// A body of several parts. The first line is its content type.
pub fn multipart(bytes: &[u8]) {
    let mut pieces = bytes.splitn(2, |byte| *byte == b'\n');
    let (content_type, body) = (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default());
    let Ok(content_type) = HeaderValue::from_bytes(content_type) else { return };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
    if let Ok(parts) = multipart::parts(&headers, &Bytes::copy_from_slice(body)) {
        assert!(parts.iter().map(Bytes::len).sum::<usize>() <= body.len());
    }
}

/// A tar archive. Its files stay below the folder into which it is unpacked, and there are no links. The first byte chooses the
/// options.
pub fn archive(bytes: &[u8]) {
    let Some((options, archive)) = bytes.split_first() else { return };
    let Ok(outside) = tempfile::tempdir() else { return };
    let into = outside.path().join("into");
    let below = if options & 2 == 0 { Vec::new() } else { vec!["below".to_owned()] };
    let unpacking =
        Unpacking { into: into.clone(), below, wanted: vec![String::new()], overwrite: options & 1 == 0 };
    // A mistake in it may become visible only when files are there already.
    for _ in 0..2 {
        let _ = unpacking.run(&[Bytes::copy_from_slice(archive)]);
    }
    let names =
        std::fs::read_dir(outside.path()).into_iter().flatten().flatten().map(|entry| entry.file_name());
    assert_eq!(names.filter(|name| name != "into").count(), 0, "a file was written outside");
    check(&into);
}

fn check(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        assert!(kind.is_dir() || kind.is_file(), "{:?}", entry.path());
        assert!(
            !entry.file_name().to_string_lossy().starts_with(".bai-repl-"),
            "a part of a file was left behind"
        );
        if kind.is_dir() {
            check(&entry.path());
        }
    }
}
