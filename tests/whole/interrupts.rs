//! How a user stops a cell that does not end: Ctrl-C once and twice, at questions of the program, and in the debugger.
//! Also a cell whose server is out of reach.

use super::daemon::ProxiedEngine;
use super::left_runs::{wait_until_left, with_engine};
use bai_testkit::{FakeTerminal, Gate, PROMPT, Sandbox, Screen};
use nix::sys::termios::LocalFlags;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Returns a program that ignores Ctrl-C and says so, until the file exists.
fn ignores_interrupts(file: &Path) -> String {
    format!(
        "\
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: os.write(1, b'\\nno' + b' way\\n'))
print('stubborn' + ' one')
while not os.path.exists({file:?}):
    time.sleep(0.05)
print('that is' + ' all')"
    )
}

/// Pastes a cell of several lines and runs it.
fn run(terminal: &FakeTerminal, cell: &str) {
    terminal.paste(cell);
    terminal.send("\r");
}

/// Checks that a cell can still be run, and leaves.
#[track_caller]
pub(super) fn expect_usable(terminal: FakeTerminal) {
    expect_answer(&terminal);
    terminal.send("\x04");
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 0, "{}", end.screen.all);
    assert!(end.screen.cursor_shown);
}

#[track_caller]
fn expect_answer(terminal: &FakeTerminal) {
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("'still ' + 'usable'");
    terminal.wait_until("an answer", |screen| screen.has_line("'still usable'"));
    terminal.wait_for_prompt(PROMPT);
}

/// Waits until the user can answer a program's question: the editor has the keyboard, so Ctrl-C is a key.
#[track_caller]
fn wait_for_question(terminal: &FakeTerminal, question: &str, holds: impl Fn(&Screen) -> bool) {
    terminal.wait_until(question, |screen| {
        let signals = terminal.termios().local_flags.contains(LocalFlags::ISIG);
        screen.last_line() == question && !signals && holds(screen)
    });
}

/// Counts the occurrences of a line on the screen.
fn count(screen: &Screen, line: &str) -> usize {
    screen.all.lines().filter(|candidate| *candidate == line).count()
}

/// Runs a program that ignores Ctrl-C until the interrupt menu is shown.
#[track_caller]
fn open_interrupt_menu(sandbox: &Sandbox, terminal: &FakeTerminal) {
    run(terminal, &ignores_interrupts(&sandbox.work().join("go")));
    terminal.wait_until("the program", |screen| screen.has_line("stubborn one"));
    terminal.send("\x03");
    terminal.wait_until("its refusal", |screen| screen.has_line("no way"));
    terminal.send("\x03");
    terminal.wait_for("still running:");
}

#[test]
fn a_second_ctrl_c_offers_to_keep_waiting() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    open_interrupt_menu(&sandbox, &terminal);
    terminal.send("w\r");
    let before =
        count(&terminal.wait_until("both refusals", |screen| count(screen, "no way") >= 2), "no way");
    terminal.send("\x03");
    terminal.wait_until("another refusal", |screen| count(screen, "no way") > before);
    terminal.send("\x03");
    terminal.wait_until("the menu again", |screen| screen.all.matches("still running:").count() == 2);
    terminal.send("r\r");
    expect_usable(terminal);
}

#[test]
fn a_second_ctrl_c_offers_a_restart() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "kept = 1");
    open_interrupt_menu(&sandbox, &terminal);
    terminal.send("r\r");
    terminal.wait_for("all variables are gone");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("'kept' in globals()");
    terminal.wait_until("False", |screen| screen.has_line("False"));
    expect_usable(terminal);
}

#[test]
fn a_second_ctrl_c_offers_to_destroy_the_session() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    open_interrupt_menu(&sandbox, &terminal);
    assert!(!terminal.screen().all.contains("[l]eave"), "a session that ends with us cannot be left");
    terminal.send("d\r");
    terminal.wait_for("the session is destroyed");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(":new");
    expect_usable(terminal);
}

