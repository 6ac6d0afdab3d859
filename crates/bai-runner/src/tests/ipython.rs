//! IPython as the shell of a session: the magics and the display are its own, and streams, questions and interrupts are ours.

use super::super::{CompletionRequest, ConsoleRecord, Op, Reply};
use super::harness::{Session, pythons};
use bai_protocol::execute::Script;
use bai_testkit::ipython_environments;

/// The text without colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |plain, part| plain + part.split_once('m').map_or(part, |(_, text)| text))
}

#[tokio::test]
async fn the_shell_is_ipython_where_it_is_installed() {
    for mut session in Session::start_with_ipython().await {
        let shell = session.kernel.describe().shell.unwrap();
        assert!(shell.starts_with("IPython "), "{shell}");
        assert_eq!(
            session.value("f'IPython {__import__(\"IPython\").__version__}'").await,
            format!("'{shell}'\n")
        );
        assert_eq!(session.value("In[1][:1], Out[1][:7]").await, "('f', 'IPython')\n");
    }
}

#[tokio::test]
async fn an_interrupt_right_before_a_cell_begins_is_all_that_is_told() {
    for mut session in Session::start_with_ipython().await {
        // IPython asks this between making the cell and running it.
        let code = "shell, real = get_ipython(), get_ipython().should_run_async\n\
                    def interrupted(*args, **options):\n    shell.should_run_async = real\n    \
                    raise KeyboardInterrupt\nshell.should_run_async = interrupted";
        session.value(code).await;
        let outcome = session.run_with("1", &[]).await;
        assert_eq!((outcome.stdout().as_str(), outcome.stderr().as_str()), ("", "KeyboardInterrupt\n"));
        assert_eq!(session.value("6 * 7").await, "42\n");
    }
}

#[tokio::test]
async fn what_ipython_knows_works() {
    for mut session in Session::start_with_ipython().await {
        for (code, shown) in [
            ("files = !printf 'a\\nb\\n'\nfiles", "['a', 'b']\n"),
            (
                "import os; os.environ['SHELL'] = '/bin/bash'\nkept = !echo ${BASH_VERSION:+bash}\nkept",
                "['bash']\n",
            ),
            (
                "%rehashx\n%rehashx\nos.mkdir('sub')\n%cd -q sub\n%cd -q ..\nos.rmdir('sub'); os.listdir()",
                "[]\n",
            ),
            ("n = 3\n!echo {n + 1} $n; exit 3\n_exit_code", "4 3\n3\n"),
            ("%%capture out\nprint('kept')", ""),
            ("out.stdout", "'kept\\n'\n"),
            ("%%writefile made.py\ndef answer(): return 1", "Writing made.py\n"),
            ("%load_ext autoreload\n%autoreload 2\nimport made\nmade.answer()", "1\n"),
            ("%%writefile made.py\ndef answer(): return 42", "Overwriting made.py\n"),
            ("made.answer()", "42\n"),
            ("%%bash\necho from bash", "from bash\n"),
            ("%env KEPT=here", "env: KEPT=here\n"),
            ("import os; os.environ['KEPT']", "'here'\n"),
            ("import asyncio\nawait asyncio.sleep(0)\n5", "5\n"),
            ("'silent';", ""),
            ("class Pretty:\n    def _repr_pretty_(self, p, cycle): p.text('pretty')\nPretty()", "pretty\n"),
            ("class Shown:\n    def _ipython_display_(self): print('shown')\nShown()", "shown\n"),
            ("input('name? ')\n_ih[-1]", "name? \"input('name? ')\\n_ih[-1]\"\n"),
            ("import inspect; print(inspect.getsource(Pretty).count('pretty'))", "2\n"),
            ("__name__, __import__('sys').getrecursionlimit() == 1000", "('__main__', True)\n"),
        ] {
            let outcome = session.run_with(code, &["me"]).await;
            assert_eq!((outcome.stdout().as_str(), outcome.stderr().as_str()), (shown, ""), "{code}");
            assert_eq!(outcome.exit_code, 0, "{code}");
        }
        let wide = session.value("{'numbers': list(range(40))}").await;
        assert!(wide.starts_with("{'numbers': [0,\n  1,\n  2,\n"), "{wide}");
        assert!(plain(&session.value("a = 3\na?").await).contains("String form: 3\n"));
        assert!(session.value("%whos").await.contains("Pretty     type "), "%whos");
        assert!(session.value("%history").await.ends_with("\na?\n%whos\n%history\n"), "%history");
        assert_eq!(session.value("!ls | grep -v pycache").await, "made.py\n");
    }
}

