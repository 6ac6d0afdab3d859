//! Code that asks for lines: `input()`, `getpass`, `sys.stdin`, the debugger, `help()`.

use super::super::{Op, Reply};
use super::harness::{Session, pythons};

#[tokio::test]
async fn every_read_of_a_line_asks_the_user() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for (code, lines, shown) in [
            ("input('name? ')", &["é"][..], "name? 'é'\n"),
            ("input()", &[""], "''\n"),
            ("import sys; sys.stdin.readline()", &["a b"], "'a b\\n'\n"),
            ("next(iter(sys.stdin))", &["x"], "'x\\n'\n"),
            ("sys.stdin.read()", &["1", "2", ""], "'1\\n2\\n'\n"),
            ("[line for line in sys.stdin]", &["1", "", "\x04"], "['1\\n', '\\n']\n"),
            ("sys.stdin.read(3), sys.stdin.readline()", &["ab", "cd"], "('ab\\n', 'cd\\n')\n"),
            ("sys.stdin.readline(1), sys.stdin.readline()", &["xyz"], "('x', 'yz\\n')\n"),
            ("sys.stdin.buffer.readline()", &["é"], "b'\\xc3\\xa9\\n'\n"),
            ("print('no newline', end=''); input()", &["k"], "no newline'k'\n"),
        ] {
            let outcome = session.run_with(code, lines).await;
            assert_eq!(
                (outcome.stdout().as_str(), outcome.stderr().as_str()),
                (shown, ""),
                "{python}: {code}"
            );
            let asked = outcome.replies.iter().filter(|r| **r == Reply::WaitingInput { is_password: false });
            assert_eq!(asked.count(), lines.len(), "{python}: {code}");
        }
        let outcome = session.run_with("input('? ')", &["\x04"]).await;
        assert!(
            outcome.stderr().ends_with("EOFError\n") || outcome.stderr().contains("EOFError: "),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_a_cell_has_not_read_of_an_answer_is_dropped() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for read in ["input()", "sys.stdin.readline()", "sys.stdin.buffer.readline()", "sys.stdin.read(1)"] {
            session.run_with(&format!("import sys; {read}"), &["a\nb"]).await;
            let outcome = session.run_with(&format!("{read}[:3]"), &["own"]).await;
            assert!(outcome.stdout().contains('o'), "{python}: {read}: {outcome:?}");
        }
        let outcome = session.run_with("input(), input()", &["a\nb"]).await;
        assert_eq!(outcome.stdout(), "('a', 'b')\n", "{python}");
    }
}

#[tokio::test]
async fn password_prompts_are_marked_as_such() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let outcome = session.run_with("import getpass\ngetpass.getpass()", &["s3cret"]).await;
        let asked = "[WaitingInput { is_password: true }]";
        assert_eq!(outcome.sequence(), ["O:Password: ", asked, "O:'s3cret'\n"], "{python}");
        let outcome = session.run_with("from getpass import getpass as g\ng('pin ')", &["1"]).await;
        assert_eq!(outcome.sequence().first().map(String::as_str), Some("O:pin "));
    }
}

#[tokio::test]
async fn the_debugger_and_help_are_usable() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let stop = if python == "python:3.6" { "import pdb; pdb.set_trace()" } else { "breakpoint()" };
        let code = format!("def f(n):\n    {stop}\n    return n + 1\nf(41)");
        let outcome = session.run_with(&code, &["p n * 2", "w", "c"]).await;
        let shown = outcome.stdout();
        assert!(shown.contains("(Pdb) 82\n") && shown.ends_with("(Pdb) 42\n"), "{python}: {shown}");
        assert!(shown.contains("-> f(41)"), "{python}: {shown}");
        assert_eq!(outcome.stderr(), "", "{python}");
        assert_eq!(session.value("'after'").await, "'after'\n");
        let shown = session.value("help(len)").await;
        assert!(shown.contains("Help on built-in function len"), "{python}: {shown}");
        assert!(!shown.contains('\x08') && !shown.contains('\x1b'), "{python}: {shown:?}");
        let outcome = session.run_with("help()", &["keywords", "quit"]).await;
        assert!(outcome.stdout().contains("nonlocal"), "{python}: {outcome:?}");
    }
}

