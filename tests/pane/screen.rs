//! A terminal for the pane to run in: a pseudo-terminal and a screen, waited for, never slept for.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bai_repl::terminal::model::Model;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A test that waits longer has failed.
const LIMIT: Duration = Duration::from_secs(60);

struct State {
    model: Model,
    bytes: Vec<u8>,
    ended: bool,
}

/// The terminal, with the test program as a child in it.
pub struct Screen {
    state: Arc<(Mutex<State>, Condvar)>,
    writer: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Screen {
    /// Opens the pane's holder on a terminal in which `program` runs.
    pub fn start(program: &str, columns: u16, rows: u16) -> Self {
        Self::start_command(CommandBuilder::new(std::env::current_exe().unwrap()), program, columns, rows)
    }

    /// The same under a shell with job control, which tells how the holder stopped, and lets it go on after a line.
    pub fn start_under_shell(program: &str, columns: u16, rows: u16) -> Self {
        let mut command = CommandBuilder::new("bash");
        let script =
            r#"set -m; "$@"; echo "<status $?>"; stty -a; read x; fg >/dev/null; echo "<again $?>"; read x"#;
        command.args(["-c", script, "bash"]);
        command.arg(std::env::current_exe().unwrap());
        Self::start_command(command, program, columns, rows)
    }

    fn start_command(mut command: CommandBuilder, program: &str, columns: u16, rows: u16) -> Self {
        let size = PtySize { cols: columns, rows, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        command.args(["--exact", "child", "--nocapture"]);
        command.env(super::child::CHILD, program);
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let model = Model::new(columns, rows);
        let state = Arc::new((Mutex::new(State { model, bytes: Vec::new(), ended: false }), Condvar::new()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let mut state = shared.0.lock().unwrap();
                state.model.feed(&buffer[..read]);
                state.bytes.extend_from_slice(&buffer[..read]);
                state.ended = read == 0;
                shared.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        let mut screen = Self { state, writer, master: pair.master, child };
        screen.wait_for("the prompt", "ready>");
        screen
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.writer.write_all(bytes.as_ref()).unwrap();
        self.writer.flush().unwrap();
    }

    /// Waits until the screen is as wanted; fails with the screen as it is.
    pub fn wait_until(&mut self, what: &str, wanted: impl Fn(&Model) -> bool) {
        let end = Instant::now() + LIMIT;
        let mut state = self.state.0.lock().unwrap();
        while !wanted(&state.model) {
            let now = Instant::now();
            assert!(
                now < end && !state.ended,
                "waited for {what}; ended: {}; the screen:\n{}",
                state.ended,
                state.model.rows().join("\n")
            );
            state = self.state.1.wait_timeout(state, end - now).unwrap().0;
        }
    }

    pub fn wait_for(&mut self, what: &str, text: &str) {
        self.wait_until(what, |model| model.rows().iter().any(|row| row.contains(text)));
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.state.0.lock().unwrap().model.resize(columns, rows);
        self.master.resize(PtySize { cols: columns, rows, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    pub fn look<T>(&self, look: impl FnOnce(&Model) -> T) -> T {
        look(&self.state.0.lock().unwrap().model)
    }

    /// All that was written to the terminal so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.state.0.lock().unwrap().bytes.clone()
    }

    pub fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.process_id().unwrap().try_into().unwrap())
    }

    /// The holder, when a shell started it.
    pub fn holder(&self) -> nix::unistd::Pid {
        let shell = self.pid();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        nix::unistd::Pid::from_raw(children.trim().parse().unwrap())
    }

    /// What the holder has in memory, in KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Waits for the end of the child.
    pub fn wait_end(&mut self) -> u32 {
        let end = Instant::now() + LIMIT;
        let mut state = self.state.0.lock().unwrap();
        while !state.ended {
            let now = Instant::now();
            assert!(now < end, "it does not end");
            state = self.state.1.wait_timeout(state, end - now).unwrap().0;
        }
        drop(state);
        self.child.wait().unwrap().exit_code()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
