//! A background engine: it is found by its state file, and ends when it is idle.

use super::client::{IMAGE, Lab, soon};
use crate::daemon::{self, DaemonInfo};
use crate::{EngineOptions, SocketFolder, Workdirs, server, session_folders};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_background_engine_is_found_by_its_state_file_only() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let claim = daemon::claim(&state).unwrap().unwrap();
    let workdirs = Workdirs::Own(folder.path().join("sessions"));
    let options = EngineOptions::private(SocketFolder::At(state.clone()), workdirs);
    let lab = Lab::with(folder, options).await;
    claim
        .announce(&DaemonInfo {
            socket: lab.engine.socket().unwrap().to_owned(),
            endpoint: lab.engine.endpoint(),
            keypair: lab.keypair.clone(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            instance: lab.engine.instance().into(),
        })
        .unwrap();
    let found = daemon::read(&state).unwrap().unwrap();
    assert!(found.answers().await);
    let ours = i32::try_from(std::process::id()).unwrap();
    assert_eq!(daemon::process(&state).await.unwrap(), Some(ours));
    let earlier = DaemonInfo { instance: "of an engine that died".into(), ..found.clone() };
    assert!(!earlier.answers().await, "another engine listens there");
    lab.engine.shutdown().await;
    assert!(!found.answers().await);
}

#[tokio::test]
async fn an_engine_without_sessions_ends_after_a_while() {
    let a_while = Duration::from_millis(10);
    let folder = tempfile::tempdir().unwrap();
    let mut options = EngineOptions::on_loopback(Workdirs::Own(folder.path().join("sessions")));
    options.idle_end = Some(a_while);
    let idle = Lab::with(folder, options).await;
    soon("the end", idle.engine.ended()).await;

    // The idle time begins after a session, which needs time to start.
    let lab = Lab::new().await;
    lab.session("last").await;
    let ending = tokio::spawn(server::end_when_idle(lab.engine.state().clone(), a_while));
    tokio::time::sleep(3 * a_while).await;
    assert!(!ending.is_finished(), "there is a session");
    lab.call(Method::DELETE, "/session/last", Value::Null).await;
    soon("the end", lab.engine.ended()).await;
    assert_eq!(lab.engine.session_count(), 0);
}

#[tokio::test]
async fn folders_without_files_are_removed_and_those_of_a_live_engine_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("sessions");
    let old = root.join(uuid::Uuid::new_v4().to_string());
    std::fs::create_dir_all(&old).unwrap();
    let lab = Lab::with(folder, EngineOptions::on_loopback(Workdirs::Own(root.clone()))).await;
    assert!(!old.exists());
    let id = lab.session("alive").await;
    assert!(root.join(&id).is_dir());
    let second = tempfile::tempdir().unwrap();
    let other = Lab::with(second, EngineOptions::on_loopback(Workdirs::Own(root.clone()))).await;
    other.engine.shutdown().await;
    assert!(root.join(&id).is_dir(), "it is the first one's");
    lab.engine.shutdown().await;
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "the session had no files");
}

/// An engine on the folder of an earlier one that had the session `work` with one file. Gives the session's id too.
async fn lab_with_a_lost_session() -> (Lab, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("sessions");
    let earlier = Lab::with(folder, EngineOptions::on_loopback(Workdirs::Own(root.clone()))).await;
    let id = earlier.session("work").await;
    std::fs::write(root.join(&id).join("data.csv"), "1,2").unwrap();
    let Lab { engine, folder, .. } = earlier;
    engine.shutdown().await;
    (Lab::with(folder, EngineOptions::on_loopback(Workdirs::Own(root))).await, id)
}

#[tokio::test]
async fn a_session_whose_engine_ended_is_lost_and_its_folder_is_named() {
    let (lab, id) = lab_with_a_lost_session().await;
    let folder = lab.folder.path().join("sessions").join(&id);
    for reference in ["work", &id] {
        let (_, info) = lab.get(&format!("/session/{reference}")).await;
        assert_eq!((info["status"].as_str(), info["sessionName"].as_str()), (Some("LOST"), Some("work")));
        assert!(info["statusInfo"].as_str().unwrap().ends_with(folder.to_str().unwrap()), "{info}");
    }
    let (_, found) = lab.get("/session/_/match?id=wo").await;
    assert_eq!(found["matches"][0]["status"], "LOST");
    let query = json!({"query": "{ compute_session_list(status: \"LOST\") { items { name status } } }"});
    let (_, listed) = lab.post("/admin/gql", query).await;
    assert_eq!(listed["data"]["compute_session_list"]["items"], json!([{"name": "work", "status": "LOST"}]));
    let (status, problem) = lab.post("/session/work/upload", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem.to_string().contains(folder.to_str().unwrap()), "{problem}");
    // Its files can be read.
    let (status, listing) = lab.get("/session/work/files").await;
    assert!(status == StatusCode::OK && listing["files"].as_str().unwrap().contains("data.csv"), "{listing}");
}

