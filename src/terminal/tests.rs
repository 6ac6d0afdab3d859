//! Tests of the guards on a real pseudo-terminal: this test program starts itself on one with a part to play, and the test
//! checks the modes from the far end.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
use nix::unistd::Pid;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::signal::unix::{SignalKind, signal};

use super::*;

/// The environment variable with the part of the started program.
pub(crate) const PART: &str = "BAI_REPL_TEST_PART";

/// Ctrl-].
const CTRL_BRACKET: u8 = 0x1d;

/// Limit of every wait before the test fails.
const WAIT_LIMIT: Duration = Duration::from_secs(60);

/// Interval between checks that the program still runs.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Runs only in the started program, and plays its part.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else { return };
    let stdin = std::io::stdin();
    let say = |text: &str| {
        println!("<{text}>");
        std::io::stdout().flush().unwrap();
    };
    let read_byte = || {
        let mut byte = [0];
        nix::unistd::read(stdin.as_fd(), &mut byte).unwrap();
        byte[0]
    };
    install().unwrap();
    match part.as_str() {
        "run-mode" => {
            let mode = RunMode::enter(Some(CTRL_BRACKET)).unwrap().unwrap();
            say("running");
            say(&format!("key {}", read_byte()));
            drop(mode);
        }
        "panic" => {
            std::mem::forget(RunMode::enter(Some(CTRL_BRACKET)).unwrap());
            say("running");
            read_byte();
            panic!("oh no");
        }
        "contained-panic" => {
            let thread = std::thread::Builder::new().name(CONTAINED_THREAD.to_owned());
            thread.spawn(|| panic!("not to be seen")).unwrap().join().unwrap_err();
            say("goes on");
        }
        "wait-for-signal" => {
            std::mem::forget(RunMode::enter(Some(CTRL_BRACKET)).unwrap());
            say("running");
            read_byte();
            say("not killed");
        }
        "wait-in-a-view" => {
            std::mem::forget(FullScreen::enter(false).unwrap());
            say("running");
            read_byte();
            say("not killed");
        }
        "overflow" => {
            fn deep(level: u64) -> u64 {
                std::hint::black_box(if level == 0 {
                    0
                } else {
                    deep(level - 1) + std::hint::black_box(level)
                })
            }
            std::mem::forget(RunMode::enter(Some(CTRL_BRACKET)).unwrap());
            say("running");
            deep(u64::MAX);
        }
        "listen" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            std::mem::forget(RunMode::enter(Some(CTRL_BRACKET)).unwrap());
            runtime.block_on(async {
                let mut signals = listen_fatal().unwrap();
                say("running");
                let signal = signals.recv().await;
                say(&format!("told {signal:?}"));
                signal.die();
            });
        }
        "suspend" => {
            let mode = RunMode::enter(Some(CTRL_BRACKET)).unwrap().unwrap();
            say("running");
            let key = read_byte();
            let echo = termios::tcgetattr(&stdin).unwrap().local_flags.contains(LocalFlags::ECHO);
            say(&format!("key {key} echo {echo}"));
            drop(mode);
        }
        "type-ahead" => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let mode = RunMode::enter(Some(CTRL_BRACKET)).unwrap().unwrap();
            runtime.block_on(async {
                let mut interrupt = signal(SignalKind::interrupt()).unwrap();
                let mut pane = signal(SignalKind::quit()).unwrap();
                say("running");
                interrupt.recv().await.unwrap();
                say("interrupted");
                pane.recv().await.unwrap();
                say("pane");
            });
            drop(mode);
            let mut raw = termios::tcgetattr(&stdin).unwrap();
            termios::cfmakeraw(&mut raw);
            termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &raw).unwrap();
            let keys: Vec<u8> = (0..9).map(|_| read_byte()).collect();
            restore();
            say(&format!("keys {keys:?}"));
        }
        "secret" => {
            use secrecy::ExposeSecret;
            let result = read_secret(|| say("running"));
            say(&match &result {
                Ok(secret) => format!(
                    "secret of {} {}",
                    secret.expose_secret().len(),
                    secret.expose_secret() == "pässword"
                ),
                Err(error) => format!("no secret: {error}"),
            });
            if result.is_ok() {
                let mut line = String::new();
                stdin.read_line(&mut line).unwrap();
                say(&format!("then {}", line.trim()));
            }
        }
        other => panic!("no such part: {other}"),
    }
}

/// A program on a pseudo-terminal, controlled from the far end.
pub(crate) struct Stage {
    pty: portable_pty::PtyPair,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    reader: Box<dyn Read + Send>,
    writer: Box<dyn Write + Send>,
    output: String,
    before: Termios,
}

impl Stage {
    fn play(part: &str) -> Self {
        Self::play_in("terminal::tests::part", part)
    }

