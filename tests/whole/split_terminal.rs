//! A script that is started at a terminal with some of its streams elsewhere has the terminal too. Each is compared with the language's
//! own program in the same line of a shell: what the screen shows, what the files get, and how it ends.

use super::daemon::ProxiedEngine;
use super::script_signals::{Python, pythons};
use super::script_terminal::{TELLS, interactive_shell, pid_of, play, state, wait_until_gone};
use bai_testkit::{End, FakeTerminal, Sandbox, binary, need};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::termios::LocalFlags;
use nix::unistd::Pid;

pub(super) const SCRIPT: &str = "script.py";
/// Lines of a shell, with streams of the program elsewhere.
const LINES: [&str; 10] = [
    "printf 'a\\nb\\n' | PROGRAM",
    "PROGRAM < script.py",
    "PROGRAM > out",
    "PROGRAM 2> err",
    "PROGRAM | cat",
    "PROGRAM 2>&1 | cat",
    "echo a | PROGRAM | cat",
    "PROGRAM > out 2> err",
    "echo a | PROGRAM > out 2> err",
    "PROGRAM < script.py 2>&1 | cat",
];

/// The words that run a script in a Python itself, and in us.
pub(super) fn programs(python: &Python) -> [String; 2] {
    [
        format!("'{}' {SCRIPT}", python.program.display()),
        format!("'{}' -q {} {SCRIPT}", binary(), python.image),
    ]
}

pub(super) fn in_shell(sandbox: &Sandbox, line: &str, program: &str) -> FakeTerminal {
    let line = line.replace("PROGRAM", program);
    FakeTerminal::start_command(sandbox.in_terminal(&["bash", "-o", "pipefail", "-c", &line]), 30, 90)
}

/// Types what each text asks for, once somebody takes the keys.
#[track_caller]
fn answer(terminal: FakeTerminal, steps: &[(&str, &str)], is_ours: bool) -> End {
    for (text, keys) in steps {
        terminal.wait_for(text);
        if is_ours {
            terminal.wait_for_keys(true);
        }
        terminal.send(keys);
    }
    play(terminal, &[])
}

/// The files that a line has left.
pub(super) fn files(sandbox: &Sandbox) -> Vec<Option<String>> {
    let read = |name| {
        let file = sandbox.work().join(name);
        let text = std::fs::read_to_string(&file).ok();
        let _ = std::fs::remove_file(file);
        text
    };
    ["out", "err", "report"].map(read).into()
}

/// Runs a line with Python itself and with us.
#[track_caller]
fn alike(script: &str, line: &str, steps: &[(&str, &str)]) {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, script);
    for python in pythons() {
        let [own, ours] = programs(&python).map(|program| {
            let is_ours = program.contains("-q");
            let end = answer(in_shell(&sandbox, line, &program), steps, is_ours);
            let mut shown: Vec<String> = end.screen.all.split_whitespace().map(str::to_owned).collect();
            // What comes by another program has no place, not even after the echo of a line that was typed before.
            shown.sort();
            (shown, end.code, end.signal, files(&sandbox))
        });
        assert_eq!(ours, own, "{}: {line}: {script}", python.image);
    }
}

#[test]
fn each_stream_is_what_it_is_for_the_program_itself() {
    let script = "import os, sys\nr = [os.isatty(n) for n in range(3)]\n\
                  r += [os.get_terminal_size(n)[:] for n in range(3) if os.isatty(n)]\n\
                  tty = open('/dev/tty', 'w'); r += [tty.isatty(), os.tcgetpgrp(tty.fileno()) == os.getpgrp()]\n\
                  r += [sys.stdout.line_buffering, os.environ['TERM'], 'COLUMNS' in os.environ]\n\
                  if not os.isatty(0): r += [sys.stdin.read()]\n\
                  open('report', 'w').write(repr(r))\n\
                  print('to out'); sys.stdout.flush(); sys.stderr.write('to err\\n'); sys.stderr.flush()\n\
                  print('more'); print('to the terminal', file=tty); tty.close(); sys.exit(3)";
    for line in LINES {
        alike(script, line, &[]);
    }
}

