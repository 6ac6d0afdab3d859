//! What each command says about a session that is lost: its engine was killed, and its files were kept.

use bai_testkit::{FakeTerminal, Sandbox, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::PathBuf;
use std::time::SystemTime;

/// The folder with the folders of all sessions.
fn folders(sandbox: &Sandbox) -> PathBuf {
    sandbox.home().join(".local/state/bai-repl/engine/sessions")
}

/// The only file of a session with this ending.
fn file_beside(sandbox: &Sandbox, ending: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folders(sandbox)).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.extension().is_some_and(|found| found == ending))
}

/// Leaves a lost session `work` that has printed something and has a file.
fn lose(sandbox: &Sandbox) {
    let code = "_ = open('data.csv', 'w').write('1,2'); print('the last words')";
    sandbox.run(&["-t", "work", "-c", code, "python"]).expect(0, "the last words\n");
    let log = || std::fs::read_to_string(file_beside(sandbox, "log")?).ok();
    wait_until("the log", || log().is_some_and(|text| text.contains("the last words")));
    kill(Pid::from_raw(sandbox.engines()[0]), Signal::SIGKILL).unwrap();
    wait_until("the end of the engine", || sandbox.engines().is_empty());
}

#[test]
fn each_command_tells_that_the_session_is_lost() {
    let sandbox = Sandbox::new();
    lose(&sandbox);
    sandbox.write("up.txt", "");
    for arguments in [
        &["interrupt", "work"][..],
        &["restart", "work"],
        &["rename", "work", "other"],
        &["upload", "work", "up.txt"],
        &["apps", "work"],
        &["app", "work", "jupyter"],
        &["pty", "--raw", "work"],
        &["attach", "work"],
        &["events", "work"],
    ] {
        let refused = sandbox.run(arguments);
        refused.expect_code(123);
        let said = &refused.stderr;
        assert!(
            said.contains("lost") && said.contains(folders(&sandbox).to_str().unwrap()),
            "{arguments:?}: {said}"
        );
    }
    sandbox.run(&["files", "work", "--json"]).expect_code(0);
    sandbox.run(&["download", "work", "data.csv", "--to", "-"]).expect(0, "1,2");
    let facts = sandbox.run(&["info", "work"]);
    assert!(facts.stdout.contains("LOST") && facts.stdout.contains("ended"), "{facts:?}");
    let terminal = FakeTerminal::start(&sandbox, &["pty", "work"]);
    assert!(terminal.wait_for_end().screen.all.contains("The session was lost."));
}

#[test]
fn the_name_of_a_lost_session_is_taken() {
    let sandbox = Sandbox::new();
    lose(&sandbox);
    sandbox.run(&["-t", "other", "-c", "_ = open('mine', 'w').write('3')", "python"]).expect_code(0);
    let refused = sandbox.run(&["rename", "other", "work"]);
    refused.expect_code(122);
    assert!(refused.stderr.contains("the name work is taken"), "{refused:?}");
    assert!(refused.stderr.contains("lost") && refused.stderr.contains("gets its files"), "{refused:?}");
}

#[test]
fn of_two_lost_sessions_with_one_name_each_is_found_by_its_id() {
    let sandbox = Sandbox::new();
    lose(&sandbox);
    // Earlier engines let a session take such a name.
    let (first, record) = (file_beside(&sandbox, "session").unwrap(), "11111111-2222-4333-8444-555555555555");
    std::fs::copy(&first, folders(&sandbox).join(format!("{record}.session"))).unwrap();
    std::fs::create_dir(folders(&sandbox).join(record)).unwrap();
    std::fs::write(folders(&sandbox).join(record).join("data.csv"), "3").unwrap();
    let id = first.file_stem().unwrap().to_str().unwrap();
    for arguments in [&["files", "work"][..], &["download", "work", "data.csv", "--to", "-"], &["rm", "work"]]
    {
        let refused = sandbox.run(arguments);
        refused.expect_code(123);
        assert!(refused.stderr.contains(id) && refused.stderr.contains(record), "{refused:?}");
        assert!(
            refused.stderr.contains("give the id") && !refused.stderr.contains("whole name"),
            "{refused:?}"
        );
    }
    sandbox.run(&["-t", "other", "-c", "1", "python"]).expect_code(0);
    sandbox.run(&["rename", "other", "work"]).expect_code(122);
    sandbox.run(&["download", id, "data.csv", "--to", "-"]).expect(0, "1,2");
    sandbox.run(&["download", record, "data.csv", "--to", "-"]).expect(0, "3");
    sandbox.run(&["rm", record]).expect_code(0);
    sandbox.run(&["download", "work", "data.csv", "--to", "-"]).expect(0, "1,2");
}

