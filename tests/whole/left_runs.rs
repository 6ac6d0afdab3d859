//! Cells whose client has gone while they ran: the next client that attaches to the session follows them.

use super::daemon::Daemon;
use super::interrupts::expect_usable;
use alacritty_terminal::term::TermMode;
use bai_testkit::{FakeTerminal, Gate, PROMPT, Sandbox, binary, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{PtySize, native_pty_system};
use std::io::Read;
use std::os::fd::BorrowedFd;

/// A background engine in a home of its own, and a sandbox whose clients use it.
pub(super) fn with_engine() -> (Daemon, [Sandbox; 2]) {
    let [home, mut sandbox] = [Sandbox::new(), Sandbox::new()];
    let daemon = Daemon::start(&home);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    (daemon, [home, sandbox])
}

/// Waits until the engine knows that a run of this session has lost its client.
pub(super) fn wait_until_left(sandbox: &Sandbox, session: &str) {
    wait_until("a run without a client", || sandbox.run(&["info", session]).stdout.contains("left run"));
}

/// How a client goes.
#[derive(Debug, Clone, Copy)]
enum Going {
    BySignal(Signal),
    TerminalCloses,
}

/// Types a cell in a terminal, which shows something then, and goes.
fn leave_running(sandbox: &Sandbox, arguments: &[&str], cell: &str, shown: &str, going: Going) {
    let pair = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut child =
        pair.slave.spawn_command(sandbox.in_terminal(&[&[binary()], arguments].concat())).unwrap();
    drop(pair.slave);
    let mut screen = pair.master.try_clone_reader().unwrap();
    let mut all = Vec::new();
    let mut read_until = |text: &str| {
        while !String::from_utf8_lossy(&all).contains(text) {
            let mut piece = [0; 1024];
            let read = screen.read(&mut piece).unwrap();
            all.extend_from_slice(&piece[..read]);
        }
    };
    read_until("python ");
    // The writer of the terminal would send an end of file when it is dropped.
    // SAFETY: the master is open.
    let keys = unsafe { BorrowedFd::borrow_raw(pair.master.as_raw_fd().unwrap()) };
    nix::unistd::write(keys, format!("{cell}\r").as_bytes()).unwrap();
    read_until(shown);
    if let Going::BySignal(signal) = going {
        kill(Pid::from_raw(child.process_id().unwrap().try_into().unwrap()), signal).unwrap();
        child.wait().unwrap();
    }
    drop((screen, pair.master));
    child.wait().unwrap();
}

#[test]
fn a_question_whose_client_has_gone_is_asked_by_the_next_one() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let cell = "print('be' + 'fore'); name = input('wh' + 'o? '); print('got', name)";
    let ways = [
        ("auto", Going::BySignal(Signal::SIGKILL)),
        ("poll", Going::BySignal(Signal::SIGKILL)),
        ("auto", Going::BySignal(Signal::SIGTERM)),
        ("auto", Going::BySignal(Signal::SIGHUP)),
        ("auto", Going::TerminalCloses),
        ("poll", Going::TerminalCloses),
    ];
    for (transport, going) in ways {
        leave_running(&sandbox, &["-t", "asked", "--transport", transport, "python"], cell, "who? ", going);
        wait_until_left(&sandbox, "asked");
        let terminal = FakeTerminal::start(&sandbox, &["attach", "asked", "--transport", transport]);
        terminal.wait_until("the question", |screen| {
            screen.all.contains("Ctrl-C interrupts it")
                && screen.has_line("before")
                && screen.last_line() == "who?"
        });
        terminal.wait_for_raw_mode();
        terminal.enter("Ann");
        terminal.wait_for("got Ann");
        terminal.wait_for_prompt(PROMPT);
        terminal.run(PROMPT, "name");
        assert!(terminal.screen().has_line("'Ann'"), "{going:?}: {}", terminal.screen().all);
        expect_usable(terminal);
    }
}