#[tokio::test]
async fn an_interrupt_ends_a_question_and_a_late_answer_is_dropped() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.send(Op::Code("input('a? ')".into())).await;
        session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
        session.send(Op::Interrupt).await;
        session.send(Op::Input("late".into())).await;
        let outcome = session.finish().await;
        assert!(outcome.stderr().ends_with("KeyboardInterrupt\n"), "{python}: {outcome:?}");
        assert!(!outcome.stderr().contains("bai-repl"), "{python}: {outcome:?}");
        assert_eq!(session.run_with("input('b? ')", &["right"]).await.stdout(), "b? 'right'\n", "{python}");
        session.send(Op::Input("nobody asked".into())).await;
        assert_eq!(session.run_with("input('c? ')", &["third"]).await.stdout(), "c? 'third'\n", "{python}");
    }
}

#[tokio::test]
async fn a_program_in_the_background_asks_in_its_own_cell_only() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        // It begins to wait when the next cell runs.
        let program =
            "import os, signal\nsignal.sigwait([signal.SIGUSR1])\nos.write(1, b'on'); os.read(0, 1)";
        session
            .value(&format!(
                "import signal, subprocess, sys, time\nsignal.pthread_sigmask(0, [10])\n\
                 child = subprocess.Popen([sys.executable, '-c', {program:?}])"
            ))
            .await;
        let outcome = session.run("child.send_signal(10)\ntime.sleep(0.5)\nchild.kill()").await;
        assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("on", 0), "{python}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_question_is_withdrawn_when_nobody_waits_for_the_answer() {
    let in_python = "import os, signal, threading, time\n\
        def ring():\n    while not os.path.exists('go'): time.sleep(.01)\n    os.kill(os.getpid(), signal.SIGALRM)\n\
        def late(*_): raise TimeoutError\n\
        signal.signal(signal.SIGALRM, late); threading.Thread(target=ring).start()\n\
        try: input('name? ')\nexcept TimeoutError: print('gone', flush=True)\n\
        while os.path.exists('go'): time.sleep(.01)";
    let in_a_child = "import os, subprocess, time\nprocess = subprocess.Popen(['cat'])\n\
        while not os.path.exists('go'): time.sleep(.01)\nprocess.kill(); process.wait(); print('gone')\n\
        while os.path.exists('go'): time.sleep(.01)";
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for code in [in_python, in_a_child] {
            session.send(Op::Code(code.to_owned())).await;
            session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
            let go = session.folder.path().join("go");
            std::fs::write(&go, "").unwrap();
            session.until(|reply| *reply == Reply::InputWithdrawn).await;
            std::fs::remove_file(&go).unwrap();
            assert_eq!(session.finish().await.exit_code, 0, "{python}: {code}");
        }
        assert_eq!(session.run_with("input()", &["x"]).await.stdout(), "'x'\n", "{python}");
    }
}

#[tokio::test]
async fn a_thread_that_asks_after_the_end_of_its_cell_takes_no_later_answer() {
    let code = "import threading\ndef ask():\n    try: input('late? ')\n    except EOFError: print('no answer')\n\
        thread = threading.Thread(target=ask, daemon=True); thread.start(); thread.join(.2)";
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.send(Op::Code(code.to_owned())).await;
        let before = session.until(|reply| matches!(reply, Reply::Finished { .. })).await;
        let outcome = session.run_with("thread.join(); input('mine? ')", &["yes"]).await;
        let shown = before.stdout() + &outcome.stdout();
        assert!(shown.contains("no answer\n") && shown.ends_with("mine? 'yes'\n"), "{python}: {outcome:?}");
    }
}