#[test]
fn the_log_of_a_lost_session_is_kept_until_its_files_are_deleted() {
    let sandbox = Sandbox::new();
    lose(&sandbox);
    for arguments in [&["logs", "work"][..], &["logs", "--follow", "work"]] {
        let log = sandbox.run(arguments);
        assert!(log.code == Some(0) && log.stdout.ends_with("the last words\n"), "{log:?}");
    }
    std::fs::remove_file(file_beside(&sandbox, "log").unwrap()).unwrap();
    let none = sandbox.run(&["logs", "work"]);
    assert!(none.code == Some(123) && none.stderr.contains("Its log was not kept"), "{none:?}");
    sandbox.run(&["rm", "work"]).expect_code(0);
    assert_eq!(std::fs::read_dir(folders(&sandbox)).unwrap().count(), 0);
}

#[test]
fn a_log_outlives_an_engine_that_is_stopped_and_ends_with_a_session_that_is_destroyed() {
    let sandbox = Sandbox::new();
    let write = "_ = open('data.csv', 'w').write('1,2'); print('the last words')";
    sandbox.run(&["-t", "work", "-c", write, "python"]).expect_code(0);
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    let log = sandbox.run(&["logs", "work"]);
    assert!(log.stdout.ends_with("the last words\n"), "{log:?}");
    // A new session has a log of its own.
    sandbox.run(&["-t", "work", "-c", "1", "python"]).expect_code(0);
    let log = sandbox.run(&["logs", "work"]);
    assert!(!log.stdout.contains("the last words"), "{log:?}");
    sandbox.run(&["rm", "work"]).expect_code(0);
    wait_until("the removal", || std::fs::read_dir(folders(&sandbox)).unwrap().count() == 0);
}

#[test]
fn a_killed_session_lived_until_its_last_run_or_file() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "_ = open('data.csv', 'w').write('1,2')", "python"]).expect_code(0);
    let log = || file_beside(&sandbox, "log");
    wait_until("the log", || log().is_some());
    let hour_ago = SystemTime::now() - std::time::Duration::from_secs(3600);
    let age = |path: &PathBuf| {
        std::fs::File::open(path).unwrap().set_modified(hour_ago).unwrap();
    };
    // A run without output.
    age(&log().unwrap());
    sandbox.run(&["-t", "work", "-c", "1 == 1 and None", "python"]).expect(0, "");
    let is_new = || log().is_some_and(|path| path.metadata().unwrap().modified().unwrap() > hour_ago);
    wait_until("the log is written again", is_new);
    kill(Pid::from_raw(sandbox.engines()[0]), Signal::SIGKILL).unwrap();
    wait_until("the end of the engine", || sandbox.engines().is_empty());
    // The last sign of life is in the folder.
    for ending in ["log", "session"] {
        age(&file_beside(&sandbox, ending).unwrap());
    }
    let listed = sandbox.run(&["ls", "--columns", "name,ended"]);
    assert!(listed.stdout.contains("s ago"), "{listed:?}");
}

#[test]
fn a_killed_session_ended_when_it_was_last_seen() {
    let sandbox = Sandbox::new();
    lose(&sandbox);
    let hour = std::time::Duration::from_secs(3600);
    let record = file_beside(&sandbox, "session").unwrap();
    let file = std::fs::File::options().write(true).open(record).unwrap();
    file.set_modified(SystemTime::now() - hour).unwrap();
    let listed = sandbox.run(&["ls", "--columns", "name,ended"]);
    assert!(listed.stdout.contains("s ago"), "{listed:?}");
}
