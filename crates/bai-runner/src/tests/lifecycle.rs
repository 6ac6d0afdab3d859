//! Starting, restarting and ending kernels, which leaves no process behind.

use super::super::*;
use super::harness::{Session, gone, pythons};

#[tokio::test]
async fn restart_ends_the_active_request_and_the_queue() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.send(Op::Code("x = 1\nprint('on')\nwhile True: pass".into())).await;
        session.send(Op::Build(Step::Command("true".into()))).await;
        session.send(Op::Code("print('never')".into())).await;
        session.until_output("on\n").await;
        session.kernel.restart().await.unwrap();
        assert_eq!(session.finish().await.exit_code, 137, "{python}");
        assert_eq!(session.next().await, Reply::BuildFinished { exit_code: 137 });
        assert_eq!(session.next().await, Reply::Finished { exit_code: 137 });
        assert_eq!(session.value("'x' in globals()").await, "False\n", "{python}");
    }
}

#[tokio::test]
async fn shutdown_kills_the_whole_group_and_ends_the_replies() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "import subprocess, os\np = subprocess.Popen(['sh', '-c', 'sleep 1000 & wait'])\nos.getpid(), p.pid";
        let pids = session.value(code).await;
        session.kernel.shutdown().await;
        assert_eq!(session.replies.recv().await, None, "{python}");
        assert_eq!(session.kernel.send(Op::Status).await, Err(KernelGone));
        gone(&pids).await;
    }
}

#[tokio::test]
async fn dropping_the_last_handle_kills_the_group() {
    let mut session = Session::start("python").await;
    let pids = session
        .value("import subprocess, os\np = subprocess.Popen(['sleep', '1000'])\nos.getpid(), p.pid")
        .await;
    let Session { kernel, replies, .. } = session;
    let other = kernel.clone();
    drop(kernel);
    assert_eq!(other.describe().language, "python");
    drop((other, replies));
    gone(&pids).await;
}

#[tokio::test]
async fn status_is_answered_at_once() {
    let mut session = Session::start("python").await;
    session.send(Op::Code("print('on')\nwhile True: pass".into())).await;
    session.until_output("on\n").await;
    session.send(Op::Status).await;
    assert!(matches!(session.next().await, Reply::Status(RunnerStatus { started_at }) if started_at >= 0.0));
}

#[tokio::test]
async fn start_errors_have_a_reason_and_a_hint() {
    let spec = |image: &str, workdir: &str| KernelSpec {
        workdir: workdir.into(),
        env: Vec::new(),
        image: ImageName::parse(image),
        is_for_script: false,
        first_script: None,
        streams: ScriptStreams::default(),
        executable: None,
    };
    let error = Kernel::start(spec("cobol:85", "/")).await.unwrap_err();
    assert!(error.to_string().contains("cobol:85") && error.to_string().contains("python:3."), "{error}");
    assert!(!error.hint().is_empty());
    let error = Kernel::start(spec("python", "/nowhere/at/all")).await.unwrap_err();
    assert!(matches!(error, StartError::Workdir { .. }) && error.to_string().contains("/nowhere"), "{error}");
    let found = resolve("python:3.5").unwrap();
    assert!(found.info().note.as_ref().unwrap().starts_with("python:3.5 is not here; using 3."), "{found:?}");
    for image in ["python:2.7", "python:3.99", "python:9.9"] {
        let error = resolve(image).unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("{image} is not here: this machine has 3.")),
            "{error}"
        );
        assert!(error.hint().contains("install"), "{}", error.hint());
    }
}