    /// Starts this test program so that it runs only the test `player`, which plays `part`.
    pub(crate) fn play_in(player: &str, part: &str) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut command = CommandBuilder::new(exe);
        command.args(["--exact", player, "--nocapture", "--test-threads=1"]);
        Self::start(command, part)
    }

    /// Starts the program under a shell with job control, which prints its status and continues it.
    fn play_under_a_shell(part: &str) -> Self {
        let exe = std::env::current_exe().unwrap();
        let mut command = CommandBuilder::new("bash");
        command.args([
            "-c",
            "set -m; \"$@\"; echo \"<status $?>\"; read x; fg >/dev/null; echo \"<again $?>\"",
            "bash",
        ]);
        command.arg(exe);
        command.args(["--exact", "terminal::tests::part", "--nocapture", "--test-threads=1"]);
        Self::start(command, part)
    }

    fn start(mut command: CommandBuilder, part: &str) -> Self {
        command.env(PART, part);
        command.env("TERM", "xterm");
        command.env_remove("RUST_BACKTRACE");
        let pty = native_pty_system()
            .openpty(PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        let before = modes(pty.master.as_raw_fd().unwrap());
        let child = pty.slave.spawn_command(command).unwrap();
        let (reader, writer) = (pty.master.try_clone_reader().unwrap(), pty.master.take_writer().unwrap());
        Self { pty, child, reader, writer, output: String::new(), before }
    }

    fn fd(&self) -> RawFd {
        self.pty.master.as_raw_fd().unwrap()
    }

    fn modes(&self) -> Termios {
        modes(self.fd())
    }

    /// Waits until the program has printed `text`.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let text = format!("<{text}>");
        let since = Instant::now();
        while !self.output.contains(&text) {
            // SAFETY: the descriptor is the master's, which `self` keeps open.
            #[allow(unsafe_code)]
            let fd = unsafe { BorrowedFd::borrow_raw(self.fd()) };
            let limit = PollTimeout::try_from(CHECK_INTERVAL).unwrap();
            let ready = poll(&mut [PollFd::new(fd, PollFlags::POLLIN)], limit).unwrap();
            if ready == 0 {
                let ended = self.child.try_wait().unwrap().is_some();
                let in_time = since.elapsed() < WAIT_LIMIT;
                assert!(
                    !ended && in_time,
                    "{text} did not come (ended: {ended}); there was: {}",
                    self.output
                );
                continue;
            }
            let mut piece = [0; 1024];
            let count = self.reader.read(&mut piece).unwrap_or(0);
            assert!(count > 0, "the program ended before {text}; there was: {}", self.output);
            self.output.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.writer.write_all(keys).unwrap();
        self.writer.flush().unwrap();
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.process_id().unwrap().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// Waits for the program's end. Returns its exit status as text, and its whole output.
    pub(crate) fn end(mut self) -> (String, String) {
        let status = self.child.wait().unwrap();
        let after = self.modes();
        assert_eq!(after, self.before, "the modes are as they were");
        drop(self.pty.slave);
        let mut rest = Vec::new();
        // A pseudo-terminal whose near end is closed fails with EIO after the last byte.
        let _ = self.reader.read_to_end(&mut rest);
        self.output.push_str(&String::from_utf8_lossy(&rest));
        let how = status.signal().map_or_else(|| status.exit_code().to_string(), str::to_owned);
        (how, self.output)
    }
}

fn modes(fd: RawFd) -> Termios {
    // SAFETY: the descriptor is that of a pseudo-terminal that the caller keeps open.
    #[allow(unsafe_code)]
    let fd = unsafe { BorrowedFd::borrow_raw(fd) };
    termios::tcgetattr(fd).unwrap()
}

#[test]
fn run_mode_queues_keys_delivers_signals_and_restores_the_modes() {
    let mut stage = Stage::play("run-mode");
    stage.wait_for("running");
    let modes = stage.modes();
    let flags = modes.local_flags;
    assert!(!flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO));
    assert!(flags.contains(LocalFlags::ISIG | LocalFlags::NOFLSH));
    assert_eq!(modes.control_chars[SpecialCharacterIndices::VQUIT as usize], 0x1d);
    let suspend = SpecialCharacterIndices::VSUSP as usize;
    assert_eq!(modes.control_chars[suspend], stage.before.control_chars[suspend]);
    stage.type_keys(b"\r");
    stage.wait_for("key 13");
    let (how, output) = stage.end();
    assert_eq!(how, "0", "{output}");
    assert!(output.contains("<running>\r\n"), "output is processed as usual");
}

