//! User code that damages its own interpreter: the session continues.

use super::super::{ConsoleRecord, Op, Reply};
use super::harness::{Session, pythons};
use bai_testkit::Gate;

#[tokio::test]
async fn the_session_survives_cells_that_break_the_interpreter() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("import sys, os, io").await;
        let without_modules = "sys.modules.clear()";
        let codes = [
            "sys.stdout.close()",
            "sys.stderr.close()",
            "sys.stdin.close()",
            "sys.stdout = sys.stderr = sys.stdin = None",
            "os.close(1)",
            "os.close(2)",
            "os.close(0); os.close(1); os.close(2)",
            "saved = os.dup(1); os.dup2(os.open(os.devnull, os.O_WRONLY), 1); print('gone'); os.dup2(saved, 1); os.close(saved)",
            "sys.__stdout__.close(); sys.__stderr__ = None",
            "import builtins; real = dict(vars(builtins)); del __builtins__",
            "import time, threading, signal, json, traceback\ntime.sleep = os.write = os.getpid = threading.Lock = None",
            "json.dumps = json.loads = signal.signal = traceback.TracebackException = None",
            "import gc; gc.disable(); gc.collect()",
            without_modules,
        ];
        for (number, code) in codes.into_iter().enumerate() {
            session.run(code).await;
            let outcome = session.run("print('fine')\n6 * 7").await;
            let shown = (outcome.stdout(), outcome.stderr(), outcome.exit_code);
            assert_eq!(shown, ("fine\n42\n".to_owned(), String::new(), 0), "{python}: {code}");
            let text = session.run("1/0").await.stderr();
            if code == without_modules {
                // The traceback module of some versions imports others when it is used, and may not find them.
                assert!(text.contains("ZeroDivisionError"), "{python}: {text}");
                continue;
            }
            let is_text = |line: &&str| !line.trim_matches([' ', '^', '~']).is_empty();
            let file = format!("  File \"<cell {}>\", line 1, in <module>", 4 + 3 * number);
            let whole = [
                "Traceback (most recent call last):",
                &file,
                "    1/0",
                "ZeroDivisionError: division by zero",
            ];
            assert_eq!(text.lines().filter(is_text).collect::<Vec<_>>(), whole, "{python}: {code}");
        }
        let names = "'print', 'len', 'repr', 'isinstance', 'getattr', 'str', 'max'";
        session.run(&format!("vars(builtins).update(dict.fromkeys([{names}]))")).await;
        assert_eq!(session.value("6 * 7").await, "42\n", "{python}");
        let outcome = session.run("1/0").await;
        assert!(
            outcome.stderr().contains("ZeroDivisionError") && outcome.exit_code == 1,
            "{python}: {outcome:?}"
        );
        session.value(&format!("vars(builtins).update((n, real[n]) for n in [{names}])")).await;
        let outcome = session.run("1/0").await;
        assert!(outcome.stderr().contains("ZeroDivisionError"), "{python}: {outcome:?}");
    }
}

#[tokio::test]
async fn memory_and_recursion_errors_are_errors_of_the_cell() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for (code, error) in [
            ("def deep(): return deep() + 1\ndeep()", "RecursionError"),
            ("'a' * 10 ** 15", "MemoryError"),
            ("import sys\nsys.setrecursionlimit(60)\n1/0", "ZeroDivisionError"),
            ("def deep(): return deep() + 1\ndeep()", "RecursionError"),
            ("raise BaseException('base')", "BaseException: base"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt"),
            ("raise GeneratorExit", "GeneratorExit"),
            ("x = '\\ud800'\nraise ValueError(x)", "ValueError: \\ud800"),
            ("class E(Exception):\n  def __str__(self): raise E\nraise E", "E"),
            ("'a\\0b' + 1", "TypeError"),
            ("a\0b", "Error"),
            ("\u{feff}1/0", "Error"),
        ] {
            let outcome = session.run(code).await;
            assert!(outcome.stderr().contains(error), "{python}: {code}: {outcome:?}");
            assert_eq!(outcome.exit_code, 1, "{python}: {code}");
        }
        session.value("sys.setrecursionlimit(1000)").await;
    }
}

#[tokio::test]
async fn a_forked_process_cannot_end_the_cell() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "import os, sys\npid = os.fork()\nif pid:\n    status = os.waitpid(pid, 0)[1] >> 8\nelse:\n    print('child')\n\
                    if not pid: sys.exit(7)\nstatus";
        assert_eq!(session.value(code).await, "child\n7\n", "{python}");
        let code = "pid = os.fork()\nif pid == 0: display(1); input()\nos.waitpid(pid, 0)[1] >> 8";
        let outcome = session.run(code).await;
        assert!(
            outcome.stdout().ends_with("1\n") && outcome.stderr().contains("EOFError"),
            "{python}: {outcome:?}"
        );
        assert_eq!(session.value("'alone'").await, "'alone'\n");
    }
}

