//! Access control, and the form of every refusal.

use super::client::{IMAGE, Lab, Parts, read, slug};
use crate::{Engine, EngineError, EngineOptions, Keypair, Workdirs};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test]
async fn the_engine_listens_on_loopback_only() {
    let mut options = EngineOptions::on_loopback(Workdirs::Shared("/".into()));
    options.listen = Some("0.0.0.0:0".parse().unwrap());
    let error = Engine::start(options).await.unwrap_err();
    assert!(
        matches!(error, EngineError::NotLoopback(_)) && error.to_string().contains("127.0.0.1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_port_in_use_is_reported() {
    let lab = Lab::new().await;
    let mut options = EngineOptions::on_loopback(Workdirs::Shared("/".into()));
    options.listen = Some(lab.host().parse().unwrap());
    let error = Engine::start(options).await.unwrap_err();
    assert!(error.to_string().contains("choose another port"), "{error}");
}

#[tokio::test]
async fn an_unsigned_request_gets_the_hello_only() {
    let lab = Lab::new().await;
    let get = |path: &str| lab.http.get(format!("{}{path}", lab.engine.endpoint())).send();
    let (status, hello) = read(get("/").await.unwrap()).await;
    assert_eq!((status, &hello["version"]), (StatusCode::OK, &json!("v9.20250722")));
    assert!(hello["manager"].is_string());
    assert!(hello["capabilities"].as_array().unwrap().contains(&json!("numbered-frames")), "{hello}");
    for path in ["/auth", "/session/x", "/no/such/path", "/events/session"] {
        let (status, problem) = read(get(path).await.unwrap()).await;
        assert_eq!((status, slug(&problem)), (StatusCode::UNAUTHORIZED, "auth-failed"), "{path}");
    }
}

#[tokio::test]
async fn a_valid_signature_is_accepted_in_every_format() {
    let lab = Lab::new().await;
    for target in ["/auth?echo=a%20b", "/auth?echo=a+b&x=%2F&x=1", "/auth/test?echo=a%20b&"] {
        let (status, reply) = lab.get(target).await;
        assert_eq!(
            (status, reply),
            (StatusCode::OK, json!({"authorized": "yes", "echo": "a b"})),
            "{target}"
        );
    }
    let mut parts = lab.parts(Method::GET, "/auth");
    for version in ["v4.20190615", "v8.20240915"] {
        parts.version = Some(version.into());
        assert_eq!(lab.send(&parts, "").await.status(), StatusCode::OK);
    }
    parts.content_type = Some("Text/Plain; charset=utf-8".into());
    assert_eq!(lab.send(&parts, "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn request_errors_are_those_of_the_genuine_server() {
    let lab = Lab::new().await;
    let good = lab.parts(Method::GET, "/auth?echo=x");
    let minutes_ago = |minutes| Some((Timestamp::now() - SignedDuration::from_mins(minutes)).to_string());
    let stranger = Keypair::random();
    let impostor = Keypair::new(lab.keypair.access_key(), SecretString::from("guess"));
    let cases: [(Parts, StatusCode, &str, &str); 6] = [
        (
            Parts { date: minutes_ago(60), ..good.clone() },
            StatusCode::BAD_REQUEST,
            "invalid-auth-params",
            "Date/time sync error",
        ),
        (
            Parts { date: minutes_ago(-60), ..good.clone() },
            StatusCode::BAD_REQUEST,
            "invalid-auth-params",
            "Date/time sync error",
        ),
        (
            Parts { version: None, ..good.clone() },
            StatusCode::BAD_REQUEST,
            "invalid-auth-params",
            "API version missing in request headers",
        ),
        (
            Parts { version: Some("v10.20990101".into()), ..good.clone() },
            StatusCode::BAD_REQUEST,
            "generic-bad-request",
            "Unsupported API version.",
        ),
        (
            Parts { keypair: stranger, ..good.clone() },
            StatusCode::UNAUTHORIZED,
            "auth-failed",
            "Access key not found in HMAC",
        ),
        (
            Parts { keypair: impostor, ..good.clone() },
            StatusCode::UNAUTHORIZED,
            "auth-failed",
            "HMAC signature mismatch",
        ),
    ];
    for (parts, status, kind, msg) in cases {
        let (got, problem) = read(lab.send(&parts, "").await).await;
        assert_eq!((got, slug(&problem), problem["msg"].as_str()), (status, kind, Some(msg)));
    }
}

#[tokio::test]
async fn a_signature_is_valid_for_one_request_only() {
    let lab = Lab::new().await;
    let signed_for = lab.sign(&lab.parts(Method::GET, "/auth?echo=x"));
    for (method, path) in
        [(Method::POST, "/auth?echo=x"), (Method::GET, "/auth?echo=y"), (Method::GET, "/auth?echo=%78")]
    {
        let mut request = lab.http.request(method, format!("{}{path}", lab.engine.endpoint()));
        for (name, value) in signed_for.clone() {
            request = request.header(name, value);
        }
        let (status, problem) = read(request.send().await.unwrap()).await;
        assert_eq!((status, slug(&problem)), (StatusCode::UNAUTHORIZED, "auth-failed"), "{path}");
    }
}

#[tokio::test]
async fn the_signed_host_must_be_the_host_header() {
    let lab = Lab::new().await;
    let headers = lab.sign(&lab.parts(Method::GET, "/auth?echo=x"));
    for (host, wanted) in [(lab.host(), "200"), (lab.host().replace("127.0.0.1", "localhost"), "401")] {
        let mut request = format!("GET /auth?echo=x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
        for (name, value) in &headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut socket = tokio::net::TcpStream::connect(lab.host()).await.unwrap();
        socket.write_all((request + "\r\n").as_bytes()).await.unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).await.unwrap();
        assert_eq!(reply.split(' ').nth(1), Some(wanted), "{host}: {reply}");
    }
}

#[tokio::test]
async fn invalid_authorization_headers_are_bad_requests() {
    let lab = Lab::new().await;
    for (header, kind) in [("Bearer x", "invalid-auth-params"), ("BackendAI nonsense", "invalid-auth-params")]
    {
        let request = lab.http.get(format!("{}/auth", lab.engine.endpoint())).header("authorization", header);
        let (status, problem) = read(request.send().await.unwrap()).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, kind));
    }
    let (status, problem) =
        read(lab.send(&Parts { date: None, ..lab.parts(Method::GET, "/auth") }, "").await).await;
    assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "invalid-auth-params"));
}

