//! The terminal pane's part of the performance budget: `cargo bench --bench pane`.
//!
//! First the screen model alone, fed as the pane feeds it. Then the whole way: the real binary with a shell on the
//! embedded engine, beside tmux and beside the same shell with nothing between, each in a window of the same size, on
//! the same bytes. Nothing here asserts a time: a busy machine is no defect.

#[path = "../tests/whole/sandbox.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod sandbox;

use bai_repl::terminal::model::Model;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use sandbox::Sandbox;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// What the pane hands to the model at once.
const SLICE: usize = 4096;
/// Whatever takes longer has hung.
const LIMIT: Duration = Duration::from_secs(60);
/// Bytes of each kind for the model alone, and for the whole way.
const MODEL_BYTES: usize = 100_000_000;
const WAY_BYTES: usize = 10_000_000;

fn main() {
    println!("\nthe screen model alone, {COLUMNS}x{ROWS} (budget 50 MB/s)");
    let kinds: [(&str, Vec<u8>); 4] = [
        ("yes", b"y\r\n".repeat(MODEL_BYTES / 3)),
        ("seq 1 5000000", numbers()),
        ("a coloured log", log(MODEL_BYTES)),
        ("a full-screen animation", animation(MODEL_BYTES / 2)),
    ];
    for (name, bytes) in &kinds {
        let mut model = Model::new(COLUMNS, ROWS);
        let (begin, worked) = (Instant::now(), worked());
        bytes.chunks(SLICE).for_each(|slice| model.feed(slice));
        let (time, work) = (begin.elapsed(), self::worked() - worked);
        let length = bytes.len();
        println!(
            "  {name:<38} {:>8.1} MB/s by the clock   {:>8.1} MB/s of processor time",
            rate(length, time),
            rate(length, work)
        );
    }
    let sandbox = Sandbox::new();
    let files: Vec<(&str, PathBuf, usize)> = kinds
        .iter()
        .enumerate()
        .map(|(at, (name, bytes))| {
            let part = bytes.get(..WAY_BYTES).unwrap_or(bytes);
            // The line discipline makes `\r\n` of `\n`.
            let text: Vec<u8> = part.iter().copied().filter(|byte| *byte != b'\r').collect();
            (*name, sandbox.write(&format!("bytes-{at}"), &text), text.len())
        })
        .collect();
    drop(kinds);
    whole_way(&sandbox, &files);
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// Processor time of this thread, which a busy machine does not change much.
fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn numbers() -> Vec<u8> {
    let mut text = String::new();
    (1..=5_000_000).for_each(|n| write!(text, "{n}\r\n").unwrap());
    text.into_bytes()
}

fn log(length: usize) -> Vec<u8> {
    let mut text = String::new();
    for n in 0.. {
        if text.len() >= length {
            break;
        }
        let (colour, level) = [(32, "INFO"), (33, "WARN"), (36, "DEBUG"), (1, "NOTE"), (31, "ERROR")][n % 5];
        write!(
            text,
            "\x1b[2m2026-01-01T00:{:02}:{:02}Z\x1b[0m \x1b[{colour}m{level:>5}\x1b[0m \x1b[38;5;{}mworker-{}\x1b[0m: \
             step {n} took \x1b[1m{} ms\x1b[0m, größe={}\r\n",
            n / 60 % 60,
            n % 60,
            n % 256,
            n % 16,
            n % 977,
            n * 7,
        )
        .unwrap();
    }
    text.into_bytes()
}

/// Pictures of the whole window, each cell in a colour of its own.
fn animation(length: usize) -> Vec<u8> {
    let mut text = String::new();
    for frame in 0_usize.. {
        if text.len() >= length {
            break;
        }
        for row in 0..usize::from(ROWS) - 1 {
            write!(text, "\x1b[{};1H", row + 1).unwrap();
            for column in 0..usize::from(COLUMNS) / 2 {
                let n = frame * 3 + row * 5 + column * 7;
                write!(text, "\x1b[48;2;{};{};{}m{}", n % 256, n / 2 % 256, n / 3 % 256, ["░", "#"][n % 2])
                    .unwrap();
            }
        }
        text.push_str("\x1b[0m");
    }
    text.into_bytes()
}

fn whole_way(sandbox: &Sandbox, files: &[(&str, PathBuf, usize)]) {
    let mut windows = vec![("bash alone", bash(sandbox)), ("bai-repl pty", pane(sandbox))];
    let socket = format!("bai-bench-{}", std::process::id());
    if std::process::Command::new("tmux").arg("-V").output().is_ok() {
        windows.push(("tmux", tmux(sandbox, &socket)));
    }
    for (name, file, length) in files {
        println!("\ncat of {:.0} MB of {name}, to the last byte on the screen", *length as f64 / 1e6);
        for (subject, window) in &mut windows {
            let (time, frames) = window.cat(file);
            let repaints = match *subject {
                "bai-repl pty" => {
                    format!("{:>5.1} repaints/s (budget 60)", frames as f64 / time.as_secs_f64())
                }
                _ => String::new(),
            };
            println!("  {subject:<38} {:>8.1} MB/s   {repaints}", rate(*length, time));
        }
    }
    for flood in [false, true] {
        println!("\nkey to screen, {}", if flood { "while a flood scrolls below" } else { "at rest" });
        for (subject, window) in &mut windows {
            let mut times = window.keys(flood);
            times.sort();
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
            println!("  {subject:<38} median {:>8.2} ms   p99 {:>8.2} ms", at(0.5), at(0.99));
        }
    }
    drop(windows);
    let _ = std::process::Command::new("tmux").args(["-L", &socket, "kill-server"]).output();
}

fn command(sandbox: &Sandbox, argv: &[&str]) -> CommandBuilder {
    let mut command = CommandBuilder::new(argv[0]);
    command.args(&argv[1..]);
    command.env_clear();
    for (key, value) in sandbox.env() {
        command.env(key, value);
    }
    command.env("SHELL", "/bin/bash");
    command.cwd(sandbox.work());
    command
}

fn bash(sandbox: &Sandbox) -> Window {
    Window::open(command(sandbox, &["bash", "--norc", "--noprofile"]))
}

fn pane(sandbox: &Sandbox) -> Window {
    let mut window = Window::open(command(sandbox, &[env!("CARGO_BIN_EXE_bai-repl"), "pty", "python"]));
    window.wait(|model| model.rows().join("").contains("leaves"));
    window.type_in("exec bash --norc --noprofile\r");
    window
}

fn tmux(sandbox: &Sandbox, socket: &str) -> Window {
    Window::open(command(
        sandbox,
        &["tmux", "-f", "/dev/null", "-L", socket, "new-session", "bash", "--norc", "--noprofile"],
    ))
}

/// What the window shows, and how many synchronized updates it was painted in: only the pane makes them.
struct State {
    model: Model,
    frames: u64,
}

struct Window {
    state: Arc<(Mutex<State>, Condvar)>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    serial: u32,
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Window {
    fn open(command: CommandBuilder) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let state =
            Arc::new((Mutex::new(State { model: Model::new(COLUMNS, ROWS), frames: 0 }), Condvar::new()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                let bytes = &buffer[..read];
                let frames = bytes.windows(8).filter(|window| window == b"\x1b[?2026h").count();
                let mut state = shared.0.lock().unwrap();
                state.model.feed(bytes);
                state.frames += frames as u64;
                shared.1.notify_all();
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { state, writer, child, _master: pair.master, serial: 0 }
    }

    fn type_in(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    fn wait(&mut self, wanted: impl Fn(&Model) -> bool) {
        let end = Instant::now() + LIMIT;
        let mut state = self.state.0.lock().unwrap();
        while !wanted(&state.model) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "it hangs:\n{}", state.model.rows().join("\n"));
            state = self.state.1.wait_timeout(state, left).unwrap().0;
        }
    }

    fn wait_row(&mut self, row: &str) {
        self.wait(|model| model.rows().iter().any(|found| found == row));
    }

    /// From Enter to the last byte on the screen, and how many pictures were painted meanwhile.
    fn cat(&mut self, file: &Path) -> (Duration, u64) {
        self.serial += 1;
        let serial = self.serial;
        let before = self.state.0.lock().unwrap().frames;
        let begin = Instant::now();
        self.type_in(&format!("cat {}; printf '\\e[m\\e[H\\e[2Jend-%d\\n' {serial}\r", file.display()));
        self.wait_row(&format!("end-{serial}"));
        let time = begin.elapsed();
        (time, self.state.0.lock().unwrap().frames - before)
    }

    /// From keys to the mark that a program makes of each in the first line; below it nothing, or a flood.
    fn keys(&mut self, flood: bool) -> Vec<Duration> {
        let below = if flood { "yes a flood of text & " } else { "" };
        self.type_in(&format!(
            "clear; printf '\\e[3r\\e[3H'; {below}n=0; while read -rsn1 key && [ $key != q ]; do \
             n=$((n+1)); printf \"\\e7\\e[1;1Hkey $n \\e8\"; done; kill %1; printf '\\e[r\\e[H\\e[2J'; echo rea''dy\r"
        ));
        if flood {
            self.wait(|model| model.rows().iter().filter(|row| *row == "a flood of text").count() > 20);
        }
        // The loop takes keys only when it has begun.
        self.type_in("x");
        self.wait(|model| model.rows()[0].starts_with("key 1"));
        let times = (2..60)
            .map(|n| {
                let begin = Instant::now();
                self.type_in("x");
                let mark = format!("key {n}");
                self.wait(|model| model.rows()[0].trim_end() == mark);
                let time = begin.elapsed();
                // As people type: forty keys a second and no more.
                #[allow(clippy::disallowed_methods, reason = "no event tells that a person has thought")]
                std::thread::sleep(Duration::from_millis(25));
                time
            })
            .collect();
        self.type_in("q");
        self.wait_row("ready");
        times
    }
}
