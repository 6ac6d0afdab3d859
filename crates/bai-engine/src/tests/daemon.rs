//! A background engine: it is found by its state file, and ends when it is idle.

use super::client::{Lab, soon};
use crate::daemon::{self, DaemonInfo};
use crate::{EngineOptions, SocketFolder, Workdirs, server};
use reqwest::Method;
use serde_json::Value;
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
    assert_eq!(found.listening_process().await, Some(ours));
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
async fn folders_of_a_killed_engine_are_removed_and_those_of_a_live_one_kept() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("sessions");
    let old = root.join(uuid::Uuid::new_v4().to_string());
    std::fs::create_dir_all(old.join("sub")).unwrap();
    std::fs::write(old.join("sub/file"), "x").unwrap();
    let lab = Lab::with(folder, EngineOptions::on_loopback(Workdirs::Own(root.clone()))).await;
    let id = lab.session("alive").await;
    assert!(root.join(&id).is_dir());
    let second = tempfile::tempdir().unwrap();
    let other = Lab::with(second, EngineOptions::on_loopback(Workdirs::Own(root.clone()))).await;
    other.engine.shutdown().await;
    assert!(root.join(&id).is_dir(), "it is the first one's");
    lab.engine.shutdown().await;
    assert!(!old.exists() && !root.join(&id).exists() && root.is_dir());
}
