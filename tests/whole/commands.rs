//! The commands for sessions, against a background engine that is reached like a cluster.

use super::daemon::Daemon;
use bai_testkit::{Finished, Sandbox, code_of};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::process::{Child, ChildStdout};

const REFUSED: i32 = 122;
const NOT_FOUND: i32 = 123;

/// Starts an engine with sessions of these names. Returns a sandbox whose commands use it.
fn with_sessions(names: &[&str]) -> (Sandbox, Daemon) {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    let endpoint = daemon.endpoint();
    daemon.use_in(&mut sandbox, &endpoint);
    for name in names {
        sandbox.run(&["-t", name, "-c", "print(1)", "python"]).expect(0, "1\n");
    }
    (sandbox, daemon)
}

/// Parses each line as JSON.
#[track_caller]
fn objects(run: &Finished) -> Vec<Value> {
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(run: &Finished) -> Vec<String> {
    objects(run).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[track_caller]
fn expect_failure(run: &Finished, code: i32, words: &[&str]) {
    run.expect(code, "");
    for word in words {
        assert!(run.stderr.contains(word), "\"{word}\" is missing in:\n{}", run.stderr);
    }
}

/// The output lines of a program that keeps running.
pub(super) struct Stream {
    pub(super) child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Stream {
    pub(super) fn start(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        let mut child = sandbox.command(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Stream { child, lines }
    }

    /// Reads until a line contains `what`, and returns the line.
    pub(super) fn until(&mut self, what: &str) -> String {
        self.lines.by_ref().map(Result::unwrap).find(|line| line.contains(what)).unwrap_or_else(|| {
            panic!("it ended before {what}");
        })
    }

    pub(super) fn interrupt(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    }

    fn code(mut self) -> Option<i32> {
        code_of(self.child.wait().unwrap())
    }
}

#[test]
fn sessions_are_listed_for_users_and_for_programs() {
    let (sandbox, _daemon) = with_sessions(&["work-a", "work-b"]);
    let table = sandbox.run(&["ls"]);
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    let lines: Vec<_> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{}", table.stdout);
    assert!(lines[0].starts_with("NAME    STATUS   IMAGE   CREATED"), "{}", lines[0]);
    assert!(lines[1].starts_with("work-a  RUNNING  python  "), "{}", lines[1]);

    assert_eq!(names(&sandbox.run(&["ls", "--json"])), ["work-a", "work-b"]);
    assert_eq!(names(&sandbox.run(&["ls", "--json", "--sort", "name", "--reverse"])), ["work-b", "work-a"]);
    let columns = sandbox.run(&["ls", "--columns", "status,name"]);
    columns.expect(0, "STATUS   NAME\nRUNNING  work-a\nRUNNING  work-b\n");
    assert!(names(&sandbox.run(&["ls", "--json", "--status", "pending,TERMINATED"])).is_empty());
    expect_failure(&sandbox.run(&["ls", "--status", "SLEEPING"]), 2, &["SLEEPING", "RUNNING"]);

    let mut events = Stream::start(&sandbox, &["--json", "events", "work-b"]);
    events.until("connected");
    sandbox.run(&["rm", "-q", "work-b"]).expect(0, "");
    events.until("session_terminated");
    assert_eq!(events.code(), Some(0), "the events of a session end with it");
    assert_eq!(names(&sandbox.run(&["ls", "--json"])), ["work-a"]);
    let all = objects(&sandbox.run(&["ls", "--all", "--json"]));
    assert_eq!((&all[1]["name"], &all[1]["status"]), (&"work-b".into(), &"TERMINATED".into()));
    assert_eq!(names(&sandbox.run(&["ls", "--json", "--status", "TERMINATED"])), ["work-b"]);
}

#[test]
fn a_session_is_found_by_name_id_or_unique_beginning() {
    // The beginnings are not those of an id: its digits end with f.
    let (sandbox, _daemon) = with_sessions(&["walk", "walker", "other"]);
    let info = |reference: &str| objects(&sandbox.run(&["--json", "info", reference])).remove(0);
    let id = info("walk")["id"].as_str().unwrap().to_owned();
    assert_eq!(info("walk")["name"], "walk", "a whole name is preferred to a beginning");
    assert_eq!(info("walke")["name"], "walker");
    assert_eq!(info(&id)["name"], "walk");
    assert_eq!(info(&id[..13])["name"], "walk");
    assert_eq!(info("oth")["status"], "RUNNING");

    let several = ["wa", "2 sessions", "walk (RUNNING, ", "walker (RUNNING, ", "hint: "];
    expect_failure(&sandbox.run(&["info", "wa"]), NOT_FOUND, &several);
    expect_failure(&sandbox.run(&["rm", "wa"]), NOT_FOUND, &several);
    expect_failure(&sandbox.run(&["info", "none"]), NOT_FOUND, &["none", "bai-repl ls"]);
    for command in ["rm", "restart"] {
        let mistyped = ["no session is called oth", "other begins so; give the whole name"];
        expect_failure(&sandbox.run(&[command, "oth"]), NOT_FOUND, &mistyped);
        expect_failure(&sandbox.run(&[command, &id[..7]]), NOT_FOUND, &["walk begins so"]);
    }
    assert_eq!(sandbox.run(&["rm", ""]).code, Some(2), "an empty beginning is not a name");
    assert_eq!(names(&sandbox.run(&["ls", "--json"])).len(), 3);

    let facts = sandbox.run(&["info", "other"]).stdout;
    assert!(facts.starts_with("name          other\nid            "), "{facts}");
    assert!(
        facts.contains("\nstatus        RUNNING\n") && facts.contains("\ninterpreter   python 3."),
        "{facts}"
    );
    sandbox.run(&["rm", &id[..8]]).expect(0, "");
    assert_eq!(names(&sandbox.run(&["ls", "--json"])), ["walker", "other"]);
}

#[test]
fn all_sessions_that_are_named_are_destroyed_and_the_first_failure_counts() {
    let (sandbox, _daemon) = with_sessions(&["first", "second"]);
    let run = sandbox.run(&["rm", "--force", "first", "none", "second"]);
    run.expect(NOT_FOUND, "");
    for words in ["session first is destroyed", "none", "session second is destroyed"] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
    assert!(names(&sandbox.run(&["ls", "--json"])).is_empty());
}

#[test]
fn a_running_cell_is_interrupted_and_a_restart_clears_the_session() {
    let (sandbox, _daemon) = with_sessions(&["work"]);
    let code = "kept = 1\nprint('begun', flush=True)\nwhile True: pass";
    let mut run = Stream::start(&sandbox, &["-t", "work", "-c", code, "python"]);
    run.until("begun");
    let interrupted = sandbox.run(&["--json", "interrupt", "work"]);
    assert_eq!(objects(&interrupted)[0]["event"], "interrupted");
    assert_eq!(run.code(), Some(130), "KeyboardInterrupt");

    sandbox.run(&["-t", "work", "-c", "print(kept)", "python"]).expect(0, "1\n");
    let restarted = sandbox.run(&["restart", "work"]);
    restarted.expect(0, "");
    assert_eq!(restarted.stderr, "session work is restarted\n");
    sandbox.run(&["-t", "work", "-c", "print('kept' in globals())", "python"]).expect(0, "False\n");
}

#[test]
fn a_session_gets_another_name() {
    let (sandbox, _daemon) = with_sessions(&["work-a", "work-b"]);
    let event = objects(&sandbox.run(&["--json", "rename", "work-a", "else"])).remove(0);
    assert_eq!((&event["session"], &event["before"]), (&"else".into(), &"work-a".into()));
    let mut left = names(&sandbox.run(&["ls", "--json"]));
    left.sort();
    assert_eq!(left, ["else", "work-b"]);
    expect_failure(&sandbox.run(&["rename", "else", "a b"]), 2, &["a b"]);
    let taken = sandbox.run(&["rename", "else", "work-b"]);
    assert!(taken.code != Some(0) && taken.stderr.contains("work-b"), "{}", taken.stderr);
    sandbox.run(&["-q", "rename", "else", "work-c"]).expect(0, "");
}

#[test]
fn a_server_is_asked_which_images_it_has() {
    let (sandbox, _daemon) = with_sessions(&[]);
    let images = objects(&sandbox.run(&["--json", "images"]));
    assert!(images.iter().any(|image| image["image"].as_str().unwrap().contains("python")), "{images:?}");
    assert!(sandbox.run(&["images"]).stdout.starts_with("IMAGE"));
}

#[test]
fn events_are_shown_as_they_happen_until_ctrl_c() {
    let (sandbox, _daemon) = with_sessions(&[]);
    let mut json = Stream::start(&sandbox, &["--json", "events"]);
    json.until("connected");
    sandbox.run(&["-t", "work", "-c", "print(1)", "python"]).expect(0, "1\n");
    let event: Value = serde_json::from_str(&json.until("session_started")).unwrap();
    assert_eq!((&event["event"], &event["session"]), (&"session_started".into(), &"work".into()));
    json.interrupt();
    assert_eq!(json.code(), Some(0));

    let mut closed = Stream::start(&sandbox, &["--json", "events"]);
    closed.until("connected");
    let Stream { mut child, lines } = closed;
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0), "the reader has gone");
}

#[test]
fn the_address_of_an_app_is_an_event_for_programs() {
    if !["ssh", "sftp", "ssh-keygen"].into_iter().all(bai_testkit::need) {
        return;
    }
    let (sandbox, _daemon) = with_sessions(&["work"]);
    let without_key = sandbox.run(&["app", "work", "sftp"]);
    without_key.expect(1, "");
    assert!(without_key.stderr.contains("authorized_keys has no key"), "{}", without_key.stderr);
    sandbox.authorize_a_key();
    let mut app = Stream::start(&sandbox, &["--json", "app", "work", "sftp"]);
    let event: Value = serde_json::from_str(&app.until("listening")).unwrap();
    assert_eq!((&event["session"], &event["app"]), (&"work".into(), &"sftp".into()));
    let address = event["url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(std::net::TcpStream::connect(&address).is_ok(), "{event}");
    app.interrupt();
    assert_eq!(app.code(), Some(0));
}

#[test]
fn the_log_is_shown_and_followed() {
    let (sandbox, _daemon) = with_sessions(&["work"]);
    sandbox.run(&["logs", "-n", "3", "work"]).expect_code(0);
    let mut follow = Stream::start(&sandbox, &["--json", "logs", "--follow", "work"]);
    follow.until("connected");
    sandbox.run(&["rm", "work"]).expect(0, "");
    for line in follow.lines.by_ref() {
        assert!(line.unwrap().contains("\"event\":\"log\""));
    }
    assert_eq!(follow.code(), Some(0), "it ends with the session");
}

#[test]
fn files_and_folders_are_uploaded_and_downloaded() {
    let (sandbox, _daemon) = with_sessions(&["work"]);
    let big: Vec<u8> = (0..900_000_u32).map(|i| (i % 251) as u8).collect();
    std::fs::create_dir_all(sandbox.work().join("data/deep")).unwrap();
    sandbox.write("data/big.bin", &big);
    sandbox.write("data/deep/한글.txt", "안녕");
    sandbox.write("one.txt", "first");
    symlink("/etc", sandbox.work().join("data/link")).unwrap();

    let sent = sandbox.run(&["upload", "work", "data", "one.txt", "--to", "in"]);
    sent.expect(1, "");
    let link = "data/link is left out: it is a symbolic link, which is not copied";
    assert!(sent.stderr.contains(link), "{}", sent.stderr);
    assert!(sent.stderr.contains("3 files, 879 KiB to work"), "{}", sent.stderr);
    assert!(!sent.stderr.contains('\u{1b}'), "no progress bar without a terminal: {:?}", sent.stderr);
    let listed = objects(&sandbox.run(&["--json", "files", "work", "in/data"]));
    let found: Vec<_> = listed.iter().map(|row| (row["name"].as_str().unwrap(), &row["folder"])).collect();
    assert_eq!(found, [("big.bin", &Value::Bool(false)), ("deep", &Value::Bool(true))]);
    assert_eq!(listed[0]["size"], 900_000);
    let table = sandbox.run(&["files", "work", "in"]).stdout;
    assert!(table.starts_with("MODE        SIZE  MODIFIED"), "{table}");
    assert!(table.contains("  data/\n") && table.contains("  5 B  "), "{table}");

    let code = "print(open('in/data/deep/한글.txt').read())";
    sandbox.run(&["-t", "work", "-c", code, "python"]).expect(0, "안녕\n");
    let got = sandbox.run(&["download", "work", "in/data", "in/one.txt", "--to", "back/here"]);
    got.expect(0, "");
    assert!(got.stderr.contains("3 files, 879 KiB to back/here"), "{}", got.stderr);
    let back = sandbox.work().join("back/here");
    assert!(std::fs::read(back.join("data/big.bin")).unwrap() == big);
    assert_eq!(std::fs::read_to_string(back.join("data/deep/한글.txt")).unwrap(), "안녕");
    assert_eq!(std::fs::read_to_string(back.join("one.txt")).unwrap(), "first");
    sandbox.run(&["download", "work", "in/one.txt", "--to", "-"]).expect(0, "first");
    sandbox.run(&["--json", "download", "work", "in/one.txt", "--to", "-"]).expect(2, "");

    let large: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 253) as u8).collect();
    sandbox.write("large.bin", &large);
    sandbox.run(&["-q", "upload", "work", "large.bin"]).expect(0, "");
    sandbox.run(&["-q", "download", "work", "large.bin", "--to", "back"]).expect(0, "");
    assert!(std::fs::read(sandbox.work().join("back/large.bin")).unwrap() == large);

    let run = sandbox.run_with_stdin(&["--json", "upload", "work", "-", "--to", "in/piped"], b"\0\xff");
    assert_eq!(objects(&run)[0]["to"], "in/piped");
    assert_eq!(objects(&run)[0]["bytes"], 2);
    let files = objects(&sandbox.run(&["--json", "upload", "--force", "work", "one.txt", "--to", "in"]));
    assert_eq!((&files[0]["event"], &files[0]["bytes"]), (&"uploaded".into(), &5.into()));
    std::fs::create_dir(sandbox.work().join("tree")).unwrap();
    sandbox.write("tree/a", "a");
    symlink("a", sandbox.work().join("tree/b")).unwrap();
    for force in [&["--force"][..], &[]] {
        let events = objects(&sandbox.run(&[&["--json", "upload", "work", "tree"], force].concat()));
        assert_eq!((&events[0]["event"], &events[0]["to"]), (&"uploaded".into(), &"tree/a".into()));
        assert_eq!(events[1], serde_json::json!({"event": "linked", "to": "tree/b", "target": "a"}));
    }
    let events = objects(&sandbox.run(&["--json", "download", "work", "in/piped"]));
    assert_eq!((&events[0]["event"], &events[0]["bytes"]), (&"downloaded".into(), &2.into()));
    assert_eq!(std::fs::read(sandbox.work().join("piped")).unwrap(), b"\0\xff");
}

#[test]
fn files_are_replaced_only_on_request_and_stay_in_the_folder() {
    let (sandbox, _daemon) = with_sessions(&["work", "other"]);
    sandbox.write("a.txt", "mine");
    sandbox.run(&["upload", "work", "a.txt"]).expect(0, "");
    sandbox.write("a.txt", "newer");
    let taken = ["a.txt already exists; nothing was copied", "--force"];
    expect_failure(&sandbox.run(&["upload", "work", "a.txt"]), REFUSED, &taken);
    expect_failure(&sandbox.run(&["download", "work", "a.txt"]), REFUSED, &taken);
    assert_eq!(std::fs::read_to_string(sandbox.work().join("a.txt")).unwrap(), "newer");
    sandbox.run(&["download", "work", "a.txt", "--to", "-"]).expect(0, "mine");
    sandbox.run(&["download", "--force", "work", "a.txt"]).expect(0, "");
    assert_eq!(std::fs::read_to_string(sandbox.work().join("a.txt")).unwrap(), "mine");
    sandbox.write("a.txt", "newest");
    sandbox.run(&["upload", "--force", "work", "a.txt"]).expect(0, "");
    sandbox.run(&["download", "work", "a.txt", "--to", "-"]).expect(0, "newest");

    for (words, code, sentence) in [
        (
            &["files", "work", "nope"][..],
            NOT_FOUND,
            "bai-repl: nope: no such file or folder in the session\n",
        ),
        (&["files", "work", "a.txt"], NOT_FOUND, "bai-repl: a.txt is not a folder\n"),
        (&["info", "nosuch"], NOT_FOUND, "bai-repl: no session is called nosuch\n"),
        (&["rename", "other", "work"], REFUSED, "bai-repl: the name work is taken\n"),
        (&["app", "work", "shell"], 2, "bai-repl: shell is a terminal: use bai-repl pty work\n"),
        (&["app", "work", "x", "-b", "foo"], 2, "bai-repl: cannot listen on foo: expected HOST:PORT\n"),
        (&["sessions"], 2, "bai-repl: sessions needs a terminal\n"),
    ] {
        let run = sandbox.run(words);
        expect_failure(&run, code, &[sentence]);
    }
    sandbox.write("d2", "a file");
    sandbox.run(&["-t", "work", "-c", "import os; os.mkdir('d2')", "python"]).expect(0, "");
    let folder = sandbox.run(&["upload", "-f", "work", "d2"]);
    expect_failure(&folder, REFUSED, &["bai-repl: cannot replace the folder d2 with a file\n"]);
    assert!(!folder.stderr.contains("arrived"), "{}", folder.stderr);
    let folder = sandbox.run(&["download", "work", "d2", "--to", "-"]);
    expect_failure(&folder, 2, &["d2 is a folder; only a single file can go to standard output"]);
    // `~` is the home folder of the session, as for scp.
    sandbox.run(&["upload", "-f", "work", "a.txt", "--to", "~"]).expect(0, "");
    sandbox.run(&["download", "work", "~/a.txt", "--to", "-"]).expect(0, "newest");
    let listed = sandbox.run(&["files", "work", "~"]);
    assert!(listed.stdout.contains("a.txt") && !listed.stdout.contains('~'), "{}", listed.stdout);

    // A name on the server leads through a local link.
    let code =
        "import os; os.mkdir('sub'); open('sub/evil', 'w').write('x'); os.symlink('/etc/passwd', 'sub/l')";
    sandbox.run(&["-t", "work", "-c", code, "python"]).expect(0, "");
    std::fs::create_dir(sandbox.work().join("elsewhere")).unwrap();
    symlink("elsewhere", sandbox.work().join("sub")).unwrap();
    expect_failure(&sandbox.run(&["download", "work", "sub"]), 1, &["sub", "has that name"]);
    assert_eq!(std::fs::read_dir(sandbox.work().join("elsewhere")).unwrap().count(), 0);
    let partly = sandbox.run(&["download", "work", "sub", "--to", "there"]);
    expect_failure(&partly, 1, &["sub/l is left out"]);
    let there: Vec<_> = std::fs::read_dir(sandbox.work().join("there/sub")).unwrap().flatten().collect();
    assert_eq!(there.len(), 1, "{there:?}");

    expect_failure(
        &sandbox.run(&["download", "work", "none.txt"]),
        NOT_FOUND,
        &["none.txt", "bai-repl files"],
    );
    expect_failure(&sandbox.run(&["upload", "work", "none.txt"]), 2, &["none.txt"]);
    expect_failure(&sandbox.run(&["upload", "work", "-"]), 2, &["--to FILE"]);
    expect_failure(&sandbox.run(&["upload", "work", "a.txt", "there/../a.txt"]), 2, &["two of the files"]);
}

#[test]
fn a_kept_session_without_a_name_of_the_user_is_named() {
    let (sandbox, _daemon) = with_sessions(&[]);
    let kept = sandbox.run(&["--keep", "-c", "print(1)", "python"]);
    kept.expect(0, "1\n");
    let name = names(&sandbox.run(&["ls", "--json"])).remove(0);
    assert_eq!(
        kept.stderr.lines().last(),
        Some(&*format!("bai-repl: session {name} stays; bai-repl attach {name} continues with it"))
    );
    let quiet = sandbox.run(&["--quiet", "--keep", "-c", "print(1)", "python"]);
    assert!(!quiet.stderr.contains("stays"), "{}", quiet.stderr);
}

#[test]
fn a_word_that_is_nearly_a_subcommand_is_not_taken_for_an_image_in_silence() {
    let sandbox = Sandbox::new();
    for (words, meant) in [
        (&["lss"][..], "ls"),
        (&["ps"], "ls"),
        (&["kill", "peers"], "rm"),
        (&["destroy", "a", "b"], "rm"),
        (&["-t", "work", "list"], "ls"),
    ] {
        let run = sandbox.run(words);
        assert!(!matches!(run.code, None | Some(0)), "{words:?}: {}", run.stderr);
        let question = format!("did you mean bai-repl {meant}?");
        assert!(!run.stderr.contains("?;"), "{words:?}: {}", run.stderr);
        assert!(run.stderr.contains(&question), "{words:?}: {}", run.stderr);
    }
    for words in [&["nosuch:1"][..], &["python", "none.py"]] {
        let run = sandbox.run(words);
        assert!(!run.stderr.contains("did you mean"), "{words:?}: {}", run.stderr);
    }
}

#[test]
fn the_same_mistake_has_the_same_words_in_both_directions() {
    let (sandbox, _daemon) = with_sessions(&["work"]);
    sandbox.write("main.py", "print(1)");
    std::fs::create_dir_all(sandbox.work().join("sub")).unwrap();
    sandbox.run(&["-q", "upload", "work", "main.py"]).expect(0, "");
    let outside = "is outside of the session's home folder";
    let is_file = "a file is in the place of the folder main.py";
    for (words, code, sentence) in [
        (&["upload", "work", "main.py", "--to", "../up"][..], NOT_FOUND, outside),
        (&["download", "work", "../up"], NOT_FOUND, outside),
        (&["files", "work", "../up"], NOT_FOUND, outside),
        (&["upload", "work", "main.py", "--to", "main.py"], REFUSED, is_file),
        (&["upload", "work", "main.py", "--to", "main.py/deep"], REFUSED, is_file),
        (&["download", "work", "main.py", "--to", "main.py"], REFUSED, is_file),
        (&["download", "work", "main.py", "--to", "main.py/deep"], REFUSED, is_file),
        (&["python", "sub"], 2, "this server runs no folder as a script"),
    ] {
        expect_failure(&sandbox.run(words), code, &[sentence]);
    }
    symlink("../main.py", sandbox.work().join("sub/link")).unwrap();
    let make = "import os; os.makedirs('there'); os.symlink('../x', 'there/link')";
    sandbox.run(&["-t", "work", "-c", make, "python"]).expect_code(0);
    for words in [["upload", "work", "sub"], ["download", "work", "there"]] {
        expect_failure(
            &sandbox.run(&words),
            1,
            &["link is left out: it is a symbolic link, which is not copied"],
        );
    }
    let build = sandbox.run(&["run", "bash", "--build", "exit 3", "--exec", "true"]);
    let ended = "the step build ended with exit code 3, so the execute step is skipped";
    assert!(build.stderr.contains(ended), "{}", build.stderr);
}

/// What bash completes at the end of each command line: one line of words for each. The words of a command line are divided
/// at blanks.
fn completed(sandbox: &Sandbox, lines: &[&str]) -> Vec<String> {
    let registration = sandbox.run(&["completions", "bash"]);
    assert_eq!(registration.code, Some(0), "{}", registration.stderr);
    let calls: String = lines.iter().map(|line| format!("complete_words bai-repl {line}\n")).collect();
    sandbox.write(
        "complete.sh",
        format!(
            "{}\n{}{calls}",
            registration.stdout,
            r#"
        complete_words() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_TYPE=9; COMPREPLY=()
            _bai_repl bai-repl "${COMP_WORDS[COMP_CWORD]}"
            echo "${COMPREPLY[@]}"
        }
    "#
        ),
    );
    let output = sandbox.program("bash").arg("complete.sh").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_shell_completes_sessions_images_and_words() {
    let (mut sandbox, daemon) = with_sessions(&["work-a", "work-b"]);
    // Late answers come from the cache, so the list is cached first.
    sandbox.run(&["ls", "-q", "--json"]).expect_code(0);
    let lines = [
        "attach wo",
        "rm work-b work-",
        "-t wo",
        "run -t work-a",
        "interr",
        "--theme lig",
        "ls --status PENDING,RUNNING_",
    ];
    let found = completed(&sandbox, &lines);
    assert_eq!(
        found,
        [
            "work-a work-b",
            "work-a",
            "work-a work-b",
            "work-a",
            "interrupt",
            "light",
            "PENDING,RUNNING_DEGRADED"
        ]
    );

    // The server is away: the cached answer is used, and no error is shown.
    drop(daemon);
    assert_eq!(completed(&sandbox, &["attach wo"]), ["work-a work-b"]);
    sandbox.set("BACKEND_ENDPOINT", "not a URL");
    assert_eq!(completed(&sandbox, &["attach wo"]), [""]);
}

#[test]
fn the_shell_completes_images_of_the_engine_before_and_after_they_were_listed() {
    let sandbox = Sandbox::new();
    let first = completed(&sandbox, &["bas", "run bas", "pty bas"]);
    for words in &first {
        assert!(words.split(' ').any(|word| word.starts_with("bash")), "{first:?}");
    }
    let listed = sandbox.run(&["images", "--json"]);
    let image = objects(&listed).into_iter().map(|row| row["image"].as_str().unwrap().to_owned());
    let bash = image.into_iter().find(|name| name.starts_with("bash:5")).unwrap();
    let words = completed(&sandbox, &["bas", "run bash : 5"]);
    assert_eq!(words[0], bash, "the list that was shown is also completed");
    assert_eq!(words[1], bash.trim_start_matches("bash:"), "bash divides words at colons");
}

#[test]
fn an_engine_says_that_it_has_no_virtual_folders() {
    let sandbox = Sandbox::new();
    for command in [&["list"][..], &["upload", "data", "x"], &["purge", "data"]] {
        let words: Vec<_> = ["vfolder"].iter().chain(command).copied().collect();
        expect_failure(
            &sandbox.run(&words),
            2,
            &["the engine of this machine has no virtual folders", "hint: "],
        );
    }
    let (sandbox, _daemon) = with_sessions(&[]);
    expect_failure(&sandbox.run(&["vfolder", "list"]), 1, &["this server has no virtual folders"]);
    expect_failure(&sandbox.run(&["vfolder", "info", "data"]), 1, &["this server has no virtual folders"]);
}