#[test]
fn a_second_ctrl_c_offers_to_leave_the_program_running() {
    let (_daemon, [_home, sandbox]) = with_engine();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "left-alone", "python"]);
    terminal.run(PROMPT, "kept = 'from before'");
    open_interrupt_menu(&sandbox, &terminal);
    terminal.send("l\r");
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 0, "{}", end.screen.all);
    assert!(end.screen.all.contains("bai-repl attach left-alone"), "{}", end.screen.all);

    wait_until_left(&sandbox, "left-alone");
    let terminal = FakeTerminal::start(&sandbox, &["attach", "left-alone"]);
    terminal.wait_for("Ctrl-C interrupts it");
    sandbox.write("go", "");
    terminal.wait_for_prompt(PROMPT);
    terminal.run(PROMPT, "kept");
    assert!(terminal.screen().has_line("'from before'"), "{}", terminal.screen().all);
    expect_usable(terminal);
}

#[test]
fn text_that_is_typed_at_the_menu_chooses_no_action_and_is_kept() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    open_interrupt_menu(&sandbox, &terminal);
    terminal.send("df.head()");
    terminal.wait_until("the typed text", |screen| screen.last_line() == "df.head()");
    // It ends the menu, and does not run. Neither does what is typed after it.
    terminal.send("\rdf.tail()\r");
    terminal.wait_until("the program again", |screen| !screen.all.contains("df.head()"));
    sandbox.write("go", "");
    terminal.wait_until("the prompt with the text", |screen| {
        screen.all.contains(&format!("{PROMPT} df.head()\n")) && screen.last_line() == "df.tail()"
    });
    terminal.send("\x03");
    expect_usable(terminal);
}

#[test]
fn text_that_is_pasted_at_the_menu_is_kept() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    open_interrupt_menu(&sandbox, &terminal);
    terminal.send("\x1b[D");
    terminal.paste("def double(n):\n    return 2 * n\ndouble(21)");
    terminal.send("\r");
    sandbox.write("go", "");
    terminal.wait_until("the prompt with the text", |screen| {
        screen.all.contains(&format!("{PROMPT} def double(n):\n    return 2 * n\ndouble(21)"))
    });
    terminal.send("\r");
    terminal.wait_for("42");
    expect_usable(terminal);
}

#[test]
fn a_program_that_stops_while_the_menu_is_there_ends_it() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let gate = Gate::at(&sandbox.work().join("go"));
    run(
        &terminal,
        "import signal\n_ = signal.signal(signal.SIGINT, signal.SIG_IGN)\n\
         print('deaf' + ' one'); _ = open('go').readline()\nprint('done' + ' it')",
    );
    terminal.wait_until("the program", |screen| screen.has_line("deaf one"));
    terminal.send("\x03");
    terminal.wait_for("Ctrl-C again for more");
    terminal.send("\x03");
    terminal.wait_for("still running:");
    gate.open();
    terminal.wait_until("its end", |screen| screen.has_line("done it"));
    expect_usable(terminal);
}

#[test]
fn ctrl_c_interrupts_input_and_ctrl_d_sends_an_empty_line_where_input_has_no_end() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("scripts");
    let terminal = FakeTerminal::at_prompt(sandbox, &["python"]);
    terminal.enter("input('first? ')");
    wait_for_question(&terminal, "first?", |_| true);
    terminal.send("half");
    terminal.wait_until("the answer", |screen| screen.last_line() == "first? half");
    terminal.send("\x03");
    terminal.wait_for("KeyboardInterrupt");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("len(input('second? ')) + 100");
    wait_for_question(&terminal, "second?", |_| true);
    terminal.send("\x04");
    terminal.wait_until("an empty answer", |screen| screen.has_line("100"));
    assert!(terminal.screen().all.contains("empty line"), "{}", terminal.screen().all);
    expect_usable(terminal);
}

