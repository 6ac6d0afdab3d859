//! A background engine: it is found by its state file, and ends when it is idle.

use super::client::{Lab, soon};
use crate::daemon::{self, DaemonInfo};
use crate::{EngineOptions, Workdirs, server};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

fn state_of(lab: &Lab) -> DaemonInfo {
    DaemonInfo {
        endpoint: lab.engine.endpoint(),
        keypair: lab.keypair.clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        instance: lab.engine.instance().into(),
    }
}

#[tokio::test]
async fn a_background_engine_is_found_by_its_state_file_only() {
    let lab = Lab::new().await;
    let folder = lab.folder.path().join("state");
    daemon::write(&folder, &state_of(&lab)).unwrap();
    let found = daemon::read(&folder).unwrap().unwrap();
    assert!(found.is_alive().await);
    let other = Lab::new().await;
    let moved = DaemonInfo { endpoint: other.engine.endpoint(), ..found.clone() };
    assert!(!moved.is_alive().await, "another engine has the port");
    lab.engine.shutdown().await;
    assert!(!found.is_alive().await);
}

#[tokio::test]
async fn an_engine_without_sessions_ends_after_a_while() {
    let a_while = Duration::from_millis(10);
    let folder = tempfile::tempdir().unwrap();
    let mut options = EngineOptions::new(Workdirs::Own(folder.path().join("sessions")));
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
    let lab = Lab::with(folder, EngineOptions::new(Workdirs::Own(root.clone()))).await;
    let id = lab.session("alive").await;
    assert!(root.join(&id).is_dir());
    let second = tempfile::tempdir().unwrap();
    let other = Lab::with(second, EngineOptions::new(Workdirs::Own(root.clone()))).await;
    other.engine.shutdown().await;
    assert!(root.join(&id).is_dir(), "it is the first one's");
    lab.engine.shutdown().await;
    assert!(!old.exists() && !root.join(&id).exists() && root.is_dir());
}