#[test]
fn whoever_opens_a_session_by_its_name_follows_what_runs_in_it() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let open = ["-t", "named", "python"];
    leave_running(&sandbox, &open, "n = input('wh' + 'o? '); 1 / 0", "who? ", Going::TerminalCloses);
    wait_until_left(&sandbox, "named");
    let terminal = FakeTerminal::start(&sandbox, &open);
    terminal.wait_until("the question", |screen| {
        screen.all.contains("Ctrl-C interrupts it") && screen.last_line() == "who?"
    });
    terminal.wait_for_raw_mode();
    terminal.enter("Bea");
    terminal.wait_for_prompt(PROMPT);
    // Nobody knows here how long it took.
    assert!(terminal.screen().has_line("✗"), "{}", terminal.screen().all);
    terminal.run(PROMPT, "n");
    assert!(terminal.screen().has_line("'Bea'"), "{}", terminal.screen().all);
    expect_usable(terminal);
}

#[test]
fn the_end_of_a_cell_whose_client_has_died_is_shown_once() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "ended", "python"]);
    let go = sandbox.work().join("go");
    terminal.paste(
        &format!("import os, time\nprint('on')\nwhile not os.path.exists({go:?}): time.sleep(0.01)\nprint('the', 'end')"),
    );
    terminal.send("\r");
    terminal.wait_until("the cell", |screen| screen.has_line("on"));
    kill(Pid::from_raw(terminal.pid()), Signal::SIGKILL).unwrap();
    wait_until_left(&sandbox, "ended");
    sandbox.write("go", "");
    wait_until("the end", || !sandbox.run(&["info", "ended"]).stdout.contains("\nrun "));
    let terminal = FakeTerminal::start(&sandbox, &["attach", "ended"]);
    terminal.wait_for("which has ended since; this is its output");
    terminal.wait_for("the end\n");
    terminal.wait_for_prompt(PROMPT);
    expect_usable(terminal);
    let terminal = FakeTerminal::at_prompt(&sandbox, &["attach", "ended"]);
    assert!(!terminal.screen().all.contains("the end"), "{}", terminal.screen().all);
    expect_usable(terminal);
}

#[test]
fn all_that_earlier_clients_have_left_is_shown_in_its_order() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let go = sandbox.work().join("go");
    let first = format!(
        "import os, time; print('fi' + 'rst'); [time.sleep(0.01) for _ in iter(lambda: os.path.exists({go:?}), True)]; name = input('who? ')"
    );
    let (killed, open) = (Going::BySignal(Signal::SIGKILL), ["-t", "queue", "python"]);
    leave_running(&sandbox, &open, &first, "first", killed);
    wait_until_left(&sandbox, "queue");
    // One waits behind it and is killed, and two give up.
    let terminal = FakeTerminal::start(&sandbox, &["-t", "queue", "--no-prelude", "python"]);
    terminal.wait_for("Ctrl-C interrupts it");
    for _ in 0..2 {
        let gave_up = sandbox.run(&["--max-wait", "1", "-t", "queue", "-c", "print('never')", "python"]);
        assert_eq!(gave_up.code, Some(124), "{}", gave_up.stderr);
    }
    drop(terminal);
    wait_until_left(&sandbox, "queue");
    let terminal = FakeTerminal::start(&sandbox, &["attach", "queue"]);
    terminal.wait_until("the first cell", |screen| {
        screen.all.contains("Ctrl-C interrupts it") && screen.has_line("first")
    });
    sandbox.write("go", "");
    terminal.wait_until("its question", |screen| screen.last_line() == "who?");
    terminal.wait_for_raw_mode();
    terminal.enter("Ann");
    terminal.wait_for_prompt(PROMPT);
    assert!(!terminal.screen().all.contains("has ended since"), "{}", terminal.screen().all);
    terminal.run(PROMPT, "name");
    assert!(terminal.screen().has_line("'Ann'"), "{}", terminal.screen().all);
    expect_usable(terminal);
}

#[test]
fn a_cell_of_a_client_that_is_there_can_be_taken_over() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let first = FakeTerminal::at_prompt(&sandbox, &["-t", "held", "python"]);
    first.enter("print('be' + 'fore'); name = input('wh' + 'o? '); print('got', name)");
    first.wait_until("the question", |screen| screen.last_line() == "who?");
    let second = FakeTerminal::at_prompt(&sandbox, &["attach", "held"]);
    assert!(second.screen().all.contains("takes it over"), "{}", second.screen().all);
    assert!(!second.screen().has_line("before"), "{}", second.screen().all);
    second.send("\x04");
    second.wait_for_end();
    let second = FakeTerminal::start(&sandbox, &["attach", "--take", "held"]);
    second.wait_until("the question", |screen| screen.has_line("before") && screen.last_line() == "who?");
    first.wait_for("another client follows this run now");
    first.wait_for_prompt(PROMPT);
    second.wait_for_raw_mode();
    second.enter("Ann");
    second.wait_for("got Ann");
    second.wait_for_prompt(PROMPT);
    for terminal in [first, second] {
        terminal.run(PROMPT, "name");
        assert!(terminal.screen().has_line("'Ann'"), "{}", terminal.screen().all);
        expect_usable(terminal);
    }
}

