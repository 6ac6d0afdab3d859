//! Completion in real shells: names of a server and of files that are pieces of a program arrive as names, or not at all.

use bai_testkit::{FakeTerminal, Sandbox, binary, need};
use sha2::{Digest, Sha256};

const ENDPOINT: &str = "http://127.0.0.1:1";
const KEY: &str = "AKIA";

/// Names with distinct first letters. Each would run a command, match files, or become several words.
const NAMES: [&str; 17] = [
    "a$(touch ran)",
    "b`touch ran`",
    "c;touch ran",
    "d&touch ran",
    "e|touch ran",
    "f two words",
    "g'touch ran'",
    "h\"touch ran\"",
    "i*",
    "j\\touch",
    "k!!",
    "l{1,2}",
    "m#no",
    "n(touch ran)",
    "o>ran",
    "p$HOME",
    "q?",
];
/// Names that are not offered at all.
const LEFT_OUT: [&str; 4] = ["-rf", "--force", "x\u{202e}y", "x\u{9b}y"];

/// A shell with the completion, and a function that writes the words that it is called with into a file.
struct Shell {
    program: &'static str,
    terminal: FakeTerminal,
    sandbox: Sandbox,
    calls: usize,
}

impl Shell {
    fn start(words: &[&'static str], function: &str, registration: &str) -> Self {
        let mut sandbox = Sandbox::new();
        sandbox.set("BACKEND_ENDPOINT", ENDPOINT);
        sandbox.set("BACKEND_ACCESS_KEY", KEY);
        sandbox.set("BACKEND_SECRET_KEY", "secret");
        sandbox.set("PS1", "$ ");
        // No server listens there, so that the cached names are offered.
        let digest = hex::encode(Sha256::digest(format!("{ENDPOINT} {KEY}")));
        let folder = sandbox.home().join(".cache/bai-repl/names");
        std::fs::create_dir_all(&folder).unwrap();
        let names = [&NAMES[..], &LEFT_OUT, &["zulu"]].concat().join("\n");
        std::fs::write(folder.join(format!("sessions-{}", &digest[..16])), names).unwrap();
        // A pattern would match these.
        for name in ["i1", "q1"] {
            sandbox.write(name, "");
        }
        let terminal = FakeTerminal::start_command(sandbox.in_terminal(words), 40, 200);
        let shell = Shell { program: words[0], terminal, sandbox, calls: 0 };
        shell.terminal.enter(function);
        shell.terminal.enter(&registration.replace("PROGRAM", binary()));
        shell.terminal.enter("echo rea''dy");
        shell
            .terminal
            .wait_until("the shell", |screen| screen.all.lines().any(|line| line.trim_end() == "ready"));
        shell
    }

    /// Types keys after the program's name, and returns the words that it is called with.
    fn call(&mut self, keys: &str) -> Vec<String> {
        let seen = self.sandbox.write("seen", "");
        self.terminal.enter(&format!("bai-repl {keys}"));
        self.finish();
        let seen = std::fs::read_to_string(seen).unwrap();
        seen.split_terminator('\0').map(str::to_owned).collect()
    }

    /// Waits until the shell has done what was typed.
    fn finish(&mut self) {
        self.calls += 1;
        self.terminal.enter(&format!("echo call''{}", self.calls));
        let done = format!("call{}", self.calls);
        self.terminal.wait_until(&done, |screen| screen.all.lines().any(|line| line.trim_end() == done));
    }

    /// Completes a word with an open quote, and runs the line in a new shell, also with the quote closed.
    fn run_with_quote(&mut self, quoted: &str) {
        self.terminal.send(format!("bai-repl attach {quoted}\tEND"));
        let screen = self.terminal.wait_until("the end", |screen| screen.last_line().contains("END"));
        let line = screen.last_line();
        let line = &line[line.find("bai-repl").unwrap()..];
        for closed in ["", "'", "\""] {
            let mut shell = self.sandbox.program(self.program);
            shell.args(["-c", &format!("{line}{closed}")]).output().unwrap();
        }
        // Ctrl-U deletes the line.
        self.terminal.send("\x15");
        self.finish();
    }

    fn completes_names_and_runs_none(mut self) {
        assert_eq!(self.call("attach zu\t"), ["attach", "zulu"]);
        for name in NAMES {
            let first: String = name.chars().take(1).collect();
            assert_eq!(self.call(&format!("attach {first}\t")), ["attach", name]);
            assert_eq!(self.call(&format!("-t {first}\t")), ["-t", name]);
        }
        for name in LEFT_OUT {
            let first: String = name.chars().take(1).collect();
            let words = self.call(&format!("attach {first}\t"));
            assert!(!words.iter().any(|word| word == name), "{name:?}: {words:?}");
        }
        for quoted in ["'a", "\"a", "\"b", "'g", "\"g", "\"h", "\"p"] {
            self.run_with_quote(quoted);
        }
        self.sandbox.write("r$(touch ran) of a file", "");
        assert_eq!(self.call("upload zulu r\t"), ["upload", "zulu", "r$(touch ran) of a file"]);
        assert!(!self.sandbox.work().join("ran").exists());
    }
}

#[test]
fn bash_gets_names() {
    let function = "bai-repl() { printf '%s\\0' \"$@\" >seen; }";
    Shell::start(&["bash", "--norc", "-i"], function, "source <(PROGRAM completions bash)")
        .completes_names_and_runs_none();
}

#[test]
fn zsh_gets_names() {
    if !need("zsh") {
        return;
    }
    let function = "bai-repl() { printf '%s\\0' \"$@\" >seen; }";
    let registration = "autoload -Uz compinit; compinit -u -D; source <(PROGRAM completions zsh)";
    Shell::start(&["zsh", "-f", "-i"], function, registration).completes_names_and_runs_none();
}

#[test]
fn fish_gets_names() {
    if !need("fish") {
        return;
    }
    let function = "function bai-repl; printf '%s\\0' $argv >seen; end";
    Shell::start(&["fish", "--no-config", "-i"], function, "PROGRAM completions fish | source")
        .completes_names_and_runs_none();
}