#[test]
fn a_script_reads_its_terminal_beside_its_other_streams() {
    let rest = "print(repr(sys.stdin.read()) if not os.isatty(0) else 'none')";
    let secret = "import getpass, os, sys\nprint(len(getpass.getpass('key? ')))\n";
    let name = "import os, sys\n\
                  tty = open('/dev/tty', 'r+b', buffering=0); tty.write(b'name? '); name = tty.readline()\n\
                  print('got', name.decode().strip())\n";
    for line in LINES {
        alike(&format!("{secret}{rest}"), line, &[("key?", "swordfish\r")]);
        alike(&format!("{name}{rest}"), line, &[("name?", "Ann\r")]);
    }
    let asks = "print('got', input('name? '))";
    for line in ["PROGRAM 2> err", "PROGRAM 2>&1 | cat", "PROGRAM > out 2> err"] {
        let sandbox = Sandbox::new();
        sandbox.write(SCRIPT, asks);
        for python in pythons() {
            let [own, ours] = programs(&python).map(|program| {
                let terminal = in_shell(&sandbox, line, &program);
                if program.contains("-q") {
                    terminal.wait_for_keys(true);
                }
                terminal.send("Ann\r");
                let end = play(terminal, &[]);
                (end.code, files(&sandbox))
            });
            assert_eq!(ours, own, "{}: {line}", python.image);
        }
    }
}

#[test]
fn a_program_on_the_whole_screen_reads_a_pipe_or_writes_one() {
    let curses = "import curses, os, sys\n\
                  data = sys.stdin.read() if not os.isatty(0) else ''\n\
                  keep = os.dup(1)\ntty = os.open('/dev/tty', os.O_RDWR)\nos.dup2(tty, 0); os.dup2(tty, 1)\n\
                  def main(screen):\n  key = None\n  while key != ord('q'):\n    screen.erase()\n\
                  \x20   screen.addstr(2, 3, 'size %dx%d key %r %r' % (screen.getmaxyx()[::-1] + (key, data))); screen.refresh()\n\
                  \x20   key = screen.getch()\ncurses.wrapper(main)\nos.write(keep, b'the end\\n')";
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, curses);
    for python in pythons() {
        let [_, ours] = programs(&python);
        for line in ["echo a | PROGRAM", "PROGRAM > out; cat out", "PROGRAM | cat", "echo a | PROGRAM 2> err"]
        {
            let terminal = in_shell(&sandbox, line, &ours);
            terminal.wait_for("size 90x30");
            terminal.wait_for_raw_mode();
            terminal.send("\x1bOA");
            terminal.wait_for("key 259");
            terminal.resize(20, 60);
            terminal.wait_for("size 60x20");
            terminal.send("q");
            let end = play(terminal, &[]);
            assert_eq!(end.code, 0, "{line}: {}", end.screen.all);
            assert!(end.screen.all.contains("the end"), "{line}: {}", end.screen.all);
        }
    }
}

#[test]
fn the_keyboard_is_left_to_others_while_the_script_does_not_read_it() {
    let sandbox = Sandbox::new();
    let script = "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.01)\n\
                  tty = open('/dev/tty', 'r+b', buffering=0); tty.write(b'name? '); print('got', tty.readline(), flush=True)\n\
                  while not os.path.exists('end'): time.sleep(0.01)";
    sandbox.write(SCRIPT, script);
    sandbox.write(
        "pager.py",
        "import sys\nprint('pager', sys.stdin.readline().strip(), flush=True)\n\
         tty = open('/dev/tty')\nprint('typed', tty.readline().strip(), flush=True)\nopen('go', 'w').close()\n\
         print(sys.stdin.readline().strip(), flush=True)\nprint('again?', flush=True)\n\
         print('typed', tty.readline().strip(), flush=True)\nopen('end', 'w').close()",
    );
    let program = format!("'{}' -q python {SCRIPT}", binary());
    let terminal = in_shell(&sandbox, "PROGRAM | python3 pager.py", &program);
    terminal.wait_for("pager begun");
    assert!(terminal.termios().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO));
    terminal.send("one\r");
    terminal.wait_for("typed one");
    terminal.wait_for("name?");
    terminal.wait_for_keys(true);
    terminal.send("Ann\r");
    terminal.wait_for("got b'Ann\\n'");
    terminal.wait_for("again?");
    terminal.wait_for_keys(false);
    terminal.send("two\r");
    let end = play(terminal, &[("typed two", "")]);
    assert_eq!(end.code, 0, "{}", end.screen.all);
}