#[test]
fn lines_pasted_at_a_question_answer_the_questions_in_turn() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("[input(f'{n}? ') for n in 'abc']");
    terminal.wait_until("the question", |screen| screen.last_line() == "a?");
    terminal.paste("one\ntwo\nthr");
    terminal.wait_until("the last question", |screen| screen.last_line() == "c? thr");
    terminal.enter("ee");
    let screen = terminal.wait_until("all", |screen| screen.has_line("['one', 'two', 'three']"));
    assert!(screen.has_line("a? one") && screen.has_line("b? two") && screen.has_line("c? three"));
    expect_usable(terminal);
}

#[test]
fn a_program_that_asks_again_after_ctrl_c_can_be_left() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    run(
        &terminal,
        "while True:\n    try:\n        input('again? ')\n    except KeyboardInterrupt:\n        print('no' + ' way')\nprint()",
    );
    wait_for_question(&terminal, "again?", |_| true);
    terminal.send("\x03");
    wait_for_question(&terminal, "again?", |screen| count(screen, "no way") == 1);
    terminal.send("\x03");
    terminal.wait_for("still running:");
    terminal.send("w\r");
    wait_for_question(&terminal, "again?", |screen| count(screen, "no way") == 2);
    terminal.send("\x03");
    wait_for_question(&terminal, "again?", |screen| count(screen, "no way") == 3);
    terminal.send("\x03");
    terminal.wait_until("the menu again", |screen| screen.all.matches("still running:").count() == 2);
    terminal.send("r\r");
    expect_usable(terminal);
}

#[test]
fn a_password_prompt_can_be_interrupted() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("import getpass; getpass.getpass('key: ')");
    terminal.wait_until("the question", |screen| screen.last_line() == "key:");
    terminal.send("\x03");
    terminal.wait_for("KeyboardInterrupt");
    terminal.wait_for_prompt(PROMPT);
    expect_usable(terminal);
}

#[test]
fn the_debugger_is_used_in_place() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    run(&terminal, "def f(value):\n    breakpoint()\n    return value + 1\nf(41)");
    terminal.wait_until("pdb", |screen| screen.last_line() == "(Pdb)");
    terminal.enter("p value * 1000");
    terminal.wait_until("the value", |screen| screen.has_line("41000") && screen.last_line() == "(Pdb)");
    terminal.enter("list");
    terminal.wait_until("the source", |screen| {
        screen.all.contains("return value + 1") && screen.last_line() == "(Pdb)"
    });
    terminal.enter("c");
    terminal.wait_until("the result", |screen| screen.has_line("42"));
    expect_usable(terminal);
}

#[test]
fn the_debugger_is_left_with_q() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("breakpoint()");
    terminal.wait_until("pdb", |screen| screen.last_line() == "(Pdb)");
    terminal.enter("q");
    terminal
        .wait_until("the end of pdb", |screen| screen.has_line("(Pdb) q") && screen.last_line() == PROMPT);
    expect_usable(terminal);
}

#[test]
fn a_cell_that_waits_for_another_client_is_withdrawn_and_the_other_goes_on() {
    let sandbox = Sandbox::new();
    let go = sandbox.work().join("go");
    let gate = Gate::at(&go);
    let code = format!("print('on', flush=True); _ = open({go:?}).readline(); print('went on')");
    let mut other = sandbox.command(&["-t", "work", "-c", &code, "python"]).spawn().unwrap();
    let mut said = BufReader::new(other.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "on");
    let terminal = FakeTerminal::at_prompt(&sandbox, &["-t", "work", "python"]);
    terminal.enter("late = 1");
    terminal.wait_for("Ctrl-C withdraws this cell");
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    gate.open();
    assert_eq!(said.next().unwrap(), "went on");
    assert_eq!(other.wait().unwrap().code(), Some(0));
    terminal.enter("'late' in dir()");
    terminal.wait_until("the answer", |screen| screen.has_line("False"));
    terminal.leave();
}

