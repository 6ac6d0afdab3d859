//! A script that is started at a terminal has a terminal. Each script is compared with the language's own program: what the screen
//! shows, the exit code, and the modes in which the terminal is left.

use super::script_signals::pythons;
use bai_testkit::{End, FakeTerminal, Sandbox, binary, need};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::LocalFlags;
use nix::unistd::Pid;

/// What is waited for, and the keys that are typed then.
type Step<'a> = (&'a str, &'a str);

const SCRIPT: &str = "script.py";

/// Types at a program, step by step, until it ends. The text of a step comes only after the keys of the step before it.
#[track_caller]
pub fn play(terminal: FakeTerminal, steps: &[Step<'_>]) -> End {
    for (number, (text, keys)) in steps.iter().enumerate() {
        let screen = terminal.wait_until(text, |screen| screen.all.contains(text)).all;
        let is_early = steps.get(number + 1).is_some_and(|(next, _)| screen.contains(next));
        assert!(!is_early, "the text of the next step is there before {keys:?} is typed: {screen}");
        terminal.send(keys);
    }
    let end = terminal.wait_for_end();
    let cooked = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
    assert!(end.line_discipline.contains(cooked), "{:?}: {}", end.line_discipline, end.screen.all);
    end
}

/// Plays a script in each Python itself and in us.
#[track_caller]
fn alike(script: &str, steps: &[Step<'_>]) -> Vec<End> {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, script);
    let both = |python: super::script_signals::Python| {
        let own = [python.program.to_str().unwrap(), SCRIPT];
        let ours = [binary(), "-q", &python.image, SCRIPT];
        let [own, ours] = [&own[..], &ours]
            .map(|words| play(FakeTerminal::start_command(sandbox.in_terminal(words), 30, 90), steps));
        assert_eq!(ours.screen.all, own.screen.all, "{}: {script}", python.image);
        assert_eq!((ours.code, &ours.signal), (own.code, &own.signal), "{}: {script}", python.image);
        ours
    };
    pythons().into_iter().map(both).collect()
}

#[test]
fn the_streams_of_a_script_are_a_terminal_of_its_own() {
    alike(
        "import os, sys, termios, tty\n\
         print([s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)], os.get_terminal_size()[:], os.environ['TERM'])\n\
         print(os.ttyname(0) == os.ttyname(1), open('/dev/tty').isatty(), sys.stdout.line_buffering)\n\
         print(os.getpgrp() == os.getpid() == os.tcgetpgrp(0))\n\
         old = termios.tcgetattr(0); tty.setcbreak(0)\nprint('a key?', flush=True)\nprint(os.read(0, 1))\n\
         termios.tcsetattr(0, termios.TCSADRAIN, old)\nprint(input('name? '))\nsys.exit(7)",
        &[("a key?", "z"), ("name?", "Ann\r")],
    );
}

#[test]
fn a_program_on_the_whole_screen_is_shown_and_follows_the_window() {
    let sandbox = Sandbox::new();
    sandbox.write(
        SCRIPT,
        "import curses\ndef main(screen):\n  key = None\n  while key != ord('q'):\n    screen.erase()\n\
         \x20   screen.addstr(2, 3, 'size %dx%d key %r' % (screen.getmaxyx()[::-1] + (key,))); screen.refresh()\n\
         \x20   key = screen.getch()\ncurses.wrapper(main)\nprint('the end')",
    );
    for python in pythons() {
        let terminal = FakeTerminal::start_sized(&sandbox, &["-q", &python.image, SCRIPT], 30, 90);
        terminal.wait_for("size 90x30");
        terminal.send("\x1bOA");
        terminal.wait_for("key 259");
        terminal.resize(20, 60);
        terminal.wait_for("size 60x20");
        let end = play(terminal, &[("size 60x20", "q")]);
        assert_eq!(end.code, 0, "{}", end.screen.all);
        assert!(end.screen.all.contains("the end"), "{}", end.screen.all);
    }
}

#[test]
fn a_line_can_be_edited_where_python_edits_it() {
    alike(
        "import readline\nprint('got', input('line? '))\nimport pdb; pdb.set_trace()\nprint('the end')",
        &[
            ("line?", "ac\x1b[Db\r"),
            ("(Pdb)", "p 6*7\r"),
            ("42\n(Pdb)", "\x1b[A\r"),
            ("p 6*7\n42\n(Pdb) p 6*7\n42\n(Pdb)", "c\r"),
        ],
    );
}

#[test]
fn an_end_of_input_ends_one_read_also_when_it_was_typed_ahead() {
    let script = "import sys\nprint('first', flush=True)\nprint(repr(sys.stdin.read()))\nprint('second', flush=True)\n\
                  print(repr(sys.stdin.read()))\nprint(repr(input('third? ')))\nprint('fourth', flush=True)\n\
                  try: input()\nexcept EOFError: print('the end')";
    alike(script, &[("first", "a\r\x04"), ("second", "\x04"), ("third?", "b\r"), ("fourth", "\x04")]);
    // Typed before anything runs.
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, script);
    let terminal = FakeTerminal::start(&sandbox, &["-q", "python", SCRIPT]);
    terminal.send("a\r\x04\x04b\r\x04");
    let end = play(terminal, &[]);
    for line in ["'a\\n'", "''", "third? 'b'", "the end"] {
        assert!(end.screen.has_line(line), "{line}: {}", end.screen.all);
    }
}

// Python hears of a signal that comes right before a long sleep only after it.
#[test]
fn keys_that_send_signals_are_those_of_the_terminal_of_the_script() {
    let caught = "import signal, subprocess, time\ntry:\n  print('on', flush=True)\n  while True: time.sleep(.01)\n\
                  except KeyboardInterrupt: print('caught')\nsignal.signal(signal.SIGINT, lambda *_: None)\n\
                  subprocess.call(['sh', '-c', 'trap \"echo child; exit 3\" INT; echo waits; while :; do :; done'])";
    alike(caught, &[("on", "\x03"), ("waits", "\x03")]);
    // One line, wherever the key finds it.
    alike(
        "import time\nexec(\"for n in range(10**6): n or print('on', flush=True); time.sleep(.01)\")",
        &[("on", "\x03")],
    );
    alike(
        "import signal, sys, time\nsignal.signal(signal.SIGQUIT, lambda *_: sys.exit(9))\nprint('on', flush=True)\n\
         while True: time.sleep(.01)",
        &[("on", "\x1c")],
    );
}

#[test]
fn ctrl_c_ends_what_has_started_the_script_too() {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, "import time\nprint('be' 'gun', flush=True)\nwhile True: time.sleep(.01)");
    // Before 3.8, Python itself ends with the code 1 then.
    let recent = pythons().into_iter().find(|python| !python.image.ends_with("3.6"));
    let Some(python) = recent else { return };
    let ours = format!("'{}' -q {} {SCRIPT}", binary(), python.image);
    let own = format!("'{}' {SCRIPT}", python.program.display());
    for program in [&own, &ours] {
        for shell in ["bash", "sh"] {
            for line in ["for i in 1 2; do PROGRAM; done; echo after", "PROGRAM | cat; echo after"] {
                let line = line.replace("PROGRAM", program);
                let terminal =
                    FakeTerminal::start_command(sandbox.in_terminal(&[shell, "-c", &line]), 30, 90);
                let end = play(terminal, &[("begun", "\x03")]);
                let shown = end.screen.all;
                assert_eq!(end.signal.as_deref(), Some("Interrupt"), "{shell} -c {line}: {shown}");
                assert!(shown.matches("begun").count() == 1 && !shown.contains("after"), "{line}: {shown}");
            }
        }
    }
}

