//! A kernel with its replies, and the list of interpreters for every test.

use super::super::*;
use bai_protocol::execute::Script;
use bai_testkit::{ipython_environments, test_venv};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than every step takes; a test that reaches it has failed.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// Every CPython of this machine, as image names. At least one, since tests need it.
pub(super) async fn pythons() -> Vec<String> {
    let found = images().await.into_iter().filter(|image| image.language == "python");
    let found: Vec<String> = found.map(|image| image.name).collect();
    assert!(!found.is_empty(), "no CPython 3.6 or later on this machine");
    found
}

/// Those of them that are at least this old.
pub(super) async fn at_least(version: (u32, u32)) -> Vec<String> {
    let is_new = |name: &String| {
        let minor = name.rsplit('.').next().and_then(|minor| minor.parse().ok());
        (3, minor.unwrap_or(0)) >= version
    };
    pythons().await.into_iter().filter(is_new).collect()
}

/// Waits until no process has any of the numbers in `text`.
pub(super) async fn gone(text: &str) {
    let pids = text.split(|c: char| !c.is_ascii_digit()).filter(|pid| !pid.is_empty());
    for pid in pids {
        let pid = nix::unistd::Pid::from_raw(pid.parse().unwrap());
        let wait = async {
            while is_alive(pid) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, wait).await.expect("a process was left behind");
    }
}

/// Whether a process runs; one that has ended and waits for its parent does not.
fn is_alive(pid: nix::unistd::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

/// The output of a cell.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) replies: Vec<Reply>,
    pub(super) exit_code: i32,
}

impl Outcome {
    /// All of standard output.
    pub(super) fn stdout(&self) -> String {
        let text = |reply: &Reply| {
            if let Reply::Console(ConsoleRecord::Stdout(text)) = reply { text.clone() } else { String::new() }
        };
        self.replies.iter().map(text).collect()
    }

    /// All of standard error.
    pub(super) fn stderr(&self) -> String {
        let text = |reply: &Reply| {
            if let Reply::Console(ConsoleRecord::Stderr(text)) = reply { text.clone() } else { String::new() }
        };
        self.replies.iter().map(text).collect()
    }

    /// All output in its order, with `E` before text on standard error and a mark for other records.
    pub(super) fn sequence(&self) -> Vec<String> {
        let mut sequence: Vec<String> = Vec::new();
        for reply in &self.replies {
            let item = match reply {
                Reply::Console(ConsoleRecord::Stdout(text)) => format!("O:{text}"),
                Reply::Console(ConsoleRecord::Stderr(text)) => format!("E:{text}"),
                Reply::Console(ConsoleRecord::Media { mime, .. }) => format!("[{mime}]"),
                Reply::Console(ConsoleRecord::Html(_)) => "[html]".to_owned(),
                other => format!("[{other:?}]"),
            };
            match sequence.last_mut() {
                Some(last) if last.starts_with("O:") && item.starts_with("O:") => last.push_str(&item[2..]),
                Some(last) if last.starts_with("E:") && item.starts_with("E:") => last.push_str(&item[2..]),
                _ => sequence.push(item),
            }
        }
        sequence
    }
}

/// A kernel in a folder of its own.
pub(super) struct Session {
    pub(super) kernel: Kernel,
    pub(super) replies: mpsc::Receiver<Reply>,
    pub(super) folder: tempfile::TempDir,
}

impl Session {
    pub(super) async fn start(image: &str) -> Self {
        Self::start_with(image, &[]).await
    }

    pub(super) async fn start_with(image: &str, env: &[(&str, &str)]) -> Self {
        Self::start_all(image, env, tempfile::tempdir().unwrap()).await
    }

    pub(super) async fn start_in(image: &str, folder: tempfile::TempDir) -> Self {
        Self::start_all(image, &[], folder).await
    }

    /// An interpreter with matplotlib, pandas and jedi; `None` where the test is left out.
    pub(super) async fn start_in_test_venv() -> Option<Self> {
        Some(Self::start_with("python", &[("VIRTUAL_ENV", test_venv()?)]).await)
    }

    /// Sessions in each environment with IPython, whose shell is IPython.
    pub(super) async fn start_with_ipython() -> Vec<Self> {
        let mut sessions = Vec::new();
        for environment in ipython_environments() {
            let environment = environment.to_str().unwrap();
            // It writes no profile: the folder would be among the session's files.
            let (shell, profiles) = (("BAI_REPL_PYTHON_SHELL", "ipython"), ("IPYTHONDIR", "ipython"));
            let env = [("VIRTUAL_ENV", environment), shell, profiles];
            sessions.push(Self::start_with("python", &env).await);
        }
        sessions
    }

