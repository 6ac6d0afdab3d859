//! The processes that we start end with us, even if we are killed and cannot react; and our temporary folders are removed
//! by who comes next.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

/// The limit in milliseconds. It is a limit, not a measurement.
const LIMIT: u16 = 60_000;

/// Starts a child and a grandchild of the interpreter. All three hold the pipe `alive` open. Prints their process ids.
const PROCESS_TREE: &str = "import os, subprocess, signal\n\
    os.set_inheritable(os.open('alive', os.O_WRONLY), True)\n\
    p = subprocess.Popen(['sh', '-c', 'sleep 1000 & echo $!; wait'], stdout=subprocess.PIPE, close_fds=False)\n\
    print('pids', os.getpid(), p.pid, int(p.stdout.readline()), flush=True)\n";

/// The pipe that the process tree holds open.
fn alive(sandbox: &Sandbox) -> File {
    let path = sandbox.work().join("alive");
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).unwrap()
}

/// Waits until no process holds the pipe. `line` is the output of the process tree.
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
fn killing_the_program_ends_the_interpreter_and_its_children() {
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
        // With a silent standard input the program waits.
        let mut command = sandbox.command(&["-q", "-c", &format!("{PROCESS_TREE}{busy}"), "python"]);
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
fn killing_the_prompt_ends_the_idle_interpreter() {
    let sandbox = Sandbox::new();
    let alive = alive(&sandbox);
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt(PROMPT);
    sandbox.write("family.py", PROCESS_TREE);
    terminal.enter("exec(open('family.py').read())");
    terminal.wait_for("pids ");
    let screen = terminal.wait_for_prompt(PROMPT);
    let line = screen.all.lines().find(|line| line.starts_with("pids ")).unwrap().to_owned();
    kill(Pid::from_raw(terminal.pid()), Signal::SIGKILL).unwrap();
    wait_until_gone(&alive, &line, "at the prompt");
}

#[test]
fn temporary_folders_of_killed_programs_are_removed_by_the_next_one() {
    let mut sandbox = Sandbox::new();
    let temporary = sandbox.work().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    sandbox.set("TMPDIR", temporary.to_str().unwrap());
    sandbox.write("main.py", "print('on', flush=True)\nwhile True: pass\n");
    let start = || {
        let mut child = sandbox.command(&["run", "python", "main.py"]).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "on\n");
        child
    };
    let folders = || {
        let names = std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("bai-repl-")).collect::<BTreeSet<_>>()
    };
    let mut living = start();
    let kept = folders();
    let mut killed = start();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!kept.is_empty() && folders().len() > kept.len());
    let wait = format!(
        "import glob\nwhile len(glob.glob({:?})) > {}: pass",
        temporary.join("bai-repl-*"),
        // The script has a folder too.
        kept.len() + 1
    );
    sandbox.run(&["-q", "-c", &wait, "python"]).expect(0, "");
    assert_eq!(folders(), kept);
    kill(Pid::from_raw(living.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    living.wait().unwrap();
    assert_eq!(folders(), BTreeSet::new());
}
