//! The scenarios for every server, run on our own engine. `tests/interop/cluster.rs` runs the same ones on a genuine
//! cluster.

#[allow(dead_code, reason = "the helpers are for clusters too")]
mod common;
#[allow(dead_code, reason = "the tests of terminals use more of it")]
mod lab;
#[allow(dead_code, reason = "its main is for clusters")]
mod suite;

use lab::Lab;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_engine_passes_the_scenarios_for_every_server() {
    let lab = Lab::new().await;
    let session = lab.session().await;
    let suite = suite::Suite::new(String::new(), Duration::from_secs(120));
    assert!(suite.run_all(common::ON_EVERY_SERVER, &session).await, "see the lines above");
    lab.engine.shutdown().await;
}
