//! Python at the prompt with IPython as its shell.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox, ipython_environments};

/// Sandboxes whose Python has IPython, with this setting.
pub(super) fn sandboxes(setting: &str) -> Vec<Sandbox> {
    let make = |environment: std::path::PathBuf| {
        let mut sandbox = Sandbox::new();
        sandbox.unset("BAI_REPL_PYTHON_SHELL");
        sandbox.set("VIRTUAL_ENV", environment.to_str().unwrap());
        let folder = sandbox.home().join(".config/bai-repl");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), format!("[python]\nshell = \"{setting}\"\n")).unwrap();
        sandbox
    };
    ipython_environments().into_iter().map(make).collect()
}

#[test]
fn a_debugger_is_used_as_in_ipython() {
    for sandbox in sandboxes("auto") {
        let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
        terminal.run(PROMPT, "files = !echo one; echo two");
        terminal.run(PROMPT, "import pdb; numbers = files.list");
        terminal.enter("pdb.set_trace(); print('over')");
        terminal.wait_for("(Pdb)");
        terminal.send("p numb\t[0]");
        terminal.wait_for("(Pdb) p numbers[0]");
        terminal.send("\r");
        terminal.wait_until("the value", |screen| screen.has_line("'one'"));
        terminal.enter("c");
        terminal.wait_until("the end", |screen| screen.has_line("over"));
        terminal.wait_for_prompt(PROMPT);
        // Ctrl-C ends a command of it, and not the debugger.
        terminal.run(PROMPT, "1/0");
        terminal.enter("%debug");
        terminal.wait_for("ipdb>");
        terminal.send("\x03");
        terminal.wait_until("the debugger again", |screen| {
            screen.all.contains("--KeyboardInterrupt--\n") && screen.last_line() == "ipdb>"
        });
        terminal.enter("p 'still ' + 'here'");
        terminal.wait_until("the value", |screen| screen.has_line("'still here'"));
        terminal.enter("q");
        terminal.wait_for_prompt(PROMPT);
        // A magic of a whole cell ends at two blank lines: its text may have one.
        terminal.enter("%%bash");
        terminal.enter("n=6");
        terminal.enter("");
        terminal.enter("echo $((n * 7))");
        terminal.send("\r\r");
        terminal.wait_until("42", |screen| screen.has_line("42"));
        terminal.wait_for_prompt(PROMPT);
        let screen = terminal.run(PROMPT, ":info");
        assert!(screen.all.contains(" with IPython "), "{}", screen.all);
        terminal.run(PROMPT, "numbers.undefined");
        let screen = terminal.wait_for("AttributeError");
        assert!(screen.all.contains("----> 1 numbers.undefined"), "{}", screen.all);
        terminal.leave();
        assert!(!sandbox.home().join(".ipython").exists());
    }
}

#[test]
fn the_setting_chooses_the_shell() {
    for sandbox in sandboxes("plain") {
        let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
        terminal.enter("%whos");
        terminal.wait_for("pip install ipython");
        terminal.leave();
        // A flag has precedence. A script is the same in both.
        for shell in ["plain", "ipython"] {
            let run = sandbox.run(&["--python-shell", shell, "-c", "print(6 * 7)\n1/0", "python"]);
            assert_eq!((run.stdout.as_str(), run.code), ("42\n", Some(1)));
            assert!(run.stderr.contains("  File \"<string>\", line 2, in <module>\n"), "{}", run.stderr);
        }
    }
    let mut sandbox = Sandbox::new();
    let empty = sandbox.work().join("empty");
    let made =
        std::process::Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&empty).status();
    assert!(made.unwrap().success());
    sandbox.set("VIRTUAL_ENV", empty.to_str().unwrap());
    let run = sandbox.run(&["--python-shell", "ipython", "-c", "1", "python"]);
    assert!(
        run.stderr.contains("has no IPython") && run.stderr.contains("pip install ipython"),
        "{}",
        run.stderr
    );
    let run = sandbox.run(&["--python-shell", "other", "-c", "1", "python"]);
    assert!(run.stderr.contains("auto, ipython, plain"), "{}", run.stderr);
}
