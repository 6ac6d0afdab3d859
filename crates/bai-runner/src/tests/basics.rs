//! A cell: its output, its value, its errors, its exit code.

use super::super::{ConsoleRecord, Op, Reply};
use super::harness::{Session, at_least, pythons};

#[tokio::test]
async fn output_value_and_traceback_of_a_cell_keep_their_order() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        assert_eq!(session.value("print('hi')\n6 * 7").await, "hi\n42\n", "{python}");
        let code = "import sys\nprint(1); print(2, file=sys.stderr); print(3)\n1/0";
        let outcome = session.run(code).await;
        let traceback = outcome.sequence().pop().unwrap();
        assert!(
            traceback.contains("File \"<cell 2>\", line 3, in <module>\n    1/0\n"),
            "{python}: {traceback}"
        );
        assert!(traceback.ends_with("ZeroDivisionError: division by zero\n"), "{python}: {traceback}");
        assert_eq!(outcome.sequence()[..3], ["O:1\n", "E:2\n", "O:3\n"], "{python}");
        assert_eq!(outcome.exit_code, 1);
    }
}

#[tokio::test]
async fn a_cell_works_in_the_folder_of_the_session() {
    let mut session = Session::start("python").await;
    std::fs::write(session.folder.path().join("neighbour.py"), "word = 'here'").unwrap();
    assert_eq!(session.value("import neighbour; neighbour.word").await, "'here'\n");
    assert_eq!(session.value("import sys; sys.path[0], sys.argv").await, "('', [''])\n");
}

#[tokio::test]
async fn values_are_shown_and_kept_as_in_the_interactive_interpreter() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for (code, shown) in [
            ("None", ""),
            ("'é\\n'", "'é\\n'\n"),
            ("1", "1\n"),
            ("2", "2\n"),
            ("(_, __, _3, Out[4])", "(2, 1, 1, 2)\n"),
            ("5;", ""),
            ("5; # quiet", ""),
            ("';'", "';'\n"),
            ("x = 3\nx", "3\n"),
            ("if x:\n    x", ""),
            ("", ""),
            ("# only a comment", ""),
            ("_", "3\n"),
            ("for _ in range(3): pass", ""),
            ("_", "2\n"),
        ] {
            assert_eq!(session.value(code).await, shown, "{python}: {code}");
        }
        let hook = "import sys\nsys.displayhook = lambda value: print('mine', value)\n7";
        assert_eq!(session.value(hook).await, "mine 7\n");
    }
}

#[tokio::test]
async fn sys_exit_is_the_exit_code_of_the_cell_and_the_session_lives() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("import sys; kept = 1").await;
        for (code, exit_code, stderr) in [
            ("sys.exit(3)", 3, ""),
            ("sys.exit()", 0, ""),
            ("sys.exit(0)", 0, ""),
            ("sys.exit('why')", 1, "why\n"),
            ("raise SystemExit(4)", 4, ""),
            ("exit(5)", 5, ""),
            ("quit()", 0, ""),
            ("sys.exit(-1)", -1, ""),
            ("sys.exit(True)", 1, ""),
        ] {
            let outcome = session.run(code).await;
            assert_eq!(
                (outcome.exit_code, outcome.stderr().as_str()),
                (exit_code, stderr),
                "{python}: {code}"
            );
        }
        assert_eq!(session.value("kept").await, "1\n");
        assert_eq!(session.run_with("input()", &["still asks"]).await.stdout(), "'still asks'\n");
    }
}

