//! The examples, run against the engine as a person runs them: as programs, with the server in their environment.
//!
//! Cargo builds the examples for `cargo test`, but not when a single test target is named.

#![allow(clippy::unwrap_used, clippy::panic)]

use bai_engine::{Engine, EngineOptions, Workdirs};
use secrecy::ExposeSecret;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().unwrap().parent().unwrap().join("examples").join(name);
    assert!(program.exists(), "{} is missing; build it: cargo build --examples", program.display());
    program
}

/// Runs an example to its end and gives what it wrote to standard output and standard error.
async fn run(name: &str, input: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let workdirs = Workdirs::Own(folder.path().to_owned());
    let engine = Engine::start(EngineOptions::on_loopback(workdirs)).await.unwrap();
    let keypair = engine.keypair();
    let mut example = Command::new(program(name))
        .env("BACKEND_ENDPOINT", engine.endpoint())
        .env("BACKEND_ACCESS_KEY", keypair.access_key())
        .env("BACKEND_SECRET_KEY", keypair.secret_key().expose_secret())
        .env_remove("BACKEND_IMAGE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    example.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let limit = std::time::Duration::from_secs(120);
    let ended = tokio::time::timeout(limit, example.wait_with_output()).await.expect("an end").unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (stdout, stderr) = (text(&ended.stdout), text(&ended.stderr));
    assert!(ended.status.success(), "{stdout}{stderr}");
    engine.shutdown().await;
    (stdout, stderr)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_query_loop_shows_the_output_and_the_failure_of_the_code() {
    let (stdout, stderr) = run("query_loop", "").await;
    assert!(stdout.contains("session: RUNNING\nline 0\nline 1\nline 2\nexit code: Some(1)\n"), "{stdout}");
    assert!(stderr.contains("ZeroDivisionError"), "{stderr}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_batch_runs_its_steps_and_its_result_comes_back() {
    let (stdout, stderr) = run("batch_upload", "").await;
    assert_eq!(
        stdout,
        "Clean ended: Some(0)\nBuild ended: Some(0)\nwrote 5 squares\nexit code: Some(0)\n0\n1\n4\n9\n16\n",
        "{stderr}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn input_and_a_password_are_answered() {
    let (stdout, stderr) = run("user_input", "Ada\nsecret\n").await;
    let end = "hello Ada, your password has 6 characters\nexit code: Some(0)\n";
    assert!(stdout.starts_with("name: ") && stdout.ends_with(end), "{stdout}{stderr}");
    assert!(stdout.contains("password: (not shown)\n"), "{stdout}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_streamed_with_its_picture() {
    let (stdout, stderr) = run("streaming_media", "").await;
    assert!(stdout.starts_with("0 %\n50 %\n100 %\nimage/svg+xml of "), "{stdout}{stderr}");
    assert!(stdout.contains("<circle") && stdout.ends_with("exit code: Some(0)\n"), "{stdout}");
}
