//! Benchmarks of the terminal pane: `cargo bench --bench pane`.
//!
//! First the screen model alone, with input in the same pieces as in the pane. Then the whole path: the real binary
//! with a shell on the embedded engine, compared with tmux and with the same shell directly in the terminal. All use a
//! window of the same size and the same bytes. The benchmark does not assert times, because a busy machine is not a
//! defect.

use bai_repl::terminal::model::Model;
use bai_testkit::comparison::{self, Figure, compare};
use bai_testkit::{FakeTerminal, Sandbox, binary};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// The size of the pieces that the pane passes to the model.
const SLICE: usize = 4096;
/// The bytes of each kind for the model alone, and for the whole path.
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
        let (begin, worked) = (Instant::now(), processor_time());
        bytes.chunks(SLICE).for_each(|slice| model.feed(slice));
        let (time, work) = (begin.elapsed(), self::processor_time() - worked);
        let length = bytes.len();
        println!(
            "  {name:<38} {:>8.1} MB/s by the clock   {:>8.1} MB/s of processor time",
            rate(length, time),
            rate(length, work)
        );
    }
    let mut sandbox = Sandbox::new();
    sandbox.set("SHELL", "/bin/bash");
    let files: Vec<(&str, PathBuf, usize)> = kinds
        .iter()
        .enumerate()
        .map(|(at, (name, bytes))| {
            let part = bytes.get(..WAY_BYTES).unwrap_or(bytes);
            // The line discipline turns `
            // ` into `\r
            // `.
            let text: Vec<u8> = part.iter().copied().filter(|byte| *byte != b'\r').collect();
            (*name, sandbox.write(&format!("bytes-{at}"), &text), text.len())
        })
        .collect();
    drop(kinds);
    cat_to_screen(&sandbox, &files);
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// Returns the processor time of this thread, which depends little on the machine's load.
fn processor_time() -> Duration {
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

/// Returns frames of the whole window, in which each cell has its own colour.
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

fn cat_to_screen(sandbox: &Sandbox, files: &[(&str, PathBuf, usize)]) {
    let shell = ["bash", "--norc", "--noprofile"];
    let has_tmux = std::process::Command::new("tmux").arg("-V").output().is_ok();
    let socket = format!("bai-bench-{}", std::process::id());
    let tmux = ["tmux", "-f", "/dev/null", "-L", &socket, "new-session"];
    let mut windows = [
        ("bai-repl pty", Some(pane(sandbox))),
        ("bash alone", Some(open(sandbox, &shell))),
        ("tmux", has_tmux.then(|| open(sandbox, &[&tmux[..], &shell].concat()))),
    ];
    comparison::head("");
    for (name, file, length) in files {
        let title =
            format!("cat of {:.0} MB of {name}, to the last byte on the screen", *length as f64 / 1e6);
        compare(&title, each(&mut windows), |window| {
            let (time, frames) = window.cat(file);
            let number = rate(*length, time);
            // Only the pane makes frames.
            let repaints = match frames {
                0 => String::new(),
                _ => format!("{:>4.0} frames/s (≤ 60)", frames as f64 / time.as_secs_f64()),
            };
            Figure { number, text: format!("{number:>6.1} MB/s {repaints}") }
        });
    }
    for flood in [false, true] {
        let title = format!(
            "key to screen, median and p99, {}",
            if flood { "while a flood scrolls below" } else { "at rest" }
        );
        compare(&title, each(&mut windows), |window| Figure::median(window.keys(flood)));
    }
    drop(windows);
    let _ = std::process::Command::new("tmux").args(["-L", &socket, "kill-server"]).output();
}

fn each<'w>(
    windows: &'w mut [(&'static str, Option<Window>)],
) -> impl Iterator<Item = (&'static str, Option<&'w mut Window>)> {
    windows.iter_mut().map(|(name, window)| (*name, window.as_mut()))
}

fn open(sandbox: &Sandbox, argv: &[&str]) -> Window {
    let terminal = FakeTerminal::start_command(sandbox.in_terminal(argv), ROWS, COLUMNS);
    Window { terminal, serial: 0 }
}

fn pane(sandbox: &Sandbox) -> Window {
    let window = open(sandbox, &[binary(), "pty", "python"]);
    window.terminal.wait_for("leaves");
    window.terminal.enter("exec bash --norc --noprofile");
    window
}

/// A terminal with a shell in it, directly or through the pane or tmux.
struct Window {
    terminal: FakeTerminal,
    serial: u32,
}

impl Window {
    fn wait_row(&self, row: &str) {
        self.terminal.wait_until_shown(row, |lines| lines.iter().any(|found| found == row));
    }

    /// Returns the time from Enter to the last byte on the screen, and the number of synchronized updates, which only
    /// the pane makes.
    fn cat(&mut self, file: &Path) -> (Duration, usize) {
        self.serial += 1;
        let serial = self.serial;
        let before = self.terminal.written();
        let begin = Instant::now();
        self.terminal.enter(&format!("cat {}; printf '\\e[m\\e[H\\e[2Jend-%d\\n' {serial}", file.display()));
        self.wait_row(&format!("end-{serial}"));
        let time = begin.elapsed();
        let frames =
            self.terminal.raw_since(before).windows(8).filter(|window| window == b"\x1b[?2026h").count();
        (time, frames)
    }

    /// Returns the times from a key to its mark in the first line. The rest of the window is a still screen or a flood.
    fn keys(&self, flood: bool) -> Vec<Duration> {
        let below = if flood { "yes a flood of text & " } else { "" };
        self.terminal.enter(&format!(
            "clear; printf '\\e[3r\\e[3H'; {below}n=0; while read -rsn1 key && [ $key != q ]; do \
             n=$((n+1)); printf \"\\e7\\e[1;1Hkey $n \\e8\"; done; kill %1; printf '\\e[r\\e[H\\e[2J'; echo rea''dy"
        ));
        if flood {
            self.terminal.wait_until_shown("the flood", |lines| {
                lines.iter().filter(|line| *line == "a flood of text").count() > 20
            });
        }
        // The loop reads keys only after it has started.
        self.terminal.send("x");
        self.terminal.wait_until_shown("the first key", |lines| lines[0].starts_with("key 1"));
        let times = (2..60)
            .map(|n| {
                let begin = Instant::now();
                self.terminal.send("x");
                let mark = format!("key {n}");
                self.terminal.wait_until_shown(&mark, |lines| lines[0] == mark);
                let time = begin.elapsed();
                // At typing speed: forty keys a second.
                #[allow(clippy::disallowed_methods, reason = "no event tells that a person has thought")]
                std::thread::sleep(Duration::from_millis(25));
                time
            })
            .collect();
        self.terminal.send("q");
        self.wait_row("ready");
        times
    }
}
