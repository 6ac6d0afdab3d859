//! Sessions are made, found, renamed, restarted and ended.

use super::client::{IMAGE, Lab, slug, soon};
use crate::{EngineOptions, Expectation, ScriptStreams, Workdirs};
use bai_protocol::create::CreateRequest;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_session_is_created_once_and_reused() {
    let lab = Lab::new().await;
    let body = json!({"name": "work", "image": IMAGE, "maxWaitSeconds": 60, "newKey": {}});
    let (status, first) = lab.post("/session", body.clone()).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(
        (&first["created"], &first["status"], &first["sessionName"]),
        (&json!(true), &json!("RUNNING"), &json!("work"))
    );
    assert_eq!(first["servicePorts"], json!([]));
    let (status, again) = lab.post("/session/_/create", body).await;
    assert_eq!(
        (status, &again["created"], &again["sessionId"]),
        (StatusCode::CREATED, &json!(false), &first["sessionId"])
    );
    for other in [
        json!({"name": "work", "image": "python:3"}),
        json!({"name": "work", "image": IMAGE, "reuseIfExists": false}),
    ] {
        let (status, problem) = lab.post("/session", other).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "session-already-exists"));
        assert_eq!(problem["data"]["existingSessionId"], first["sessionId"]);
    }
}

#[tokio::test]
async fn the_session_that_is_expected_starts_before_its_client_asks() {
    for is_for_script in [false, true] {
        let expecting = |name: &'static str, image: &'static str| async move {
            let folder = tempfile::tempdir().unwrap();
            let options = EngineOptions::on_loopback(Workdirs::Shared(folder.path().to_owned()));
            let request = CreateRequest { is_for_script, ..CreateRequest::new(name, image) };
            Lab::expecting(
                folder,
                options,
                Some(Expectation { request: &request, script: None, streams: &ScriptStreams::default() }),
            )
            .await
        };
        let lab = expecting("work", IMAGE).await;
        if !is_for_script {
            let mut alive = lab.engine.state().sessions.alive();
            soon("the start", alive.wait_for(|count| *count == 1)).await.unwrap();
        }
        assert_eq!(lab.engine.session_count(), 1);
        let body = json!({"name": "work", "image": IMAGE});
        let (status, first) = lab.post("/session", body.clone()).await;
        assert_eq!((status, &first["created"]), (StatusCode::CREATED, &json!(true)));
        let (_, again) = lab.post("/session", body).await;
        assert_eq!((&again["created"], &again["sessionId"]), (&json!(false), &first["sessionId"]));
        assert_eq!(lab.run("work", "print(6 * 7)").await.0, "42\n");
        let lab = expecting("none", "no-such-image:1.0").await;
        let body = json!({"name": "none", "image": "no-such-image:1.0"});
        let (status, problem) = lab.post("/session", body).await;
        assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "object-not-found"));
        assert_eq!(lab.engine.session_count(), 0);
    }
}

#[tokio::test]
async fn clients_of_2018_are_served_with_their_paths_and_keys() {
    let lab = Lab::new().await;
    let body =
        json!({"clientSessionToken": "old-one", "lang": IMAGE, "config": {"environ": {"A_WORD": "hello"}}});
    let (status, reply) = lab.post("/kernel/create", body).await;
    assert_eq!((status, &reply["kernelId"]), (StatusCode::CREATED, &json!("old-one")));
    let code = "import os; print(os.environ['A_WORD'], os.environ['BACKENDAI_SESSION_NAME'])";
    let call = json!({"mode": "query", "code": code, "runId": null});
    let (_, reply) = lab.post("/kernel/old-one", call).await;
    assert_eq!(reply["result"]["runId"].as_str().unwrap().len(), 32, "the server makes one: {reply}");
    assert_eq!(lab.run("old-one", code).await.0, "hello old-one\n");
}

#[tokio::test]
async fn failures_of_session_creation_are_reported() {
    let lab = Lab::new().await;
    for name in ["abc", "-work", "wo rk", "from-template", &"x".repeat(65), "wo/rk", ""] {
        let (status, problem) = lab.post("/session", json!({"name": name, "image": IMAGE})).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "invalid-api-params"), "{name}");
    }
    for body in [json!({"name": "work"}), json!({"image": IMAGE}), json!({})] {
        let (status, problem) = lab.post("/session", body).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "invalid-api-params"));
    }
    let (status, problem) = lab.post("/session", json!({"name": "work", "image": "no-such-image:1.0"})).await;
    assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "object-not-found"));
    assert!(problem["title"].as_str().unwrap().contains("no-such-image:1.0"), "{problem}");
    assert!(problem["msg"].as_str().unwrap().ends_with('.'), "a hint: {problem}");
    assert_eq!(lab.engine.session_count(), 0);
}