#[test]
fn ctrl_c_ends_a_flood_of_output() {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, "while True: print('y' * 70)");
    let terminal = FakeTerminal::start(&sandbox, &["-q", "python", SCRIPT]);
    terminal.wait_until_shown("the flood", |lines| {
        lines.iter().filter(|line| line.starts_with('y')).count() > 20
    });
    terminal.send("\x03");
    let end = play(terminal, &[]);
    assert_eq!(end.signal.as_deref(), Some("Interrupt"), "{}", end.screen.lines.join("\n"));
}

#[test]
fn secrets_are_asked_for_by_python_itself() {
    for end in alike(
        "import getpass\nprint(len(getpass.getpass('key? ')))\nprint(input('name? '))",
        &[("key?", "swordfish\r"), ("name?", "Ann\r")],
    ) {
        assert!(!end.screen.all.contains("swordfish"), "{}", end.screen.all);
    }
}

#[test]
fn pictures_of_a_script_keep_their_place() {
    let sandbox = Sandbox::new();
    sandbox.write(
        SCRIPT,
        "import base64\nprint('before')\ndisplay({'application/x-thing': 'data'}, raw=True)\nprint('between')\n\
         for _ in range(300): print('x' * 70)\ndisplay({'application/x-thing': 'data'}, raw=True)\nprint('after')",
    );
    for python in pythons() {
        let end = play(FakeTerminal::start(&sandbox, &["-q", &python.image, SCRIPT]), &[]);
        let lines: Vec<&str> = end.screen.all.lines().filter(|line| !line.starts_with('x')).collect();
        let [before, one, between, two, after] = lines[..] else { panic!("{}", end.screen.all) };
        assert_eq!((before, between, after), ("before", "between", "after"), "{}", end.screen.all);
        assert!(one.starts_with('[') && one == two, "{}", end.screen.all);
    }
}

