//! A session that is ending holds its name: whoever needs the name waits.

use super::super::*;
use super::server::{Server, json, reply, status};
use super::soon;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const TAKEN: &str = r#"{"type":"https://api.backend.ai/probs/session-already-exists","title":"It exists."}"#;

/// A server on which the session `old` is TERMINATING until somebody has looked twice. Until then a request for a session is
/// `refused`, or answered with that one.
async fn ending(refused: bool) -> Server {
    let looks = Arc::new(AtomicUsize::new(0));
    Server::start(move |asked, mut stream| {
        let looks = looks.clone();
        async move {
            let is_over = looks.load(Relaxed) >= 2;
            if asked.is("POST /session ") && is_over {
                return json(stream, r#"{"sessionId":"new","sessionName":"work","status":"RUNNING","created":true}"#).await;
            } else if asked.is("POST /session ") && refused {
                reply(&mut stream, "400 Bad Request", "application/problem+json", TAKEN).await;
                return Some(stream);
            } else if asked.is("POST /session ") {
                return json(stream, r#"{"sessionId":"old","sessionName":"work","status":"TERMINATING","created":false}"#).await;
            } else if asked.is("GET /session/_/match") {
                return json(
                    stream,
                    r#"{"matches":[{"id":"older","name":"work","status":"TERMINATED"},{"id":"old","name":"work","status":"TERMINATING"}]}"#,
                )
                .await;
            } else if asked.is("GET /session/old ") {
                looks.fetch_add(1, Relaxed);
                return json(stream, if is_over { r#"{"status":"TERMINATED"}"# } else { r#"{"status":"TERMINATING"}"# }).await;
            }
            status(stream, "404 Not Found").await
        }
    })
    .await
}

#[tokio::test]
async fn a_new_session_waits_for_the_end_of_the_one_that_has_its_name() {
    for refused in [false, true] {
        let server = ending(refused).await;
        let request = CreateRequest { reuse: !refused, ..CreateRequest::new("work", "python") };
        let mut seen = Vec::new();
        let api = server.api();
        let creating = ComputeSession::create(&api, request, |status| seen.push(status.name().to_owned()));
        let (session, created) = soon(creating).await.unwrap();
        assert_eq!((session.id(), created.created), (Some("new"), true));
        assert_eq!(seen, ["TERMINATING", "TERMINATED", "RUNNING"]);
    }
}
