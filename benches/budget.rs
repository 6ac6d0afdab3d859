//! The performance budget, measured together with comparable programs in one run: `cargo bench`.
//!
//! These programs are `python3 -q`, and `ipython` and `jupyter console` from the environment that
//! `crates/bai-testkit/make-test-venv` makes. Each row is the median of several rounds, the 99th percentile, and the ratio of
//! our median to that of the other program. A program that is not installed or does not answer has a row that says so.
//! The benchmark does not assert times, because a busy machine is not a defect.

use bai_testkit::comparison::{self, Figure, compare};
use bai_testkit::{FakeTerminal, PROMPT, Sandbox, binary, test_venv_with};
use portable_pty::CommandBuilder;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

fn main() {
    let sandbox = Sandbox::new();
    let peers = peers(&sandbox);
    let (_, Some(ours)) = &peers[0] else { panic!("our own binary does not run") };
    comparison::head("   median            p99");
    group("start to a prompt that takes keys (budget 50 ms)", &peers, |peer| rounds(15, || start(peer)));
    group("key to screen in an empty cell (budget 5 ms at p99)", &peers, keys);
    ours_alone("key to screen in a 200-line cell (budget 5 ms at p99)", [("bai-repl", long_cell(ours))]);
    group("Enter to the output of print(1) (budget 1.5 ms)", &peers, print_one);
    tab(ours);
    group("Ctrl-C in a flood, to the next prompt (budget 100 ms)", &peers, |peer| {
        rounds(10, || stop_a_flood(peer))
    });
    pictures(&sandbox);
    let lines = sandbox.work().join("lines");
    std::fs::write(&lines, "123456789 123456789 123456789 123456789 123456789\n".repeat(2_000_000)).unwrap();
    group("-c print(1), from start to end (budget 1.25x)", &scripts(&sandbox, Beside::Alone), |script| {
        rounds(15, || script.time("print(1)"))
    });
    group("100 MB of standard input, line by line", &scripts(&sandbox, Beside::Alone), |script| {
        rounds(3, || {
            script.time_with_input(
                &lines,
                "import sys\nn = 0\nfor l in sys.stdin.buffer: n += len(l)\nassert n == 100_000_000",
            )
        })
    });
    ours_alone("images, the second time (budget 100 ms)", [("bai-repl images", images(&sandbox))]);
    group("100 MB in one print, to /dev/null (budget 1.1x)", &scripts(&sandbox, Beside::Pipe), |script| {
        rounds(3, || script.time("print('x' * 100_000_000)"))
    });
    group("1,000,000 small prints, to /dev/null (budget 1.1x)", &scripts(&sandbox, Beside::Pipe), |script| {
        rounds(3, || script.time("for i in range(1_000_000): print(i)"))
    });
    sizes(&sandbox);
}