#[tokio::test]
async fn every_error_is_a_problem() {
    let lab = Lab::new().await;
    let (status, problem) = lab.get("/no/such/path?x=1").await;
    assert_eq!(
        (status, slug(&problem), &problem["data"]),
        (StatusCode::NOT_FOUND, "url-not-found", &json!("/no/such/path"))
    );
    let (status, problem) = lab.call(Method::PUT, "/session", json!({})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
    let (status, problem) = lab.get("/session/%FF").await;
    assert!(status == StatusCode::BAD_REQUEST && slug(&problem) == "generic-bad-request", "{problem}");
    let (status, problem) = lab.get("/stream/session/nosuch/execute").await;
    assert!(status.is_client_error(), "not an upgrade: {problem}");
    for (target, what) in [("/session/x/commit", "commits"), ("/session/x/imagify", "commits")] {
        let (status, problem) = lab.post(target, json!({})).await;
        assert_eq!((status, slug(&problem)), (StatusCode::NOT_IMPLEMENTED, "not-implemented"));
        assert!(problem["msg"].as_str().unwrap().contains(what));
    }
}

#[tokio::test]
async fn invalid_request_bodies_are_refused() {
    let lab = Lab::new().await;
    let mut parts = lab.parts(Method::POST, "/session");
    parts.content_type = Some("application/json".into());
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for body in ["{not json", "", "[1]", "null", "\"x\"", "\u{0}", deep.as_str()] {
        let (status, problem) = read(lab.send(&parts, body.to_owned()).await).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "generic-bad-request"), "{body:.20}");
    }
    let wrong_types = json!({"name": ["work"], "image": 3, "config": [], "enqueueOnly": "yes"});
    let (status, problem) = lab.post("/session", wrong_types).await;
    assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "invalid-api-params"));
    let chunk = "x".repeat(1 << 20);
    let endless = futures_util::stream::iter((0..80).map(move |_| Ok::<_, std::io::Error>(chunk.clone())));
    let (status, _) = read(lab.send(&parts, reqwest::Body::wrap_stream(endless)).await).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = lab.get("/auth").await;
    assert_eq!(status, StatusCode::OK, "the engine goes on");
}

