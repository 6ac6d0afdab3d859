//! Faults of HTTP: servers of another kind, slow, busy and hostile servers.

use super::server::{Server, json, reply, status};
use super::*;
use bai_protocol::complete::CompletionRequest;
use bai_protocol::create::CreateRequest;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const INFO: &str = r#"{"status": "RUNNING", "image": "python:3.6"}"#;

async fn hello_is(hello: &'static str) -> ClientError {
    let server = Server::with_hello(hello, |_, _| async { None }).await;
    server.session().info().await.unwrap_err()
}

#[tokio::test]
async fn a_server_of_another_kind_is_reported() {
    let page = hello_is("<!DOCTYPE html><html><title>Welcome \u{1b}]0;x\u{7}</title></html>").await;
    assert_eq!(page.kind(), ErrorKind::NotABackend);
    assert!(page.to_string().ends_with("answers with a web page"), "{page}");
    for other in ["[]", "hello", r#"{"version": "banana"}"#, "{}"] {
        assert_eq!(hello_is(other).await.kind(), ErrorKind::NotABackend, "{other}");
    }
    assert_eq!(hello_is(r#"{"version": "v2.20160915"}"#).await.kind(), ErrorKind::Unsupported);
}

/// The name of the server has no effect: an engine that announces no capability is treated as any other server.
#[tokio::test]
async fn an_engine_without_capabilities_is_treated_as_any_server() {
    for (hello, announced) in [
        (r#"{"version": "v9.20250722", "manager": "bai-repl/0.1.0"}"#, false),
        (
            r#"{"version": "v9.20250722", "manager": "bai-repl/0.1.0", "capabilities": ["numbered-frames?"]}"#,
            false,
        ),
        (
            r#"{"version": "v9.20250722", "manager": "26.9.6", "capabilities": ["numbered-frames", "session-notes"]}"#,
            true,
        ),
    ] {
        let server = Server::with_hello(hello, |asked, stream| async move {
            match asked.line.starts_with("GET /session/work ") {
                true => {
                    json(stream, r#"{"status": "RUNNING", "note": "an older one", "currentRunId": "x"}"#)
                        .await
                }
                false => json(stream, &super::server::result("finished", "")).await,
            }
        })
        .await;
        let session = server.session();
        assert_eq!(session.note().await.is_some(), announced, "{hello}");
        assert_eq!(session.current_run().await.unwrap(), None, "{hello}");
        assert_eq!(
            server.asked().len(),
            usize::from(announced),
            "what is not announced is not asked for: {hello}"
        );
        finish(&mut begin(&session, "1", Transport::Poll).await, &[]).await;
        let run: serde_json::Value = serde_json::from_str(&server.asked().last().unwrap().body).unwrap();
        assert_eq!(run.get("received").is_some(), announced, "{hello} {run}");
    }
}

#[tokio::test]
async fn a_refused_connection_names_the_address_and_the_next_endpoint_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unused = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Api::new(ApiOptions::new(&unused)).unwrap().version().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().contains(&unused), "{error}");
    let server = Server::start(|_, stream| json(stream, INFO)).await;
    let api = Api::new(ApiOptions::new(format!("{unused},{}", server.endpoint))).unwrap();
    ComputeSession::new(&api, "work".into(), None).info().await.unwrap();
    assert_eq!(api.endpoint(), server.endpoint);
}

#[tokio::test]
async fn the_request_that_is_sent_is_the_one_that_was_signed() {
    use bai_protocol::sign::{Signed, parse_authorization, verify};
    let server = Server::start(|_, stream| json(stream, r#"{"files": "[]\n", "errors": ""}"#)).await;
    let session = ComputeSession::new(&server.api(), "a name/ü".into(), None);
    session.list_files("x & y/ü").await.unwrap();
    let asked = server.asked().remove(0);
    let target = asked.line.split(' ').nth(1).unwrap();
    assert_eq!(target, "/session/a%20name%2F%C3%BC/files?path=x+%26+y%2F%C3%BC");
    let date = asked.header("date").unwrap();
    let signed = Signed {
        method: "GET",
        target,
        date,
        day: &date[..10].replace('-', ""),
        host: asked.header("host").unwrap(),
        content_type: asked.header("content-type"),
        version: asked.header("x-backendai-version").unwrap(),
        body_sha256: None,
    };
    let (key, signature) = parse_authorization(asked.header("authorization").unwrap()).unwrap();
    assert_eq!(key, "AKIATESTTESTTEST0001");
    assert!(verify("the-secret-key", &signed, signature));
    assert!(format!("http://{}", signed.host) == server.endpoint);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_gets_no_credentials() {
    let other = Server::start(|_, stream| json(stream, INFO)).await;
    let location = format!("{}/session/work?token=abc", other.endpoint);
    let server = Server::start(move |_, mut stream| {
        let location = location.clone();
        async move {
            let head = format!("HTTP/1.1 307 Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            Some(stream)
        }
    })
    .await;
    let error = server.session().info().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotABackend);
    assert!(error.to_string().contains(&other.endpoint) && !error.to_string().contains("abc"), "{error}");
    assert!(other.asked().is_empty());
}

#[tokio::test]
async fn a_wrong_clock_is_reported_with_the_difference() {
    let problem = r#"{"type": "https://api.backend.ai/probs/invalid-auth-params", "title": "Bad", "msg": "Date/time sync error"}"#;
    let server = Server::start(move |_, mut stream| async move {
        let head = format!(
            "HTTP/1.1 400 Bad\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n{problem}",
            problem.len()
        );
        stream.write_all(head.as_bytes()).await.ok()?;
        Some(stream)
    })
    .await;
    let error = server.session().info().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ClockSkew);
    assert!(error.why().contains("clock is") && error.why().contains("days ahead of"), "{error}");
    assert_eq!(server.asked().len(), 1, "it is not tried again");
}

#[tokio::test]
async fn only_idempotent_requests_are_repeated_at_a_busy_server() {
    let server = Server::start(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n").await.ok()?;
        Some(stream)
    })
    .await;
    let session = server.session();
    assert_eq!(session.info().await.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(server.asked().len(), 3);
    assert_eq!(session.interrupt().await.unwrap_err().kind(), ErrorKind::Busy);
    assert_eq!(server.asked().len(), 4);
}

/// The error of a call whose reply is these bytes, after which the server is silent.
async fn raw_reply(bytes: Vec<u8>) -> ClientError {
    let server = Server::start(move |_, mut stream| {
        let bytes = bytes.clone();
        async move {
            let _ = stream.write_all(&bytes).await;
            std::future::pending().await
        }
    })
    .await;
    let mut options = server.api().options().clone();
    options.read_timeout = Duration::from_millis(300);
    let api = Api::new(options).unwrap();
    // On a machine that is busy even this can take longer.
    while api.version().await.is_err() {}
    soon(ComputeSession::new(&api, "work".into(), None).info()).await.unwrap_err()
}

#[tokio::test]
async fn a_slow_server_reaches_the_time_limit() {
    for dawdling in [
        b"".as_slice(),
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
    ] {
        assert_eq!(raw_reply(dawdling.to_vec()).await.kind(), ErrorKind::Timeout, "{dawdling:?}");
    }
}

#[tokio::test]
async fn an_incomplete_reply_is_a_lost_connection() {
    let server = Server::start(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"status\"").await.ok()?;
        None
    })
    .await;
    assert_eq!(server.session().info().await.unwrap_err().kind(), ErrorKind::Lost);
}

#[tokio::test]
async fn the_size_limit_applies_to_decompressed_bodies_too() {
    let mut plain = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    plain.resize(17 * 1024 * 1024, b' ');
    let bomb = zeros_in_gzip(32 * 1024 * 1024);
    assert!(bomb.len() < 300_000);
    let mut packed =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len())
            .into_bytes();
    packed.extend(bomb);
    for reply in [plain, packed] {
        let server = Server::start(move |_, mut stream| {
            let reply = reply.clone();
            async move {
                let _ = stream.write_all(&reply).await;
                std::future::pending().await
            }
        })
        .await;
        let error = soon(server.session().info()).await.unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
    }
}

/// A gzip stream of zeros, by hand: one literal, then copies of 258 bytes from one byte before.
fn zeros_in_gzip(size: usize) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut bits, mut count) = (0u32, 0);
    // Codes are written from their highest bit, into bytes from their lowest.
    let mut put = |code: u32, length: u32| {
        for bit in (0..length).rev() {
            bits |= (code >> bit & 1) << count;
            count += 1;
            if count == 8 {
                out.push(bits as u8);
                (bits, count) = (0, 0);
            }
        }
    };
    put(1, 1);
    put(0b10, 2);
    put(0b0011_0000, 8);
    for _ in 0..size / 258 {
        put(0b1100_0101, 8);
        put(0, 5);
    }
    put(0, 7 + 8);
    out
}