#[tokio::test]
async fn the_name_of_a_lost_session_is_taken_until_its_files_are_gone() {
    let (lab, _) = lab_with_a_lost_session().await;
    lab.session("other").await;
    let rename = || lab.post("/session/other/rename", json!({"name": "work"}));
    let (status, problem) = rename().await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    assert!(problem["msg"].as_str().unwrap().contains("lost"), "{problem}");
    assert_eq!(lab.get("/session/other").await.1["status"], "RUNNING");
    assert_eq!(lab.call(Method::DELETE, "/session/work", Value::Null).await.0, StatusCode::OK);
    assert_eq!(rename().await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_new_session_of_its_name_gets_the_files_of_a_lost_one() {
    let (lab, id) = lab_with_a_lost_session().await;
    let (status, made) = lab.post("/session", json!({"name": "work", "image": IMAGE})).await;
    assert_eq!(status, StatusCode::CREATED);
    let new = made["sessionId"].as_str().unwrap();
    assert!(new != id && made["note"].as_str().unwrap().contains("its file is here"), "{made}");
    let root = lab.folder.path().join("sessions");
    assert_eq!(std::fs::read_to_string(root.join(new).join("data.csv")).unwrap(), "1,2");
    assert!(!root.join(&id).exists());
    assert_eq!(lab.get(&format!("/session/{id}")).await.0, StatusCode::NOT_FOUND);
    // Who destroys a session wants its files gone.
    lab.call(Method::DELETE, "/session/work", Value::Null).await;
    let mut alive = lab.engine.state().sessions.alive();
    soon("the end", alive.wait_for(|count| *count == 0)).await.unwrap();
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
}

#[tokio::test]
async fn the_files_of_a_session_that_could_not_start_go_to_the_next_one_of_its_name() {
    let (lab, _) = lab_with_a_lost_session().await;
    let broken = json!({"environ": {"PYTHONHOME": "/nonexistent"}});
    let request = json!({"name": "work", "image": IMAGE, "config": broken});
    for _ in 0..2 {
        let (status, problem) = lab.post("/session", request.clone()).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{problem}");
        assert!(problem["type"].as_str().unwrap().contains("kernel-creation-failed"), "{problem}");
    }
    let (_, made) = lab.post("/session", json!({"name": "work", "image": IMAGE})).await;
    assert!(made["note"].as_str().unwrap().contains("its file is here"), "{made}");
    let folder = lab.folder.path().join("sessions").join(made["sessionId"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(folder.join("data.csv")).unwrap(), "1,2");
}

/// An engine that was just killed may still hold its lock, for as long as a child of it has not become another program.
#[tokio::test]
async fn who_has_claimed_the_folder_finds_lost_sessions_at_once() {
    let (lab, id) = lab_with_a_lost_session().await;
    let Lab { engine, folder, .. } = lab;
    engine.shutdown().await;
    let claim = daemon::claim(folder.path()).unwrap().unwrap();
    let dying = session_folders::lock(&folder.path().join("sessions")).unwrap().unwrap();
    let lab = Lab::with(folder, EngineOptions::on_loopback(claim.workdirs())).await;
    assert_eq!(lab.get("/session/work").await.1["sessionId"], json!(id));
    drop(dying);
}

#[tokio::test]
async fn destroying_a_lost_session_deletes_its_files() {
    let (lab, id) = lab_with_a_lost_session().await;
    assert_eq!(lab.call(Method::DELETE, "/session/work", Value::Null).await.0, StatusCode::OK);
    assert_eq!(std::fs::read_dir(lab.folder.path().join("sessions")).unwrap().count(), 0);
    assert_eq!(lab.get("/session/work").await.0, StatusCode::NOT_FOUND);
    assert_eq!(lab.get(&format!("/session/{id}")).await.1["status"], "TERMINATED");
}
