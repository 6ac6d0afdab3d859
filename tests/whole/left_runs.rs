//! Cells whose client has gone while they ran: the next client that attaches to the session follows them.

use super::daemon::Daemon;
use super::interrupts::expect_usable;
use bai_testkit::{FakeTerminal, PROMPT, Sandbox, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

#[test]
fn a_question_whose_client_has_died_is_asked_by_the_next_one() {
    let (_daemon, [_home, sandbox]) = with_engine();
    for transport in ["auto", "poll"] {
        let terminal =
            FakeTerminal::at_prompt(&sandbox, &["-t", "asked", "--transport", transport, "python"]);
        terminal.enter("print('be' + 'fore'); name = input('who? '); print('got', name)");
        terminal.wait_until("the question", |screen| screen.last_line() == "who?");
        kill(Pid::from_raw(terminal.pid()), Signal::SIGKILL).unwrap();
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
        assert!(terminal.screen().has_line("'Ann'"), "{}", terminal.screen().all);
        expect_usable(terminal);
    }
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
