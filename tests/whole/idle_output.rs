//! What a session prints between two cells.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox, Screen, need};
use nix::sys::termios::LocalFlags;

#[test]
fn a_thread_prints_above_the_line_that_is_typed() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "import threading, sys; gate = threading.Event(); more = threading.Event()");
    let speak = "speak = lambda: (gate.wait(), print('from a thread'), print('and an error', file=sys.stderr), \
                 more.wait(), print('no end', end=''), sys.stdout.flush())";
    terminal.run(PROMPT, speak);
    terminal.run(PROMPT, "threading.Thread(target=speak).start()");
    // The timer lets it speak while the next line is typed.
    terminal.run(PROMPT, "threading.Timer(0.3, gate.set).start(); threading.Timer(0.9, more.set).start()");
    terminal.send("6 * ");
    let line = format!("{PROMPT} 6 *");
    terminal.wait_until("the output above the line", |screen| {
        let lines: Vec<&str> = screen.all.lines().map(str::trim_end).collect();
        lines.ends_with(&["from a thread", "and an error", &line])
    });
    terminal.wait_until("the unfinished line", |screen| {
        let lines: Vec<&str> = screen.all.lines().map(str::trim_end).collect();
        lines.ends_with(&["and an error", "no end", &line])
    });
    terminal.enter("7");
    terminal.wait_until("42", |screen| screen.has_line("42") && screen.has_line(&format!("{PROMPT} 6 * 7")));
    terminal.leave();
}

#[test]
fn a_line_that_a_thread_goes_on_with_is_one_line() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let folder = sandbox.work().to_str().unwrap().to_owned();
    terminal.run(PROMPT, &format!("import os, threading, time; folder = {folder:?}"));
    terminal.run(
        PROMPT,
        "wait = lambda n: any(os.path.exists(f'{folder}/{n}') or time.sleep(.01) for _ in iter(int, 1))",
    );
    terminal.run(PROMPT, "count = lambda: [wait(n) and print(n, end=' ', flush=True) for n in range(3)]");
    terminal.run(PROMPT, "threading.Thread(target=lambda: count() and wait(3) and print('end')).start()");
    terminal.send("typed");
    for (n, shown) in ["0", "0 1", "0 1 2", "0 1 2 end"].into_iter().enumerate() {
        sandbox.write(&n.to_string(), "");
        let line = format!("{PROMPT} typed");
        terminal.wait_until("the line so far", |screen| {
            let lines: Vec<&str> = screen.all.lines().map(str::trim_end).collect();
            let (_, before) = lines.split_last().unwrap();
            lines.ends_with(&[shown, &line])
                && before.iter().rev().nth(1).is_some_and(|line| line.contains("Thread"))
        });
    }
    terminal.send("\x15");
    terminal.leave();
}

#[test]
fn no_line_is_lost_or_out_of_order_when_a_cell_begins() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "import threading, time, itertools; goes_on = True");
    // Each line is one write: a cell may end between two.
    let count = "count = lambda: [(print(f'line {n}\\n', end=''), time.sleep(0.003)) for n in \
                 itertools.takewhile(lambda _: goes_on, itertools.count())]";
    terminal.run(PROMPT, count);
    terminal.enter("counter = threading.Thread(target=count); counter.start()");
    for _ in 0..8 {
        let lines = |screen: &Screen| screen.all.matches("line ").count();
        let before = lines(&terminal.screen());
        terminal.wait_until("more lines", |screen| lines(screen) > before + 20);
        terminal.enter("time.sleep(0.02)");
    }
    terminal.enter("goes_on = False; counter.join(); print('the end')");
    let screen = terminal.wait_until("the end", |screen| screen.has_line("the end"));
    let numbers: Vec<u32> =
        screen.all.lines().filter_map(|line| line.trim().strip_prefix("line ")?.parse().ok()).collect();
    assert!(numbers.len() > 100, "{}", screen.all);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{}", screen.all);
    terminal.leave();
}

#[test]
fn ctrl_c_ends_a_task_that_holds_the_session() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "import asyncio; kept = 'my ' + 'names'");
    terminal.run(PROMPT, r"exec('def spin(name):\n  print(name, \'spins\')\n  while True: pass')");
    let hold = |name: &str| {
        terminal.enter(&format!("_ = asyncio.get_event_loop().call_later(0.1, spin, '{name}')"));
        terminal.wait_until("its beginning", |screen| screen.has_line(&format!("{name} spins")));
        terminal.wait_for_prompt(PROMPT);
    };
    let ends = |screen: &Screen| screen.all.matches("because it held the session").count();
    // At the prompt, whose text goes.
    hold("one");
    terminal.send("typed\x03");
    terminal.wait_until("the end of the first", |screen| ends(screen) == 1);
    terminal.wait_for_prompt(PROMPT);
    hold("two");
    terminal.enter("6 * 7");
    // From here on Ctrl-C is a signal, and no key.
    terminal.wait_until("the cell", |_| terminal.termios().local_flags.contains(LocalFlags::ISIG));
    terminal.send("\x03");
    terminal.wait_until("the end of the second", |screen| ends(screen) == 2);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("kept");
    terminal.wait_until("the names", |screen| screen.has_line("'my names'"));
    terminal.leave();
}

#[test]
fn a_background_process_of_bash_prints_above_the_line() {
    if !need("bash") {
        return;
    }
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start(&sandbox, &["bash"]);
    terminal.wait_for_prompt("bash ❯");
    terminal.enter("(sleep 0.5; echo hi) &");
    terminal.wait_for_prompt("bash ❯");
    terminal.send("echo typed");
    terminal.wait_until("the output above the line", |screen| {
        let lines: Vec<&str> = screen.all.lines().map(str::trim_end).collect();
        lines.ends_with(&["hi", "bash ❯ echo typed"])
    });
    terminal.send("\x15");
    terminal.leave();
}
