//! A standing engine: found again by its state file, ended when it is idle.

use super::client::{Lab, soon};
use crate::engine::standing::{self, Standing};
use crate::engine::{EngineOptions, Workdirs};
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

fn state_of(lab: &Lab) -> Standing {
    Standing {
        endpoint: lab.engine.endpoint(),
        keypair: lab.keypair.clone(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
        instance: lab.engine.instance().into(),
    }
}

#[tokio::test]
async fn a_standing_engine_is_found_by_its_state_and_told_from_others() {
    let lab = Lab::new().await;
    let folder = lab.folder.path().join("state");
    standing::write(&folder, &state_of(&lab)).unwrap();
    let found = standing::read(&folder).unwrap().unwrap();
    assert!(found.is_alive().await);
    let other = Lab::new().await;
    let moved = Standing { endpoint: other.engine.endpoint(), ..found.clone() };
    assert!(!moved.is_alive().await, "another engine has the port");
    lab.engine.shutdown().await;
    assert!(!found.is_alive().await);
}

#[tokio::test]
async fn an_engine_ends_when_its_last_session_has_been_gone_for_a_while() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = EngineOptions::new(Workdirs::Own(folder.path().join("sessions")));
    options.idle_end = Some(Duration::from_millis(300));
    let lab = Lab::with(folder, options).await;
    lab.session("last").await;
    assert_eq!(lab.engine.session_count(), 1);
    lab.call(Method::DELETE, "/session/last", Value::Null).await;
    soon("the end", lab.engine.ended()).await;
    assert_eq!(lab.engine.session_count(), 0);
}
