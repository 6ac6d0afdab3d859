//! What reaches a script from outside: signals, and a reader of its output that goes away. Each is compared with the language's
//! own program.

use bai_testkit::{Sandbox, code_of, need, pyenv_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// An image of Python, and the program that it stands for.
pub struct Python {
    pub image: String,
    pub program: PathBuf,
}

/// The oldest version, a usual one and the newest, as far as they are here.
pub fn pythons() -> Vec<Python> {
    let Some(root) = pyenv_root() else { return Vec::new() };
    let installed = std::fs::read_dir(root.join("versions")).unwrap().flatten();
    let names: Vec<String> = installed.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let of = |version: &str| {
        let name = names.iter().find(|name| name.starts_with(&format!("{version}.")))?;
        let program = root.join("versions").join(name).join("bin/python");
        Some(Python { image: format!("python:{version}"), program })
    };
    ["3.6", "3.11", "3.13"].into_iter().filter_map(of).collect()
}

/// A program that runs, and the first line that it has printed.
pub struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

/// How a program ended: its exit code as a shell reports it, the rest of its output, and its standard error.
pub type Ending = (Option<i32>, String, String);

impl Running {
    pub fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.env("PYTHONUNBUFFERED", "1").spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        out.read_line(&mut first).unwrap();
        if first.is_empty() {
            let mut error = String::new();
            child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
            panic!("it has printed nothing: {error}");
        }
        Running { child, out }
    }

    pub fn signal(self, signal: Signal) -> Self {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
        self
    }

    /// Sends a signal three times, each after the program has printed this line about the one before.
    fn three_times(mut self, signal: Signal, line: &str) -> Self {
        for _ in 0..3 {
            self = self.signal(signal);
            let mut said = String::new();
            self.out.read_line(&mut said).unwrap();
            assert_eq!(said, line);
        }
        self
    }

    pub fn end(mut self) -> Ending {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let (code, error) = ended(self.child);
        (code, rest, error)
    }

    /// Closes the reader of its standard output.
    pub fn close(self) -> Ending {
        drop(self.out);
        let (code, error) = ended(self.child);
        (code, String::new(), error)
    }
}

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (code_of(output.status), String::from_utf8(output.stderr).unwrap())
}

impl Python {
    /// The script in Python itself, and in us.
    fn both(&self, sandbox: &Sandbox, script: &str) -> [Running; 2] {
        sandbox.write("s.py", script);
        let mut own = sandbox.program(self.program.to_str().unwrap());
        own.arg("s.py").current_dir(sandbox.work());
        [own, sandbox.command(&["-q", &self.image, "s.py"])].map(Running::start)
    }
}

#[test]
fn a_script_whose_reader_has_gone_sees_a_closed_pipe() {
    let sandbox = Sandbox::new();
    for script in [
        "while True: print('y')",
        "import os\nwhile True: os.write(1, b'y\\n')",
        "try:\n  while True: print('y')\nexcept BrokenPipeError: raise SystemExit(5)",
        "import signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\nwhile True: print('y')",
        "import subprocess, sys\nprint(1, flush=True)\ndone = subprocess.run(['yes'])\nsys.exit(done.returncode + 20)",
    ] {
        for python in pythons() {
            let [own, ours] = python.both(&sandbox, script).map(Running::close);
            assert_eq!(ours, own, "{}: {script}", python.image);
        }
    }
}

#[test]
fn standard_error_can_be_closed_too() {
    let sandbox = Sandbox::new();
    let script = "import sys\nprint('on', flush=True)\nsys.stdin.read()\n\
                  try:\n  while True: print('y', file=sys.stderr)\nexcept BrokenPipeError: print('gone')\nsys.exit(7)";
    for python in pythons() {
        let endings = python.both(&sandbox, script).map(|mut running| {
            drop(running.child.stderr.take());
            running.end()
        });
        let [own, ours] = endings;
        assert_eq!(own, (Some(7), "gone\n".to_owned(), String::new()));
        assert_eq!(ours, own, "{}", python.image);
    }
}