/// The keyboard sets the modes of the terminal too, at any time.
#[test]
fn every_line_of_ours_between_the_output_of_a_script_ends_at_the_margin() {
    let sandbox = Sandbox::new();
    sandbox.write(
        SCRIPT,
        "for _ in range(300):\n    display({'application/x-thing': 'data'}, raw=True)\n    print('next')",
    );
    let end = play(FakeTerminal::start(&sandbox, &["-q", "python", SCRIPT]), &[]);
    let lines: Vec<&str> = end.screen.all.lines().collect();
    assert_eq!(lines.len(), 600, "{}", end.screen.all);
    assert!(
        lines.chunks(2).all(|pair| pair[0].starts_with("[application/") && pair[1] == "next"),
        "{}",
        end.screen.all
    );
}

#[test]
fn a_child_has_the_terminal_too() {
    alike(
        "import subprocess; subprocess.call('stty size && exec sh -c \"read x; echo got \\$x\"', shell=True)
import os; os.system('stty -echo; echo quiet; read x; stty echo; echo got $x')",
        &[("30 90", "one\r"), ("quiet", "two\r")],
    );
    if need("vim") {
        let sandbox = Sandbox::new();
        sandbox.write(
            SCRIPT,
            "import subprocess; subprocess.call(['vim', '-u', 'NONE', 'new.txt']); print('the end')",
        );
        let terminal = FakeTerminal::start(&sandbox, &["-q", "python", SCRIPT]);
        terminal.wait_until("vim", |screen| screen.says("new.txt"));
        terminal.send("ione\x1b:wq\r");
        terminal.wait_for("the end");
        play(terminal, &[]);
        assert_eq!(std::fs::read_to_string(sandbox.work().join("new.txt")).unwrap(), "one\n");
    }
}

/// The letter of a process's state; `None` if it has ended.
pub fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Waits until a process has ended.
#[track_caller]
pub fn wait_until_gone(pid: i32) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while state(pid).is_some_and(|state| state != 'Z') {
        assert!(std::time::Instant::now() < until, "{pid} lives");
        std::thread::yield_now();
    }
}

/// The process of a script that has shown its number after `pid=`.
#[track_caller]
pub fn pid_of(terminal: &FakeTerminal) -> i32 {
    let number = |text: &str| text.split_once("pid=")?.1.split_once('.')?.0.parse().ok();
    number(&terminal.wait_until("the number", |screen| number(&screen.all).is_some()).all).unwrap()
}

pub const TELLS: &str = "import os, signal, sys, time\nprint('pid=%d.' % os.getpid(), flush=True)\n";

/// A shell with job control, at its prompt.
pub fn interactive_shell(sandbox: &Sandbox) -> FakeTerminal {
    let mut command = sandbox.in_terminal(&["bash", "--norc", "--noprofile", "-i"]);
    command.env("PS1", "shell: ");
    let terminal = FakeTerminal::start_command(command, 24, 80);
    terminal.wait_for_prompt("shell:");
    terminal
}

#[test]
fn ctrl_z_stops_a_script_and_its_children_until_the_shell_lets_them_go_on() {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, format!("{TELLS}print('got', input('name? '))\nprint('the end')"));
    let terminal = interactive_shell(&sandbox);
    terminal.enter(&format!("{} -q python {SCRIPT}", binary()));
    let pid = pid_of(&terminal);
    terminal.wait_for("name?");
    for _ in 0..2 {
        terminal.send("\x1a");
        terminal.wait_until("the stop", |screen| screen.answered && screen.last_line() == "shell:");
        assert_eq!(state(pid), Some('T'), "{}", terminal.screen().all);
        let modes = terminal.termios().local_flags;
        assert!(modes.contains(LocalFlags::ISIG), "{modes:?}");
        terminal.enter("fg");
        terminal.wait_for_raw_mode();
        terminal.wait_until("the script", |screen| screen.last_line().contains(SCRIPT));
    }
    terminal.enter("Ann");
    terminal.wait_for("got Ann\nthe end");
    terminal.wait_for_prompt("shell:");
    terminal.enter("exit $?");
    assert_eq!(play(terminal, &[]).code, 0);
}

