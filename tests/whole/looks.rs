//! How things look: themes from the command line and at the prompt.

use super::fake_terminal::FakeTerminal;
use super::sandbox::Sandbox;

/// A theme of the user's own in the configuration folder.
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
    assert!(listed.stdout.contains("odd.toml:4: \"redd\" is no colour"), "{}", listed.stdout);
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
fn another_theme_is_taken_at_the_prompt() {
    let mut sandbox = Sandbox::new();
    sandbox.set("COLORTERM", "truecolor");
    own_theme(&sandbox, "mine", "[styles]\nprompt = \"#010203\"\n");
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt("python ❯");
    terminal.enter(":theme mine");
    terminal.wait_for("the theme is mine");
    terminal.wait_for_prompt("python ❯");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(raw.contains("\x1b[38;2;1;2;3mpython ❯"), "{raw:?}");
    terminal.enter(":theme nobody");
    terminal.wait_for("there is no theme \"nobody\"; there are: mine, dark");
    terminal.wait_for_prompt("python ❯");
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}
