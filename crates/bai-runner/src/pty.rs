//! A pseudo-terminal with a shell: its size, its bytes, and the end of all processes in it.

use super::dispositions;
use super::process;
use super::process_tree::{Mark, ProcessTree};
use bytes::{BufMut, BytesMut};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, User, getuid};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Variables that describe the terminal in which we were started.
const REMOVED_VARIABLES: [&str; 19] = [
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TERM_SESSION_ID",
    "TERMINFO",
    "TERMCAP",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "WINDOW",
    "WINDOWID",
    "COLUMNS",
    "LINES",
    "VTE_VERSION",
    "KITTY_WINDOW_ID",
    "KITTY_PID",
    "WEZTERM_PANE",
    "ITERM_SESSION_ID",
    "LC_TERMINAL",
    "LC_TERMINAL_VERSION",
];
/// How many bytes are read at once. The system mostly gives 4 KiB.
const READ: usize = 16 * 1024;

/// How a terminal is started.
#[derive(Debug, Clone)]
pub struct TerminalSpec {
    /// The folder in which the shell starts.
    pub workdir: PathBuf,
    /// Variables on top of our own environment, which the shell gets without its secrets.
    pub env: Vec<(String, String)>,
    /// Rows, at least one.
    pub rows: u16,
    /// Columns, at least one.
    pub columns: u16,
}

impl TerminalSpec {
    /// A shell in the folder `workdir`, in our own environment, in a window of 80 columns and 24 rows.
    pub fn new(workdir: impl Into<PathBuf>) -> Self {
        TerminalSpec { workdir: workdir.into(), env: Vec::new(), rows: 24, columns: 80 }
    }
}

/// A terminal with a shell. Dropping it kills the shell and all processes that it started.
#[derive(Debug)]
pub struct Terminal {
    master: AsyncFd<OwnedFd>,
    exit: watch::Receiver<Option<i32>>,
    process_tree: ProcessTree,
}