#[tokio::test]
async fn errors_of_proxies_are_one_plain_sentence() {
    let server = Server::start(|_, mut stream| async move {
        reply(&mut stream, "502 Bad Gateway", "text/html", "<html>\u{1b}[2J<h1>nginx</h1></html>").await;
        Some(stream)
    })
    .await;
    let error = server.session().info().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not read the session's state: the server answers 502 with a web page"
    );
    let server = Server::start(|_, stream| status(stream, "407 Proxy Authentication Required")).await;
    assert_eq!(server.session().info().await.unwrap_err().kind(), ErrorKind::Auth);
}

#[tokio::test]
async fn errors_contain_no_secrets() {
    let server = Server::start(|_, stream| status(stream, "401 Unauthorized")).await;
    let error = server.session().complete(CompletionRequest::at("x", 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth);
    let shown = format!("{error} {error:?} {:?} {:?}", server.api(), server.session());
    assert!(!shown.contains("the-secret-key"), "{shown}");
    let asked = server.asked().remove(0);
    let signature = asked.header("authorization").unwrap().rsplit(':').next().unwrap();
    assert!(!shown.contains(signature), "{shown}");
}

#[tokio::test]
async fn an_unsupported_restart_has_its_own_error_kind() {
    let server = Server::start(|asked, stream| async move {
        assert!(asked.is("PATCH /session/work "));
        status(stream, "501 Not Implemented").await
    })
    .await;
    let error = server.session().restart().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.hint().unwrap().contains("create it again"));
}

