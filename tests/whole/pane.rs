//! The terminal in the session, opened at the prompt and while a cell runs. The same key opens and leaves it.

use super::daemon::{Daemon, ProxiedEngine};
use alacritty_terminal::term::TermMode;
use bai_testkit::{FakeTerminal, Gate, PROMPT, Sandbox, Screen, need};

const KEY: &str = "\x1d";

/// Starts a prompt whose session is open, in a sandbox whose shell is bash with its own prompt.
fn in_session(sandbox: &mut Sandbox, arguments: &[&str]) -> FakeTerminal {
    sandbox.set("SHELL", "/bin/bash");
    for file in [".bashrc", ".bash_profile"] {
        std::fs::write(sandbox.home().join(file), "PS1='shell> '\n").unwrap();
    }
    let terminal = FakeTerminal::at_prompt(sandbox, arguments);
    // After the first cell the session is open.
    terminal.enter("'re' + 'ady'");
    terminal.wait_until("the session", |screen| screen.has_line("'ready'"));
    terminal.wait_for_prompt(PROMPT);
    terminal
}

fn in_pane(screen: &Screen) -> bool {
    screen.modes.contains(TermMode::ALT_SCREEN)
}

/// Presses the key and waits for the shell.
fn open_pane(terminal: &FakeTerminal) {
    terminal.send(KEY);
    terminal.wait_until("the shell", |screen| in_pane(screen) && screen.all.contains("shell>"));
}

/// Presses the key again and waits for the previous screen.
fn leave_pane(terminal: &FakeTerminal) {
    terminal.send(KEY);
    terminal.wait_until("the way back", |screen| !in_pane(screen));
}

/// Checks the editor's keyboard modes: raw, bracketed paste on, all others off.
fn assert_editor_modes(screen: &Screen) {
    assert!(screen.modes.contains(TermMode::BRACKETED_PASTE) && screen.cursor_shown);
    let others = TermMode::MOUSE_MODE | TermMode::SGR_MOUSE | TermMode::FOCUS_IN_OUT | TermMode::APP_KEYPAD;
    assert!(!screen.modes.intersects(others), "{:?}", screen.modes);
}