#[test]
fn ctrl_z_stops_what_has_started_the_script_too() {
    let sandbox = Sandbox::new();
    sandbox.write(
        SCRIPT,
        format!("{TELLS}while True: print('\x1b[1mé\x1b[0m', flush=True); open('goes-on', 'w').close(); time.sleep(0.02)"),
    );
    let goes_on = sandbox.work().join("goes-on");
    let terminal = interactive_shell(&sandbox);
    let calls = "'import subprocess, sys; subprocess.call(sys.argv[1:])'";
    terminal.enter(&format!("python3 -c {calls} {} -q python {SCRIPT}", binary()));
    pid_of(&terminal);
    terminal.wait_until("the script", |_| goes_on.exists());
    for _ in 0..4 {
        terminal.send("\x1a");
        terminal.wait_until("the stop", |screen| screen.answered && screen.last_line() == "shell:");
        std::fs::remove_file(&goes_on).unwrap();
        terminal.enter("fg");
        terminal.wait_until("the script", |_| goes_on.exists());
    }
    terminal.send("\x03");
    terminal.wait_for_prompt("shell:");
    terminal.enter("exit");
    play(terminal, &[]);
}

#[test]
fn ctrl_z_stops_a_script_whose_output_is_a_pipe() {
    let sandbox = Sandbox::new();
    sandbox
        .write(SCRIPT, format!("{TELLS}while not os.path.exists('go'): time.sleep(0.01)\nprint('the end')"));
    let terminal = interactive_shell(&sandbox);
    terminal.enter(&format!("{} -q python {SCRIPT} | cat", binary()));
    let pid = pid_of(&terminal);
    terminal.send("\x1a");
    terminal.wait_until("the stop", |screen| screen.answered && screen.last_line() == "shell:");
    assert_eq!(state(pid), Some('T'), "{}", terminal.screen().all);
    terminal.enter("touch go; fg");
    terminal.wait_for("\nthe end\n");
    terminal.wait_for_prompt("shell:");
    terminal.enter("exit");
    play(terminal, &[]);
}

#[test]
fn a_script_goes_on_in_the_background() {
    let sandbox = Sandbox::new();
    let script = "while not os.path.exists('go'): time.sleep(0.01)\nprint('went on', flush=True)\nprint('got', input('name? '))";
    sandbox.write(SCRIPT, format!("{TELLS}{script}"));
    let terminal = interactive_shell(&sandbox);
    terminal.enter(&format!("{} -q python {SCRIPT}", binary()));
    pid_of(&terminal);
    terminal.send("\x1a");
    terminal.wait_until("the stop", |screen| screen.answered && screen.last_line() == "shell:");
    terminal.enter("bg; touch go");
    terminal.wait_for("went on");
    terminal.enter("fg");
    terminal.wait_for_raw_mode();
    terminal.enter("Ann");
    terminal.wait_for("got Ann");
    terminal.wait_for_prompt("shell:");
    terminal.enter("exit");
    play(terminal, &[]);
}

#[test]
fn signals_from_outside_reach_a_script_at_a_terminal() {
    let sandbox = Sandbox::new();
    let handlers = "names = 'INT QUIT USR1 USR2 TERM HUP'.split()\n\
                    handle = lambda number, frame: print('got %d.' % number, flush=True)\n\
                    for name in names: signal.signal(getattr(signal, 'SIG' + name), handle)\n\
                    print('ready', flush=True)\n\
                    while not os.path.exists('end'): time.sleep(0.01)\nprint('the end')";
    sandbox.write(SCRIPT, format!("{TELLS}{handlers}"));
    let terminal = FakeTerminal::start(&sandbox, &["-q", "python", SCRIPT]);
    terminal.wait_for("ready");
    let ours = Pid::from_raw(terminal.pid());
    for signal in
        [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGTERM, Signal::SIGHUP]
    {
        kill(ours, signal).unwrap();
        terminal.wait_for(&format!("got {}.", signal as i32));
    }
    sandbox.write("end", "");
    assert_eq!(play(terminal, &[("the end", "")]).code, 0);
}

