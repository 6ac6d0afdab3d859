//! The search in the history of the prompt, by Ctrl-R.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox};

#[test]
fn a_paste_into_a_search_is_searched_for() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let search = |text: &str, found: &str| {
        let line = format!("(reverse-i-search)`{text}': {found}");
        terminal.wait_until(&line, |screen| screen.last_line() == line);
    };
    // Nothing is searched yet, so this is a paste into the line.
    terminal.send("al\x12");
    terminal.paste("pha_one = ");
    terminal.enter("77");
    terminal.wait_until("the cell", |screen| screen.has_line(&format!("{PROMPT} alpha_one = 77")));
    terminal.wait_for_prompt(PROMPT);
    terminal.run(PROMPT, "print('another')");
    terminal.send("\x12");
    terminal.paste("alpha_o");
    search("alpha_o", "alpha_one = 77");
    terminal.send("n");
    search("alpha_on", "alpha_one = 77");
    terminal.send("\x7f\x7f");
    search("alpha_", "alpha_one = 77");
    terminal.paste("one =");
    search("alpha_one =", "alpha_one = 77");
    // Ctrl-G brings the line back.
    terminal.send("\x07");
    terminal.wait_for_prompt(PROMPT);
    // A pasted line does not run by its end, but by Enter.
    terminal.send("\x12");
    terminal.paste("('another')\nno more\n");
    search("('another')", "print('another')");
    terminal.send("\r");
    terminal
        .wait_until("its output", |screen| screen.all.lines().filter(|line| *line == "another").count() == 2);
    terminal.leave();
}