#[test]
fn half_a_cell_waits_while_a_file_is_edited_and_the_window_changes() {
    if !need("vim") {
        return;
    }
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    terminal.send("print('the file says', open('note')");
    terminal.wait_until("half a cell", |screen| screen.last_line().ends_with("open('note')"));
    let before = terminal.termios();

    open_pane(&terminal);
    terminal.enter("vim -u NONE -N note");
    terminal.wait_until("vim", |screen| screen.lines[1] == "~" && screen.all.contains("\"note\""));
    terminal.send("ihello from vim\x1b");
    terminal.wait_until("the text", |screen| screen.lines[0] == "hello from vim");
    terminal.resize(30, 100);
    terminal.wait_until("the new size", |screen| {
        screen.lines.len() == 30 && screen.lines[27] == "~" && screen.lines[29].contains("100×29")
    });
    terminal.enter(":wq");
    terminal.wait_until("the shell", |screen| screen.all.contains("shell>"));
    leave_pane(&terminal);

    let screen = terminal.wait_until("half a cell", |screen| {
        screen.last_line().ends_with("open('note')")
            && screen.modes.contains(TermMode::BRACKETED_PASTE)
            && screen.cursor.1 == PROMPT.chars().count() + 1 + "print('the file says', open('note')".len()
            // The modes are restored after the screen, but before the editor paints.
            && terminal.termios() == before
    });
    assert_editor_modes(&screen);
    terminal.send(".read().strip())\r");
    terminal.wait_until("the output", |screen| {
        screen.lines.iter().any(|line| line == "the file says hello from vim")
    });
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_cell_continues_behind_the_terminal_and_loses_no_output() {
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    let before = terminal.termios();
    let _gate = Gate::at(&sandbox.work().join("go"));
    terminal.paste(
        "import time\nfor i in range(100):\n    print('line', i)\n    time.sleep(.01)\n    if i == 49: open('go').readline()",
    );
    terminal.send("\r\r");
    terminal.wait_until("the first lines", |screen| screen.has_line("line 3"));
    // This input is for the prompt, so the shell must not receive it.
    terminal.send("'kept'");
    open_pane(&terminal);
    // Ctrl-C here is for the shell: neither the cell nor its prompt may receive it.
    sandbox.write("wait.sh", "trap 'echo caught; exit' INT\necho waiting\nwhile :; do sleep .1; done\n");
    terminal.enter("sh wait.sh");
    terminal.wait_until("the script", |screen| screen.has_line("waiting"));
    terminal.send("\x03");
    terminal.wait_until("the interrupt", |screen| screen.all.contains("caught"));
    terminal.enter("echo > go; echo 'told'");
    terminal.wait_until("the cell's end", |screen| screen.last_line().contains("the cell has ended"));
    leave_pane(&terminal);
    let screen = terminal
        .wait_until("what was typed ahead", |screen| screen.last_line() == format!("{PROMPT} 'kept'"));
    let printed: Vec<&str> = screen.all.lines().filter(|line| line.starts_with("line ")).collect();
    let expected: Vec<String> = (0..100).map(|i| format!("line {i}")).collect();
    assert_eq!(printed, expected, "{}", screen.all);
    assert!(!screen.all.contains("KeyboardInterrupt"), "{}", screen.all);
    assert_editor_modes(&screen);
    assert_eq!(terminal.termios().control_chars, before.control_chars);
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn coming_back_before_the_cell_ends_shows_it_going_on() {
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    let _one = Gate::at(&sandbox.work().join("one"));
    let two = Gate::at(&sandbox.work().join("two"));
    terminal.enter(
        "print('a'*3, end='', flush=True); open('one').readline(); print('b'*3, end='', flush=True); \
         open('two').readline(); print('c'*3)",
    );
    terminal.wait_until("half a line", |screen| screen.last_line() == "aaa");
    let running = terminal.termios();
    open_pane(&terminal);
    terminal.enter("echo > one; echo 'told'");
    terminal.wait_until("the shell", |screen| screen.lines.iter().any(|line| line == "told"));
    leave_pane(&terminal);
    terminal.wait_until("the line goes on", |screen| screen.last_line() == "aaabbb");
    assert_eq!(terminal.termios(), running);
    two.open();
    terminal.wait_until("its end", |screen| screen.has_line("aaabbbccc"));
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_question_that_comes_meanwhile_is_asked_on_return() {
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    let _gate = Gate::at(&sandbox.work().join("go"));
    terminal.enter("print('wait' + 'ing'); open('go').readline(); print('hello ' + input('who? '))");
    terminal.wait_until("the cell", |screen| screen.has_line("waiting"));
    open_pane(&terminal);
    terminal.enter("echo > go");
    terminal.wait_until("the remark", |screen| screen.last_line().contains("the cell asks for input"));
    leave_pane(&terminal);
    terminal.wait_until("the question", |screen| screen.last_line() == "who?");
    // The key also works at questions, and the half-typed answer is kept.
    terminal.send("An");
    terminal.wait_until("half an answer", |screen| screen.last_line() == "who? An");
    open_pane(&terminal);
    leave_pane(&terminal);
    terminal.wait_until("half an answer", |screen| screen.last_line() == "who? An");
    terminal.send("n\r");
    terminal.wait_until("the answer", |screen| screen.has_line("hello Ann"));
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn the_shell_stays_until_it_ends_and_then_there_is_a_new_one() {
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    open_pane(&terminal);
    terminal.enter("kept=here");
    leave_pane(&terminal);
    terminal.enter(":pty");
    terminal.wait_until("the shell", |screen| in_pane(screen) && screen.all.contains("kept=here"));
    terminal.enter("echo still $kept");
    terminal.wait_until("the variable", |screen| screen.has_line("still here"));
    terminal.enter("exit 3");
    terminal.wait_until("the news", |screen| {
        !in_pane(screen) && screen.all.contains("the shell in the terminal has ended with exit code 3")
    });
    open_pane(&terminal);
    terminal.enter("echo now [$kept]");
    terminal.wait_until("a new shell", |screen| screen.has_line("now []"));
    leave_pane(&terminal);
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_command_of_the_prompt_runs_in_the_terminal() {
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    for (command, shown) in [("echo ran $((6 * 7))", "ran 42"), ("echo again $((6 * 8))", "again 48")] {
        terminal.enter(&format!(":pty {command}"));
        terminal.wait_until(shown, |screen| in_pane(screen) && screen.has_line(shown));
        leave_pane(&terminal);
        terminal.wait_for_prompt(PROMPT);
    }
    terminal.enter(r":pty printf '\033[?1049h'; read x");
    terminal.wait_until("the command", in_pane);
    leave_pane(&terminal);
    terminal.enter(":pty echo not here");
    terminal.wait_for("the command was not run: a full-screen program runs in the terminal");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_full_screen_program_in_a_cell_is_named() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let code = r"import subprocess; _ = subprocess.run(['printf', r'\033[?1049h\033[2J\033[Hpainted\033[?1049lafter\n'])";
    terminal.enter(code);
    let screen = terminal.wait_until("the line", |screen| screen.says(":pty COMMAND runs it in a terminal"));
    assert!(screen.has_line("after"), "{}", screen.all);
    assert_eq!(screen.all.matches("painted").count(), 1, "only the typed code has it: {}", screen.all);
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn the_prompt_reports_events_of_the_terminal() {
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    let gate = Gate::at(&sandbox.work().join("go"));
    open_pane(&terminal);
    terminal.enter("read < go; printf '\\a'; read < go; exit 5");
    terminal.wait_until("the command", |screen| screen.all.contains("exit 5"));
    leave_pane(&terminal);
    terminal.send("half");
    terminal.wait_until("half a cell", |screen| screen.last_line().ends_with("half"));
    gate.open();
    terminal.wait_until("the bell", |screen| {
        screen.all.contains("rang its bell") && screen.last_line().ends_with("half")
    });
    gate.open();
    terminal.wait_until("the end", |screen| {
        screen.all.contains("has ended with exit code 5") && screen.last_line().ends_with("half")
    });
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn the_key_twice_sends_it_and_another_key_can_be_configured() {
    let mut sandbox = Sandbox::new();
    let terminal = in_session(&mut sandbox, &["python"]);
    open_pane(&terminal);
    terminal.enter("echo read''y; cat -v");
    terminal.wait_until("the shell's own modes are gone", |screen| screen.has_line("ready"));
    terminal.send(format!("{KEY}{KEY}\r"));
    terminal.wait_until("the key", |screen| screen.has_line("^]"));
    leave_pane(&terminal);
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();

    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "prefix_key = \"Ctrl-T\"\n").unwrap();
    let terminal = in_session(&mut sandbox, &["python"]);
    assert!(terminal.screen().all.contains("Ctrl-T terminal"));
    let _gate = Gate::at(&sandbox.work().join("go"));
    terminal.enter("print('wait' + 'ing'); _ = open('go').readline()");
    terminal.wait_until("the cell", |screen| screen.has_line("waiting"));
    terminal.send("\x14");
    terminal.wait_until("the shell", |screen| in_pane(screen) && screen.all.contains("shell>"));
    terminal.enter("echo > go");
    terminal.wait_until("the end", |screen| screen.last_line().contains("the cell has ended"));
    terminal.send("\x14");
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x14");
    terminal.wait_until("the shell", |screen| in_pane(screen) && screen.all.contains("shell>"));
    terminal.send("\x14");
    terminal.wait_until("the prompt", |screen| !in_pane(screen));
    terminal.leave();
}

#[test]
fn with_a_dead_link_the_key_still_leaves() {
    let ProxiedEngine { sandbox, link, .. } = &mut ProxiedEngine::new();
    let terminal = in_session(sandbox, &["python"]);
    open_pane(&terminal);
    link.refuse_connections();
    terminal.wait_until("the loss", |screen| screen.last_line().contains("link down"));
    leave_pane(&terminal);
    terminal.send("half");
    terminal.wait_until("half a cell", |screen| screen.last_line().ends_with("half"));
    terminal.send(KEY);
    terminal.wait_until("the pane", |screen| in_pane(screen) && screen.last_line().contains("link down"));
    leave_pane(&terminal);
    terminal.wait_until("half a cell", |screen| screen.last_line().ends_with("half"));
}

#[test]
fn a_session_destroyed_behind_the_terminal_is_reported_and_the_terminal_is_clean() {
    let mut sandbox = Sandbox::new();
    let daemon = Daemon::start(&sandbox);
    daemon.use_in(&mut sandbox, &daemon.endpoint());
    sandbox.run(&["-q", "-t", "watched", "-c", "1", "python"]).expect_code(0);
    let terminal = FakeTerminal::start(&sandbox, &["pty", "watched"]);
    terminal.wait_until("the pane", |screen| in_pane(screen) && screen.all.contains("watched · "));
    sandbox.run(&["rm", "watched"]).expect_code(0);
    // The last screen stays until the user has read it.
    terminal.wait_for("the terminal is lost");
    terminal.send(KEY);
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 125, "{}", end.screen.all);
    assert!(end.screen.all.contains("the terminal is lost"), "{}", end.screen.all);
    assert!(!in_pane(&end.screen) && end.screen.cursor_shown);
}

#[test]
fn a_link_that_is_cut_comes_back_with_the_same_shell() {
    let ProxiedEngine { sandbox, link, .. } = &mut ProxiedEngine::new();
    let terminal = in_session(sandbox, &["-t", "far-away", "python"]);
    open_pane(&terminal);
    terminal.enter("kept=here");
    terminal.wait_until("the next line", |screen| screen.all.matches("shell>").count() == 2);
    link.refuse_connections();
    terminal.wait_for("link down");
    link.accept_connections();
    terminal.wait_until("the link", |screen| !screen.all.contains("link down"));
    terminal.enter("echo still $kept");
    terminal.wait_for("still here");
    leave_pane(&terminal);
    terminal.leave();
}