#[tokio::test]
async fn the_magics_of_ipythons_terminal_work_or_say_what_to_do() {
    for mut session in Session::start_with_ipython().await {
        session.value("kept = [7]\nopen('shown.txt', 'w').write('in the file\\n');").await;
        for (code, shown) in [
            ("a = 1", ""),
            ("%rerun", "=== Executing: ===\na = 1\n=== Output: ===\n"),
            ("%hist -l 2", "a = 1\n%rerun\n"),
            ("%hist -g a = 1", "   2: a = 1\n   5: %hist -g a = 1\n"),
            ("%store kept", "Stored 'kept' (list)\n"),
            ("kept = None\n%store -r kept\nkept", "[7]\n"),
            ("%bookmark here", ""),
            (
                "import os; sorted(os.listdir(os.environ['IPYTHONDIR'] + '/profile_default/db'))",
                "['autorestore', 'bookmarks']\n",
            ),
            ("more shown.txt", "in the file\n\n"),
            ("!more shown.txt", "in the file\n"),
        ] {
            let shown_now = session.value(code).await;
            // Some releases of `more` show the file's name above it.
            let end = if code.starts_with('!') { shown_now.ends_with(shown) } else { shown_now == shown };
            assert!(end, "{code}: {shown_now:?}");
        }
        for (code, words) in
            [("%paste", "Paste at the prompt"), ("%autoindent", "indents"), ("%clear", "Ctrl-L")]
        {
            assert!(session.value(code).await.contains(words), "{code}");
        }
        let outcome = session.run_with("%cpaste", &[">>> pasted = 4", "--"]).await;
        assert_eq!(outcome.exit_code, 0, "{outcome:?}");
        assert_eq!(session.value("pasted").await, "4\n");
        for (code, text) in [
            ("%edit -x new.py", "%%writefile new.py"),
            ("%edit shown.txt", "%%writefile shown.txt\nin the file"),
            ("%edit 2", "a = 1"),
        ] {
            let next = ConsoleRecord::NextInput { text: text.into(), replace: true };
            assert!(session.run(code).await.replies.contains(&Reply::Console(next)), "{code}");
        }
        assert!(session.run("%edit nothing").await.stderr().contains("no file"));
    }
}

#[tokio::test]
async fn exit_leaves_and_libraries_know_cells_of_ipython() {
    for mut session in Session::start_with_ipython().await {
        session.value("def ends(): exit()").await;
        for code in ["x = 5; quit()", "exit", "if True: exit()"] {
            let outcome = session.run(code).await;
            assert_eq!(outcome.replies, [Reply::Console(ConsoleRecord::Leave)], "{code}");
        }
        let outcome = session.run("ends()").await;
        assert!(outcome.stderr().contains("ends the cell alone"), "{outcome:?}");
        assert!(!outcome.replies.contains(&Reply::Console(ConsoleRecord::Leave)), "{outcome:?}");
        // By this name line_profiler, numba and joblib know them.
        assert_eq!(session.value("ends.__code__.co_filename[:17]").await, "'<ipython-input-1-'\n");
        let text = session.run("exec('x = 1\\n1/0')").await.stderr();
        assert!(!text.contains("import os"), "{text}");
    }
}

#[tokio::test]
async fn a_library_that_shows_tracebacks_gets_the_users_frames_alone() {
    for mut session in Session::start_with_ipython().await {
        let names = "[frame.name for frame in traceback.extract_tb(shell._get_exc_info()[2])]";
        session.value("import sys, time, traceback, asyncio\nshell = get_ipython()").await;
        if session.value("sys.version_info < (3, 7)").await == "True\n" {
            continue;
        }
        session.value(&format!("shell._showtraceback = lambda *rest: print({names}[1:])")).await;
        for code in ["sys.stdin.readline()", "!exec sleep 1000", "await asyncio.sleep(1000)"] {
            session.send(Op::Code(format!("print('on')\n{code}"))).await;
            session.until_output("on\n").await;
            session.send(Op::Interrupt).await;
            assert_eq!(session.finish().await.stdout(), "['<module>']\n", "{code}");
        }
    }
}

