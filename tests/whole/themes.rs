//! The appearance: themes from the command line and at the prompt.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox};

/// Writes a theme of the user into the configuration folder.
fn own_theme(sandbox: &Sandbox, name: &str, text: &str) {
    let folder = sandbox.home().join(".config/bai-repl/themes");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
}

#[test]
fn themes_are_listed_with_those_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    own_theme(&sandbox, "mine", "inherit = \"nord\"\n");
    own_theme(&sandbox, "odd", "inherit = \"nord\"\n\n[styles]\nprompt = \"redd\"\n");
    let listed = sandbox.run(&["themes"]);
    listed.expect_code(0);
    for name in ["dark", "light", "monochrome", "solarized-light", "nord", "mine"] {
        assert!(listed.stdout.lines().any(|line| line.starts_with(name)), "{name}: {}", listed.stdout);
    }
    assert!(listed.stdout.contains("odd.toml:4: \"redd\" is not a colour"), "{}", listed.stdout);
    assert!(!listed.stdout.contains('\x1b'), "no colours into a pipe");

    let objects = sandbox.run(&["themes", "--json"]);
    let odd = objects.stdout.lines().find(|line| line.contains("\"odd\"")).unwrap();
    assert!(odd.contains("\"problem\":\"") && objects.stdout.lines().count() >= 19, "{odd}");

    let shown = sandbox.run(&["themes", "mine"]);
    assert!(shown.code == Some(0) && shown.stdout.contains("ValueError"), "{}", shown.stdout);
    let wrong = sandbox.run(&["themes", "odd"]);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("odd.toml:4"), "{}", wrong.stderr);
    let nobody = sandbox.run(&["--theme", "nobody", "-c", "1", "python"]);
    assert!(
        nobody.code == Some(2) && nobody.stderr.contains("there is no theme \"nobody\""),
        "{}",
        nobody.stderr
    );
}

#[test]
fn the_theme_can_be_changed_at_the_prompt() {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLORTERM", "truecolor");
    own_theme(&sandbox, "mine", "[styles]\nprompt = \"#010203\"\n");
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(":theme mine");
    terminal.wait_for("the theme is mine");
    terminal.wait_for_prompt(PROMPT);
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(raw.contains("\x1b[38;2;1;2;3mpython ❯"), "{raw:?}");
    terminal.enter(":theme nobody");
    terminal.wait_for("there is no theme \"nobody\"; there are: mine, dark");
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_theme_is_chosen_while_it_is_looked_at() {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLORTERM", "truecolor");
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter(":theme");
    terminal.wait_for("preview");
    terminal.send("\x1b[B");
    terminal.wait_for("for a light background");
    terminal.send("?");
    terminal.wait_for("any key closes this");
    terminal.send("x");
    terminal.wait_until("help is gone", |screen| !screen.all.contains("any key closes this"));
    terminal.send("\r");
    terminal.wait_for("the theme is light");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn long_output_is_folded_and_can_be_looked_at() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("for n in range(5000): print('line', n)");
    terminal.enter("");
    let screen = terminal.wait_for("[3980 lines are not shown here; :output shows all]");
    terminal.wait_for_prompt(PROMPT);
    assert!(screen.all.contains("line 999\n") && !screen.all.contains("line 1000\n"), "{}", screen.all);
    terminal.wait_for("line 4999");
    terminal.enter(":output");
    terminal.wait_for("line 1 of 5000");
    terminal.send("/line 3210\r");
    terminal.wait_until("the line that was searched for", |screen| {
        screen.lines.iter().any(|line| line == "line 3210")
    });
    terminal.send("s\x15saved.txt\r");
    terminal.wait_for("saved in saved.txt");
    assert_eq!(std::fs::read_to_string(sandbox.work().join("saved.txt")).unwrap().lines().count(), 5000);
    terminal.send("q");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn settings_at_the_prompt_last_until_it_is_left() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    assert!(terminal.run(PROMPT, ":set").all.contains("output.max_lines   1000"));
    terminal.run(PROMPT, ":set output.max_lines = 10");
    let folded = terminal.run(PROMPT, "print('\\n'.join(str(n * 7) for n in range(100)))");
    assert!(folded.all.contains("lines are not shown here; :output shows all]"), "{}", folded.all);
    assert!(!folded.has_line("350"), "{}", folded.all);
    terminal.run(PROMPT, ":set output.max_lines 0");
    let whole = terminal.run(PROMPT, "print('\\n'.join(str(n * 7) for n in range(100)))");
    assert!(whole.has_line("350"), "{}", whole.all);
    let refused = terminal.run(PROMPT, ":set output.max_lines many");
    assert!(refused.all.contains("output.max_lines must be a number of lines"));
    terminal.run(PROMPT, ":set theme nord");
    assert!(terminal.run(PROMPT, ":set").all.contains("nord"));
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn the_last_table_is_looked_at_whole() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter(":table");
    terminal.wait_for("no table has been shown yet");
    let html = "''.join('<tr><th>%d</th><td>%s</td></tr>' % (n, n * 37 % 100) for n in range(100))";
    terminal.enter(&format!(
        "class T:\n def _repr_html_(s): return '<table class=dataframe><tr><th></th><th>v</th></tr>' + {html} + '</table>'\n\n"
    ));
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("T()");
    terminal.wait_until("the table", |screen| screen.has_line("99  63"));
    terminal.wait_for_prompt(PROMPT);
    terminal.enter(":table");
    terminal.wait_for("row 1 of 100");
    terminal.send("ss");
    terminal.wait_until("the largest first", |screen| {
        screen.lines.iter().any(|line| line.split_whitespace().eq(["27", "99"]))
    });
    terminal.send("e\x15t.csv\r");
    terminal.wait_for("100 rows saved in t.csv");
    let csv = std::fs::read_to_string(sandbox.work().join("t.csv")).unwrap();
    assert!(csv.starts_with(",v\r\n27,99\r\n"), "{csv}");
    // A window of one cell must not cause a crash.
    terminal.resize(1, 1);
    terminal.send("\x1b[B");
    terminal.resize(24, 80);
    terminal.wait_for("row 2 of 100");
    terminal.send("\x1b");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn errors_stand_out_and_their_files_are_links() {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLORTERM", "truecolor");
    sandbox.set("VTE_VERSION", "7600");
    let file = sandbox.write("model.py", "def fit():\n    raise ValueError('no data')\n");
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("import model; model.fit()");
    terminal.wait_for("ValueError: no data");
    terminal.wait_for_prompt(PROMPT);
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let path = std::fs::canonicalize(file).unwrap();
    assert!(raw.contains(&format!("{}#2\x1b\\", path.display())), "{raw:?}");
    assert!(
        raw.contains("\x1b[1;38;2;242;139;148mValueError") || raw.contains("\x1b[1mValueError"),
        "{raw:?}"
    );
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}
