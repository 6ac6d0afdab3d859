//! Commands at the prompt that the command line also has: files, sessions, services, and batches.

use super::daemon::Daemon;
use bai_testkit::{FakeTerminal, Sandbox, need};

#[test]
fn files_and_sessions_are_managed_at_the_prompt() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    sandbox.write("one file.txt", "first");
    let terminal = FakeTerminal::start(&sandbox, &["-t", "work", "python"]);
    let prompt = "python ❯";
    terminal.wait_for_prompt(prompt);
    terminal.enter(":upload 'one file.txt' --to in");
    terminal.wait_for("1 file, 5 B to work");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":files in");
    terminal.wait_until("the file", |screen| {
        screen.all.lines().any(|line| line.contains("5 B") && line.ends_with("one file.txt"))
    });
    terminal.wait_for_prompt(prompt);
    terminal.enter("print(open('in/one file.txt').read() + ' line')");
    terminal.wait_for("first line");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":download 'in/one file.txt' --to back");
    terminal.wait_for("1 file, 5 B to back");
    assert_eq!(std::fs::read_to_string(sandbox.work().join("back/one file.txt")).unwrap(), "first");
    terminal.wait_for_prompt(prompt);
    // `~` in a path of the session is not the home folder of this machine.
    std::fs::write(sandbox.home().join("mine.txt"), "mine").unwrap();
    terminal.enter(":upload ~/mine.txt --to '~'");
    terminal.wait_for("1 file, 4 B to work");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":download ~/mine.txt --to=~/back");
    terminal.wait_for("1 file, 4 B to /");
    assert_eq!(std::fs::read_to_string(sandbox.home().join("back/mine.txt")).unwrap(), "mine");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":files ~");
    terminal.wait_until("the file", |screen| screen.all.lines().any(|line| line.ends_with("mine.txt")));
    terminal.wait_for_prompt(prompt);
    // Tab completes local files and names on the server.
    for (typed, shown) in [
        (":download in/o\t", ":download in/one\\ file.txt"),
        (":files i\t", ":files in/"),
        (":attach wo\t", ":attach work"),
    ] {
        terminal.send(typed);
        terminal.wait_until(shown, |screen| screen.last_line() == format!("{prompt} {shown}"));
        terminal.send("\x03");
        terminal.wait_for_prompt(prompt);
    }
    terminal.enter(":ls --columns name,status");
    terminal.wait_until("the session", |screen| screen.has_line("work  RUNNING"));
    terminal.wait_for_prompt(prompt);
    terminal.enter(":download nothing-there");
    terminal.wait_for(":files lists the files");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":upload x --nonsense");
    terminal.wait_for("unexpected argument '--nonsense'");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":upload x --endpoint http://127.0.0.1:1");
    terminal.wait_for("--endpoint is a flag of the command line");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":upload --help");
    terminal.wait_until("its flags", |screen| {
        screen.has_line("Usage: :upload [OPTIONS] <FILE>...") && screen.all.contains("--force")
    });
    assert!(!terminal.screen().all.contains("--profile"), "{}", terminal.screen().all);
    terminal.wait_for_prompt(prompt);
    for (typed, shown) in [
        (":help upload", "Usage: :upload [OPTIONS] <FILE>..."),
        (":save --help", ":save FILE"),
        (":save x.py --force", ":save has no flag --force"),
        (":image save --force ~/q.png", ":image has no flag --force"),
        (":upload --to x", "required arguments are missing: <FILE>..."),
        (":run .", ". is a folder, not a regular file"),
        (":set media.dir", "media.dir = none"),
        (":set media.max_rows many", "media.max_rows must be a number of rows or auto"),
        (":set media.max_rows 9", "media.max_rows = 9 for this prompt; put it in config.toml to keep it"),
    ] {
        terminal.send("\x0c");
        terminal.wait_for_prompt(prompt);
        terminal.enter(typed);
        terminal.wait_for(shown);
        terminal.wait_for_prompt(prompt);
    }
    assert!(!sandbox.work().join("--help").exists());
    terminal.enter(":apps");
    terminal.wait_until("the apps", |screen| screen.all.lines().any(|line| line.starts_with("APP")));
    terminal.wait_for_prompt(prompt);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_batch_builds_asks_and_reports_how_it_ended() {
    if !need("make") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("Makefile", "all:\n\t@echo made\n");
    let terminal = FakeTerminal::start(&sandbox, &["bash"]);
    let prompt = "bash ❯";
    terminal.wait_for_prompt(prompt);
    terminal.enter(":batch --exec 'printf \"who? \"; read name; echo hi $name; exit 3'");
    terminal.wait_until("what was made", |screen| screen.has_line("made"));
    terminal.wait_until("the question", |screen| screen.all.lines().any(|line| line.starts_with("who?")));
    terminal.enter("Ann");
    terminal.wait_until("the answer", |screen| screen.has_line("hi Ann"));
    terminal.wait_for("exit code 3");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":batch --build 'echo no; false' --exec 'echo never'");
    terminal.wait_for("the step build ended with exit code 1");
    terminal.wait_for("exit code 127");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":batch --exec 'echo on; sleep 1000'");
    terminal.wait_until("on", |screen| screen.has_line("on"));
    terminal.send("\x03");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":ls --columns status");
    terminal.wait_until("this session", |screen| screen.has_line("RUNNING"));
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_user_switches_between_sessions() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    sandbox.run(&["-t", "work", "-c", "kept = 1", "python"]).expect(0, "");
    let terminal = FakeTerminal::start(&sandbox, &["-t", "shell", "bash"]);
    terminal.wait_for_prompt("bash ❯");
    // After the first cell the session is open.
    terminal.enter("echo op''en");
    terminal.wait_until("the session", |screen| screen.has_line("open"));
    terminal.wait_for_prompt("bash ❯");
    terminal.enter(":attach none-such");
    terminal.wait_for(":ls lists the sessions");
    terminal.wait_for_prompt("bash ❯");
    terminal.enter(":attach 'shell'");
    terminal.wait_for("this prompt is on the session shell already");
    terminal.wait_for_prompt("bash ❯");
    terminal.enter(":attach wor");
    terminal.wait_for("session shell stays");
    terminal.wait_for_prompt("python ❯");
    terminal.enter("kept + 41");
    terminal.wait_until("the variable", |screen| screen.has_line("42"));
    terminal.wait_for_prompt("python ❯");
    terminal.enter(":new bash");
    terminal.wait_for("session work stays");
    terminal.wait_for_prompt("bash ❯");
    terminal.enter("echo in $((40 + 2))");
    terminal.wait_until("a new session", |screen| screen.has_line("in 42"));
    terminal.wait_for_prompt("bash ❯");
    terminal.send("\x04");
    terminal.wait_for("is destroyed");
    assert_eq!(terminal.wait_for_end().code, 0);
    let left = sandbox.run(&["ls", "--columns", "name", "--sort", "name"]);
    left.expect(0, "NAME\nshell\nwork\n");
}
