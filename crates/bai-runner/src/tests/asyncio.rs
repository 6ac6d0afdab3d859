//! asyncio between and in cells.

use super::super::*;
use super::harness::{Session, at_least, pythons};

/// Runs a cell, and returns its output and what comes after its end until that holds `text`. On a slow machine a task may be
/// over before the cell that has started it.
async fn follow(session: &mut Session, code: &str, text: &str) -> String {
    let cell = session.run(code).await;
    assert_eq!(cell.exit_code, 0, "{code}: {}", cell.stderr());
    let mut seen = cell.stdout() + &cell.stderr();
    while !seen.contains(text) {
        match session.next().await {
            Reply::Console(ConsoleRecord::Stdout(more) | ConsoleRecord::Stderr(more)) => seen.push_str(&more),
            other => panic!("{other:?} after {seen:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn tasks_and_timers_go_on_between_cells() {
    for python in at_least((3, 8)).await {
        let mut session = Session::start(&python).await;
        session.value("import asyncio\nasync def ticks():\n  for n in range(3):\n    await asyncio.sleep(0.01)\n    print('tick', n)").await;
        let ticks = follow(&mut session, "task = asyncio.create_task(ticks())", "tick 2\n").await;
        assert_eq!(ticks, "tick 0\ntick 1\ntick 2\n", "{python}");
        let timer = "_ = asyncio.get_event_loop().call_later(0.01, print, 'later')";
        assert_eq!(follow(&mut session, timer, "later\n").await, "later\n", "{python}");
        // A program of its own inside of a cell works, and does not end that.
        session.value("async def other(): await asyncio.sleep(0)\nasyncio.run(other())").await;
        follow(&mut session, "task = asyncio.ensure_future(ticks())", "tick 2\n").await;
        assert_eq!(session.value("await asyncio.sleep(0, 'value')").await, "'value'\n", "{python}");
        // The next cell begins at once.
        session.value("for_ever = asyncio.create_task(asyncio.sleep(3600))").await;
        assert_eq!(session.value("for_ever.done()").await, "False\n", "{python}");
        session.send(Op::Interrupt).await;
        assert_eq!(session.value("for_ever.done()").await, "False\n", "{python}");
    }
}

#[tokio::test]
async fn an_exception_that_nobody_looks_at_is_reported_between_cells() {
    for python in at_least((3, 8)).await {
        let mut session = Session::start(&python).await;
        session.value("import asyncio\nasync def fail():\n  await asyncio.sleep(0.01)\n  1 / 0").await;
        let text = follow(&mut session, "task = asyncio.create_task(fail())", "ZeroDivisionError").await;
        assert!(
            text.starts_with("Exception in ") && text.contains("<cell 1>") && !text.contains("bai-repl"),
            "{text}"
        );
        // One that is awaited is the cell's own, and one that is handled is none.
        let awaited = session.run("task = asyncio.create_task(fail())\nawait task").await;
        assert!(awaited.stderr().contains("ZeroDivisionError") && !awaited.stderr().contains("Exception in"));
        session.value("async def handle():\n  try:\n    await asyncio.create_task(fail())\n  except ZeroDivisionError: print('handled')").await;
        let handled = follow(&mut session, "task = asyncio.create_task(handle())", "handled\n").await;
        assert_eq!(handled, "handled\n", "{python}");
        let silence = "_ = asyncio.get_event_loop().call_later(0.05, print, 'silence')";
        assert_eq!(follow(&mut session, silence, "silence\n").await, "silence\n", "{python}");
    }
}

#[tokio::test]
async fn ctrl_c_in_an_await_shows_the_users_line() {
    for python in at_least((3, 8)).await {
        let mut session = Session::start(&python).await;
        // The interrupt comes when the loop waits.
        let waits = "import asyncio, sys, threading, time\nasync def nap(): await asyncio.sleep(3600)\n\
                     def watch(main):\n  \
                     while sys._current_frames()[main].f_code.co_name != 'select': time.sleep(0.01)\n  \
                     print('ready')";
        session.value(waits).await;
        let code = "threading.Thread(target=watch, args=[threading.get_ident()]).start()\nawait nap()";
        session.send(Op::Code(code.to_owned())).await;
        session.until_output("ready").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        let text = outcome.stderr();
        assert!(
            text.contains("line 2, in nap") && text.trim_end().ends_with("KeyboardInterrupt"),
            "{python}: {text}"
        );
        assert!(
            !text.contains("asyncio/") && !text.contains("selectors") && !text.contains("Cancelled"),
            "{python}: {text}"
        );
        assert_eq!(session.value("await asyncio.sleep(0, 1)").await, "1\n");
    }
}

/// Code that holds the session between two cells, after it has printed `held`.
const HOLDERS: [&str; 7] = [
    // Before 3.8, no signal is handled while the handler of another one runs: this one comes first, and is left out.
    "signal.signal(signal.SIGALRM, alarm), signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)",
    "asyncio.ensure_future(later(spin))",
    "asyncio.ensure_future(later(lambda: time.sleep(1000)))",
    "asyncio.ensure_future(later(lambda: os.system('exec sleep 1000')))",
    "asyncio.ensure_future(later(lambda: subprocess.call(['sleep', '1000'])))",
    "asyncio.get_event_loop().call_later(0.01, hold, spin)",
    "asyncio.get_event_loop().call_soon(hold, flood)",
];

async fn expect_end_of_holders(session: &mut Session, name: &str) {
    let names = "import asyncio, os, signal, subprocess, time\nkept = 1\ndef spin():\n  while True: pass\n\
                 def flood():\n  while True: print('.' * 1000)\n\
                 def hold(action):\n  print('held', flush=True)\n  action()\n\
                 async def later(action):\n  await asyncio.sleep(0.01)\n  hold(action)\n\
                 def alarm(number, frame):\n  if frame.f_code.co_name == 'select':\n    \
                 signal.setitimer(signal.ITIMER_REAL, 0)\n    hold(spin)\n\
                 async def ticks():\n  while True: await asyncio.sleep(0.01)";
    session.value(names).await;
    session.value("other = asyncio.ensure_future(ticks())").await;
    let is_old = ["python:3.6", "python:3.7"].contains(&name);
    for (number, code) in HOLDERS.into_iter().enumerate().skip(usize::from(is_old)) {
        // At the prompt, and when a cell waits.
        let has_cell = number % 2 == 0;
        follow(session, &format!("_ = {code}"), "held\n").await;
        if has_cell {
            session.send(Op::Code("6 * 7".to_owned())).await;
        }
        session.send(Op::Interrupt).await;
        let mut seen = String::new();
        while !seen.contains("KeyboardInterrupt") || has_cell && !seen.contains("finished") {
            match session.next().await {
                Reply::Console(ConsoleRecord::Stderr(more)) => seen.push_str(&more),
                Reply::Finished { exit_code } => seen.push_str(&format!("finished {exit_code}")),
                _ => {}
            }
        }
        assert!(!seen.contains("bai-repl") && !seen.contains("never retrieved"), "{name}: {code}: {seen}");
        assert_eq!(session.value("print(kept, other.done())").await, "1 False\n", "{name}: {code}");
    }
}

#[tokio::test]
async fn an_interrupt_ends_what_holds_the_session_between_cells() {
    let mut all = tokio::task::JoinSet::new();
    for python in pythons().await {
        all.spawn(async move { expect_end_of_holders(&mut Session::start(&python).await, &python).await });
    }
    for mut session in Session::start_with_ipython().await {
        // The oldest of them.
        all.spawn(async move { expect_end_of_holders(&mut session, "python:3.6").await });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_script_has_no_loop_that_it_did_not_start() {
    let mut session = Session::start("python").await;
    let code = "import asyncio\nasync def f(): pass\nc = f()\ntry: asyncio.create_task(c)\nexcept RuntimeError as error: print(error)\nc.close()";
    let script = bai_protocol::execute::Script { name: "-".to_owned(), ..Default::default() };
    assert_eq!(session.script(code, script, &[]).await.stdout(), "no running event loop\n");
}

#[tokio::test]
async fn timers_of_node_go_on_between_cells() {
    if resolve("nodejs").is_err() {
        return bai_testkit::leave_out("nodejs");
    }
    let mut session = Session::start("nodejs").await;
    let code = "setTimeout(() => console.log('later'), 10); undefined";
    assert_eq!(follow(&mut session, code, "later\n").await, "later\n");
}