#[tokio::test]
async fn sessions_and_images_are_listed_by_graphql() {
    let lab = Lab::new().await;
    let id = lab.session("listed").await;
    let query = "query($n:Int!){ compute_session_list(limit:$n, offset:0, status:\"RUNNING\") { items { session_id name image status service_ports gone } total_count } images { name tag } }";
    let (status, reply) = lab.post("/admin/gql", json!({"query": query, "variables": {"n": 5}})).await;
    assert_eq!(status, StatusCode::OK);
    let item = json!({"session_id": id, "name": "listed", "image": IMAGE, "status": "RUNNING", "service_ports": "[]", "gone": null});
    assert_eq!(reply["data"]["compute_session_list"], json!({"items": [item], "total_count": 1}), "{reply}");
    assert!(!reply["data"]["images"].as_array().unwrap().is_empty());
    let (status, reply) = lab.post("/admin/gql", json!({"query": "query { nosuch { x } }"})).await;
    assert_eq!((status, &reply["data"]), (StatusCode::OK, &Value::Null));
    assert!(reply["errors"][0]["message"].as_str().unwrap().contains("nosuch"));
    let (status, problem) = lab.post("/admin/graphql", json!({"query": "query { nosuch { x } }"})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "graphql-error"));
    let (_, bare) =
        lab.post("/admin/graphql", json!({"query": "{ compute_session(id: \"listed\") { status } }"})).await;
    assert_eq!(bare, json!({"compute_session": {"status": "RUNNING"}}));
}

/// A small query can ask for everything many times.
#[tokio::test]
async fn a_query_that_would_cost_too_much_is_refused() {
    let lab = Lab::new().await;
    lab.session("listed").await;
    let aliases = |count: usize, what: &str| (0..count).map(|n| format!("a{n}: {what} ")).collect::<String>();
    let list = "compute_session_list(limit: 9) { items { name containers { live_stat } } }";
    for (query, limited) in [
        (format!("{{ {} }}", aliases(20_000, "images { name labels }")), "size of a query"),
        (format!("{{ {} }}", aliases(500, list)), "fields"),
        (
            format!("{{ compute_session_list {{ items {{ {} }} }} }}", aliases(2000, "name")),
            "number of fields",
        ),
        (format!("{{ compute_session_list {}", "{ items".repeat(1000)), "depth"),
    ] {
        let (status, reply) = lab.post("/admin/gql", json!({"query": query})).await;
        assert_eq!((status, &reply["data"]), (StatusCode::OK, &Value::Null));
        let message = reply["errors"][0]["message"].as_str().unwrap();
        assert!(message.starts_with("Query limit exceeded: ") && message.contains(limited), "{message}");
    }
}

#[tokio::test]
async fn a_list_of_sessions_obeys_its_arguments_or_refuses_them() {
    let lab = Lab::new().await;
    for name in ["list-b", "list-a", "other"] {
        lab.session(name).await;
    }
    let list = async |arguments: &str| {
        let query = format!("{{ compute_session_list({arguments}) {{ items {{ name }} total_count }} }}");
        let (_, reply) = lab.post("/admin/gql", json!({"query": query})).await;
        let items = reply["data"]["compute_session_list"]["items"].as_array().cloned();
        let names =
            |items: Vec<Value>| items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        items.map(names).ok_or_else(|| reply["errors"][0]["message"].as_str().unwrap().to_owned())
    };
    for (arguments, expected) in [
        (r#"filter: "name == \"list-a\"""#, vec!["list-a"]),
        (r#"filter: "(name ilike \"LIST%\") & (name != \"list-a\")""#, vec!["list-b"]),
        (r#"filter: "type == \"batch\"""#, vec![]),
        (r#"order: "name""#, vec!["list-a", "list-b", "other"]),
        (r#"order: "-name", limit: 1"#, vec!["other"]),
        (r#"access_key: "SOMEBODYELSE""#, vec![]),
    ] {
        assert_eq!(
            list(arguments).await,
            Ok(expected.into_iter().map(str::to_owned).collect::<Vec<_>>()),
            "{arguments}"
        );
    }
    for arguments in [r#"filter: "nonsense ==""#, r#"order: "nosuchfield""#, r#"group_id: "1""#, "nosuch: 1"]
    {
        assert!(list(arguments).await.is_err(), "{arguments}");
    }
}