#[test]
fn ctrl_c_ends_a_script_wherever_its_streams_lead() {
    let sandbox = Sandbox::new();
    // Python discards an interrupt that finds it closing a file by itself.
    let begun = "tty = open('/dev/tty', 'w'); print('be' 'gun', file=tty, flush=True)";
    // Before 3.8, Python itself ends with the code 1 then.
    let recent = pythons().into_iter().find(|python| !python.image.ends_with("3.6"));
    let Some(python) = recent else { return };
    // Python itself reads on if the signal comes just before it begins to.
    for wait in ["import time\nwhile True: time.sleep(0.01)", "open('/dev/tty').readline()"] {
        sandbox.write(SCRIPT, format!("{begun}\n{wait}"));
        for line in LINES {
            for (program, is_ours) in programs(&python).into_iter().zip([false, true]) {
                if !is_ours && wait.contains("readline") {
                    continue;
                }
                let terminal = in_shell(&sandbox, &format!("{line}; echo after"), &program);
                terminal.wait_for("begun");
                if is_ours && wait.contains("readline") {
                    terminal.wait_for_keys(true);
                }
                terminal.send("\x03");
                let end = play(terminal, &[]);
                let shown = &end.screen.all;
                assert_eq!(end.signal.as_deref(), Some("Interrupt"), "{program}: {line}: {shown}");
                assert!(!shown.contains("after"), "{program}: {line}: {shown}");
            }
        }
    }
}

#[test]
fn ctrl_z_stops_a_script_wherever_its_streams_lead() {
    let sandbox = Sandbox::new();
    let tells = TELLS.replace("flush=True", "file=open('/dev/tty', 'w')");
    let asks = "tty = open('/dev/tty', 'r+b', buffering=0); tty.write(b'name? '); tty.write(b'got ' + tty.readline())";
    sandbox.write(SCRIPT, format!("{tells}{asks}"));
    let program = format!("{} -q python {SCRIPT}", binary());
    for line in ["echo a | PROGRAM", "PROGRAM > out", "PROGRAM 2> err", "PROGRAM | cat"] {
        let terminal = interactive_shell(&sandbox);
        terminal.enter(&line.replace("PROGRAM", &program));
        let pid = pid_of(&terminal);
        terminal.wait_for("name?");
        for _ in 0..2 {
            terminal.wait_for_keys(true);
            terminal.send("\x1a");
            terminal.wait_until("the stop", |screen| screen.answered && screen.last_line() == "shell:");
            assert_eq!(state(pid), Some('T'), "{line}: {}", terminal.screen().all);
            terminal.enter("fg");
            terminal.wait_until("the script", |screen| screen.last_line().contains(SCRIPT));
        }
        terminal.wait_for_keys(true);
        terminal.enter("Ann");
        terminal.wait_for("got Ann");
        terminal.wait_for_prompt("shell:");
        terminal.enter("exit $?");
        assert_eq!(play(terminal, &[]).code, 0, "{line}");
    }
}

#[test]
fn standard_error_in_the_pipe_of_standard_output_keeps_its_place() {
    let script = "import os\nfor n in range(200): os.write(1 + n % 2, b'%d\\n' % n)";
    for line in ["PROGRAM > out 2>&1", "PROGRAM 2>&1 | cat > out"] {
        alike(script, line, &[]);
    }
}

/// A list on standard input, a choice by keys of the terminal, and the chosen line on standard output, as fzf has it.
const CHOOSES: &str = "import os, sys, termios, tty\nlines, at, key = sys.stdin.read().split(), 0, b''\n\
                       screen = os.open('/dev/tty', os.O_RDWR); before = termios.tcgetattr(screen); tty.setraw(screen)\n\
                       while key != b'\\r':\n  os.write(screen, b'\\r\\x1b[J> ' + lines[at].encode()); key = os.read(screen, 8)\n\
                       \x20 at += (key == b'\\x1b[B') - (key == b'\\x1b[A')\n\
                       os.write(screen, b'\\r\\x1b[J'); termios.tcsetattr(screen, termios.TCSADRAIN, before); print(lines[at])";

#[test]
fn a_script_chooses_among_what_it_reads_by_keys() {
    for line in ["seq 3 | PROGRAM > out", "x=$(seq 3 | PROGRAM); echo \"got $x\"", "seq 3 | PROGRAM | cat"] {
        alike(CHOOSES, line, &[("> 1", "\x1b[B"), ("> 2", "\x1b[B"), ("> 3", "\x1b[A"), ("> 2", "\r")]);
    }
}