    pub(super) async fn start_all(image: &str, env: &[(&str, &str)], folder: tempfile::TempDir) -> Self {
        // Not the locale of the user who runs the tests, and not the shell that happens to be installed.
        let env = [&[("LC_ALL", "C.UTF-8"), ("BAI_REPL_PYTHON_SHELL", "plain")], env].concat();
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (workdir, image) = (folder.path().to_owned(), ImageName::parse(image));
        let spec = KernelSpec {
            workdir,
            env,
            image,
            is_for_script: false,
            first_script: None,
            streams: ScriptStreams::default(),
            executable: None,
        };
        let (kernel, replies) = timeout(LIMIT, Kernel::start(spec)).await.unwrap().unwrap();
        Session { kernel, replies, folder }
    }

    pub(super) async fn send(&self, op: Op) {
        timeout(LIMIT, self.kernel.send(op)).await.unwrap().unwrap();
    }

    pub(super) async fn next(&mut self) -> Reply {
        timeout(LIMIT, self.replies.recv()).await.expect("no reply in time").expect("the kernel is gone")
    }

    /// Reads until a reply that satisfies `done`, which is included.
    pub(super) async fn until(&mut self, done: impl Fn(&Reply) -> bool) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let reply = self.next().await;
            let over = done(&reply);
            if let Reply::Finished { exit_code }
            | Reply::BuildFinished { exit_code }
            | Reply::CleanFinished { exit_code } = reply
            {
                outcome.exit_code = exit_code;
            } else {
                outcome.replies.push(reply);
            }
            if over {
                return outcome;
            }
        }
    }

    /// Reads until standard output holds `text`.
    pub(super) async fn until_output(&mut self, text: &str) {
        let mut seen = String::new();
        while !seen.contains(text) {
            match self.next().await {
                Reply::Console(ConsoleRecord::Stdout(more)) => seen.push_str(&more),
                Reply::Finished { .. } => panic!("finished before {text:?}; got {seen:?}"),
                _ => {}
            }
        }
    }

    pub(super) async fn finish(&mut self) -> Outcome {
        self.until(|reply| matches!(reply, Reply::Finished { .. })).await
    }

    /// Runs a cell that needs no input.
    pub(super) async fn run(&mut self, code: &str) -> Outcome {
        self.run_with(code, &[]).await
    }

    /// Runs a cell that asks for these lines.
    pub(super) async fn run_with(&mut self, code: &str, lines: &[&str]) -> Outcome {
        self.send(Op::Code(code.to_owned())).await;
        let mut whole = Outcome::default();
        let mut lines = lines.iter();
        loop {
            let part = self.until(|r| matches!(r, Reply::Finished { .. } | Reply::WaitingInput { .. })).await;
            let waits = matches!(part.replies.last(), Some(Reply::WaitingInput { .. }));
            whole.replies.extend(part.replies);
            whole.exit_code = part.exit_code;
            if !waits {
                return whole;
            }
            let line = lines.next().expect("a question without an answer");
            self.send(Op::Input((*line).to_owned())).await;
        }
    }

    /// Runs a script. Each piece of its input is sent when it asks for more, and the last one ends the input.
    pub(super) async fn script(&mut self, code: &str, script: Script, pieces: &[&[u8]]) -> Outcome {
        self.send(Op::Script(code.to_owned(), script)).await;
        let mut whole = Outcome::default();
        let mut pieces = pieces.iter().peekable();
        loop {
            let part = self.until(|r| matches!(r, Reply::Finished { .. } | Reply::WaitingInput { .. })).await;
            let mut replies = part.replies;
            let waits = replies.pop_if(|reply| matches!(reply, Reply::WaitingInput { .. })).is_some();
            whole.replies.extend(replies);
            whole.exit_code = part.exit_code;
            if !waits {
                return whole;
            }
            let bytes = pieces.next().map_or_else(Vec::new, |piece| piece.to_vec());
            self.send(Op::InputPiece { bytes, end: pieces.peek().is_none(), ahead: false }).await;
        }
    }

    /// Runs a cell that has to succeed without output on standard error, and returns its standard output.
    pub(super) async fn value(&mut self, code: &str) -> String {
        let outcome = self.run(code).await;
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), ("", 0), "{code}");
        outcome.stdout()
    }
}