fn request() -> CreateRequest {
    CreateRequest { name: "work".into(), image: "python".into(), ..CreateRequest::default() }
}

#[tokio::test]
async fn a_create_request_that_may_have_arrived_is_not_repeated_and_has_a_hint() {
    let server = Server::start(|_, _| async { None }).await;
    let error = soon(ComputeSession::create(&server.api(), request(), |_| {})).await.unwrap_err();
    assert_eq!((error.kind(), server.asked().len()), (ErrorKind::Lost, 1), "it is not sent twice");
    assert!(error.hint().unwrap().contains("may exist nevertheless"), "{:?}", error.hint());
}

#[tokio::test]
async fn a_session_from_a_template_is_found_without_its_name_in_the_reply() {
    let make = |age: u32| async move {
        let server = Server::start(move |asked, stream| async move {
            match () {
                () if asked.is("POST /session/_/create-from-template ") => {
                    status(stream, "500 Internal Server Error").await
                }
                () if asked.is("GET /session/_/match?id=work ") => {
                    json(stream, r#"{"matches": [{"id": "u", "name": "work", "status": "RUNNING"}]}"#).await
                }
                () => json(stream, &format!(r#"{{"status": "RUNNING", "age": {age}}}"#)).await,
            }
        })
        .await;
        let request = CreateRequest { template: Some("t".into()), image: String::new(), ..request() };
        let created = ComputeSession::create(&server.api(), request, |_| {}).await;
        created.map(|(session, created)| (session.id().map(str::to_owned), created.created))
    };
    assert_eq!(make(900).await.unwrap(), (Some("u".to_owned()), true));
    assert_eq!(make(3_600_000).await.unwrap_err().kind(), ErrorKind::Server, "it was there before");
}

#[tokio::test]
async fn a_session_that_ends_in_error_is_reported_with_the_servers_reason() {
    let server = Server::start(|asked, stream| async move {
        match () {
            () if asked.is("POST /session ") => {
                assert!(asked.body.contains("\"enqueueOnly\":true"), "a server that waits never answers");
                json(stream, r#"{"sessionId": "u", "sessionName": "work", "status": "PENDING"}"#).await
            }
            () if asked.is("GET /session/u ") => {
                let info = r#"{"status": "ERROR", "statusInfo": "failed-to-start",
                    "statusData": {"error": {"repr": "ImageNotFound('x')"}}}"#;
                json(stream, info).await
            }
            () => status(stream, "404 No").await,
        }
    })
    .await;
    let (api, mut seen) = (server.api(), Vec::new());
    let created = ComputeSession::create(&api, request(), |status| seen.push(status.to_string()));
    let error = soon(created).await.unwrap_err();
    assert_eq!(
        (error.kind(), seen),
        (ErrorKind::SessionFailed, vec!["PENDING".to_owned(), "ERROR".to_owned()])
    );
    assert!(error.why().contains("failed-to-start: ImageNotFound('x')"), "{error}");
}

#[tokio::test]
async fn download_falls_back_to_the_older_method() {
    let server = Server::start(|asked, stream| async move {
        if asked.is("POST") { status(stream, "405 No").await } else { json(stream, "content").await }
    })
    .await;
    assert_eq!(server.session().read_file("a b").await.unwrap(), "content");
    assert!(server.asked()[1].is("GET /session/work/download_single?file=a+b "));
}
