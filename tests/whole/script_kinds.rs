//! What can be a script of Python: folders and archives with a `__main__.py`; and what a script cannot have here: a terminal.

use super::daemon::ProxiedEngine;
use super::script_signals::pythons;
use bai_testkit::{FakeTerminal, Sandbox, need};
use std::process::Stdio;

const MAIN: &str = "import sys, helper\nprint(sys.argv, sys.path[0], __file__, __name__, __package__, __spec__.name, helper.x)\n\
                    def f(): 1/0\nif len(sys.argv) > 1: f()";
const PACK: &str = "import zipfile\nwith zipfile.ZipFile('x.zip', 'w') as z: z.write('d/__main__.py', '__main__.py'); z.write('d/helper.py', 'helper.py')\n\
                    open('x.pyz', 'wb').write(b'#!/usr/bin/env python3\\n' + open('x.zip', 'rb').read())";

/// A traceback without the lines of source text, which Python itself does not find in an archive.
fn without_lines(traceback: &str) -> String {
    traceback.lines().filter(|line| !line.starts_with("    ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_folder_and_an_archive_run_as_in_python_itself() {
    let sandbox = Sandbox::new();
    for folder in ["d", "empty"] {
        std::fs::create_dir(sandbox.work().join(folder)).unwrap();
    }
    sandbox.write("d/__main__.py", MAIN);
    sandbox.write("d/helper.py", "x = 5");
    for python in pythons() {
        let program = python.program.to_str().unwrap();
        assert!(sandbox.program(program).args(["-c", PACK]).status().unwrap().success());
        for words in [
            &["d"][..],
            &["d", "a b"],
            &["./d"],
            &["x.zip"],
            &["x.zip", "a"],
            &["x.pyz"],
            &["empty"],
            &["empty/"],
        ] {
            let mut own = sandbox.program(program);
            let own = own.args(words).stdin(Stdio::null()).output().unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let ours = sandbox.run(&[&["-q", &python.image], words].concat());
            assert_eq!(
                (ours.code, ours.stdout, without_lines(&ours.stderr)),
                (own.status.code(), text(&own.stdout), without_lines(&text(&own.stderr))),
                "{}: {words:?}",
                python.image
            );
        }
    }
    if need("node") {
        sandbox.write("d/index.js", "console.log(process.argv.slice(2))");
        sandbox.run(&["-q", "nodejs", "d", "a"]).expect(0, "[ 'a' ]\n");
    }
    let refused = sandbox.run(&["-q", "bash", "d"]);
    refused.expect(2, "");
    assert!(refused.stderr.contains("d is a folder"), "{}", refused.stderr);
}

#[test]
fn a_script_may_have_the_name_of_a_command_and_come_from_a_pipe() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.work().join("app")).unwrap();
    sandbox.write("app/__main__.py", "import sys; print(sys.argv)");
    sandbox.write("rm", "import sys; print(sys.argv)");
    sandbox.run(&["-q", "python", "app", "ls"]).expect(0, "['app', 'ls']\n");
    sandbox.run(&["-q", "python", "rm", "help"]).expect(0, "['rm', 'help']\n");
    let missing = sandbox.run(&["python", "ls"]);
    missing.expect(2, "");
    assert!(missing.stderr.contains("a command is the first word: bai-repl ls"), "{}", missing.stderr);
    let mut shell = sandbox.program("bash");
    let words = "mkfifo pipe && { echo 'print(__name__)' > pipe & } && \"$0\" -q python pipe";
    let shell = shell.args(["-c", words, bai_testkit::binary()]).current_dir(sandbox.work());
    let output = shell.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "__main__\n", "{output:?}");
}

#[test]
fn a_folder_is_refused_where_a_script_is_a_cell() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("scripts");
    std::fs::create_dir(sandbox.work().join("d")).unwrap();
    let refused = sandbox.run(&["-q", "python", "d"]);
    refused.expect(2, "");
    assert!(refused.stderr.contains("this server runs no folder as a script"), "{}", refused.stderr);
}

#[test]
fn a_module_runs_as_python_runs_it() {
    let sandbox = Sandbox::new();
    let refused = sandbox.run_with_stdin(&["-q", "python", "-m", "json.tool"], b"{}");
    refused.expect(123, "");
    assert!(refused.stderr.contains("bai-repl python -- -m MODULE"), "{}", refused.stderr);
    sandbox.write("mine.py", "import sys; print(__name__, sys.argv[1:], sys.argv[0] == __file__)");
    for python in pythons() {
        let image = python.image.as_str();
        sandbox
            .run(&["-q", image, "--", "-m", "mine", "-c", "--json"])
            .expect(0, "__main__ ['-c', '--json'] True\n");
        sandbox.run_with_stdin(&["-q", image, "--", "-m", "json.tool"], b"[1]").expect(0, "[\n    1\n]\n");
        let missing = sandbox.run(&["-q", image, "--", "-m", "none"]);
        missing.expect(1, "");
        assert!(missing.stderr.ends_with("python: No module named none\n"), "{}", missing.stderr);
    }
    sandbox.run(&["-q", "python", "--", "-m"]).expect_code(2);
}

#[test]
fn a_script_in_a_terminal_knows_its_window() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "s.py",
        "import os, sys\nprint(os.get_terminal_size()[:], [s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)])",
    );
    for python in pythons() {
        let own = [python.program.to_str().unwrap(), "s.py"];
        let own = FakeTerminal::start_command(sandbox.in_terminal(&own), 30, 90).wait_for_end();
        let ours = FakeTerminal::start_sized(&sandbox, &["-q", &python.image, "s.py"], 30, 90).wait_for_end();
        assert_eq!((ours.code, ours.screen.all), (own.code, own.screen.all), "{}", python.image);
    }
}
