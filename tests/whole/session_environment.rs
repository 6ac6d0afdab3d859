//! The variables that a session gets from `-e` and `--env-file`: secrets need not be on a command line, and are not shown.

use bai_testkit::Sandbox;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

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
fn only_a_regular_file_that_others_cannot_write_is_used() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("vars.env", "MODE=hush\n");
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let refused = |file: &str, words: &str| {
        let run = sandbox.run(&["--env-file", file, "-t", "work", "-c", "1", "python"]);
        run.expect(2, "");
        assert!(run.stderr.contains(words), "{file}: {}", run.stderr);
    };
    mode(&sandbox.work(), 0o757);
    refused("vars.env", "vars.env is not trusted: other users can write its folder; run: chmod o-w .\n");
    mode(&sandbox.work(), 0o755);
    for open in [0o664, 0o646] {
        mode(&path, open);
        refused("vars.env", "vars.env is not trusted: other users can write it; run: chmod go-w vars.env");
    }
    // Only the administrator can give files away.
    mode(&path, 0o644);
    if chown(&path, Some(65534), None).is_ok() {
        refused("vars.env", "vars.env is not trusted: it belongs to another user");
        chown(&path, Some(0), None).unwrap();
    }
    nix::unistd::mkfifo(&sandbox.work().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    refused("pipe", "cannot read pipe: it is not a regular file");
    refused("/dev/zero", "cannot read /dev/zero: it is not a regular file");
    refused(".", "cannot read .: it is not a regular file");
    sandbox.write("large.env", vec![b'#'; (1 << 20) + 1]);
    refused("large.env", "cannot read large.env: it is larger than 1 MiB");
    assert!(sandbox.engines().is_empty());
    sandbox.run(&["--env-file", "vars.env", "-c", PRINT, "python"]).expect(0, "[None, 'hush', None]\n");
}

#[test]
fn what_the_shell_has_opened_is_read_as_a_file() {
    let sandbox = Sandbox::new();
    let words = ["--env-file", "/dev/stdin", "--env-file", "/dev/null", "-c", PRINT, "python"];
    sandbox.run_with_stdin(&words, b"MODE=piped\n").expect(0, "[None, 'piped', None]\n");
    if bai_testkit::need("bash") {
        let script = r#""$0" --env-file <(echo MODE=substituted) -c "$1" python"#;
        let output =
            sandbox.program("bash").args(["-c", script, bai_testkit::binary(), PRINT]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "[None, 'substituted', None]\n", "{output:?}");
        let script = r#""$0" --env-file /dev/stdin -c 1 python </dev/zero"#;
        let output = sandbox.program("bash").args(["-c", script, bai_testkit::binary()]).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains("cannot read /dev/stdin: it is larger than 1 MiB"), "{error}");
    }
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