/// Programs with their names, ours first; `None` where one is not installed.
type Programs<T> = Vec<(&'static str, Option<T>)>;

/// A program with a prompt.
struct Peer {
    command: CommandBuilder,
    prompt: &'static str,
}

fn peers(sandbox: &Sandbox) -> Programs<Peer> {
    let programs =
        test_venv_with(&["jupyter-console"]).map_or_else(String::new, |venv| format!("{venv}/bin/"));
    let (ipython, console) = (format!("{programs}ipython"), format!("{programs}jupyter-console"));
    let candidates: [(&'static str, &[&str], &'static str); 4] = [
        ("bai-repl", &[binary(), "-q", "python"], PROMPT),
        ("python3 -q", &["python3", "-q"], ">>>"),
        ("ipython", &[&ipython, "--no-banner", "--no-confirm-exit"], "In [1]:"),
        ("jupyter console", &[&console], "In [1]:"),
    ];
    let there = |program: &str| {
        let version =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    let peer = |(name, argv, prompt): (_, &[&str], _)| {
        (name, there(argv[0]).then(|| Peer { command: sandbox.in_terminal(argv), prompt }))
    };
    candidates.into_iter().map(peer).collect()
}

impl Peer {
    fn open(&self, lines: u16) -> FakeTerminal {
        FakeTerminal::start_command(self.command.clone(), lines, 100)
    }

    /// Starts it and waits at a prompt until its kernel has answered once.
    fn warm(&self) -> FakeTerminal {
        self.warm_in(40)
    }

    fn warm_in(&self, lines: u16) -> FakeTerminal {
        let terminal = self.open(lines);
        terminal.wait_until("the prompt", |screen| screen.last_line().starts_with(self.prompt));
        terminal.enter("print('wa' + 'rm')");
        terminal.wait_until("the kernel", |screen| screen.has_line("warm"));
        next_prompt(&terminal);
        terminal
    }
}

/// Waits for an empty prompt. Use it only if the last line has changed since the keys were sent, through output or
/// because a cell was cleared.
fn next_prompt(terminal: &FakeTerminal) {
    terminal.wait_until("the prompt", |screen| screen.answered && is_prompt(screen.last_line()));
}

fn is_prompt(line: &str) -> bool {
    line == PROMPT || line == ">>>" || (line.starts_with("In [") && line.ends_with("]:"))
}

fn start(peer: &Peer) -> Duration {
    let begin = Instant::now();
    let terminal = peer.open(40);
    terminal.send("x");
    terminal.wait_until("the key at the prompt", |screen| {
        // The terminal echoes a key that arrives before the prompt, on the same line.
        screen.last_line().contains(peer.prompt) && screen.last_line().ends_with('x')
    });
    begin.elapsed()
}

fn keys(peer: &Peer) -> Vec<Duration> {
    type_keys(&peer.warm(), 60)
}

fn type_keys(terminal: &FakeTerminal, count: usize) -> Vec<Duration> {
    let letters = "alpha = beta + gamma * 2 ".chars().cycle().take(count);
    letters
        .map(|letter| {
            let before = terminal.screen().cursor;
            let begin = Instant::now();
            terminal.send(letter.to_string());
            terminal.wait_until("the key", |screen| screen.cursor != before);
            begin.elapsed()
        })
        .collect()
}

fn long_cell(peer: &Peer) -> Vec<Duration> {
    // The prompt folds a paste that is taller than the window. Here the whole paste must be visible.
    let terminal = peer.warm_in(250);
    let line = |i| format!("value_{i} = [{i}, 'text', {{'key': {i}}}]  # a comment\n");
    terminal.paste(&(0..199).map(line).collect::<String>());
    terminal.wait_until("the paste", |screen| screen.all.contains("value_198"));
    type_keys(&terminal, 60)
}

fn print_one(peer: &Peer) -> Vec<Duration> {
    let terminal = peer.warm();
    let once = |round: usize| {
        let begin = Instant::now();
        terminal.enter(&format!("print({round} + 1000000)"));
        terminal.wait_until("the output", |screen| screen.has_line(&(round + 1_000_000).to_string()));
        let time = begin.elapsed();
        next_prompt(&terminal);
        time
    };
    (0..30).map(once).collect()
}

fn tab(peer: &Peer) {
    let terminal = peer.warm();
    let mut first = Vec::new();
    let mut again = Vec::new();
    for round in 0..20 {
        let name = format!("name_of_round_{round}x");
        terminal.run(PROMPT, &format!("{name} = 1"));
        let start = &name[..name.len() - 1];
        for times in [&mut first, &mut again] {
            terminal.send(start);
            terminal.wait_until("what was typed", |screen| screen.last_line().contains(start));
            let begin = Instant::now();
            terminal.send("\t");
            // The grey hint shows the same text, so only the cursor shows when the text is really there.
            terminal.wait_until("the rest", |screen| {
                screen.last_line().chars().take(screen.cursor.1).collect::<String>().ends_with(&name)
            });
            times.push(begin.elapsed());
            terminal.send("\x03");
            next_prompt(&terminal);
        }
    }
    ours_alone("Tab", [("from the kernel", first), ("again, from the cache (budget 10 ms)", again)]);
}

fn stop_a_flood(peer: &Peer) -> Duration {
    let terminal = peer.warm();
    terminal.enter("while True: print('flood ' * 10)\r");
    terminal.wait_until("the flood", |screen| {
        screen.lines.iter().filter(|line| line.starts_with("flood")).count() > 20
    });
    let begin = Instant::now();
    terminal.send("\x03");
    next_prompt(&terminal);
    begin.elapsed()
}

/// Measures pictures from Enter to the next prompt, with each graphics protocol.
fn pictures(sandbox: &Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let image = |width, height| {
        image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([(x / 8) as u8, (y / 5) as u8, (x ^ y) as u8])
        })
    };
    image(1920, 1080).save(file("screen.png")).unwrap();
    image(4000, 3000).save(file("photograph.jpg")).unwrap();
    std::fs::write(file("plot.svg"), plot()).unwrap();
    for (title, name, kind) in [
        ("a 1080p PNG, Enter to the next prompt (budget 50 ms)", "screen.png", "image/png"),
        ("a JPEG of 4000×3000, Enter to the next prompt", "photograph.jpg", "image/jpeg"),
        ("a plot in SVG, Enter to the next prompt", "plot.svg", "image/svg+xml"),
    ] {
        let by = |means: &'static str| (means, picture(sandbox, means, &file(name), kind));
        ours_alone(title, ["blocks", "kitty", "kitty-tmux", "iterm2", "sixel"].map(by));
    }
}

fn picture(sandbox: &Sandbox, means: &str, file: &std::path::Path, kind: &str) -> Vec<Duration> {
    let terminal = FakeTerminal::start_sized(sandbox, &["-q", "--graphics", means, "python"], 40, 100);
    let read = if kind == "image/svg+xml" { "read_text()" } else { "read_bytes()" };
    let cells = [
        format!("import pathlib; data = pathlib.Path({file:?}).{read}"),
        format!(
            "Picture = type('Picture', (), {{'_repr_mimebundle_': lambda self, **_: {{{kind:?}: data}}}})"
        ),
        "picture = Picture()".to_owned(),
    ];
    for cell in cells {
        terminal.run(PROMPT, &cell);
    }
    let once = || {
        let begin = Instant::now();
        terminal.run(PROMPT, "picture");
        begin.elapsed()
    };
    (0..10).map(|_| once()).collect()
}

