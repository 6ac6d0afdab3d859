//! Scripts of Python: they behave as `python FILE` does, in the namespace of the session.

use super::harness::{Session, at_least, gone, pythons};
use bai_protocol::byte_text;
use bai_protocol::execute::Script;

fn code(arguments: &[&str]) -> Script {
    let args = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Script { name: "-c".into(), args, ..Script::default() }
}

fn last() -> Script {
    Script { last: true, ..code(&[]) }
}

#[tokio::test]
async fn a_script_has_arguments_and_shows_no_value() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let run = session
            .script("import sys\nx = 7\nprint(sys.argv)\n6 * 7", code(&["a", "-b", "\u{10FFFF}"]), &[])
            .await;
        assert_eq!(
            (run.stdout().as_str(), run.exit_code),
            ("['-c', 'a', '-b', '\\udcff']\n", 0),
            "{python}: {run:?}"
        );
        assert_eq!(session.value("x, sys.argv").await, "(7, [''])\n", "{python}");
        let run = session.script("def f():\n  1/0\nf()", code(&[]), &[]).await;
        assert!(run.stderr().contains("File \"<string>\", line 2, in f"), "{python}: {run:?}");
        assert!(!run.stderr().contains("bai"), "{python}: {run:?}");
        let run = session.script("import sys\nsys.exit('no')", code(&[]), &[]).await;
        assert_eq!((run.stderr().as_str(), run.exit_code), ("no\n", 1), "{python}");
    }
}

#[tokio::test]
async fn the_input_is_a_stream_of_bytes_with_an_end() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for (source, pieces, expected) in [
            (
                "import sys; print(repr(sys.stdin.read()))",
                &[b"a\nb".as_slice(), "é".as_bytes()][..],
                "'a\\nbé'\n",
            ),
            ("import sys\nfor line in sys.stdin: print(repr(line))", &[b"a\n\nb"], "'a\\n'\n'\\n'\n'b'\n"),
            ("import sys; print(sys.stdin.buffer.read())", &[b"\xff\0\n"], "b'\\xff\\x00\\n'\n"),
            ("print(input('? ')); print(input())", &[b"a\nb\n"], "? a\nb\n"),
            ("try: input()\nexcept EOFError: print('end')", &[b""], "end\n"),
            ("import getpass; print(getpass.getpass('') + input())", &[b"se\ncret\n"], "secret\n"),
            (
                "import subprocess, sys; subprocess.run(['cat']); print('then')",
                &[b"child\n"],
                "child\nthen\n",
            ),
            ("import os; print(os.read(0, 9))", &[b"raw"], "b'raw'\n"),
            ("import fileinput; print(list(fileinput.input()))", &[b"1\n2"], "['1\\n', '2']\n"),
            ("print(sum(1 for _ in open(0, 'rb')))", &[b"1\n", b"2\n", b"3\n"], "3\n"),
        ] {
            let run = session.script(source, code(&[]), pieces).await;
            assert_eq!((run.stdout().as_str(), run.exit_code), (expected, 0), "{python}: {source}: {run:?}");
        }
        let asking = session
            .script("import getpass; getpass.getpass('pin? '); print('out')", code(&[]), &[b"1\n"])
            .await;
        assert_eq!(asking.stdout(), "out\n", "{python}");
        let said = asking.stderr();
        assert!(
            said.contains("GetPassWarning") && said.contains("may be echoed.\npin? "),
            "{python}: {said}"
        );
        // A cell asks for lines, and an end is for one script only.
        assert_eq!(
            session.run_with("print(input())", &["x"]).await.stdout().replace("x\n", "x"),
            "x",
            "{python}"
        );
    }
}

#[tokio::test]
async fn the_streams_have_the_encodings_that_python_gives_a_program() {
    for python in pythons().await {
        for (variable, value) in [
            ("LC_ALL", "C.UTF-8"),
            ("LC_ALL", "POSIX"),
            ("PYTHONIOENCODING", "latin-1"),
            ("PYTHONIOENCODING", "utf-8:strict"),
        ] {
            let mut session = Session::start_with(&python, &[(variable, value)]).await;
            for source in [
                "import sys; print([s.errors for s in (sys.stdin, sys.stdout, sys.stderr)])",
                "print('a\\udcff')",
                "print('\\xfc')",
                "print('\\ud800')",
            ] {
                let run = session.script(source, code(&[]), &[]).await;
                let ours = format!("{:?} {}\n", byte_text::bytes(&run.stdout()), run.exit_code);
                let program = format!(
                    "import subprocess, sys; p = subprocess.run([sys.executable, '-c', {source:?}], stdin=0, stdout=-1); print(list(p.stdout), p.returncode)"
                );
                // Python 3.6 knows ASCII alone without a locale; we write UTF-8 there.
                if !(python.ends_with("3.6") && value == "POSIX") {
                    let theirs = session.run(&program).await.stdout();
                    assert_eq!(ours, theirs, "{python}: {variable}={value}: {source}: {run:?}");
                }
            }
            assert_eq!(session.run("print('\\ud800')").await.stdout(), "\\ud800\n", "{python}");
        }
    }
}

