//! Pictures from the front door: what is known about the terminal, and what is shown, saved or told.

use crate::fake_terminal::FakeTerminal;
use crate::sandbox::Sandbox;

fn facts(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let terminal = FakeTerminal::start(sandbox, arguments);
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 0, "{}", end.screen.all);
    end.screen.all
}

#[test]
fn the_terminal_is_asked_and_what_follows_is_told() {
    let sandbox = Sandbox::new();
    let shown = facts(&sandbox, &["config", "terminal"]);
    assert!(shown.contains("answers       yes"), "{shown}");
    assert!(shown.contains("pictures      blocks, because it knows no better means"), "{shown}");
    assert!(shown.contains("window        "), "{shown}");
}

#[test]
fn what_the_person_says_about_the_terminal_counts_more() {
    let mut sandbox = Sandbox::new();
    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |text: &str| std::fs::write(folder.join("config.toml"), text).unwrap();
    write("[terminal]\ngraphics = 'sixel'\ncell = '9x18'\nbackground = '#fafafa'\n");
    let shown = facts(&sandbox, &["config", "terminal"]);
    assert!(shown.contains("pictures      sixel, because you said so"), "{shown}");
    assert!(shown.contains("cell          9×18 pixels") && shown.contains("theme         light"), "{shown}");
    sandbox.set("BAI_REPL_GRAPHICS", "iterm2");
    assert!(facts(&sandbox, &["config", "terminal"]).contains("iterm2, because you said so"));
    let shown = facts(&sandbox, &["config", "terminal", "--graphics", "kitty"]);
    assert!(shown.contains("kitty, because you said so"), "{shown}");
    let shown = facts(&sandbox, &["config", "terminal", "--graphics", "auto"]);
    assert!(shown.contains("blocks, because"), "{shown}");
    write("[terminal]\nask = false\n");
    let shown = facts(&sandbox, &["config", "terminal", "--graphics", "auto"]);
    assert!(shown.contains("it was not asked: the configuration says so"), "{shown}");
    write("[terminal]\ngraphics = 'telepathy'\n");
    sandbox.unset("BAI_REPL_GRAPHICS");
    let refused = sandbox.run(&["config", "terminal"]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("terminal.graphics is \"telepathy\""), "{}", refused.stderr);
}

#[test]
fn without_a_terminal_nothing_is_asked_and_programs_are_told_why() {
    let sandbox = Sandbox::new();
    let told = sandbox.run(&["config", "terminal", "--json"]);
    told.expect_code(0);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&told["asked"], &told["graphics"]), (&false.into(), &"none".into()));
    assert_eq!(told["not_asked_because"], "standard output is no terminal");
}