/// Returns an SVG like those of plotting libraries: a frame, ticks with text, three curves of 500 points.
fn plot() -> String {
    let curve = |n: usize| {
        let points: Vec<_> = (0..500)
            .map(|x| format!("{},{:.2}", 60 + x, 200.0 + 150.0 * (x as f64 / (20.0 + 10.0 * n as f64)).sin()))
            .collect();
        format!("<polyline points='{}' fill='none' stroke='#{n}{n}8' stroke-width='1.5'/>", points.join(" "))
    };
    let tick = |n: usize| format!("<text x='{}' y='395' font-size='12'>{n}</text>", 60 + 50 * n);
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='640' height='420'><rect width='640' height='420' fill='white'/>\
         <rect x='60' y='30' width='500' height='345' fill='none' stroke='black'/>{}{}</svg>",
        (0..10).map(tick).collect::<String>(),
        (1..4).map(curve).collect::<String>()
    )
}

/// A program that runs code and exits.
struct Script<'a> {
    sandbox: &'a Sandbox,
    argv: Vec<&'static str>,
    last: &'static [&'static str],
}

/// What Python is compared as.
#[derive(Clone, Copy)]
enum Beside {
    /// By itself.
    Alone,
    /// With a pipe behind it, as our output has.
    Pipe,
}

fn scripts(sandbox: &Sandbox, beside: Beside) -> Programs<Script<'_>> {
    let python = interpreter(sandbox);
    let (name, argv) = match beside {
        Beside::Alone => ("python -c", vec![python, "-c"]),
        Beside::Pipe => ("python -c, through cat", vec!["sh", "-c", "\"$0\" -c \"$1\" | cat", python]),
    };
    vec![
        ("bai-repl -c", Some(Script { sandbox, argv: vec![binary(), "-c"], last: &["python"] })),
        (name, Some(Script { sandbox, argv, last: &[] })),
    ]
}

/// The interpreter of our sessions. What `PATH` leads to may be a script that looks for one.
fn interpreter(sandbox: &Sandbox) -> &'static str {
    static FOUND: OnceLock<String> = OnceLock::new();
    FOUND.get_or_init(|| {
        let run = sandbox.run(&["-c", "import sys; print(sys.executable)", "python"]);
        run.expect_code(0);
        run.stdout.trim().to_owned()
    })
}

/// The list of images, once it has been made.
fn images(sandbox: &Sandbox) -> Vec<Duration> {
    let once = || {
        let begin = Instant::now();
        sandbox.run(&["images"]).expect_code(0);
        begin.elapsed()
    };
    once();
    rounds(10, once)
}

impl Script<'_> {
    fn time(&self, code: &str) -> Duration {
        self.time_of(code, Stdio::null())
    }

    fn time_with_input(&self, file: &std::path::Path, code: &str) -> Duration {
        self.time_of(code, std::fs::File::open(file).unwrap().into())
    }

    fn time_of(&self, code: &str, input: Stdio) -> Duration {
        let mut command = self.sandbox.program(self.argv[0]);
        command.args(&self.argv[1..]).arg(code).args(self.last);
        let begin = Instant::now();
        assert!(command.stdin(input).stdout(Stdio::null()).status().unwrap().success());
        begin.elapsed()
    }
}

fn sizes(sandbox: &Sandbox) {
    let binary = std::fs::metadata(binary()).unwrap().len();
    println!("size of the binary (budget 20 MB)\n  {:<42}{:>9.1} MB", "bai-repl", binary as f64 / 1e6);
    let terminal = FakeTerminal::start(sandbox, &["-q", "python"]);
    terminal.wait_until("the prompt", |screen| screen.last_line() == PROMPT);
    terminal.enter("print('wa' + 'rm')");
    terminal.wait_until("the kernel", |screen| screen.has_line("warm"));
    let status = std::fs::read_to_string(format!("/proc/{}/status", terminal.pid())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    let resident = resident.trim_start_matches("VmRSS:").trim();
    println!("idle memory, engine included (budget 30 MB)\n  {:<42}{resident:>12}", "bai-repl");
}

fn rounds(count: usize, once: impl Fn() -> Duration) -> Vec<Duration> {
    (0..count).map(|_| once()).collect()
}

fn group<T>(title: &str, programs: &Programs<T>, measure: impl Fn(&T) -> Vec<Duration>) {
    let programs = programs.iter().map(|(name, program)| (*name, program.as_ref()));
    compare(title, programs, |program| Figure::median(measure(program)));
}

/// Rows that have no peer.
fn ours_alone<const N: usize>(title: &str, rows: [(&str, Vec<Duration>); N]) {
    println!("{title}");
    for (name, times) in rows {
        println!("  {name:<42}{}", Figure::median(times).text);
    }
}