#[test]
fn nothing_of_a_script_is_left_when_its_client_is_killed() {
    let sandbox = Sandbox::new();
    let stubborn = "for name in ('HUP', 'TERM', 'INT'): signal.signal(getattr(signal, 'SIG' + name), signal.SIG_IGN)\n\
                    print('ready', flush=True)\nwhile True: time.sleep(1)";
    sandbox.write(SCRIPT, format!("{TELLS}{stubborn}"));
    for stopped in [false, true] {
        let terminal = FakeTerminal::start(&sandbox, &["-q", "python", SCRIPT]);
        let pid = pid_of(&terminal);
        terminal.wait_for("ready");
        let parent = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let parent = parent.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
        if stopped {
            kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        }
        kill(Pid::from_raw(terminal.pid()), Signal::SIGKILL).unwrap();
        wait_until_gone(pid);
        wait_until_gone(parent);
    }
}

#[test]
fn a_script_that_a_signal_has_ended_has_the_exit_code_of_a_shell() {
    let sandbox = Sandbox::new();
    for (name, number) in [("KILL", 9), ("TERM", 15), ("SEGV", 11)] {
        sandbox.write(SCRIPT, format!("import os, signal\nos.kill(os.getpid(), signal.SIG{name})"));
        let end = play(FakeTerminal::start(&sandbox, &["-q", "python", SCRIPT]), &[]);
        assert_eq!(end.code, 128 + number, "{}", end.screen.all);
        assert!(end.screen.says(&format!("ended by signal SIG{name}")), "{}", end.screen.all);
    }
}

#[test]
fn scripts_of_other_languages_have_a_terminal_too() {
    let sandbox = Sandbox::new();
    let shell = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size\nread -p 'name? ' x; echo \"got $x\"\nread y || echo end\nexit 4";
    sandbox.write("s.sh", shell);
    let end = play(
        FakeTerminal::start_sized(&sandbox, &["-q", "bash", "s.sh"], 30, 90),
        &[("name?", "Ann\r"), ("got Ann", "\x04")],
    );
    assert_eq!(end.code, 4);
    assert_eq!(end.screen.all.trim_end(), "30 90\nname? Ann\ngot Ann\nend");
    for (image, program, name, text) in [
        ("node", "node", "s.js", "console.log('tty', process.stdin.isTTY, process.stdout.columns)"),
        ("ruby", "ruby", "s.rb", "require 'io/console'\nputs \"tty #{$stdin.tty?} #{$stdout.winsize[1]}\""),
        (
            "perl",
            "perl",
            "s.pl",
            "print 'tty ', -t STDIN && -t STDOUT ? 'true' : 'false', ' ', `stty size` =~ / (.*)/",
        ),
    ] {
        if need(program) {
            sandbox.write(name, text);
            let end = play(FakeTerminal::start_sized(&sandbox, &["-q", image, name], 30, 90), &[]);
            assert_eq!((end.screen.all.trim_end(), end.code), ("tty true 90", 0), "{image}");
        }
    }
}

#[test]
fn a_script_without_a_terminal_says_where_there_is_one() {
    let sandbox = Sandbox::new();
    for (code, error) in [
        ("import curses; curses.wrapper(lambda w: w.getch())", "curses.error"),
        ("open('/dev/tty')", "OSError"),
        ("import termios, sys; termios.tcgetattr(sys.stdin)", "termios.error"),
        ("import tty; tty.setcbreak(0)", "termios.error"),
        ("import os; os.ttyname(0)", "OSError"),
    ] {
        sandbox.write(SCRIPT, code);
        for python in pythons() {
            // Its session goes on, with an interpreter that has none.
            let name = format!("work{}", python.image.replace([':', '.'], "-"));
            let end = play(FakeTerminal::start(&sandbox, &["-q", "-t", &name, &python.image, SCRIPT]), &[]);
            let shown = &end.screen.all;
            assert_eq!(end.code, 1, "{}: {code}: {shown}", python.image);
            let error = error.split('.').next_back().unwrap();
            assert!(shown.contains(error), "{}: {code}: {shown}", python.image);
            assert!(shown.contains("the command pty opens one"), "{}: {code}: {shown}", python.image);
            assert_eq!(shown.matches("terminal of its own").count(), 1, "{}: {code}: {shown}", python.image);
        }
        // Elsewhere there is no terminal in Python itself either.
        let run = sandbox.run(&["-q", "python", SCRIPT]);
        run.expect_code(1);
        assert!(!run.stderr.contains("command pty"), "{code}: {}", run.stderr);
    }
}
