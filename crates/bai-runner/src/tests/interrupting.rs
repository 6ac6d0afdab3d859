//! Interrupts: they stop only the running code.

use super::super::{Op, Reply};
use super::harness::{Session, at_least, pythons};

async fn interrupted(session: &mut Session, code: &str) -> String {
    session.send(Op::Code(format!("print('on')\n{code}"))).await;
    session.until_output("on\n").await;
    session.send(Op::Interrupt).await;
    let outcome = session.finish().await;
    assert!(outcome.exit_code != 0, "{code}: {outcome:?}");
    outcome.stderr()
}

#[tokio::test]
async fn an_interrupt_stops_every_kind_of_code_and_keeps_variables() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("import time, subprocess, os, sys, threading\nx = 1").await;
        for code in [
            "while True: pass",
            "try:\n while True: pass\nexcept Exception: pass",
            "time.sleep(1000)",
            "__import__('re').match('(a*)*b', 'a' * 60)",
            "threading.Event().wait()",
            "sys.stdin.readline()",
            // Not `check_call`: in CPython 3.6 it fails with ProcessLookupError if the child ends first.
            "subprocess.Popen(['sleep', '1000']).wait()",
            "os.read(os.pipe()[0], 1)",
            "while True: print('flood' * 1000)",
            "while True: print('flood', file=sys.stderr)",
        ] {
            let text = interrupted(&mut session, code).await;
            assert!(
                text.ends_with("KeyboardInterrupt\n"),
                "{python}: {code}: {}",
                &text[text.len().saturating_sub(500)..]
            );
            assert_eq!(session.value("x").await, "1\n", "{python}: {code}");
        }
    }
}

#[tokio::test]
async fn an_interrupt_of_a_shell_command_ends_the_command() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.send(Op::Code("import os\nos.system('echo on; exec sleep 1000')".into())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        session.finish().await;
        assert_eq!(session.value("'after'").await, "'after'\n", "{python}");
    }
}

#[tokio::test]
async fn interrupts_between_cells_have_no_effect() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for number in 0..50 {
            session.send(Op::Code(format!("{number}"))).await;
            session.send(Op::Interrupt).await;
            let outcome = session.finish().await;
            if outcome.exit_code != 0 {
                assert!(outcome.stderr().ends_with("KeyboardInterrupt\n"), "{python}: {outcome:?}");
            }
            session.send(Op::Interrupt).await;
            assert_eq!(session.value("'next'").await, "'next'\n", "{python}");
        }
    }
}

#[tokio::test]
async fn the_users_own_handler_is_kept() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session
            .value("import signal, time\nhits = []\nold = signal.signal(signal.SIGINT, lambda *a: hits.append(1))")
            .await;
        session.send(Op::Code("print('on')\nwhile not hits: time.sleep(0.01)".into())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        assert_eq!(session.finish().await.exit_code, 0, "{python}");
        let back = "old is signal.default_int_handler, signal.signal(signal.SIGINT, old) is not old";
        assert_eq!(session.value(back).await, "(True, True)\n", "{python}");
        assert!(interrupted(&mut session, "time.sleep(1000)").await.ends_with("KeyboardInterrupt\n"));
    }
}

#[tokio::test]
async fn an_interrupt_ends_a_cell_that_waits_for_its_interpreter() {
    let mut session = Session::start("python").await;
    session.run("import os; os._exit(3)").await;
    session.send(Op::Code("print('ran')".to_owned())).await;
    session.send(Op::Interrupt).await;
    let outcome = session.finish().await;
    assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("", 130), "{outcome:?}");
    assert_eq!(session.value("6 * 7").await, "42\n");
}

#[tokio::test]
async fn an_interrupt_in_a_destructor_ends_the_cell_too() {
    let with_hook = at_least((3, 8)).await;
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "import time\nclass Held:\n    def __del__(self): print('on'); time.sleep(1000)\nHeld()\nwhile True: pass";
        session.send(Op::Code(code.into())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        assert!(outcome.stderr().ends_with("KeyboardInterrupt\n"), "{python}: {outcome:?}");
        // Older ones have said so before anybody could know it.
        let reports = usize::from(!with_hook.contains(&python));
        assert_eq!(
            (outcome.stderr().matches("ignored").count(), outcome.exit_code),
            (reports, 1),
            "{python}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_interrupt_ends_a_wait_that_begins_after_a_second_of_native_code() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        // Python looks for signals neither in these functions nor between them.
        session
            .value(
                "import time\nfrom hashlib import pbkdf2_hmac as work\nfrom itertools import chain, starmap\n\
                 def arguments(rounds): return [('sha256', b'', b'', rounds)]\n\
                 start = time.perf_counter(); work(*arguments(100000)[0])\n\
                 second = int(100000 / (time.perf_counter() - start))",
            )
            .await;
        let code = "list(chain(starmap(work, arguments(second)), map(time.sleep, [1000])))";
        let text = interrupted(&mut session, code).await;
        assert!(text.ends_with("KeyboardInterrupt\n"), "{python}: {text}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_interrupt_ends_a_program_that_was_just_being_started() {
    // What a shell does that catches SIGINT: an interrupt between its fork and the exec is lost for the program.
    let shell = "import os, signal, time\n\
                 signal.signal(signal.SIGINT, lambda *_: os.execlp('sleep', 'sleep', '1000'))\n\
                 print('on', flush=True)\ntime.sleep(1000)";
    for (image, code) in [
        ("python", "!python3 shell.py"),
        ("python", "import os; os.system('python3 shell.py')"),
        ("bash", "python3 shell.py"),
    ] {
        let mut session = Session::start(image).await;
        std::fs::write(session.folder.path().join("shell.py"), shell).unwrap();
        session.send(Op::Code(code.into())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        session.finish().await;
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_interrupt_ends_the_input_of_a_program_that_has_blocked_it() {
    // `more` does so, and gets the signal from a descriptor that it does not look at.
    let program = "import signal, sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\nsys.stdin.read()\nprint('over')";
    for image in ["python", "bash"] {
        let mut session = Session::start(image).await;
        std::fs::write(session.folder.path().join("deaf.py"), program).unwrap();
        let line = if image == "bash" { "python3 deaf.py" } else { "!python3 deaf.py" };
        session.send(Op::Code(line.into())).await;
        session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
        session.send(Op::Interrupt).await;
        assert!(session.finish().await.stdout().contains("over\n"), "{image}");
        // The next cell has an input.
        let code = if image == "bash" { "read x; echo got $x" } else { "!read x; echo got $x" };
        assert_eq!(session.run_with(code, &["this"]).await.stdout(), "got this\n", "{image}");
    }
}
