//! What holds on every server, tried on our own engine; `tests/interop/cluster.rs` tries the same on a genuine cluster.

#[path = "interop/common.rs"]
#[allow(dead_code, reason = "the helpers are for clusters too")]
mod common;
#[path = "interop/suite.rs"]
#[allow(dead_code, reason = "its main is for clusters")]
mod suite;

use bai_client::{Api, ApiOptions, ComputeSession, Credentials};
use bai_engine::{Engine, EngineOptions, Workdirs};
use bai_protocol::create::CreateRequest;
use secrecy::ExposeSecret;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_holds_on_a_cluster_holds_on_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::start(EngineOptions::new(Workdirs::Own(folder.path().to_owned()))).await.unwrap();
    let keypair = engine.keypair();
    let secret = keypair.secret_key().expose_secret().to_owned();
    let credentials = Credentials::keypair(keypair.access_key(), secret);
    let api = Api::new(ApiOptions::new(engine.endpoint()).with_credentials(credentials)).unwrap();
    let request = CreateRequest { name: "work".into(), image: "python".into(), ..CreateRequest::default() };
    let (session, _) = ComputeSession::create(&api, request, |_| {}).await.unwrap();
    let suite = suite::Suite::new(String::new(), Duration::from_secs(120));
    assert!(suite.run_all(common::ON_EVERY_SERVER, &session).await, "see the lines above");
    engine.shutdown().await;
}