#[test]
fn what_a_script_writes_after_keys_is_shown_in_the_usual_modes() {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, format!("{CHOOSES}\nprint('one'); print('two')"));
    let program = format!("'{}' -q python {SCRIPT}", binary());
    let end = answer(
        in_shell(&sandbox, "seq 3 | PROGRAM | cat", &program),
        &[("> 1", "\x1b[B"), ("> 2", "\r")],
        true,
    );
    let lines: Vec<&str> = end.screen.all.lines().map(str::trim_end).collect();
    assert!(lines.windows(2).any(|pair| pair == ["one", "two"]), "{}", end.screen.all);
}

#[test]
fn every_key_is_for_a_script_that_reads_keys() {
    let script = |modes: &str| {
        format!(
            "import os, termios, tty\nterminal = os.open('/dev/tty', os.O_RDWR); before = termios.tcgetattr(terminal)\n\
             tty.set{modes}(terminal); os.write(terminal, b'key? '); keys = os.read(terminal, 9)\n\
             termios.tcsetattr(terminal, termios.TCSADRAIN, before); os.write(terminal, b'got %r\\n' % keys)"
        )
    };
    for line in ["PROGRAM > out", "echo a | PROGRAM", "PROGRAM | cat"] {
        for key in ["\x03", "\x1a", "\x1c"] {
            alike(&script("raw"), line, &[("key?", key)]);
        }
    }
    // Keys that send signals in the terminal of the script reach the programs around it.
    let sandbox = Sandbox::new();
    sandbox.write(
        SCRIPT,
        format!("{}{}", TELLS.replace("flush=True", "file=open('/dev/tty', 'w')"), script("cbreak")),
    );
    let program = format!("{} -q python {SCRIPT}", binary());
    for line in ["PROGRAM > out", "echo a | PROGRAM", "PROGRAM | cat"] {
        let terminal = interactive_shell(&sandbox);
        terminal.enter(&line.replace("PROGRAM", &program));
        let pid = pid_of(&terminal);
        terminal.wait_for("key?");
        terminal.wait_for_raw_mode();
        terminal.send("\x1a");
        terminal.wait_until("the stop", |screen| screen.answered && screen.last_line() == "shell:");
        assert_eq!(state(pid), Some('T'), "{line}: {}", terminal.screen().all);
        terminal.enter("fg");
        terminal.wait_until("the script", |screen| screen.last_line().contains(SCRIPT));
        terminal.wait_for_raw_mode();
        terminal.send("\x03");
        terminal.wait_until("the end", |screen| screen.answered && screen.last_line() == "shell:");
        terminal.enter("exit $?");
        assert_eq!(play(terminal, &[]).code, 130, "{line}");
    }
}

#[test]
fn ctrl_backslash_reaches_a_script_wherever_its_streams_lead() {
    let begins = "import signal, sys, time\nsignal.signal(signal.SIGQUIT, lambda *_: sys.exit(9))\n\
                  tty = open('/dev/tty'); print('be' 'gun', file=open('/dev/tty', 'w'), flush=True)\n";
    for wait in ["while True: time.sleep(0.01)", "tty.readline()"] {
        for line in ["echo a | PROGRAM", "PROGRAM > out", "PROGRAM 2> err"] {
            let sandbox = Sandbox::new();
            sandbox.write(SCRIPT, format!("{begins}{wait}"));
            let terminal = in_shell(&sandbox, line, &format!("'{}' -q python {SCRIPT}", binary()));
            terminal.wait_for("begun");
            if wait.contains("readline") {
                terminal.wait_for_keys(true);
            }
            terminal.send("\x1c");
            assert_eq!(play(terminal, &[]).code, 9, "{line}: {wait}");
        }
    }
}

#[test]
fn the_modes_of_the_terminal_are_restored_when_a_signal_ends_this_program() {
    let sandbox = Sandbox::new();
    let asks = "import os, tty\nterminal = os.open('/dev/tty', os.O_RDWR); tty.setraw(terminal); os.write(terminal, b'key? ')\n\
                os.read(terminal, 1)";
    sandbox.write(SCRIPT, asks);
    for line in ["echo a | (echo $BASHPID > report; PROGRAM)", "(echo $BASHPID > report; PROGRAM) > out"] {
        let program = format!("exec '{}' -q python {SCRIPT}", binary());
        let terminal = in_shell(&sandbox, line, &program);
        terminal.wait_for("key?");
        terminal.wait_for_raw_mode();
        let [.., pid] = &files(&sandbox)[..] else { panic!() };
        let pid = pid.as_deref().unwrap().trim().parse().unwrap();
        // It is no signal for the script.
        kill(Pid::from_raw(pid), Signal::SIGALRM).unwrap();
        play(terminal, &[]);
    }
}