#[tokio::test]
async fn errors_are_ipythons_on_standard_error_with_an_exit_code() {
    for mut session in Session::start_with_ipython().await {
        session.value("def divide(n):\n    return 1 / n").await;
        for (code, exit_code, words) in [
            ("divide(0)", 1, "----> 2     return 1 / n"),
            ("x = = 1", 1, "SyntaxError: invalid syntax"),
            ("%nothing", 1, "UsageError: Line magic function `%nothing` not found."),
            (
                "class Bad:\n    def __repr__(self): divide(0)\nBad()",
                1,
                "ZeroDivisionError: division by zero",
            ),
            ("raise SystemExit(3)", 3, ""),
            ("def leave():\n    exit(4)\nleave()", 4, "ends the cell alone"),
            ("exit", 0, ""),
            ("%%writefile bad.py\nraise SystemExit('no more')", 0, ""),
            ("%run bad.py", 1, "no more\n"),
        ] {
            let outcome = session.run(code).await;
            let text = plain(&outcome.stderr());
            assert_eq!(outcome.exit_code, exit_code, "{code}: {text}");
            assert!(if words.is_empty() { text.is_empty() } else { text.contains(words) }, "{code}: {text}");
            assert!(!text.contains("bai-repl"), "{text}");
        }
    }
}

#[tokio::test]
async fn an_interrupt_ends_the_cell_whatever_it_does() {
    for mut session in Session::start_with_ipython().await {
        session.value("import asyncio, sys, time\nawait asyncio.sleep(0)\n!true").await;
        session.run("%timeit -n1 -r1 1/0").await;
        for code in [
            "while True: pass",
            "time.sleep(1000)",
            "!exec sleep 1000",
            "lines = !exec sleep 1000\nprint('not reached')",
            "await asyncio.sleep(1000)",
            "%time time.sleep(1000)",
            "%timeit -n1 -r1 time.sleep(1000)",
            "sys.stdin.readline()",
            "get_ipython().run_cell_magic('bash', '', 'exec sleep 1000')",
        ] {
            session.send(Op::Code(format!("print('on')\n{code}"))).await;
            session.until_output("on\n").await;
            session.send(Op::Interrupt).await;
            let outcome = session.finish().await;
            let text = plain(&outcome.stderr());
            assert_eq!((outcome.stdout().contains("not reached"), outcome.exit_code), (false, 1), "{code}");
            assert!(text.trim_end().ends_with("KeyboardInterrupt:"), "{code}: {text}");
            // Before 3.8, Python says when a destructor has lost it.
            let said = 2 + text.matches("Exception ignored in: ").count();
            assert_eq!(text.matches("KeyboardInterrupt").count(), said, "{code}: {text}");
            assert!(!text.contains("bai-repl"), "{code}: {text}");
        }
        assert_eq!(session.value("'after'").await, "'after'\n");
    }
}

