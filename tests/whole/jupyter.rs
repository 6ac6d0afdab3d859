//! Jupyter kernels at the prompt and in scripts: ipykernel and bash_kernel, from the environment that `.ci/run` makes.

use super::script_signals::Running;
use bai_testkit::{FakeTerminal, Sandbox};
use nix::sys::signal::Signal;

#[test]
fn a_session_with_the_python_kernel() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    let terminal = FakeTerminal::start(&sandbox, &["jupyter:Python 3 (ipykernel)"]);
    let prompt = "python ❯";
    terminal.wait_for_prompt(prompt);
    // jedi needs seconds for modules that it has not seen, and the prompt does not wait for late completions.
    terminal.run(prompt, "%config IPCompleter.use_jedi = False");
    terminal.run(prompt, "globals()['unmistak' + 'able_name'] = 'text'");
    terminal.send("unmistak\t");
    let column = prompt.chars().count() + 1 + "unmistakable_name".len();
    terminal.wait_until("the name", |screen| screen.cursor.1 == column);
    terminal.enter(".upper()");
    terminal.wait_until("TEXT", |screen| screen.has_line("'TEXT'"));
    terminal.enter("print('hi ' + input('who? '))");
    terminal.wait_until("the question", |screen| screen.all.lines().any(|line| line.starts_with("who?")));
    terminal.enter("Ann");
    terminal.wait_until("the answer", |screen| screen.has_line("hi Ann"));
    terminal.wait_for_prompt(prompt);
    terminal.enter("len?");
    terminal.wait_for("number of items");
    terminal.wait_for_prompt(prompt);
    terminal.enter("from IPython.display import HTML; HTML('<table><tr><td>a</td><td>b</td></tr></table>')");
    terminal.wait_until("the table", |screen| screen.has_line("a  b"));
    terminal.wait_for_prompt(prompt);
    terminal.enter("print('on', flush=True)\u{1b}\rwhile True: pass\r");
    terminal.wait_until("on", |screen| screen.has_line("on"));
    terminal.send("\x03");
    terminal.wait_for("KeyboardInterrupt");
    terminal.wait_for_prompt(prompt);
    terminal.enter("import os; os._exit(3)");
    terminal.wait_for("A new one has been started");
    terminal.wait_for_prompt(prompt);
    terminal.enter(":restart");
    terminal.wait_for("the kernel is new");
    terminal.wait_for_prompt(prompt);
    terminal.enter("'unmistakable_name' in globals()");
    terminal.wait_until("False", |screen| screen.has_line("False"));
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn scripts_and_lists_accept_kernels() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    sandbox.run(&["-c", "x=4; echo $((x + 1))", "jupyter:bash"]).expect(0, "5\n");
    sandbox.run(&["-c", "import sys; print(1); sys.exit(3)", "jupyter:PYTHON3"]).expect(3, "1\n");
    let images = sandbox.run(&["images"]).stdout;
    assert!(images.contains("jupyter:bash") && images.contains("Python 3 (ipykernel)"), "{images}");
    let run = sandbox.run(&["-c", "1", "jupyter:no such"]);
    assert_ne!(run.code, Some(0));
    for words in ["no Jupyter kernel \"no such\"", "bash, python3", "bai-repl images"] {
        assert!(run.stderr.contains(words), "{}", run.stderr);
    }
}

#[test]
fn a_script_in_a_kernel_is_interrupted_by_what_ends_a_program() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    let start = |code| Running::start(sandbox.command(&["-q", "-c", code, "jupyter:python3"]));
    assert_eq!(start("while True: print('y')").close(), (Some(0), String::new(), String::new()));
    let code = "import time\ntry:\n  print('on')\n  while True: time.sleep(.01)\nexcept KeyboardInterrupt:\n  print('off')";
    let ending = start(code).signal(Signal::SIGTERM).end();
    assert_eq!(ending, (Some(143), "off\n".to_owned(), String::new()));
    let ending = start("import time; print('on')\nwhile True: time.sleep(.01)").signal(Signal::SIGINT).end();
    assert_eq!(ending.0, Some(130), "{}", ending.2);
}

#[test]
fn bytes_that_a_kernel_replaces_are_reported_once() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    let code = "import os; os.write(1, b'a\\xff\\n'); print('b\\ufffd')";
    let run = sandbox.run(&["-q", "-c", code, "jupyter:python3"]);
    assert!(run.code == Some(0) && run.stdout.contains('\u{fffd}'), "{run:?}");
    assert_eq!(run.stderr.matches("a Jupyter kernel replaces").count(), 1, "{run:?}");
    let run = sandbox.run(&["-q", "-c", "print('b\\ufffd')", "python"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
}