#[tokio::test]
async fn an_enqueued_session_is_observed_through_its_events() {
    let lab = Lab::new().await;
    let mut everything = lab.listen("/events/session?sessionName=*&scope=*").await;
    let body = json!({"name": "followed", "image": IMAGE, "enqueueOnly": true});
    let (status, reply) = lab.post("/session", body).await;
    assert_eq!((status, &reply["status"]), (StatusCode::CREATED, &json!("PENDING")));
    let id = reply["sessionId"].as_str().unwrap();
    let events = everything.until("session_started").await;
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["session_enqueued", "session_preparing", "session_started"]);
    let data = &events[2].1;
    assert_eq!((data["sessionId"].as_str(), data["sessionName"].as_str()), (Some(id), Some("followed")));
    assert_eq!(
        (&data["exitCode"], data["ownerAccessKey"].as_str()),
        (&Value::Null, Some(lab.keypair.access_key()))
    );
    lab.session("another").await;
    let mut selected = [
        lab.listen("/events/session?name=followed").await,
        lab.listen(&format!("/stream/kernel/_/events?sessionId={id}")).await,
        lab.listen("/events/session?sessionName=followed&scope=session,kernel").await,
    ];
    lab.call(Method::DELETE, "/session/another", Value::Null).await;
    lab.call(Method::DELETE, "/session/followed", Value::Null).await;
    for listener in &mut selected {
        let events = listener.until("session_terminated").await;
        assert!(events.iter().all(|(_, data)| data["sessionId"] == id), "{events:?}");
        assert_eq!(
            (events[0].0.as_str(), &events[0].1["reason"]),
            ("session_terminating", &json!("user-requested"))
        );
    }
    let (status, problem) = lab.get("/events/session?sessionName=nosuch").await;
    assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "object-not-found"));
}

#[tokio::test]
async fn the_info_of_a_session_is_complete() {
    let lab = Lab::new().await;
    let id = lab.session("known").await;
    lab.run("known", "print('into the log')").await;
    for reference in [id.as_str(), "known"] {
        let (status, info) = lab.get(&format!("/session/{reference}")).await;
        assert_eq!(
            (status, &info["status"], &info["image"], &info["lang"]),
            (StatusCode::OK, &json!("RUNNING"), &json!(IMAGE), &json!(IMAGE))
        );
        assert!(info["age"].as_i64().is_some() && info["creationTime"].as_str().unwrap().ends_with("+00:00"));
        assert_eq!((&info["terminationTime"], &info["numQueriesExecuted"]), (&Value::Null, &json!(1)));
        assert!(info.get("currentRunId").is_none());
        let read: bai_protocol::info::SessionInfo = serde_json::from_value(info).unwrap();
        assert_eq!(read.status_info, None);
    }
    let (_, matches) = lab.get(&format!("/session/_/match?id={}", &id[..8])).await;
    assert_eq!(matches, json!({"matches": [{"id": id, "name": "known", "status": "RUNNING"}]}));
    let (_, logs) = lab.get("/session/known/logs").await;
    let logs = logs["result"]["logs"].as_str().unwrap();
    assert!(logs.contains("main program") && logs.contains("into the log\n"), "{logs}");
    let (_, history) = lab.get("/session/known/status-history").await;
    assert_eq!(history.as_object().unwrap().keys().collect::<Vec<_>>(), ["PENDING", "PREPARING", "RUNNING"]);
    let (_, graph) = lab.get("/session/known/dependency-graph").await;
    assert_eq!((&graph["session_name"], &graph["depends_on"]), (&json!("known"), &json!([])));
    for target in ["abusing-report", "direct-access-info"] {
        assert_eq!(lab.get(&format!("/session/known/{target}")).await, (StatusCode::OK, json!({})));
    }
    let (status, apps) = lab.get("/stream/session/known/apps").await;
    let shell = json!({"name": "shell", "protocol": "pty", "ports": []});
    assert_eq!((status, &apps[0]), (StatusCode::OK, &shell));
    assert_eq!(
        lab.get("/config/resource-slots").await,
        (StatusCode::OK, json!({"cpu": "count", "mem": "bytes"}))
    );
}

