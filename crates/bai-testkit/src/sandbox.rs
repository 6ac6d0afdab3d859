//! The environment in which one test runs the binary: an empty home, clean variables, and a working folder.

use super::{as_another_user, binary, processes, test_venv};
use nix::sys::signal::{SigHandler, Signal};
use portable_pty::CommandBuilder;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

/// The time limit of a program outside a fake terminal. It is generous: it is a limit, not a measurement.
const LIMIT_SECONDS: u32 = 300;
/// The user of the programs in a sandbox of another user: `nobody` on most systems.
const NOBODY: u32 = 65534;
/// How long processes may take to end after their test; also generous.
const END_LIMIT: Duration = Duration::from_secs(60);

/// The folders and the environment of one test. Dropping it ends the engines of named sessions and deletes the folders;
/// it fails the test that has left any other process behind.
pub struct Sandbox {
    root: tempfile::TempDir,
    env: Vec<(String, String)>,
    /// The user of all programs, if it is not our own.
    user: Option<u32>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// Creates an empty home and an empty working folder. Interpreters are found as usual: through `PATH`, and in pyenv
    /// if it is installed.
    pub fn new() -> Self {
        let root =
            tempfile::Builder::new().prefix("bai-repl-test-").tempdir_in(std::env::temp_dir()).unwrap();
        std::fs::create_dir(root.path().join("home")).unwrap();
        std::fs::create_dir(root.path().join("work")).unwrap();
        let mut sandbox = Sandbox { root, env: Vec::new(), user: None };
        sandbox.set("HOME", sandbox.home().to_str().unwrap().to_owned());
        sandbox.set("LANG", "C.UTF-8");
        sandbox.set("TERM", "xterm-256color");
        // Not the shell that happens to be installed.
        sandbox.set("BAI_REPL_PYTHON_SHELL", "plain");
        // The model of the fake terminal is Alacritty's. A program that recognises it waits longer for answers.
        sandbox.set("ALACRITTY_WINDOW_ID", "1");
        sandbox.set("PATH", std::env::var("PATH").unwrap());
        if let Some(pyenv) = pyenv_root() {
            sandbox.set("PYENV_ROOT", pyenv.to_str().unwrap().to_owned());
        }
        sandbox
    }

    /// Creates a sandbox with the activated environment of matplotlib, pandas and Jupyter kernels. `None` if the
    /// environment is missing; then the test is left out.
    #[track_caller]
    pub fn with_test_venv() -> Option<Self> {
        let mut sandbox = Self::new();
        sandbox.set("VIRTUAL_ENV", test_venv()?);
        Some(sandbox)
    }

    /// Creates a sandbox whose programs run as another user, who is not root and owns its folders. `None` without the
    /// rights of root; then the test is left out.
    #[track_caller]
    pub fn of_another_user() -> Option<Self> {
        as_another_user("true")?;
        let mut sandbox = Self::new();
        for folder in [sandbox.root.path(), &sandbox.home(), &sandbox.work()] {
            chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        sandbox.user = Some(NOBODY);
        // The interpreters of root may be out of reach.
        sandbox.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        sandbox.unset("PYENV_ROOT");
        Some(sandbox)
    }

    /// Sets a variable for all programs that are started here.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.unset(key);
        self.env.push((key.to_owned(), value.into()));
    }

    /// Removes a variable.
    pub fn unset(&mut self, key: &str) {
        self.env.retain(|(known, _)| known != key);
    }

    /// The process ids of its background engines.
    pub fn engines(&self) -> Vec<i32> {
        processes::engines(&self.home())
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// The folder in which the binary starts.
    pub fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// Writes a file into the working folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.work().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes an `authorized_keys`, without which the sshd of a session does not start. Its key belongs to nobody.
    pub fn authorize_a_key(&self) {
        let folder = self.home().join(".ssh");
        std::fs::create_dir(&folder).unwrap();
        let keys = folder.join("authorized_keys");
        std::fs::write(&keys, "ssh-ed25519 AAAA nobody\n").unwrap();
        for (path, mode) in [(self.home(), 0o755), (folder, 0o700), (keys, 0o600)] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
    }

    /// Returns a command for any program, in the environment and the folder of this test.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.env_clear().envs(self.env.iter().cloned()).current_dir(self.work());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        // SAFETY: between fork and exec only `alarm` and `sigaction` are called, which are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                // The signal ends a program that hangs, so that the test fails and does not wait forever.
                nix::unistd::alarm::set(LIMIT_SECONDS);
                // The tests may have been started in the background, where shells ignore these.
                for signal in [Signal::SIGINT, Signal::SIGQUIT] {
                    nix::sys::signal::signal(signal, SigHandler::SigDfl)?;
                }
                Ok(())
            })
        };
        command
    }

    /// Returns a command for the binary with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(binary());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Returns a command for any program, to be started in a terminal.
    pub fn in_terminal(&self, argv: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::from_argv(argv.iter().map(Into::into).collect());
        command.env_clear();
        self.env.iter().for_each(|(key, value)| command.env(key, value));
        command.cwd(self.work());
        command
    }

    /// Runs the binary without standard input and waits for its end.
    pub fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(self.command(arguments).output().unwrap())
    }

    /// Runs the binary with this standard input and waits for its end.
    pub fn run_with_stdin(&self, arguments: &[&str], input: &[u8]) -> Finished {
        use std::io::Write;
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || {
            // A program may close the pipe before it has read everything.
            let _ = stdin.write_all(&input);
        });
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Finished::of(output)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let left = processes::end_all(&self.home(), END_LIMIT);
        assert!(left.is_empty() || std::thread::panicking(), "these processes were left behind: {left:#?}");
    }
}

/// The exit code that a shell reports.
pub fn code_of(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| status.signal().map(|number| 128 + number))
}

/// The result of a run.
#[must_use]
#[derive(Debug)]
pub struct Finished {
    /// The exit code; 128 and the number of a signal that has ended it.
    pub code: Option<i32>,
    /// Standard output. It must be UTF-8 in all tests that read it as text.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    fn of(output: Output) -> Self {
        Finished {
            code: code_of(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Checks only the exit code, and shows standard error if it differs.
    #[track_caller]
    pub fn expect_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "standard error:\n{}", self.stderr);
    }

    /// Checks the exit code and standard output, and shows all output if they differ.
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

/// Returns the folder in which pyenv keeps interpreters, if it is installed.
pub fn pyenv_root() -> Option<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".pyenv")))?;
    root.join("versions").is_dir().then_some(root)
}
