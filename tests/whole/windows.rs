//! The window of the user, as programs in a session see it.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox};

const SIZE: &str = "import shutil; print(*shutil.get_terminal_size())";

#[test]
fn the_size_of_the_window_reaches_each_cell_also_when_it_changes() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start_sized(&sandbox, &["python"], 30, 91);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(SIZE);
    terminal.wait_until("the first size", |screen| screen.has_line("91 30"));
    terminal.wait_for_prompt(PROMPT);
    terminal.resize(30, 70);
    terminal.enter(SIZE);
    terminal.wait_until("the size at the prompt", |screen| screen.has_line("70 30"));
    terminal.wait_for_prompt(PROMPT);
    let waits = "import signal, sys; old = signal.signal(signal.SIGWINCH, lambda *_: None); print('waits', sys.stdout.isatty()); \
                 signal.pause(); print(*shutil.get_terminal_size())";
    terminal.enter(waits);
    terminal.wait_until("the wait", |screen| screen.has_line("waits True"));
    terminal.resize(30, 110);
    terminal.wait_until("the size during a cell", |screen| screen.has_line("110 30"));
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_script_knows_the_window_of_its_output() {
    let sandbox = Sandbox::new();
    let code = format!("{SIZE}; import sys; print(sys.stdout.isatty())");
    for transport in ["ws", "poll"] {
        let arguments = ["--transport", transport, "python", "-c", &code];
        let terminal = FakeTerminal::start_sized(&sandbox, &arguments, 30, 91);
        terminal.wait_until("the size", |screen| screen.has_line("91 30") && screen.has_line("True"));
        terminal.wait_for_end();
        sandbox.run(&arguments).expect(0, "80 24\nFalse\n");
    }
}

#[test]
fn a_batch_run_knows_the_window_of_its_output() {
    let sandbox = Sandbox::new();
    let arguments = ["run", "bash", "--exec", "echo $COLUMNS,${FORCE_COLOR-none}"];
    let terminal = FakeTerminal::start_sized(&sandbox, &arguments, 30, 91);
    terminal.wait_until("the size", |screen| screen.has_line("91,3"));
    terminal.wait_for_end();
    sandbox.run(&arguments).expect(0, ",none\n");
}
