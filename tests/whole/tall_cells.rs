//! Cells that are taller than the window: they are seen, edited and run as others are.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox, Screen};

const UP: &str = "\x1b[A";
const FIRST_PLACE: &str = "\x1b<";

fn tall(lines: usize) -> String {
    let rows: String = (0..lines).map(|n| format!("x{n} = {n}\n")).collect();
    format!("{rows}print('sum', sum([x0, x{}]))", lines - 1)
}

fn shows(screen: &Screen, lines: &[&str]) -> bool {
    let at = |line: &str| {
        screen.lines.iter().position(|shown| shown.trim_start_matches("python ❯ ").trim_end() == line)
    };
    lines.iter().all(|line| at(line).is_some())
}

#[test]
fn a_tall_paste_is_edited_line_by_line_and_stays_whole_in_the_scrollback() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.paste(&tall(100));
    terminal.wait_until("the end", |screen| {
        shows(screen, &["⋮", "x98 = 98", "x99 = 99", "print('sum', sum([x0, x99]))"])
            && screen.says("more lines above")
    });
    terminal.send(FIRST_PLACE);
    terminal.wait_until("the start", |screen| {
        shows(screen, &["x0 = 0", "x1 = 1", "⋮"]) && screen.says("more lines below")
    });
    terminal.send("y = 1; \x1b>");
    terminal
        .wait_until("the end again", |screen| shows(screen, &["x99 = 99", "print('sum', sum([x0, x99]))"]));
    // To a line that is not shown, and back.
    terminal.send(UP.repeat(60));
    terminal.wait_until("a line in the middle", |screen| {
        shows(screen, &["x40 = 40", "⋮"]) && !shows(screen, &["x99 = 99"])
    });
    terminal.send("\x1b>\r");
    let screen = terminal.wait_until("the sum", |screen| screen.has_line("sum 99"));
    for line in ["y = 1; x0 = 0", "x50 = 50", "x99 = 99"] {
        assert_eq!(screen.all.matches(line).count(), 1, "{line}: {}", screen.all);
    }
    assert!(!screen.all.contains('⋮'), "{}", screen.all);
    assert!(terminal.run(PROMPT, "print(y, x50, 'kept')").has_line("1 50 kept"));
    // From the history, with a change; undo brings it back.
    terminal.send(format!("{UP}{UP}"));
    terminal.wait_until("the cell again", |screen| shows(screen, &["print('sum', sum([x0, x99]))", "⋮"]));
    terminal.send("\x7f, 'more')");
    terminal.send(format!("{FIRST_PLACE}\x0b"));
    terminal
        .wait_until("a line less", |screen| !shows(screen, &["y = 1; x0 = 0"]) && shows(screen, &["x1 = 1"]));
    terminal.send("\x1f");
    terminal.wait_until("it is back", |screen| shows(screen, &["y = 1; x0 = 0", "x1 = 1"]));
    terminal.send("\x1b>\r");
    terminal.wait_until("the changed end", |screen| screen.has_line("sum 99 more"));
    terminal.leave();
}

#[test]
fn what_looks_like_a_mark_is_text_of_the_user() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.paste(&tall(62));
    terminal.send("\r");
    terminal.wait_until("the sum", |screen| screen.has_line("sum 61"));
    terminal.wait_for_prompt(PROMPT);
    let screen =
        terminal.run(PROMPT, "s = '⟦1: 62 lines⟧' '\u{100000}\u{100001}'; print(len(s), ascii(s[-1]))");
    assert!(screen.has_line("15 '\\U00100001'"), "{}", screen.all);
    terminal.leave();
}

#[test]
fn a_long_line_in_a_small_window_shows_where_the_cursor_is() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start_sized(&sandbox, &["-q", "python"], 5, 20);
    terminal.wait_for_prompt(PROMPT);
    let text = "abcdefghij".repeat(10);
    terminal.send(format!("xyz = '{text}'"));
    terminal.wait_until("the end", |screen| screen.lines.iter().any(|line| line.contains("ghij'")));
    terminal.send("\x01");
    terminal.wait_until("the start", |screen| screen.lines.iter().any(|line| line.contains("xyz = 'abc")));
    for key in ["w", "v", "u", "t"] {
        terminal.send(key);
    }
    terminal.wait_until("what is typed", |screen| screen.lines.iter().any(|line| line.contains("wvutxyz =")));
    terminal.send("\x05\r");
    let screen = terminal.wait_until("the next prompt", |screen| screen.last_line() == PROMPT);
    assert_eq!(screen.all.matches("python ❯ w").count(), 1, "{}", screen.all);
    terminal.enter("print(wvutxyz == 'abcdefghij' * 10)");
    terminal.wait_until("the value", |screen| screen.has_line("True"));
    terminal.leave();
}

#[test]
fn a_long_answer_arrives_whole() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start_sized(&sandbox, &["-q", "python"], 10, 40);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("len(input('? '))");
    terminal.wait_for("? ");
    terminal.paste(&"0123456789".repeat(100));
    terminal.send("\r");
    terminal.wait_until("the length", |screen| screen.has_line("1000"));
    terminal.leave();
}

#[test]
fn backspace_takes_one_step_of_indentation_after_another() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("for n in [6]:");
    terminal.enter("for m in [7]:");
    terminal.send("\x7f\x7fprint('outside')\r");
    terminal.wait_until("the end", |screen| screen.says("outside"));
    terminal.send("\x03");
    terminal.leave();
}