#[tokio::test]
async fn files_in_the_folder_do_not_shadow_modules_of_the_driver() {
    for python in pythons().await {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["json", "os", "random", "signal", "traceback", "ast", "inspect", "pkgutil", "tokenize", "base64"]
        {
            std::fs::write(folder.path().join(format!("{name}.py")), "raise RuntimeError('shadowed')")
                .unwrap();
        }
        let mut session = Session::start_in(&python, folder).await;
        assert_eq!(session.value("6 * 7").await, "42\n", "{python}");
        assert!(session.run("1/0").await.stderr().contains("ZeroDivisionError"));
    }
}

#[tokio::test]
async fn a_dead_interpreter_is_reported_and_replaced() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("x = 1").await;
        for (code, exit_code, how) in [
            ("import os; print('last', end=''); os._exit(9)", 9, "exit code 9"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "SIGKILL"),
            ("import ctypes; ctypes.string_at(0)", 139, "SIGSEGV"),
            ("import os; os.abort()", 134, "SIGABRT"),
            ("import os; os.closerange(3, 1000); print('x'); display(1)", 70, "exit code 70"),
        ] {
            session.send(Op::Code(code.into())).await;
            let outcome = session.finish().await;
            let text = outcome.stderr();
            assert!(text.contains(how) && text.contains("variables are gone"), "{python}: {code}: {text}");
            assert_eq!(outcome.exit_code, exit_code, "{python}: {code}");
            assert_eq!(session.value("'x' in globals()").await, "False\n", "{python}: {code}");
        }
    }
}

#[tokio::test]
async fn a_death_between_cells_is_reported() {
    let mut session = Session::start("python").await;
    let gate = Gate::at(&session.folder.path().join("gate"));
    let code = "import threading, os\n\
                threading.Thread(target=lambda: (open('gate').readline(), os._exit(3))).start()";
    session.value(code).await;
    gate.open();
    let Reply::Console(ConsoleRecord::Stderr(text)) = session.next().await else {
        panic!("no message was printed")
    };
    assert!(text.contains("exit code 3"), "{text}");
    assert_eq!(session.value("1").await, "1\n");
}

#[tokio::test]
async fn an_interpreter_that_keeps_dying_waits_for_the_next_cell() {
    for python in pythons().await {
        let folder = tempfile::tempdir().unwrap();
        // Ends the process when the main thread waits for a cell while there is a certain file.
        let code = "import sys, os, time, _thread\nmain = _thread.get_ident()\n\
                    def end():\n\
                    \x20   while sys._current_frames()[main].f_code.co_name != 'wait' or not os.path.exists('dies'): time.sleep(0.01)\n\
                    \x20   os._exit(3)\n\
                    _thread.start_new_thread(end, ())";
        std::fs::write(folder.path().join("sitecustomize.py"), code).unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let mut session = Session::start_all(&python, &[("PYTHONPATH", &path)], folder).await;
        assert_eq!(session.value("6 * 7").await, "42\n", "{python}");
        let dies = session.folder.path().join("dies");
        std::fs::write(&dies, "").unwrap();
        let mut text = String::new();
        while !text.contains("The next cell starts a new one") {
            let Reply::Console(ConsoleRecord::Stderr(more)) = session.next().await else {
                panic!("{python}: {text}")
            };
            text.push_str(&more);
        }
        let sentences =
            (text.matches("ended with exit code 3").count(), text.matches("has been started").count());
        assert_eq!(sentences, (3, 2), "{python}: {text}");
        std::fs::remove_file(&dies).unwrap();
        assert_eq!(session.value("6 * 7").await, "42\n", "{python}");
    }
}

#[tokio::test]
async fn programs_of_a_cell_do_not_get_the_pipes_of_the_driver() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "import os, subprocess, sys\nlist_them = 'ls /proc/self/fd; echo'\n\
                    os.system(list_them)\n\
                    subprocess.call(list_them, shell=True, close_fds=False)\n\
                    if os.fork() == 0: os.execv('/bin/sh', ['sh', '-c', list_them])\n\
                    _ = os.wait()\n\
                    if hasattr(os, 'posix_spawn'):\n  \
                    _ = os.waitpid(os.posix_spawn('/bin/sh', ['sh', '-c', list_them], os.environ), 0)";
        let listed = session.value(code).await;
        let pipes = super::super::interpreter::DRIVER_PIPES.lock().unwrap()[session.folder.path()];
        let numbers: Vec<i32> = listed.split_whitespace().map(|number| number.parse().unwrap()).collect();
        assert!(numbers.iter().filter(|number| **number == 0).count() >= 3, "{python}: {listed}");
        assert!(!numbers.iter().any(|number| pipes.contains(number)), "{python}: {pipes:?}: {listed}");
        assert_eq!(session.value("6 * 7").await, "42\n", "{python}");
    }
}