#[test]
fn a_script_hears_that_its_terminal_is_closed_wherever_its_streams_lead() {
    let sandbox = Sandbox::new();
    let handles = "def handle(*_): open('heard', 'w').close(); sys.exit()\nsignal.signal(signal.SIGHUP, handle)\n\
                   tty = open('/dev/tty', 'r+b', buffering=0); tty.write(b'name? '); tty.readline()";
    sandbox.write(SCRIPT, format!("{}{handles}", TELLS.replace("flush=True", "file=open('/dev/tty', 'w')")));
    let heard = sandbox.work().join("heard");
    for line in ["echo a | PROGRAM", "PROGRAM > out", "PROGRAM | cat", "PROGRAM 2> err"] {
        let terminal = in_shell(&sandbox, line, &format!("'{}' -q python {SCRIPT}", binary()));
        let pid = pid_of(&terminal);
        terminal.wait_for("name?");
        terminal.wait_for_keys(true);
        // The kernel sends it to all that are in front.
        killpg(Pid::from_raw(terminal.pid()), Signal::SIGHUP).unwrap();
        wait_until_gone(pid);
        assert!(heard.exists(), "{line}");
        std::fs::remove_file(&heard).unwrap();
    }
}

#[test]
fn a_script_has_pipes_where_the_server_gives_no_terminal_beside_them() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("split-terminals");
    let script = "import getpass, os, sys\nkey = getpass.getpass('key? ')\n\
                  print([os.readlink('/proc/self/fd/%d' % n)[:4] for n in range(3)], len(key), repr(sys.stdin.read()))";
    sandbox.write(SCRIPT, script);
    let terminal = in_shell(sandbox, "echo one | PROGRAM", &format!("'{}' -q python {SCRIPT}", binary()));
    let end = play(terminal, &[("key?", "swordfish\r")]);
    assert_eq!(end.code, 0, "{}", end.screen.all);
    assert!(end.screen.all.contains("['pipe', 'pipe', 'pipe'] 9 'one\\n'"), "{}", end.screen.all);
    assert!(!end.screen.all.contains("swordfish"), "{}", end.screen.all);
}

#[test]
fn a_terminal_beside_pipes_needs_no_stream_from_the_server() {
    let sandbox = Sandbox::new();
    sandbox
        .write(SCRIPT, "import getpass, sys\nprint(len(getpass.getpass('key? ')), repr(sys.stdin.read()))");
    let program = format!("'{}' -q --transport poll python {SCRIPT}", binary());
    let terminal = in_shell(&sandbox, "echo one | PROGRAM > out", &program);
    let end = answer(terminal, &[("key?", "swordfish\r")], true);
    assert_eq!(end.code, 0, "{}", end.screen.all);
    assert_eq!(files(&sandbox)[0].as_deref(), Some("9 'one\\n'\n"), "{}", end.screen.all);
}

#[test]
fn scripts_of_other_languages_have_their_terminal_too() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "s.sh",
        "read a\n[ -t 0 ] || echo piped $a\n[ -t 1 ] && [ -t 2 ] && stty size < /dev/tty\n\
         read -p 'name? ' x < /dev/tty; echo \"got $x\"; exit 4",
    );
    let line = format!("echo one | '{}' -q bash s.sh", binary());
    let end = answer(in_shell(&sandbox, &line, ""), &[("name?", "Ann\r")], true);
    assert_eq!((end.code, end.screen.all.trim_end()), (4, "piped one\n30 90\nname? Ann\ngot Ann"));
    if need("node") {
        sandbox.write(
            "s.js",
            "console.error('tty', process.stdin.isTTY, process.stdout.isTTY, process.stderr.isTTY, process.stderr.columns)",
        );
        let line = format!("'{}' -q node s.js > out", binary());
        let end = answer(in_shell(&sandbox, &line, ""), &[], true);
        assert_eq!((end.screen.all.trim_end(), end.code), ("tty true undefined true 90", 0));
    }
}
