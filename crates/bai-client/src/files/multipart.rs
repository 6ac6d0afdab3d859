//! Multipart bodies: the form of an upload, and the archives of a download.

use bai_protocol::byte_text;
use bytes::{Bytes, BytesMut};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap};

/// The content type and the body of an upload. File names are sent unescaped, since genuine servers store a
/// percent-encoded name literally. Only a name that a header cannot have is encoded: it goes to no server but our own.
///
/// Our engine decodes the names of the official client, which encodes every slash. So a name with a percent sign gets one:
/// a name with a slash is as it is meant on both servers.
pub(super) fn form(files: &[OutgoingPart]) -> (String, Bytes) {
    let boundary = format!("bai-{}", uuid::Uuid::new_v4().simple());
    let mut body = BytesMut::new();
    for OutgoingPart { name, content, mode, replaces } in files {
        let mark = if name.contains('%') && !name.contains('/') && is_plain(name) { "./" } else { "" };
        let name = match is_plain(name) {
            true => name.replace('\\', "\\\\").replace('"', "\\\""),
            false => utf8_percent_encode(name, ENCODED).to_string(),
        };
        let mode = if *mode == MODE { String::new() } else { format!("X-File-Mode: {mode:o}\r\n") };
        let condition = if *replaces { "" } else { EXCLUSIVE };
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"src\"; filename=\"{mark}{name}\"\r\n\
             Content-Type: application/octet-stream\r\n{mode}{condition}\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.freeze())
}

/// The content type and the body of an upload of one file, which replaces another one.
pub(crate) fn form_of_one(name: &str, content: Bytes) -> (String, Bytes) {
    form(&[OutgoingPart { name: name.to_owned(), content, mode: MODE, replaces: true }])
}

/// One file of an upload. A name with a slash at its end makes a folder, on our own server.
#[derive(Debug, Clone)]
pub(super) struct OutgoingPart {
    pub(super) name: String,
    pub(super) content: Bytes,
    /// The permissions of a new file.
    pub(super) mode: u32,
    /// Whether it may replace a file.
    pub(super) replaces: bool,
}

/// The permissions of a file without a header that tells them. Servers other than ours ignore that header.
pub(super) const MODE: u32 = 0o644;

/// The header of a file that must not replace another one.
const EXCLUSIVE: &str = "If-None-Match: *\r\n";

/// What the official client leaves as it is.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');

/// Whether every server stores a file under this name. Clusters take these two signs for the end of the name.
pub(super) fn is_stored_everywhere(name: &str) -> bool {
    is_plain(name) && !name.contains("\";")
}

/// Whether a header can have this name as it is.
fn is_plain(name: &str) -> bool {
    byte_text::is_utf8(name) && !name.chars().any(char::is_control)
}

/// The parts of a `multipart/mixed` reply, without their headers.
pub(super) fn parts(headers: &HeaderMap, body: &Bytes) -> Result<Vec<Bytes>, String> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = boundary(content_type).ok_or("the reply is not a multipart body")?;
    let delimiter = format!("\r\n--{boundary}");
    let first = delimiter.as_bytes().get(2..).unwrap_or_default();
    let mut parts = Vec::new();
    let mut at = find(body, first, 0).ok_or("the reply has no part")? + first.len();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        let content = find(body, b"\r\n\r\n", at).ok_or("the reply ends in the middle")? + 4;
        let end = find(body, delimiter.as_bytes(), content).ok_or("the reply ends in the middle")?;
        parts.push(body.slice(content..end));
        at = end + delimiter.len();
    }
}

fn boundary(content_type: &str) -> Option<&str> {
    let (media, parameters) = content_type.split_once(';')?;
    if !media.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    (!boundary.is_empty() && boundary.len() <= 70).then_some(boundary)
}

fn find(body: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    rest.windows(needle.len()).position(|window| window == needle).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, body: &'static [u8]) -> Result<Vec<Bytes>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        parts(&headers, &Bytes::from_static(body))
    }

    #[test]
    fn a_body_is_split_into_its_parts() {
        let body = b"--x\r\nContent-Type: a\r\nContent-Encoding: identity\r\n\r\none\r\n\r\n1\r\n--x\r\nA: b\r\n\r\n\r\n--x--\r\n";
        for content_type in ["multipart/mixed; boundary=x", "Multipart/Mixed; a=b; Boundary=\"x\""] {
            assert_eq!(read(content_type, body).unwrap(), ["one\r\n\r\n1", ""]);
        }
        assert_eq!(read("multipart/mixed; boundary=x", b"--x--").unwrap(), [""; 0]);
    }

    #[test]
    fn an_incomplete_or_invalid_body_is_an_error() {
        for (content_type, body) in [
            ("multipart/mixed; boundary=x", b"--x\r\nA: b\r\n\r\none".as_slice()),
            ("multipart/mixed; boundary=x", b"--x\r\nA: b"),
            ("multipart/mixed; boundary=x", b""),
            ("multipart/mixed; boundary=", b"--\r\n\r\n"),
            ("multipart/mixed", b"--x--"),
            ("text/html; boundary=x", b"--x--"),
        ] {
            assert!(read(content_type, body).is_err(), "{content_type} {body:?}");
        }
    }

    #[test]
    fn a_form_keeps_file_names_unchanged() {
        let (content_type, body) = form(&[OutgoingPart {
            name: "sub/ü \"q\".txt".into(),
            content: Bytes::from_static(b"\r\n--x"),
            mode: MODE,
            replaces: true,
        }]);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("name=\"src\"; filename=\"sub/ü \\\"q\\\".txt\"\r\n"), "{body}");
        assert!(body.ends_with(&format!("\r\n\r\n\r\n--x\r\n--{boundary}--\r\n")), "{body}");
    }
}
