//! asyncio between and in cells.

use super::super::*;
use super::harness::{Session, at_least};

/// The output between two cells until it holds `text`.
async fn between(session: &mut Session, text: &str) -> String {
    let mut seen = String::new();
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
        session.value("task = asyncio.create_task(ticks())").await;
        assert_eq!(between(&mut session, "tick 2\n").await, "tick 0\ntick 1\ntick 2\n", "{python}");
        session.value("_ = asyncio.get_event_loop().call_later(0.01, print, 'later')").await;
        assert_eq!(between(&mut session, "later\n").await, "later\n", "{python}");
        // A program of its own inside of a cell works, and does not end that.
        session.value("async def other(): await asyncio.sleep(0)\nasyncio.run(other())").await;
        session.value("task = asyncio.ensure_future(ticks())").await;
        between(&mut session, "tick 2\n").await;
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
        session.value("task = asyncio.create_task(fail())").await;
        let text = between(&mut session, "ZeroDivisionError").await;
        assert!(
            text.starts_with("Exception in ") && text.contains("<cell 1>") && !text.contains("bai-repl"),
            "{text}"
        );
        // One that is awaited is the cell's own, and one that is handled is none.
        let awaited = session.run("task = asyncio.create_task(fail())\nawait task").await;
        assert!(awaited.stderr().contains("ZeroDivisionError") && !awaited.stderr().contains("Exception in"));
        session.value("async def handle():\n  try:\n    await asyncio.create_task(fail())\n  except ZeroDivisionError: print('handled')").await;
        session.value("task = asyncio.create_task(handle())").await;
        assert_eq!(between(&mut session, "handled\n").await, "handled\n", "{python}");
        assert_eq!(
            session.value("_ = asyncio.get_event_loop().call_later(0.05, print, 'silence')").await,
            ""
        );
        assert_eq!(between(&mut session, "silence\n").await, "silence\n", "{python}");
    }
}

#[tokio::test]
async fn ctrl_c_in_an_await_shows_the_users_line() {
    for python in at_least((3, 8)).await {
        let mut session = Session::start(&python).await;
        let waits = "import asyncio\nasync def nap():\n  print('ready'); await asyncio.sleep(3600)";
        session.value(waits).await;
        session.send(Op::Code("await nap()".to_owned())).await;
        session.until_output("ready").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        let text = outcome.stderr();
        assert!(
            text.contains("line 3, in nap") && text.trim_end().ends_with("KeyboardInterrupt"),
            "{python}: {text}"
        );
        assert!(
            !text.contains("asyncio/") && !text.contains("selectors") && !text.contains("Cancelled"),
            "{python}: {text}"
        );
        assert_eq!(session.value("await asyncio.sleep(0, 1)").await, "1\n");
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
    session.run("setTimeout(() => console.log('later'), 10); undefined").await;
    assert_eq!(between(&mut session, "later\n").await, "later\n");
}