impl Terminal {
    /// Starts the user's shell in a new terminal.
    ///
    /// # Errors
    /// An error of the system: no terminal is free, or neither the user's shell nor `/bin/sh` can be started.
    pub fn start(spec: &TerminalSpec) -> io::Result<Terminal> {
        let size = window(spec.rows, spec.columns);
        let pty = openpty(Some(&size), None)?;
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
        }
        fcntl(&pty.master, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
        let mark = Mark::new();
        let mut env = spec.env.clone();
        env.push(("COLORTERM".into(), "truecolor".into()));
        env.push(mark.variable());
        if !env.iter().any(|(name, _)| name == "TERM") {
            env.push(("TERM".into(), "xterm-256color".into()));
        }
        let env = process::environment(&env, &[], &REMOVED_VARIABLES);
        let mut command = Command::new(shell(&env));
        command.current_dir(&spec.workdir).env_clear().envs(env);
        command.stdin(pty.slave.try_clone()?).stdout(pty.slave.try_clone()?).stderr(pty.slave);
        dispositions::by_default(command.as_std_mut());
        own_terminal(&mut command);
        let child = command.spawn()?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).ok_or(io::ErrorKind::NotFound)?;
        let process_tree = ProcessTree::new(Pid::from_raw(pid), mark);
        let (ended, exit) = watch::channel(None);
        tokio::spawn(report_end(child, ended));
        Ok(Terminal { master: register(pty.master)?, exit, process_tree })
    }

    /// Reads output; 0 at the end of the output. Cancel-safe.
    ///
    /// # Errors
    /// An error of the system.
    pub async fn read(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        loop {
            let mut ready = self.master.readable().await?;
            match ready.try_io(|master| read(master.get_ref(), buffer)) {
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Reads the output that is already there; 0 when there is none.
    pub fn read_now(&self, buffer: &mut BytesMut) -> usize {
        read(self.master.get_ref(), buffer).unwrap_or(0)
    }

    /// Types bytes, and waits while the program does not read. Returns how many were taken. Cancel-safe.
    ///
    /// # Errors
    /// An error of the system.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.master.writable().await?;
            match ready.try_io(|master| Ok(nix::unistd::write(master.get_ref(), bytes)?)) {
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Changes the terminal's size, and notifies the foreground program.
    ///
    /// # Errors
    /// An error of the system.
    #[allow(unsafe_code)]
    pub fn resize(&self, rows: u16, columns: u16) -> io::Result<()> {
        let size = window(rows, columns);
        // SAFETY: the descriptor is open, and the request reads one `Winsize` from the pointer, which is valid.
        let result = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Makes the foreground program repaint its screen, as after a change of size.
    #[allow(unsafe_code)]
    pub fn repaint(&self) {
        // SAFETY: the descriptor is open.
        let front = unsafe { libc::tcgetpgrp(self.master.as_raw_fd()) };
        if front > 0 {
            // An error only means that there is no foreground program.
            let _ = killpg(Pid::from_raw(front), Signal::SIGWINCH);
        }
    }

    /// Waits for the end of the shell. Returns its exit code, or 128 plus the number of the signal that ended it.
    /// Cancel-safe.
    pub async fn wait(&self) -> i32 {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(code) => code.unwrap_or(-1),
            // The waiting task has ended with the runtime.
            Err(_) => -1,
        }
    }
}

async fn report_end(mut child: Child, ended: watch::Sender<Option<i32>>) {
    let code = child.wait().await.map_or(-1, |status| process::describe_end(&status).0);
    ended.send_replace(Some(code));
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.process_tree.kill();
    }
}

#[allow(unsafe_code)]
fn register(master: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by what is registered, so it is open and the same for as long as that lives.
    Ok(unsafe { AsyncFd::register(master) }?)
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows.max(1), ws_col: columns.max(1), ws_xpixel: 0, ws_ypixel: 0 }
}

fn read(master: &OwnedFd, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(READ);
    // The buffer must be initialised before the read. It is small.
    let start = buffer.len();
    buffer.put_bytes(0, READ);
    let space = buffer.get_mut(start..).unwrap_or_default();
    let result = nix::unistd::read(master, space);
    buffer.truncate(start + result.unwrap_or(0));
    match result {
        // The system reports with this error that the other end is closed.
        Err(Errno::EIO) => Ok(0),
        Err(error) => Err(error.into()),
        Ok(count) => Ok(count),
    }
}

/// The user's shell, if it is executable.
fn shell(env: &[(OsString, OsString)]) -> PathBuf {
    let chosen = env.iter().find(|(name, _)| name == "SHELL").map(|(_, value)| PathBuf::from(value));
    let registered = || User::from_uid(getuid()).ok().flatten().map(|user| user.shell);
    let usable = |path: &PathBuf| {
        let refuses = path.file_name().is_none_or(|name| name == "nologin" || name == "false");
        path.is_absolute() && !refuses && is_executable(path)
    };
    chosen
        .into_iter()
        .chain(registered())
        .chain([PathBuf::from("/bin/bash")])
        .find(usable)
        .unwrap_or_else(|| PathBuf::from("/bin/sh"))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && nix::unistd::access(path, nix::unistd::AccessFlags::X_OK).is_ok()
}

/// Runs in the child between fork and exec: a session whose terminal is standard input.
#[allow(unsafe_code)]
fn own_terminal(command: &mut Command) {
    let prepare = || {
        nix::unistd::setsid()?;
        // SAFETY: descriptor 0 is the terminal's other end, and the request takes an integer.
        if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls that are safe after fork; it neither allocates nor takes a lock.
    unsafe { command.pre_exec(prepare) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    fn spec(folder: &Path) -> TerminalSpec {
        let env = [("SHELL", "/bin/bash"), ("PS1", "$ "), ("HOME", "/nonexistent"), ("HISTFILE", "")];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        TerminalSpec { workdir: folder.to_owned(), env, rows: 24, columns: 80 }
    }

    async fn read_until(terminal: &Terminal, text: &str) -> String {
        let mut buffer = BytesMut::new();
        let found = timeout(Duration::from_secs(30), async {
            while !String::from_utf8_lossy(&buffer).contains(text) {
                assert_ne!(terminal.read(&mut buffer).await.unwrap(), 0);
            }
        });
        let found = found.await.is_ok();
        let read = String::from_utf8_lossy(&buffer).into_owned();
        assert!(found, "no {text:?} in {read:?}");
        read
    }

    #[tokio::test]
    async fn a_shell_is_in_a_terminal_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let terminal = Terminal::start(&spec(folder.path())).unwrap();
        terminal.write(b"echo =$((6*7))= $(tty) $(pwd) $TERM $COLORTERM; stty size; exit 3\n").await.unwrap();
        let text = read_until(&terminal, "24 80").await;
        assert!(text.contains("=42= /dev/pts/"), "{text}");
        assert!(text.contains(&folder.path().canonicalize().unwrap().display().to_string()), "{text}");
        assert!(text.contains("xterm-256color truecolor"), "{text}");
        let code = timeout(Duration::from_secs(30), terminal.wait()).await.unwrap();
        assert_eq!(code, 3);
    }

    #[tokio::test]
    async fn a_new_size_reaches_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let terminal = Terminal::start(&spec(folder.path())).unwrap();
        // A shell's trap would miss a signal that comes just before the shell reads its next line.
        let program = "import os, signal; change = [signal.SIGWINCH]; signal.pthread_sigmask(signal.SIG_BLOCK, change); \
                       print('rea' 'dy', flush=True); signal.sigwait(change); print(*os.get_terminal_size(0))";
        terminal.write(format!("python3 -c \"{program}\"\n").as_bytes()).await.unwrap();
        read_until(&terminal, "ready").await;
        terminal.resize(0, 1000).unwrap();
        read_until(&terminal, "1000 1").await;
    }

    #[tokio::test]
    async fn no_started_process_outlives_the_terminal() {
        let folder = tempfile::tempdir().unwrap();
        let terminal = Terminal::start(&spec(folder.path())).unwrap();
        let line = "sleep 1000 & nohup sleep 1000 & setsid -f sleep 1000; (trap '' HUP TERM; sleep 1000) & echo rea''dy\n";
        terminal.write(line.as_bytes()).await.unwrap();
        read_until(&terminal, "ready").await;
        let process_tree = terminal.process_tree.clone();
        assert!(process_tree.members().len() >= 5, "{:?}", process_tree.members());
        drop(terminal);
        // The system needs a moment to remove them; each round checks again.
        let gone = timeout(Duration::from_secs(30), async {
            while !process_tree.members().is_empty() {
                tokio::task::yield_now().await;
            }
        });
        assert!(gone.await.is_ok(), "{:?}", process_tree.members());
    }
}
