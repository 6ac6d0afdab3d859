//! Multipart bodies: the form of an upload, and the archives of a download.

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderMap};

/// The content type and the body of an upload. File names are sent unescaped, since genuine servers store a
/// percent-encoded name literally. The caller checks that they have no control characters.
///
/// Our engine decodes the names of the official client, which encodes every slash. So a name with a percent sign gets one:
/// a name with a slash is as it is meant on both servers.
pub(super) fn form(files: &[(String, Bytes)]) -> (String, Bytes) {
    let boundary = format!("bai-{}", uuid::Uuid::new_v4().simple());
    let mut body = BytesMut::new();
    for (name, content) in files {
        let mark = if name.contains('%') && !name.contains('/') { "./" } else { "" };
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"src\"; filename=\"{mark}{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body.freeze())
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
        let (content_type, body) = form(&[("sub/ü \"q\".txt".into(), Bytes::from_static(b"\r\n--x"))]);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("name=\"src\"; filename=\"sub/ü \\\"q\\\".txt\"\r\n"), "{body}");
        assert!(body.ends_with(&format!("\r\n\r\n\r\n--x\r\n--{boundary}--\r\n")), "{body}");
    }
}