#[test]
fn programs_in_other_languages_get_the_closed_pipe_as_a_signal() {
    let sandbox = Sandbox::new();
    for (image, name, text, words) in [
        ("bash", "s.sh", "while :; do echo y; done", &["bash", "s.sh"][..]),
        ("perl", "s.pl", "$| = 1; print \"y\\n\" while 1", &["perl", "s.pl"]),
        ("ruby", "s.rb", "$stdout.sync = true; loop { puts 'y' }", &["ruby", "s.rb"]),
        ("lua", "s.lua", "while true do print('y') io.flush() end", &["lua", "s.lua"]),
    ] {
        if !need(words[0]) {
            continue;
        }
        sandbox.write(name, text);
        let mut own = sandbox.program("bash");
        own.args(["-c", "\"$@\"; exit $?", "bash"]).args(words).current_dir(sandbox.work());
        let [own, ours] = [own, sandbox.command(&["-q", image, name])].map(|it| Running::start(it).close());
        assert_eq!(ours, own, "{name}");
    }
    let step = sandbox.command(&["-q", "run", "python", "--exec", "yes"]);
    assert_eq!(Running::start(step).close(), (Some(141), String::new(), String::new()));
}

#[test]
fn a_signal_reaches_a_script_as_itself() {
    let sandbox = Sandbox::new();
    // Python hears of a signal that comes right before a long sleep only after it.
    let wait = "print('on', flush=True)\ntry:\n  while True: time.sleep(.01)\nexcept KeyboardInterrupt: print('interrupted')";
    let handler = "def handle(number, frame):\n  print('got', number, frame.f_code.co_name, flush=True)\n  sys.exit(number)\n\
                   signal.signal(signal.SIGTERM, handle); signal.signal(signal.SIGHUP, handle)\n";
    for python in pythons() {
        for handler in ["", handler] {
            let script = format!("import signal, sys, time\n{handler}{wait}");
            for signal in [Signal::SIGTERM, Signal::SIGHUP] {
                let [own, ours] = python.both(&sandbox, &script).map(|running| running.signal(signal).end());
                assert_eq!(ours, own, "{}: {signal}", python.image);
            }
        }
    }
}

#[test]
fn this_program_ends_by_the_signal_that_has_ended_its_script() {
    let sandbox = Sandbox::new();
    let script = "import signal, time\nsignal.signal(signal.SIGUSR2, lambda *_: print('again', flush=True))\n\
                  print('on', flush=True)\nwhile True: time.sleep(.01)";
    let signals = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1];
    for python in pythons() {
        for signal in signals {
            let endings = python.both(&sandbox, script).map(|running| {
                let mut running = running.three_times(Signal::SIGUSR2, "again\n").signal(signal);
                running.child.wait().unwrap()
            });
            let [own, ours] = endings;
            assert_eq!(ours.signal(), own.signal(), "{}: {signal}: {ours}", python.image);
            assert_eq!((ours.signal(), ours.core_dumped()), (Some(signal as i32), false), "{}", python.image);
        }
    }
    let loops = "echo on; while :; do sleep 0.01; done";
    sandbox.write("s.sh", loops);
    for words in [&["-q", "bash", "s.sh"][..], &["-q", "run", "python", "--exec", loops]] {
        let mut running = Running::start(sandbox.command(words)).signal(Signal::SIGTERM);
        assert_eq!(running.child.wait().unwrap().signal(), Some(Signal::SIGTERM as i32), "{words:?}");
    }
}

#[test]
fn a_script_that_goes_on_after_a_signal_gets_the_next_one() {
    let sandbox = Sandbox::new();
    let script = "import signal, time\ncame = []\n\
                  def handle(*_): came.append(1); print('again', flush=True)\n\
                  signal.signal(signal.SIGTERM, handle)\nprint('on', flush=True)\n\
                  while len(came) < 3: time.sleep(0.01)\nprint('end')";
    for python in pythons() {
        let endings = python
            .both(&sandbox, script)
            .map(|running| running.three_times(Signal::SIGTERM, "again\n").end());
        let [own, ours] = endings;
        assert_eq!(ours, own, "{}", python.image);
        assert_eq!(ours, (Some(0), "end\n".to_owned(), String::new()));
    }
}

