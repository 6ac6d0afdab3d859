//! What was started ends with us, even when we are killed and can do nothing about it any more.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

/// Milliseconds; a limit, not a measurement.
const LIMIT: u16 = 60_000;

/// Starts a child with a child of its own in the interpreter; all three hold the pipe `alive` open. Prints their numbers.
const FAMILY: &str = "import os, subprocess, signal\n\
    os.set_inheritable(os.open('alive', os.O_WRONLY), True)\n\
    p = subprocess.Popen(['sh', '-c', 'sleep 1000 & echo $!; wait'], stdout=subprocess.PIPE, close_fds=False)\n\
    print('pids', os.getpid(), p.pid, int(p.stdout.readline()), flush=True)\n";

/// The pipe that a family holds open.
fn alive(sandbox: &Sandbox) -> File {
    let path = sandbox.work().join("alive");
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).unwrap()
}

/// Waits until nobody holds the pipe any more; `line` is what the family has printed.
fn wait_until_gone(alive: &File, line: &str, what: &str) {
    let pids: Vec<i32> = line.split_whitespace().skip(1).map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len(), 3, "{line:?}");
    let mut pipe = [PollFd::new(alive.as_fd(), PollFlags::empty())];
    if poll(&mut pipe, PollTimeout::from(LIMIT)).unwrap() == 0 {
        for pid in &pids {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        panic!("of the processes {pids:?} some are left behind: {what}");
    }
}

#[test]
fn a_kill_of_ours_takes_the_interpreter_and_its_children_with_it() {
    for busy in [
        "while True: pass",
        "import time; time.sleep(1000)",
        "import re; re.match('(a*)*b', 'a' * 60)",
        "for s in range(1, 32):\n  if s not in (9, 19): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
        "input()",
        "os.closerange(200, 1000)\nwhile True: print('flood', flush=True)",
        "print(os.fork())\nwhile True: pass",
    ] {
        let sandbox = Sandbox::new();
        let alive = alive(&sandbox);
        // With a standard input that stays silent the program waits.
        let mut command = sandbox.command(&["-q", "-c", &format!("{FAMILY}{busy}"), "python"]);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until_gone(&alive, &line, busy);
    }
}

#[test]
fn a_kill_at_the_prompt_takes_the_idle_interpreter_with_it() {
    let sandbox = Sandbox::new();
    let alive = alive(&sandbox);
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt(PROMPT);
    sandbox.write("family.py", FAMILY);
    terminal.enter("exec(open('family.py').read())");
    terminal.wait_for("pids ");
    let screen = terminal.wait_for_prompt(PROMPT);
    let line = screen.all.lines().find(|line| line.starts_with("pids ")).unwrap().to_owned();
    kill(Pid::from_raw(terminal.pid()), Signal::SIGKILL).unwrap();
    wait_until_gone(&alive, &line, "at the prompt");
}
