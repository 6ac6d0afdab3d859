//! Sessions that have ended leave no processes, files or descriptors.

use super::super::*;
use super::harness::{LIMIT, Session};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::time::timeout;

const SESSIONS: usize = 200;
const AT_ONCE: usize = 8;
/// The variable that gives this test, in a process of its own, the folder of temporary files.
const ALONE: &str = "BAI_REPL_TEST_ALONE";

/// Descriptors and processes can be counted only where no other test runs: in a process of its own, which this test starts.
#[test]
fn two_hundred_sessions_leave_no_processes_or_files() {
    if let Ok(folder) = std::env::var(ALONE) {
        return check_for_leaks(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let name = std::thread::current().name().unwrap().to_owned();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &name, "--nocapture"]).env(ALONE, folder.path()).env("TMPDIR", folder.path());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn check_for_leaks(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        // During the first session the runtime opens its own descriptors.
        run_sessions(1).await;
        wait_until_clean(folder, usize::MAX).await;
        let before = descriptors();
        let sessions = (0..AT_ONCE).map(|_| tokio::spawn(run_sessions(SESSIONS / AT_ONCE)));
        for sessions in futures_util::future::join_all(sessions).await {
            sessions.unwrap();
        }
        wait_until_clean(folder, before).await;
    });
}

/// Waits until there is no file and no process, and at most `most` descriptors. The system removes processes and their
/// folders a moment after they were killed.
async fn wait_until_clean(folder: &Path, most: usize) {
    let ended = async {
        while descriptors() > most || !files(folder).is_empty() || !children().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if timeout(LIMIT, ended).await.is_err() {
        panic!(
            "descriptors: {} of {most}; files: {:?}; alive: {:?}",
            descriptors(),
            files(folder),
            children()
        );
    }
}

async fn run_sessions(count: usize) {
    for _ in 0..count {
        let mut session = Session::start("bash").await;
        session.value("x=$(mktemp); rm $x; sleep 1000 & echo on").await;
        session.send(Op::Exec(Step::Command("sleep 1000 & exit 3".into()))).await;
        assert_eq!(session.finish().await.exit_code, 3);
        session.send(Op::Code("read x".into())).await;
        session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
        session.kernel.shutdown().await;
        let mut program = Session::start("app").await;
        assert_eq!(program.run("anything").await.exit_code, 127);
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn files(folder: &Path) -> BTreeSet<std::ffi::OsString> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

/// Processes whose parent is this one, those included that have ended and were not waited for.
fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let parent = |stat: &String| stat.rsplit(") ").next()?.split(' ').nth(1).map(str::to_owned);
    stats.filter(|stat| parent(stat).as_ref() == Some(&own)).collect()
}