#[tokio::test]
async fn a_file_finds_its_modules_and_itself() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("helper.py"), "word = 'helped'").unwrap();
        let path = folder.path().join("main file.py");
        std::fs::write(session.folder.path().join("near.py"), "word = 'near'").unwrap();
        let run = session.script("import near; print(near.word)", code(&[]), &[]).await;
        assert_eq!(run.stdout(), "near\n", "{python}: {run:?}");
        let source = "import helper, os, sys\nprint(helper.word, __name__, os.path.basename(__file__), sys.argv[0])\n1/0";
        std::fs::write(&path, source).unwrap();
        let path = path.to_str().unwrap().to_owned();
        let script = Script { name: "./main file.py".into(), path: Some(path.clone()), ..Script::default() };
        let run = session.script(source, script, &[]).await;
        assert_eq!(run.stdout(), "helped __main__ main file.py ./main file.py\n", "{python}: {run:?}");
        assert!(run.stderr().contains(&format!("File \"{path}\", line 3")), "{python}: {run:?}");
        assert_eq!(session.value("sys.path[0], '__file__' in globals()").await, "('', False)\n", "{python}");
    }
}

#[tokio::test]
async fn the_last_script_of_a_session_ends_as_a_program_does() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let source = "import atexit, threading, time\n\
                      from concurrent.futures import ThreadPoolExecutor\n\
                      atexit.register(print, 'at exit')\n\
                      def late(): time.sleep(0.2); print('late')\n\
                      threading.Thread(target=late).start()\n\
                      ThreadPoolExecutor().submit(lambda: (time.sleep(0.4), print('later')))\n\
                      print('now')\nraise SystemExit(3)";
        let run = session.script(source, last(), &[]).await;
        let printed = run.stdout();
        let mut lines: Vec<&str> = printed.lines().collect();
        // Before 3.9, exit handlers end the pools.
        lines.sort_unstable();
        assert_eq!((lines, run.exit_code), (vec!["at exit", "late", "later", "now"], 3), "{python}: {run:?}");
    }
}

#[tokio::test]
async fn the_interpreter_ends_by_itself_with_the_last_script_and_without_a_word() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let run = session.script("kept = 1; import os; print(os.getpid())", last(), &[]).await;
        gone(run.stdout().trim()).await;
        let next = session.run("'kept' in globals()").await;
        assert_eq!((next.stdout().as_str(), next.stderr().as_str()), ("False\n", ""), "{python}: {next:?}");
    }
}

#[tokio::test]
async fn what_a_script_leaves_open_is_written_at_its_end() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let source = "import gzip\nclass Late:\n    def __del__(self): print('deleted')\nlate = Late()\n\
                      file = gzip.open('left.gz', 'wt'); _ = file.write('hello')";
        let run = session.script(source, last(), &[]).await;
        assert_eq!((run.stdout().as_str(), run.exit_code), ("deleted\n", 0), "{python}: {run:?}");
        let left = std::fs::read(session.folder.path().join("left.gz")).unwrap();
        assert_eq!(
            left.get(left.len() - 4..).unwrap(),
            5_u32.to_le_bytes(),
            "the length at the end of the file"
        );
    }
}

#[tokio::test]
async fn a_script_ends_with_the_exit_code_that_python_gives_and_no_other_word() {
    for python in pythons().await {
        for (source, exit_code) in [
            ("raise KeyboardInterrupt", 130),
            ("import os; os._exit(7)", 7),
            ("raise SystemExit(256)", 0),
            ("raise SystemExit(-1)", 255),
        ] {
            let mut session = Session::start(&python).await;
            let run = session.script(source, last(), &[]).await;
            assert_eq!(run.exit_code, exit_code, "{python}: {source}");
            assert!(!run.stderr().contains("process"), "{python}: {run:?}");
        }
    }
}

#[tokio::test]
async fn a_script_can_start_itself_again() {
    for python in at_least((3, 10)).await {
        let mut session = Session::start(&python).await;
        let source = "import os, sys\nprint(len(sys.orig_argv), sys.argv[1:], flush=True)\n\
                      if 'again' not in sys.argv: os.execv(sys.executable, sys.orig_argv + ['again'])";
        let run = session.script(source, Script { last: true, ..code(&["a"]) }, &[]).await;
        assert_eq!(run.stdout(), "4 ['a']\n5 ['a', 'again']\n", "{python}: {run:?}");
    }
}
