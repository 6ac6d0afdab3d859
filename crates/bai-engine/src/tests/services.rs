//! Requests for services that are refused.

use super::client::Lab;
use axum::http::StatusCode;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn services_are_refused_with_the_errors_of_a_cluster() {
    let lab = Lab::new().await;
    let slug = |problem: &serde_json::Value| {
        problem["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    let request =
        json!({"name": "ports", "image": super::client::IMAGE, "config": {"preopen_ports": [2200]}});
    let (status, problem) = lab.post("/session", request).await;
    assert_eq!(
        (status, slug(&problem).as_str()),
        (StatusCode::BAD_REQUEST, "invalid-api-params"),
        "{problem}"
    );
    let request =
        json!({"name": "ports", "image": super::client::IMAGE, "config": {"preopen_ports": [8190]}});
    assert_eq!(lab.post("/session", request).await.0, StatusCode::CREATED);
    for (body, expected) in [
        (json!({"app": "nope"}), (StatusCode::NOT_FOUND, "object-not-found")),
        (json!({}), (StatusCode::BAD_REQUEST, "invalid-api-params")),
        (json!({"app": "8190", "port": 9999}), (StatusCode::BAD_REQUEST, "invalid-api-params")),
        (json!({"app": "8190", "envs": "["}), (StatusCode::BAD_REQUEST, "invalid-api-params")),
        (json!({"app": "shell"}), (StatusCode::BAD_REQUEST, "invalid-api-params")),
        (json!({"service": "8190"}), (StatusCode::SERVICE_UNAVAILABLE, "service-unavailable")),
    ] {
        let (status, problem) = lab.post("/session/ports/start-service", body.clone()).await;
        assert_eq!((status, slug(&problem).as_str()), expected, "{body}: {problem}");
    }
    let (status, _) =
        lab.call(Method::POST, "/session/ports/shutdown-service?service_name=x", json!({})).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}
