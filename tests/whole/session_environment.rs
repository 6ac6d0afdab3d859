//! The variables that a session gets from `-e` and `--env-file`: secrets need not be on a command line, and are not shown.

use bai_testkit::Sandbox;

const PRINT: &str = "import os; print([os.environ.get(name) for name in ('TOKEN', 'MODE', 'SEED')])";

#[test]
fn a_variable_without_a_value_has_the_value_that_it_has_here() {
    let mut sandbox = Sandbox::new();
    sandbox.set("TOKEN", "hush = $SEED");
    sandbox.write("vars.env", "# for a session\nTOKEN\nMODE=file\nSEED='7'\n");
    let inherited = sandbox.run(&["-e", "TOKEN", "-e", "MODE=flag", "-c", PRINT, "python"]);
    inherited.expect(0, "['hush = $SEED', 'flag', None]\n");
    let of_file = ["--env-file", "vars.env", "-e", "MODE=flag", "-c", PRINT, "python"];
    sandbox.run(&of_file).expect(0, "['hush = $SEED', 'flag', \"'7'\"]\n");
    // The ranges of a sweep are not filled into it.
    let echo = "printf '%s %s\n' \"$TOKEN\" \"$SEED\"";
    let swept = ["-q", "run", "python", "--exec", echo, "-e", "TOKEN", "--env-range", "SEED=case:1"];
    sandbox.run(&swept).expect(0, "hush = $SEED 1\n");
}

#[test]
fn what_is_missing_is_named_before_a_session_is_created() {
    let sandbox = Sandbox::new();
    sandbox.write("vars.env", "MODE=hush\nTOKEN\n");
    for (arguments, words) in [
        (&["-e", "TOKEN"][..], "the variable TOKEN is not set here"),
        (&["-e", "=hush"], "expected KEY=VALUE"),
        (&["--env-file", "vars.env"], "vars.env:2: the variable TOKEN is not set here"),
        (&["--env-file", "none.env"], "cannot read none.env"),
    ] {
        let refused = sandbox.run(&[arguments, &["-t", "work", "-c", "1", "python"]].concat());
        refused.expect_code(2);
        assert!(refused.stderr.contains(words), "{arguments:?}: {}", refused.stderr);
    }
    assert!(sandbox.engines().is_empty());
}

#[test]
fn no_value_is_shown() {
    let mut sandbox = Sandbox::new();
    sandbox.set("TOKEN", "sesame");
    let run = sandbox.run(&["-vv", "--json", "-t", "work", "-e", "TOKEN", "-c", "1", "python"]);
    let facts = sandbox.run(&["-vv", "--json", "info", "work"]);
    assert!(facts.stdout.contains("\"environ\":[\"TOKEN\"]"), "{facts:?}");
    let state = sandbox.home().join(".local/state/bai-repl");
    let files = [state.join("bai-repl.log"), state.join("engine/engine.log")];
    let logs = files.map(|path| std::fs::read_to_string(path).unwrap_or_default());
    for text in [run.stdout, run.stderr, facts.stdout, facts.stderr].iter().chain(&logs) {
        assert!(!text.contains("sesame"), "{text}");
    }
    assert!(logs[0].contains("request"));
}