#[test]
fn a_socket_cut_during_a_cell_loses_no_output() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    let go = sandbox.work().join("go");
    let gate = Gate::at(&go);
    let terminal = FakeTerminal::at_prompt(sandbox, &["python"]);
    let cell = format!("print('be' + 'fore')\n_ = open({go:?}).readline()\nprint('af' + 'ter')");
    run(&terminal, &cell);
    terminal.wait_until("the first half", |screen| screen.has_line("before"));
    link.cut();
    gate.open();
    let screen = terminal.wait_until("the second half", |screen| screen.has_line("after"));
    assert_eq!((count(&screen, "before"), count(&screen, "after")), (1, 1), "{}", screen.all);
    expect_usable(terminal);
}

#[test]
fn a_server_that_ends_during_a_cell_is_reported_and_the_prompt_stays() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    let terminal = FakeTerminal::at_prompt(sandbox, &["python"]);
    run(&terminal, "import time\nprint('be' + 'fore')\nwhile True: time.sleep(60)");
    terminal.wait_until("the program", |screen| screen.has_line("before"));
    link.refuse_connections();
    terminal.wait_for(":new");
    terminal.wait_for_prompt(PROMPT);
    terminal.send("half a cell");
    terminal.wait_until("the cell", |screen| screen.last_line().ends_with("half a cell"));
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x04");
    let end = terminal.wait_for_end();
    assert!(end.screen.cursor_shown, "{}", end.screen.all);
    assert!(end.line_discipline.contains(LocalFlags::ICANON | LocalFlags::ECHO));
}

#[test]
fn ctrl_c_right_behind_enter_stops_the_cell() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "import time");
    let line = terminal.screen().cursor.0;
    // Python hears of an interrupt that comes right before a long sleep only after it.
    terminal.enter("any(time.sleep(.01) for _ in iter(int, 1))");
    terminal.wait_until("the end of the line", |screen| screen.cursor.0 > line);
    terminal.send("\x03");
    expect_usable(terminal);
}

#[test]
fn what_was_typed_before_ctrl_c_does_not_run_and_is_kept() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("import time; print('sle' + 'eps'); any(time.sleep(.01) for _ in iter(int, 1))");
    terminal.wait_until("the program", |screen| screen.has_line("sleeps"));
    // Ctrl-D and Backspace are no text.
    terminal.send("\x04print('fi' + 'rst')\rprint('sec' + 'ond'))\x7f\r\x03");
    terminal.wait_until("the prompt with the text", |screen| {
        screen.all.contains(&format!("{PROMPT} print('fi' + 'rst')\n"))
            && screen.last_line() == "print('sec' + 'ond')"
    });
    assert!(!terminal.screen().has_line("first"));
    // Enter was typed, so this is a line of its own.
    terminal.send("print('thi' + 'rd')\r");
    terminal.wait_until("all lines", |screen| {
        ["first", "second", "third"].iter().all(|line| screen.has_line(line))
    });
    expect_usable(terminal);
}

#[test]
fn text_right_behind_an_early_ctrl_c_at_a_question_is_kept() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    run(
        &terminal,
        "def ask(number):\n    try:\n        input(f'name {number}? ')\n    except KeyboardInterrupt:\n        print('stopped', number)\n",
    );
    terminal.wait_for_prompt(PROMPT);
    for number in 0..20 {
        terminal.enter(&format!("ask({number})"));
        // The question is shown before the editor has the keyboard: Ctrl-C is a signal or a key.
        terminal.wait_until("the question", |screen| screen.last_line() == format!("name {number}?"));
        terminal.send("\x03");
        terminal.send(format!("text {number}"));
        terminal.wait_until("the text at the prompt", |screen| {
            screen.all.contains(&format!("stopped {number}\n"))
                && screen.last_line() == format!("{PROMPT} text {number}")
        });
        // It takes the text away.
        terminal.send("\x15");
        terminal.wait_for_prompt(PROMPT);
    }
    expect_usable(terminal);
}
