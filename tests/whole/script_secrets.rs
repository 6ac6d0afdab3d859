//! Secrets that a script asks for. They come from the terminal, whatever standard input is, as in Python itself.

use super::script_signals::{Python, pythons};
use bai_testkit::{FakeTerminal, Sandbox};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

/// What is typed is seen by nobody.
const SECRET: &str = "swordfish";

/// The same command line for Python itself and for us.
fn both(python: &Python, around: &str) -> [Vec<String>; 2] {
    let (program, binary) = (python.program.to_str().unwrap().to_owned(), bai_testkit::binary().to_owned());
    let own = vec![program];
    let ours = vec![binary, "-q".to_owned(), python.image.clone()];
    [own, ours].map(|words| {
        let mut all = vec!["sh".to_owned(), "-c".to_owned(), around.to_owned(), "sh".to_owned()];
        all.extend(words);
        all
    })
}

#[test]
fn a_script_asks_for_a_secret_at_the_terminal_beside_its_input() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "s.py",
        "import getpass, sys\nfirst = sys.stdin.readline()\nsecret = getpass.getpass('key? ')\n\
         print('got', len(secret), repr(first + sys.stdin.read()))",
    );
    for around in [
        "(echo one; echo two) | \"$@\" s.py 2>err",
        "(echo one; echo two; sleep 0.5; echo three) | \"$@\" s.py 2>err",
        "printf 'one\\n' >in; \"$@\" s.py <in 2>err | cat",
        "\"$@\" - x <s.py",
    ] {
        for python in pythons() {
            let shown = both(&python, around).map(|words| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let terminal = FakeTerminal::start_command(sandbox.in_terminal(&words), 24, 80);
                terminal.wait_until("the question", |screen| screen.says("key?"));
                terminal.enter(SECRET);
                terminal.wait_until("the answer", |screen| screen.says("got 9"));
                let end = terminal.wait_for_end();
                assert!(!end.screen.all.contains(SECRET), "{words:?}: {}", end.screen.all);
                (end.code, end.screen.all)
            });
            let [own, ours] = shown;
            assert_eq!(ours, own, "{}: {around}", python.image);
        }
    }
}

#[test]
fn a_secret_can_be_refused() {
    let sandbox = Sandbox::new();
    let code =
        "import getpass\ntry: getpass.getpass('key? ')\nexcept BaseException as e: print(type(e).__name__)";
    sandbox.write("s.py", code);
    for python in pythons() {
        for (key, name) in [("\x03", "KeyboardInterrupt"), ("\x04", "EOFError")] {
            let shown = both(&python, "echo one | \"$@\" s.py").map(|words| {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let terminal = FakeTerminal::start_command(sandbox.in_terminal(&words), 24, 80);
                terminal.wait_until("the question", |screen| screen.says("key?"));
                terminal.send(key);
                terminal.wait_until("the error", |screen| screen.says(name));
                terminal.wait_for_end().code
            });
            // Ctrl-C of the terminal ends the shell around Python too.
            assert_eq!(shown[1], shown[0], "{}: {name}", python.image);
        }
    }
}

#[test]
fn a_script_that_can_ask_nobody_reads_its_input_and_warns() {
    let sandbox = Sandbox::new();
    let script = "import getpass\nprint(len(getpass.getpass('key? ')), input())";
    sandbox.write("s.py", script);
    for python in pythons() {
        let ended = both(&python, "printf 'secret\\nrest\\n' | \"$@\" s.py").map(|words| {
            let (program, arguments) = words.split_first().unwrap();
            let mut command = sandbox.program(program);
            // Without a terminal, also if the tests have one.
            #[allow(unsafe_code)]
            // SAFETY: the closure only makes a system call.
            unsafe {
                command.pre_exec(|| nix::unistd::setsid().map(drop).map_err(Into::into))
            };
            let output = command.args(arguments).stdin(Stdio::null()).output().unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (output.status.code(), text(output.stdout), text(output.stderr))
        });
        let [own, ours] = ended;
        assert_eq!(ours, own, "{}", python.image);
    }
}