#[tokio::test]
async fn tracebacks_show_the_cells_and_no_driver_code() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("def broken(n):\n    return 1 / n").await;
        let outcome = session
            .run("try:\n    broken(0)\nexcept ZeroDivisionError as e:\n    raise KeyError('k') from e")
            .await;
        let text = outcome.stderr();
        for part in [
            "File \"<cell 2>\", line 2, in <module>\n    broken(0)\n",
            "File \"<cell 1>\", line 2, in broken\n    return 1 / n\n",
            "The above exception was the direct cause",
            "raise KeyError('k') from e\n",
            "KeyError: 'k'\n",
        ] {
            assert!(text.contains(part), "{python}: {text}");
        }
        assert!(text.starts_with("Traceback (most recent call last):\n"), "{text}");
        let outcome = session.run("x = = 1").await;
        let text = outcome.stderr();
        assert!(text.starts_with("  File \"<cell 3>\", line 1\n    x = = 1\n"), "{python}: {text}");
        assert!(text.contains("SyntaxError: invalid syntax"), "{text}");
        assert_eq!(outcome.exit_code, 1);
        for code in ["class R:\n    def __repr__(self): raise ValueError('no repr')\nR()", "display(R())"] {
            let text = session.run(code).await.stderr();
            assert!(text.contains("in __repr__") && text.ends_with("ValueError: no repr\n"), "{text}");
            assert!(!text.contains("bai-repl"), "{python}: {text}");
        }
        let text = session
            .run("import sys\nsys.excepthook = lambda t, v, tb: print('hook', t.__name__, tb.tb_lineno)\n1/0")
            .await;
        assert_eq!(
            (text.stdout().as_str(), text.stderr().as_str(), text.exit_code),
            ("hook ZeroDivisionError 3\n", "", 1)
        );
        let text =
            session.run("def bad(*a): raise OSError('hook')\nsys.excepthook = bad\n1/0").await.stderr();
        assert!(text.contains("OSError: hook") && text.contains("ZeroDivisionError"), "{text}");
    }
}

#[tokio::test]
async fn code_without_a_file_has_no_lines_of_the_driver() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let text = session.run("exec('x = 1\\n1/0')").await.stderr();
        let lines: Vec<&str> = text.lines().skip_while(|line| !line.contains("<string>")).collect();
        assert_eq!(
            lines,
            ["  File \"<string>\", line 2, in <module>", "ZeroDivisionError: division by zero"],
            "{python}"
        );
        let line = session.value("import linecache, warnings; linecache.getline('<string>', 1)").await;
        assert_eq!(line, "''\n", "{python}");
        let text = session.run("exec('warnings.warn(\"careful\")')").await.stderr();
        // Before 3.8 it is said of the module.
        assert!(text.ends_with(":1: UserWarning: careful\n"), "{python}: {text}");
    }
}

#[tokio::test]
async fn exit_leaves_from_a_statement_of_the_cell_and_ends_it_from_a_function() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("def ends(): exit(3)").await;
        for (code, exit_code) in [("x = 5; quit()", 0), ("if True: exit(4)\nprint('not reached')", 4)] {
            let outcome = session.run(code).await;
            assert_eq!(outcome.replies, [Reply::Console(ConsoleRecord::Leave)], "{python}: {code}");
            assert_eq!(outcome.exit_code, exit_code, "{python}: {code}");
        }
        let outcome = session.run("ends()").await;
        assert!(outcome.stderr().contains("ends the cell alone"), "{python}: {outcome:?}");
        assert!(!outcome.replies.contains(&Reply::Console(ConsoleRecord::Leave)), "{python}: {outcome:?}");
        assert_eq!(outcome.exit_code, 3, "{python}");
    }
}

#[tokio::test]
async fn a_hook_for_exceptions_gets_the_users_frames_alone() {
    for python in at_least((3, 7)).await {
        let mut session = Session::start(&python).await;
        let hook = "lambda t, v, tb: print([frame.name for frame in traceback.extract_tb(tb)])";
        session.value(&format!("import sys, traceback\nsys.excepthook = {hook}")).await;
        session.send(Op::Code("input()".into())).await;
        session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
        session.send(Op::Interrupt).await;
        assert_eq!(session.finish().await.stdout(), "['<module>']\n", "{python}");
    }
}

#[tokio::test]
async fn await_works_at_the_top_level_with_one_loop_for_all_cells() {
    for python in at_least((3, 8)).await {
        let mut session = Session::start(&python).await;
        let code = "import asyncio\nlock = asyncio.Event()\ntask = asyncio.ensure_future(lock.wait()) if False else None\nawait asyncio.sleep(0, 'slept')";
        assert_eq!(session.value(code).await, "'slept'\n", "{python}");
        assert_eq!(
            session.value("async def f():\n    lock.set()\n    return await lock.wait()\nawait f()").await,
            "True\n"
        );
    }
}

#[tokio::test]
async fn the_last_value_is_known_again_after_a_doctest() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("import doctest\ndef f():\n  '''\n  >>> 6 * 7\n  42\n  '''\n5").await;
        session.run("doctest.run_docstring_examples(f, {})").await;
        assert_eq!(session.value("7").await, "7\n", "{python}");
        assert_eq!(session.value("_").await, "7\n", "{python}");
    }
}
