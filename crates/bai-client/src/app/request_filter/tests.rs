//! Requests as browsers send them, and everything else.

use super::*;
use proptest::prelude::*;

/// What passes when the pieces arrive one after another.
fn pass<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Option<Refusal>) {
    let mut filter = RequestFilter::new(OwnHosts::local(["box.lan".to_owned()]));
    let mut passed = BytesMut::new();
    for piece in pieces {
        if let Err(refusal) = filter.push(piece, &mut passed) {
            return (passed.to_vec(), Some(refusal));
        }
    }
    filter.finish(&mut passed);
    (passed.to_vec(), None)
}

/// What passes of these bytes, in one piece. It must be the same when each byte comes alone, if they are a request.
#[track_caller]
fn request(bytes: &str) -> Option<Refusal> {
    let whole = pass([bytes.as_bytes()]);
    assert_eq!(whole, pass(bytes.as_bytes().chunks(1)), "byte by byte: {bytes}");
    if whole.1.is_none() {
        assert_eq!(whole.0, bytes.as_bytes());
    }
    whole.1
}

fn get(headers: &str) -> String {
    format!("GET /lab?x=1 HTTP/1.1\r\n{headers}\r\n")
}

#[test]
fn requests_of_the_own_pages_pass() {
    for headers in [
        "Host: 127.0.0.1:8080\r\n",
        "Host: localhost:9000\r\nOrigin: http://localhost:9000\r\n",
        "Host: [::1]:8080\r\nOrigin: http://[::1]:8080\r\nSec-Fetch-Site: same-origin\r\n",
        "host: LOCALHOST\r\norigin: http://localhost\r\n",
        "Host: box.lan:8080\r\nOrigin: https://box.lan:8080\r\nSec-Fetch-Site: none\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
    ] {
        assert_eq!(request(&get(headers)), None, "{headers}");
    }
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n"), None);
}

#[test]
fn requests_of_foreign_pages_are_refused() {
    let origin = |text: &str| Some(Refusal::Origin(text.to_owned()));
    for (headers, refusal) in [
        ("Host: evil.example:8080\r\n", Some(Refusal::Host("evil.example:8080".to_owned()))),
        ("Host: 127.0.0.1.evil.example\r\n", Some(Refusal::Host("127.0.0.1.evil.example".to_owned()))),
        ("Host: 0.0.0.0:8080\r\n", Some(Refusal::Host("0.0.0.0:8080".to_owned()))),
        ("Host: localhost:1\r\nOrigin: http://evil.example\r\n", origin("http://evil.example")),
        ("Host: localhost:1\r\nOrigin: null\r\n", origin("null")),
        ("Host: localhost:1\r\nOrigin: http://localhost:2\r\n", origin("http://localhost:2")),
        (
            "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
            Some(Refusal::CrossSite),
        ),
        (
            "Host: localhost\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n",
            Some(Refusal::CrossSite),
        ),
        (
            "Host: localhost:1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://evil.example\r\n",
            origin("http://evil.example"),
        ),
        ("Host: localhost\r\nHost: evil.example\r\n", Some(Refusal::Malformed("it names several hosts"))),
        ("Accept: */*\r\n", Some(Refusal::Malformed("it names no host"))),
    ] {
        assert_eq!(request(&get(headers)), refusal, "{headers}");
    }
    let absolute = "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(request(absolute), Some(Refusal::Host("evil.example".to_owned())));
}

#[test]
fn every_request_of_a_connection_is_checked() {
    let evil = get("Host: localhost\r\nOrigin: http://evil.example\r\n");
    for first in [
        get("Host: localhost\r\n"),
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /".to_owned(),
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;x=y\r\nGET /\r\n1\r\nx\r\n0\r\nTrailer: 1\r\n\r\n"
            .to_owned(),
        // The server did not accept the upgrade.
        get("Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"),
    ] {
        let both = format!("{first}{evil}");
        let (passed, refusal) = pass([both.as_bytes()]);
        assert_eq!(String::from_utf8(passed).unwrap(), first);
        assert_eq!(refusal, Some(Refusal::Origin("http://evil.example".to_owned())), "{first}");
        assert_eq!(pass(both.as_bytes().chunks(1)).0, first.as_bytes());
    }
}

#[test]
fn what_follows_an_upgrade_passes() {
    let upgrade = get("Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n");
    let frames = b"\x81\x85GET GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let (passed, refusal) = pass([upgrade.as_bytes(), frames]);
    assert_eq!((passed, refusal), ([upgrade.as_bytes(), frames].concat(), None));
}

#[test]
fn requests_whose_end_cannot_be_told_are_refused() {
    for headers in [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Bad Header\r\n",
    ] {
        let refusal = request(&get(&format!("Host: localhost\r\n{headers}")));
        assert!(matches!(refusal, Some(Refusal::Malformed(_))), "{headers} {refusal:?}");
    }
    let chunk = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx";
    assert!(matches!(request(chunk), Some(Refusal::Malformed(_))));
    let endless = format!("GET /{}", "x".repeat(HEAD_LIMIT));
    assert_eq!(pass([endless.as_bytes()]).1, Some(Refusal::Malformed("its head is too large")));
    let (passed, refusal) = pass([&b"GET / HTTP/1.1\r\nHost: evil"[..]]);
    assert_eq!((passed.len(), refusal), (0, None), "half a request does not pass");
}

#[test]
fn other_protocols_pass_at_once() {
    for bytes in [
        &b"SSH-2.0-client\r\n"[..],
        b"JDWP-Handshake",
        b"HELLO",
        b"\x16\x03\x01\x02\x00",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"EHLO me\r\n",
        b"GET key\r\n",
        b"RFB 003.008\n",
        b"OPTIONS rtsp://host/ RTSP/1.0\r\n\r\n",
        b" ",
    ] {
        let mut filter = RequestFilter::new(OwnHosts::local([]));
        let mut passed = BytesMut::new();
        filter.push(bytes, &mut passed).unwrap();
        assert_eq!(passed, bytes, "{}", bytes.escape_ascii());
        filter.push(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", &mut passed).unwrap();
        assert_eq!(filter.place, Place::Other);
    }
    assert_eq!(pass([&b"GE"[..]]), (b"GE".to_vec(), None), "what can no longer become a request passes");
}

#[test]
fn everybody_may_name_any_address_but_no_foreign_name() {
    let hosts = OwnHosts::public(["box".to_owned()]);
    let check = |headers: &str| {
        RequestFilter::new(hosts.clone()).push(get(headers).as_bytes(), &mut BytesMut::new()).err()
    };
    assert_eq!(check("Host: 192.0.2.1:8080\r\nOrigin: http://192.0.2.1:8080\r\n"), None);
    assert_eq!(check("Host: box\r\n"), None);
    assert_eq!(check("Host: evil.example\r\n"), Some(Refusal::Host("evil.example".to_owned())));
}

proptest! {
    #[test]
    fn bytes_are_never_changed(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
        let all = pieces.concat();
        let (passed, _) = pass(pieces.iter().map(|piece| &piece[..]));
        prop_assert!(all.starts_with(&passed));
    }
}