#[test]
fn a_panic_restores_the_terminal_and_prints_one_readable_line() {
    let mut stage = Stage::play("panic");
    stage.wait_for("running");
    stage.type_keys(b"x");
    let (how, output) = stage.end();
    assert_ne!(how, "0");
    assert!(output.contains("\r\nbai-repl: internal error: oh no (src/terminal/tests.rs:"), "{output}");
    assert!(output.contains("\x1b[?25h") && !output.contains("stack backtrace"), "{output}");
}

#[test]
fn a_contained_panic_is_not_printed() {
    let mut stage = Stage::play("contained-panic");
    stage.wait_for("goes on");
    let (how, output) = stage.end();
    assert_eq!(how, "0", "{output}");
    assert!(!output.contains("seen") && !output.contains("internal error"), "{output}");
}

#[test]
fn a_fatal_signal_restores_the_terminal_and_kills() {
    for (signal, name) in [
        (Signal::SIGTERM, "Terminated"),
        (Signal::SIGHUP, "Hangup"),
        (Signal::SIGINT, "Interrupt"),
        (Signal::SIGQUIT, "Quit"),
        (Signal::SIGABRT, "Aborted"),
        (Signal::SIGALRM, "Alarm clock"),
        (Signal::SIGUSR1, "User defined signal 1"),
        (Signal::SIGSEGV, "Segmentation fault"),
        (Signal::SIGFPE, "Floating point exception"),
    ] {
        for part in ["wait-for-signal", "wait-in-a-view"] {
            let mut stage = Stage::play(part);
            stage.wait_for("running");
            stage.signal(signal);
            let (how, output) = stage.end();
            assert_eq!(how, name, "{output}");
            assert!(!output.contains("not killed") && output.contains("\x1b[?2004l"), "{output}");
            assert_eq!(output.contains("\x1b[?1049l"), part == "wait-in-a-view", "{signal}: {output}");
        }
    }
}

#[test]
fn a_stack_overflow_restores_the_terminal_and_is_reported() {
    let mut stage = Stage::play("overflow");
    stage.wait_for("running");
    let (how, output) = stage.end();
    assert_eq!(how, "Aborted", "{output}");
    assert!(output.contains("has overflowed its stack"), "{output}");
}

#[test]
fn a_listener_receives_the_fatal_signal_and_dies_of_it() {
    let mut stage = Stage::play("listen");
    stage.wait_for("running");
    stage.signal(Signal::SIGTERM);
    stage.wait_for("told Terminate");
    assert_eq!(stage.end().0, "Terminated");
}

#[test]
fn a_suspended_program_leaves_the_terminal_to_the_shell_and_takes_it_back() {
    let mut stage = Stage::play_under_a_shell("suspend");
    stage.wait_for("running");
    stage.type_keys(b"\x1a");
    stage.wait_for("status 148");
    assert_eq!(stage.modes(), stage.before);
    stage.type_keys(b"\n");
    // The program reads the key when it continues, and reports whether its modes are set again.
    stage.type_keys(b"k");
    stage.wait_for("key 107 echo false");
    stage.wait_for("again 0");
    assert_eq!(stage.end().0, "0");
}

#[test]
fn keys_typed_while_a_cell_runs_survive_interrupts() {
    let mut stage = Stage::play("type-ahead");
    stage.wait_for("running");
    stage.type_keys(b"abc\r");
    stage.type_keys(b"\x03");
    stage.wait_for("interrupted");
    stage.type_keys(b"de\x1d");
    stage.wait_for("pane");
    stage.type_keys(b"\x1b[A");
    stage.wait_for("keys [97, 98, 99, 13, 100, 101, 27, 91, 65]");
    assert_eq!(stage.end().0, "0");
}

#[test]
fn a_secret_is_read_without_echo_and_later_keys_stay() {
    let mut stage = Stage::play("secret");
    stage.wait_for("running");
    // The prompt is ready when echo is off: the terminal would echo earlier keys.
    while stage.modes().local_flags.contains(LocalFlags::ECHO) {
        std::thread::yield_now();
    }
    stage.type_keys("pä".as_bytes());
    stage.type_keys(b"ssworx\x7fd\r");
    stage.wait_for("secret of 9 true");
    stage.type_keys(b"next\r");
    stage.wait_for("then next");
    let (how, output) = stage.end();
    assert_eq!(how, "0");
    assert!(!output.contains("ssword") && !output.contains("ssworx"), "{output}");
}

#[test]
fn a_secret_can_be_refused() {
    for (key, answer) in [(b"\x03", "no secret: interrupted"), (b"\x04", "no secret: end of input")] {
        let mut stage = Stage::play("secret");
        stage.wait_for("running");
        while stage.modes().local_flags.contains(LocalFlags::ECHO) {
            std::thread::yield_now();
        }
        stage.type_keys(key);
        stage.wait_for(answer);
        assert_eq!(stage.end().0, "0");
    }
}