#[test]
fn a_script_gets_each_ctrl_c() {
    let sandbox = Sandbox::new();
    // A signal takes longer than two signals of one Ctrl-C are apart.
    let script = "import atexit, signal, time\natexit.register(print, 'saved')\ncame = []\n\
                  def handle(*_): time.sleep(0.3); came.append(1); print('caught', flush=True)\n\
                  signal.signal(signal.SIGINT, handle)\nprint('on', flush=True)\n\
                  while len(came) < 3: time.sleep(0.01)\nprint('end')";
    for python in pythons() {
        let endings = python
            .both(&sandbox, script)
            .map(|running| running.three_times(Signal::SIGINT, "caught\n").end());
        let [own, ours] = endings;
        assert_eq!(ours, own, "{}", python.image);
        assert_eq!(ours, (Some(0), "end\nsaved\n".to_owned(), String::new()));
    }
}

#[test]
fn a_signal_to_a_script_that_is_stopped_ends_what_it_waits_for() {
    let sandbox = Sandbox::new();
    let script = "import os, signal, time\nprint('on', flush=True)\nread, write = os.pipe()\ncame = 0\n\
                  def send(pid, *numbers):\n  for number in numbers: os.kill(pid, number); time.sleep(0.003)\n\
                  for _ in range(30):\n  child = os.fork()\n  if not child:\n    time.sleep(0.01)\n\
                  \x20   send(os.getppid(), signal.SIGSTOP, signal.SIGINT, signal.SIGCONT); os._exit(0)\n\
                  \x20 try: signal.alarm(20); os.read(read, 1)\n  except KeyboardInterrupt: came += 1\n  os.waitpid(child, 0)\n\
                  print(came)";
    for python in pythons() {
        let endings = python.both(&sandbox, script).map(Running::end);
        let [own, ours] = endings;
        assert_eq!(ours, own, "{}", python.image);
        assert_eq!(ours, (Some(0), "30\n".to_owned(), String::new()));
    }
}

#[test]
fn programs_of_other_kinds_get_their_signals_too() {
    let sandbox = Sandbox::new();
    let trap = "trap 'echo bye; exit 9' TERM; echo on; while :; do sleep 0.01; done";
    sandbox.write("s.sh", trap);
    for words in [&["-q", "bash", "s.sh"][..], &["-q", "run", "python", "--exec", trap]] {
        let ending = Running::start(sandbox.command(words)).signal(Signal::SIGTERM).end();
        assert_eq!(ending, (Some(9), "bye\n".to_owned(), String::new()), "{words:?}");
    }
    let step = sandbox.command(&["-q", "run", "python", "--exec", "echo on; sleep 60; echo off"]);
    let ending = Running::start(step).signal(Signal::SIGTERM).end();
    assert_eq!(ending, (Some(143), String::new(), String::new()));
}

#[test]
fn the_variables_of_a_session_survive_the_signals_of_its_scripts() {
    let sandbox = Sandbox::new();
    let code = "kept = 5; import time\nprint('on', flush=True)\nwhile True: time.sleep(.01)";
    let command = sandbox.command(&["-q", "-t", "work", "-c", code, "python"]);
    assert_eq!(Running::start(command).signal(Signal::SIGTERM).end().0, Some(143));
    sandbox.run(&["-q", "-t", "work", "-c", "print(kept)", "python"]).expect(0, "5\n");
}

#[test]
fn signals_that_were_ignored_at_the_start_stay_ignored() {
    let sandbox = Sandbox::new();
    let script = "import sys, time\nprint('on', flush=True)\ntime.sleep(0.3)\nprint('end')";
    for python in pythons() {
        sandbox.write("s.py", script);
        let (program, binary) = (python.program.to_str().unwrap(), bai_testkit::binary());
        for words in [&[program, "s.py"][..], &[binary, "-q", &python.image, "s.py"]] {
            let mut shell = sandbox.program("sh");
            shell.args(["-c", "trap '' INT HUP; exec \"$@\"", "sh"]).args(words).current_dir(sandbox.work());
            let ending = Running::start(shell).signal(Signal::SIGINT).signal(Signal::SIGHUP).end();
            assert_eq!(ending, (Some(0), "end\n".to_owned(), String::new()), "{words:?}");
        }
    }
}
