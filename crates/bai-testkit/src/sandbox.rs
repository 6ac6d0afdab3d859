//! A place where one test runs the binary: an empty home, a clean environment, a folder of its own.

use super::{binary, furnished};
use portable_pty::CommandBuilder;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// How long a program may run that is no fake terminal's. Generous: it is a limit, not a measurement.
const LIMIT_SECONDS: u32 = 300;

/// The folders and the environment of one test. Everything in it is gone when it is dropped.
pub struct Sandbox {
    root: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// An empty home and an empty working folder. Interpreters are found as on any machine: through `PATH`, and
    /// in pyenv where it is.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("bai-repl-test-").tempdir().unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        std::fs::create_dir(root.path().join("work")).unwrap();
        let mut sandbox = Sandbox { root, env: Vec::new() };
        sandbox.set("HOME", sandbox.home().to_str().unwrap().to_owned());
        sandbox.set("LANG", "C.UTF-8");
        sandbox.set("TERM", "xterm-256color");
        // The fake terminal's model is Alacritty's. A program that knows that it will be answered is patient.
        sandbox.set("ALACRITTY_WINDOW_ID", "1");
        sandbox.set("PATH", std::env::var("PATH").unwrap());
        if let Some(pyenv) = pyenv_root() {
            sandbox.set("PYENV_ROOT", pyenv.to_str().unwrap().to_owned());
        }
        sandbox
    }

    /// The same in the environment with matplotlib, pandas and Jupyter kernels, as for a person who has activated it. `None`
    /// where there is none; then the test is left out.
    #[track_caller]
    pub fn furnished() -> Option<Self> {
        let mut sandbox = Self::new();
        sandbox.set("VIRTUAL_ENV", furnished()?);
        Some(sandbox)
    }

    /// Sets one variable for all that is started here.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.unset(key);
        self.env.push((key.to_owned(), value.into()));
    }

    /// Takes one variable away.
    pub fn unset(&mut self, key: &str) {
        self.env.retain(|(known, _)| known != key);
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The folder that the binary is started in.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Writes a file into the working folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Any program, in the environment and the folder of this test.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env_clear().envs(self.env.iter().cloned()).current_dir(self.work());
        // SAFETY: between fork and exec only `alarm` is called, which may be called there. A program that hangs is ended
        // by its signal, and the test that waits for it fails instead of waiting for ever.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::alarm::set(LIMIT_SECONDS);
                Ok(())
            })
        };
        command
    }

    /// The binary with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(binary());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Any program with its arguments, to be started in a terminal.
    pub fn in_terminal(&self, argv: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::from_argv(argv.iter().map(Into::into).collect());
        command.env_clear();
        self.env.iter().for_each(|(key, value)| command.env(key, value));
        command.cwd(self.work());
        command
    }

    /// Runs the binary to its end without standard input.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(self.command(arguments).output().unwrap())
    }

    /// Runs the binary to its end with this on standard input.
    pub fn run_with_stdin(&self, arguments: &[&str], input: &[u8]) -> Finished {
        use std::io::Write;
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A program that does not read all of it closes the pipe, which is its right.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Finished::of(output)
    }
}

/// What a run to the end left behind.
#[must_use]
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output, which must be UTF-8 in all tests that look at it as text.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    fn of(output: Output) -> Self {
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks the code alone, and shows standard error when it differs.
    #[track_caller]
    pub fn expect_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "standard error:\n{}", self.stderr);
    }

    /// Checks code and standard output at once, and shows all of it when they differ.
    #[track_caller]
    pub fn expect(&self, code: i32, stdout: &str) {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), stdout),
            "standard error:\n{}",
            self.stderr
        );
    }
}

/// Where pyenv keeps interpreters on this machine, if it is here.
pub fn pyenv_root() -> Option<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".pyenv")))?;
    root.join("versions").is_dir().then_some(root)
}