#[tokio::test]
async fn an_interrupt_of_what_ipython_calls_before_a_cell_ends_the_cell() {
    for mut session in Session::start_with_ipython().await {
        session.value("import time\ndef wait(*_): print('on'); time.sleep(1000)").await;
        session.value("get_ipython().events.register('pre_run_cell', wait)").await;
        session.send(Op::Code("print('not', 'reached')".into())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        assert_eq!((outcome.stdout().contains("not reached"), outcome.exit_code), (false, 1), "{outcome:?}");
        assert_eq!(plain(&outcome.stderr()).matches("KeyboardInterrupt").count(), 2, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_script_is_a_program_also_after_cells_of_ipython() {
    for mut session in Session::start_with_ipython().await {
        session.value("kept = 1").await;
        let script = || Script { name: "-c".to_owned(), ..Script::default() };
        let outcome = session.script("import sys\nkept\nprint(kept, sys.argv)\n1/0", script(), &[]).await;
        assert_eq!(outcome.stdout(), "1 ['-c']\n");
        assert!(
            outcome.stderr().starts_with("Traceback (most recent call last):\n  File \"<string>\", line 4")
        );
        let outcome = session.script("print('%d' % 7)\nraise SystemExit(5)", script(), &[]).await;
        assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("7\n", 5));
        assert_eq!(session.value("kept").await, "1\n");
    }
}

#[tokio::test]
async fn magics_and_lines_of_the_shell_are_completed() {
    for mut session in Session::start_with_ipython().await {
        session.value("import os\nopen('found.txt', 'w').close()").await;
        for (code, start, found) in [
            ("%ti", 0, "%timeit"),
            ("%%wri", 0, "%%writefile"),
            ("x = %ti", 4, "%timeit"),
            ("!cat fou", 5, "found.txt"),
            ("%timeit os.path.joi", 16, "join"),
            ("os.path.joi", 8, "join"),
            ("x = \\alpha", 4, "α"),
            ("\\al", 0, "\\alpha"),
        ] {
            let request = CompletionRequest::at(code, code.len());
            let completion = session.kernel.complete(request).await;
            assert_eq!(completion.start, Some(start), "{code}: {completion:?}");
            assert!(completion.suggestions.iter().any(|name| name == found), "{code}: {completion:?}");
        }
    }
}

#[tokio::test]
async fn without_ipython_the_session_says_what_to_install() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        assert_eq!(session.kernel.describe().shell, None);
        let outcome = session.run("%load_ext autoreload").await;
        assert!(
            outcome.stderr().contains("`pip install ipython`")
                && outcome.stderr().contains("jupyter:python3")
        );
        let wide = session.value("{'z': list(range(40)), 'a': 'x' * 100}").await;
        assert!(wide.contains("[0,\n") && wide.contains(&format!("'{}'", "x".repeat(100))), "{wide}");
        assert_eq!(session.value("list(range(5))").await, "[0, 1, 2, 3, 4]\n");
    }
}

#[tokio::test]
async fn modules_of_the_folder_are_not_run_by_the_shell() {
    for environment in ipython_environments() {
        let folder = tempfile::tempdir().unwrap();
        for module in
            ["IPython", "traitlets", "stack_data", "pygments", "jedi", "decorator", "typing", "mine"]
        {
            let code = format!("print('executed {module}')\n");
            std::fs::write(folder.path().join(module).with_extension("py"), code).unwrap();
        }
        let env = [("VIRTUAL_ENV", environment.to_str().unwrap()), ("BAI_REPL_PYTHON_SHELL", "ipython")];
        let mut session = Session::start_all("python", &env, folder).await;
        let outcome = session.run("1/0").await;
        assert!(plain(&outcome.stderr()).contains("----> 1 1/0"), "{outcome:?}");
        assert_eq!(outcome.stdout(), "");
        assert!(plain(&session.value("str.upper?").await).contains("uppercase"));
        let completion = session.kernel.complete(CompletionRequest::at("%ti", 3)).await;
        assert!(completion.suggestions.contains(&"%timeit".to_owned()), "{completion:?}");
        assert_eq!(session.value("import mine").await, "executed mine\n");
    }
}

#[tokio::test]
async fn an_ipython_that_does_not_start_is_reported_once() {
    let packages = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(packages.path().join("IPython/core")).unwrap();
    let version = "_version_major = 8\n_version_minor = 1\n_version_patch = 0  # final\n";
    std::fs::write(packages.path().join("IPython/core/release.py"), version).unwrap();
    std::fs::write(packages.path().join("IPython/__init__.py"), "raise RuntimeError('broken')\n").unwrap();
    let path = packages.path().to_str().unwrap();
    for python in pythons().await {
        let env = [("PYTHONPATH", path), ("BAI_REPL_PYTHON_SHELL", "auto")];
        let mut session = Session::start_with(&python, &env).await;
        let outcome = session.run("%pwd\n6 * 7").await;
        assert!(outcome.stdout().ends_with("42\n"), "{outcome:?}");
        let fault = "IPython 8.1.0 does not start (RuntimeError: broken); this session has the plain shell\n";
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), (fault, 0), "{python}");
        assert_eq!(session.value("6 * 7").await, "42\n");
    }
}

#[tokio::test]
async fn the_values_of_cells_are_the_shells_after_a_console_in_a_debugger() {
    for mut session in Session::start_with_ipython().await {
        session.value("5").await;
        session.run("1/0").await;
        let debugged = session.run_with("%debug", &["interact", "7*7", "\u{4}", "q"]).await;
        assert!(debugged.stdout().contains("49\n"), "{debugged:?}");
        session.value("100").await;
        assert_eq!(session.value("_").await, "100\n");
        session.value("import code").await;
        session.run_with("code.interact(local={}, banner='')", &["8*8", "\u{4}"]).await;
        session.value("200").await;
        assert_eq!(session.value("_ + 1").await, "201\n");
        assert_eq!(session.value("__, '_' in vars(__builtins__)").await, "(200, False)\n");
    }
}
