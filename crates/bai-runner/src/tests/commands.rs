//! The commands of IPython's prompt: `!command`, `%name`, `name?`.

use super::super::Op;
use super::harness::{Session, pythons};

#[tokio::test]
async fn shell_commands_write_in_order_and_leave_their_exit_code() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        assert_eq!(session.value("!echo one; exit 3\n_exit_code").await, "one\n3\n", "{python}");
        let code = "for n in range(2):\n    print(n, end=' ')\n    !echo \"it's\" 'a (' # b\nprint('end')";
        assert_eq!(session.value(code).await, "0 it's a (\n1 it's a (\nend\n", "{python}");
        for (shell, shown) in [("/bin/bash", "yes\n"), ("/bin/sh", ""), ("/nonexistent", "")] {
            let code =
                format!("import os; os.environ['SHELL'] = {shell:?}\n!test -n \"$BASH_VERSION\" && echo yes");
            assert_eq!(session.run(&code).await.stdout(), shown, "{python}: {shell}");
        }
        let outcome = session.run("!echo out; echo err >&2").await;
        assert_eq!((outcome.stdout().as_str(), outcome.stderr().as_str()), ("out\n", "err\n"), "{python}");
        session.send(Op::Code("!echo on; exec sleep 1000\nprint('not reached')".into())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        let lines = [
            "Traceback (most recent call last):",
            "  File \"<cell 7>\", line 1, in <module>",
            "    !echo on; exec sleep 1000",
            "KeyboardInterrupt",
        ];
        assert_eq!(outcome.stderr().lines().collect::<Vec<_>>(), lines, "{python}");
        assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("", 1), "{python}");
        let text = session.run("x = 1\n!true\n1/0").await.stderr();
        assert!(text.contains(", line 3, in <module>\n    1/0\n"), "{python}: {text}");
    }
}

#[tokio::test]
async fn python_code_that_looks_like_a_command_stays_python() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for (code, shown) in [
            ("x = (7\n% 4)\nx", "3\n"),
            ("'''\n%pwd\n!false\n'''", "'\\n%pwd\\n!false\\n'\n"),
            ("x = 9 \\\n% 5\nx", "4\n"),
            ("# why?", ""),
            ("'why?'", "'why?'\n"),
            ("y = {'a': [1,\n# (\n2]}\n%time y['a']", "[1, 2]\n"),
            ("\"a\\\"\"\n%pwd\n1", "1\n"),
        ] {
            let shown_now = session.value(code).await;
            let without_times: String =
                shown_now.split_inclusive('\n').filter(|line| !line.starts_with("CPU: ")).collect();
            assert_eq!(without_times, shown, "{python}: {code}");
        }
    }
}

#[tokio::test]
async fn questions_about_objects_are_answered() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session
            .value("def area(width, height=2):\n    '''The area\n    of it.'''\n    return width * height")
            .await;
        for question in ["area?", "?area", "  area ? "] {
            let text = session.value(question).await;
            assert!(text.starts_with("Signature: area(width, height=2)\n"), "{python}: {text}");
            assert!(text.ends_with("\n\nThe area\nof it.\n"), "{python}: {text}");
        }
        assert!(session.value("area??").await.ends_with("    return width * height\n"), "{python}");
        assert!(session.value("str.upper?").await.contains("uppercase"), "{python}");
        let outcome = session.run("nothing.at.all?").await;
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), ("There is no nothing.at.all here.\n", 1));
    }
}

#[tokio::test]
async fn each_magic_command_works() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let folder = session.folder.path().canonicalize().unwrap();
        std::fs::create_dir(folder.join("sub")).unwrap();
        let file = "import sys\nclass Made: pass\nmade = (__name__, sys.argv, __file__)\nhalf = given / 2";
        std::fs::write(folder.join("sub/made.py"), file).unwrap();
        let path = |end: &str| format!("'{}{end}'\n", folder.display());
        assert_eq!(session.value("%pwd").await, path(""), "{python}");
        session.value("%cd sub").await;
        assert_eq!(session.value("%pwd").await, path("/sub"), "{python}");
        session.value("given = 4\n%run made.py 'a b' c").await;
        let made = "('__main__', ['made.py', 'a b', 'c'], 'made.py')\n";
        assert_eq!(session.value("made").await, made, "{python}");
        assert_eq!(
            session.value("import pickle; type(pickle.loads(pickle.dumps(Made()))).__name__, half").await,
            "('Made', 2.0)\n"
        );
        session.value("%cd -").await;
        assert_eq!(session.value("%pwd").await, path(""), "{python}");
        assert_eq!(session.value("%who").await, "given  sys  Made  made  half  pickle\n", "{python}");
        let text = session.value("%time total = sum(range(10))\ntotal").await;
        assert!(text.starts_with("CPU: ") && text.ends_with("\n45\n"), "{python}: {text}");
        let text = session.value("%timeit -n 3 -r 2 given + 1").await;
        assert!(text.ends_with(" per loop (best of 2 runs, 3 loops each)\n"), "{python}: {text}");
        assert!(session.value("%pip --version").await.contains("pip"), "{python}");
        let outcome = session.run("print(1)\n%load_ext autoreload\nprint(2)").await;
        assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("1\n", 1), "{python}");
        let text = outcome.stderr();
        assert!(text.starts_with("There is no %load_ext here; there is %cd FOLDER, "), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let text = session.run("%time 1/0").await.stderr();
        assert!(
            text.ends_with("ZeroDivisionError: division by zero\n") && !text.contains("bai-repl"),
            "{text}"
        );
    }
}