#[tokio::test]
async fn a_session_is_renamed_by_body_or_query() {
    let lab = Lab::new().await;
    lab.session("first").await;
    lab.session("other").await;
    assert_eq!(lab.post("/session/first/rename", json!({"name": "second"})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(lab.post("/session/second/rename?name=third", Value::Null).await.0, StatusCode::NO_CONTENT);
    for name in ["other", "x", "bad name"] {
        let (status, _) = lab.post("/session/third/rename", json!({"name": name})).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(lab.get("/session/third").await.0, StatusCode::OK);
    assert_eq!(lab.get("/session/first").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_destroyed_session_frees_its_name_and_its_folder() {
    let lab = Lab::new().await;
    let id = lab.session("brief").await;
    let folder = lab.folder.path().join("sessions").join(&id);
    assert!(folder.is_dir());
    let mut events = lab.listen("/events/session?sessionName=brief").await;
    let (status, reply) =
        lab.call(Method::DELETE, "/session/brief?forced=true&recursive=true", Value::Null).await;
    assert_eq!((status, reply), (StatusCode::OK, json!({"stats": {"status": "terminated"}})));
    events.until("session_terminated").await;
    assert!(!folder.exists());
    for target in ["/session/brief", "/stream/session/brief/execute"] {
        let (status, _) = lab.get(target).await;
        assert!(status.is_client_error());
    }
    assert!(lab.try_open("/stream/session/brief/execute").await.is_err());
    let (_, info) = lab.get(&format!("/session/{id}")).await;
    assert_eq!(info["status"], "TERMINATED");
    let (status, _) = lab.call(Method::DELETE, &format!("/session/{id}"), Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_ne!(lab.session("brief").await, id);
}

#[tokio::test]
async fn a_session_that_fails_ends_the_wait_and_frees_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-folder");
    std::fs::write(&file, "").unwrap();
    let lab = Lab::with(folder, EngineOptions::on_loopback(Workdirs::Own(file))).await;
    for _ in 0..2 {
        let (status, problem) = lab.post("/session", json!({"name": "broken", "image": IMAGE})).await;
        assert_eq!((status, slug(&problem)), (StatusCode::INTERNAL_SERVER_ERROR, "kernel-creation-failed"));
        assert!(problem["msg"].as_str().unwrap().contains("no-folder"), "{problem}");
    }
    let mut events = lab.listen("/events/session").await;
    let (_, reply) =
        lab.post("/session", json!({"name": "broken", "image": IMAGE, "enqueueOnly": true})).await;
    let events = events.until("session_error").await;
    assert!(events.last().unwrap().1["reason"].as_str().unwrap().contains("no-folder"));
    let (_, info) = lab.get(&format!("/session/{}", reply["sessionId"].as_str().unwrap())).await;
    assert!(info["status"] == "ERROR" && info["statusInfo"].as_str().unwrap().contains("no-folder"));
}

#[tokio::test]
async fn a_queued_session_is_pending() {
    let lab = Lab::new().await;
    lab.session("first").await;
    let starts = &lab.engine.state().starts;
    let turns = u32::try_from(starts.available_permits()).unwrap();
    let all_turns = starts.acquire_many(turns).await.unwrap();
    let body = json!({"name": "patient", "image": IMAGE, "maxWaitSeconds": 1});
    let (status, reply) = lab.post("/session", body.clone()).await;
    assert_eq!((status, &reply["status"]), (StatusCode::CREATED, &json!("TIMEOUT")));
    let (_, again) =
        lab.post("/session", json!({"name": "patient", "image": IMAGE, "enqueueOnly": true})).await;
    assert_eq!((&again["status"], &again["created"]), (&json!("PENDING"), &json!(false)));
    for target in ["/session/patient", "/session/patient/complete", "/session/patient/interrupt"] {
        let (status, problem) = lab.post(target, json!({"mode": "query", "code": "1"})).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "kernel-not-ready"), "{target}");
    }
    assert!(lab.try_open("/stream/session/patient/execute").await.is_err());
    let mut events = lab.listen("/events/session?sessionName=patient").await;
    drop(all_turns);
    events.until("session_started").await;
    assert_eq!(lab.run("patient", "print(1)").await.0, "1\n");
}

#[tokio::test]
async fn a_session_that_asks_for_more_than_the_engine_has_is_refused() {
    let lab = Lab::new().await;
    for (asked, status, why) in [
        (json!({"type": "batch", "startupCommand": "true"}), 400, "none of type batch"),
        (json!({"clusterSize": 2}), 400, "has 1 container, not 2"),
        (json!({"config": {"clusterSize": 3}}), 400, "has 1 container, not 3"),
        (
            json!({"config": {"resources": {"cpu": 1, "cuda.device": 1}}}),
            400,
            "this machine has no cuda.device",
        ),
        (json!({"config": {"mounts": ["data"]}}), 404, "no virtual folders: data"),
        (json!({"config": {"mount_map": {"data": "/d"}}}), 404, "no virtual folders: data"),
        (json!({"config": {"mount_ids": ["u-u-i-d"]}}), 404, "no virtual folders: u-u-i-d"),
        (json!({"dependencies": ["first"]}), 400, "no sessions that depend on others"),
        (json!({"callback_url": "http://127.0.0.1:1"}), 400, "no calls when the status changes"),
        (json!({"config": {"agentList": ["i-1"]}}), 400, "no agents"),
        (json!({"config": {"attach_network": "u"}}), 400, "no networks"),
    ] {
        let mut body = json!({"name": "greedy", "image": IMAGE, "enqueueOnly": true});
        body.as_object_mut().unwrap().extend(asked.as_object().unwrap().clone());
        let (answered, problem) = lab.post("/session", body).await;
        assert_eq!(answered.as_u16(), status, "{asked}: {problem}");
        assert!(problem["msg"].as_str().unwrap().contains(why), "{asked}: {problem}");
    }
    // What clients send when they ask for no more than one session has.
    let modest = json!({
        "name": "modest", "image": IMAGE, "type": "interactive", "clusterSize": 1, "clusterMode": "single-node",
        "dependencies": null, "callback_url": null, "bootstrap_script": null, "startupCommand": null,
        "config": {"mounts": [], "mount_map": null, "mount_options": {}, "resources": {"cpu": "1", "mem": "256m"},
            "resource_opts": {"shmem": "64m"}, "clusterSize": 1, "agentList": null, "scalingGroup": null},
    });
    assert_eq!(lab.post("/session", modest).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn the_creators_script_runs_before_the_first_cell() {
    let lab = Lab::new().await;
    let body =
        json!({"name": "prepared", "image": IMAGE, "bootstrap_script": "echo prepared; echo x > made"});
    lab.post("/session", body).await;
    let (printed, _) = lab.run("prepared", "print(open('made').read())").await;
    assert_eq!(printed, "prepared\nx\n\n");
}

#[tokio::test]
async fn a_restart_ends_what_runs_and_forgets_variables() {
    let lab = Lab::new().await;
    lab.session("again").await;
    lab.run("again", "kept = 1").await;
    let mut running =
        lab.query("again", "import time\nprint('on', flush=True)\nwhile True: time.sleep(1)").await;
    running.until_printed("on").await;
    let mut waiting = lab.open("again").await;
    waiting.send(&json!({"mode": "query", "code": "print('never')", "runId": "waits"}).to_string()).await;
    lab.run_of("again", "waits").await;
    let (status, _) = lab.call(Method::PATCH, "/session/again", Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, frame) = running.until("finished").await;
    assert_ne!(frame["exitCode"], 0);
    let (printed, frame) = waiting.until("finished").await;
    assert!(
        printed.contains("restarted") && !printed.contains("never") && frame["exitCode"] != 0,
        "{printed}"
    );
    let (printed, code) = lab.run("again", "kept").await;
    assert!(printed.contains("NameError") && code == 1, "{printed}");
    assert_eq!(lab.get("/session/again").await.1["status"], "RUNNING");
}

#[tokio::test]
async fn a_session_that_is_destroyed_twice_is_terminated() {
    let lab = Lab::new().await;
    let mut everything = lab.listen("/events/session?sessionName=*&scope=*").await;
    lab.session("twice").await;
    let first = lab.call(Method::DELETE, "/session/twice", Value::Null);
    let second = lab.call(Method::DELETE, "/session/twice", Value::Null);
    let (first, _) = tokio::join!(first, second);
    assert_eq!(first.1["stats"]["status"], "terminated");
    let events = everything.until("session_terminated").await;
    assert!(!events.iter().any(|(name, _)| name == "session_cancelled"), "{events:?}");
}
