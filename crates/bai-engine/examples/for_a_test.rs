//! Starts an engine for the test of another program, and gives that program its endpoint and its key pair.
//!
//! ```console
//! $ cargo run -p bai-engine --example for_a_test
//! ```
//!
//! The program under test is a shell here. Any client of the session API can take its place.

use bai_engine::{Engine, EngineError};
use std::process::Command;

#[tokio::main]
async fn main() -> Result<(), EngineError> {
    let engine = Engine::temporary().await?;

    println!("the engine listens on {}", engine.endpoint());
    println!("clients sign with the key pair {}", engine.keypair().access_key());
    let mut program = Command::new("sh");
    program.args(["-c", "echo \"the program under test sees $BACKEND_ENDPOINT and $BACKEND_ACCESS_KEY\""]);
    match program.envs(engine.client_environment()).status() {
        Ok(status) => println!("it ended with {status}"),
        Err(error) => println!("it could not be started: {error}"),
    }

    engine.shutdown().await;
    println!("the engine has stopped");
    Ok(())
}