#[test]
fn only_a_prompt_takes_a_cell_over() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let ended = sandbox.run_with_stdin(&["attach", "--take", "held"], b"1");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("--take is for a prompt"), "{}", ended.stderr);
}

#[test]
fn a_key_leaves_a_cell_to_the_next_client_while_it_runs_and_while_it_asks() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let path = sandbox.work().join("gate");
    let gate = Gate::at(&path);
    for (wait, shown) in
        [(format!("open({path:?}).readline()"), "before"), ("input('wh' + 'o? ')".to_owned(), "who?")]
    {
        let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "left", "python"]);
        terminal.enter(&format!("print('be' + 'fore'); name = {wait}; print('got', name)"));
        terminal.wait_until("the cell", |screen| screen.last_line() == shown || screen.has_line(shown));
        terminal.send("\x1d");
        terminal.wait_until("the pane", |screen| screen.modes.contains(TermMode::ALT_SCREEN));
        terminal.send("\x1dd");
        let end = terminal.wait_for_end();
        assert_eq!(end.code, 0, "{}", end.screen.all);
        assert!(end.screen.all.contains("its program run on"), "{}", end.screen.all);
        let terminal = FakeTerminal::start(&sandbox, &["attach", "left"]);
        terminal.wait_until("the cell", |screen| screen.has_line("before"));
        match shown {
            "before" => gate.open(),
            _ => {
                terminal.wait_until("the question", |screen| screen.last_line() == shown);
                terminal.wait_for_raw_mode();
                terminal.enter("Ann");
            }
        }
        terminal.wait_for("got");
        expect_usable(terminal);
    }
}

#[test]
fn a_session_of_another_language_is_refused_before_its_cell_is_followed() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let cell = "n = input('wh' + 'o? ')";
    leave_running(&sandbox, &["-t", "named", "python"], cell, "who? ", Going::TerminalCloses);
    wait_until_left(&sandbox, "named");
    let terminal = FakeTerminal::start(&sandbox, &["-t", "named", "bash"]);
    let screen = terminal.wait_for("a session of that name runs python, not bash");
    assert!(!screen.all.contains("its output follows"), "{}", screen.all);
}

#[test]
fn all_output_of_cells_that_were_left_can_be_looked_at() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let path = sandbox.work().join("gate");
    let gate = Gate::at(&path);
    let clients = [(); 2].map(|()| FakeTerminal::at_prompt(&sandbox, &["-t", "long", "python"]));
    let lines = |word: &str| format!("print(*('{word} %d' % n for n in range(3000)), sep='\\n')");
    clients[0].enter(&format!("print('be' + 'gun'); open({path:?}).readline(); {}", lines("first")));
    clients[0].wait_for("begun");
    clients[1].enter(&lines("second"));
    clients[1].wait_for("something else runs in it");
    for client in clients {
        kill(Pid::from_raw(client.pid()), Signal::SIGKILL).unwrap();
    }
    wait_until_left(&sandbox, "long");
    gate.open();
    wait_until("the end", || !sandbox.run(&["info", "long"]).stdout.contains("\nrun "));
    let terminal = FakeTerminal::start(&sandbox, &["attach", "long"]);
    terminal.wait_for("second 2999");
    terminal.wait_for_prompt(PROMPT);
    assert!(terminal.screen().all.contains("lines are not shown here; :output shows all]"));
    terminal.enter(":output");
    terminal.wait_for("line 1 of 6001");
    for word in ["first", "second"] {
        let line = format!("{word} 1234");
        terminal.send(format!("/\x15{line}\r"));
        terminal.wait_until("the line", |screen| screen.lines.contains(&line));
    }
    terminal.send("q");
    expect_usable(terminal);
}
