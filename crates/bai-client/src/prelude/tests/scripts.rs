//! Scripts in real kernels: IPython 7 on CPython 3.6, and the current one.

use super::{carried, for_old_and_new_ipython, outputs, outputs_with_answers, patient_prelude, text};
use crate::prelude::{END, KernelScript};
use bai_protocol::execute::{Script, Window};
use serde_json::{Value, json};
use std::path::Path;

/// What a script prints to standard output and to standard error, and its exit code.
fn printed(outputs: &[Value]) -> (String, String, String) {
    let of = |kind: &str| {
        outputs.iter().filter(|part| part[0] == kind).map(|part| part[1].as_str().unwrap()).collect()
    };
    let code: String = of("exit code");
    // The name of the exception that carries the exit code is not printed by the runner.
    let stderr: String = of("stderr");
    (of("stdout"), stderr.replace("SystemExit", ""), if code.is_empty() { "0".into() } else { code })
}

fn script(source: &str, last: bool) -> KernelScript {
    let script = Script {
        name: "dir/s.py".into(),
        args: vec!["a b".into(), "\u{10ffff}".into()],
        last,
        ..Default::default()
    };
    KernelScript::new(
        source,
        &script,
        Some("dir/s.py"),
        Some(Window { columns: 77, rows: 20, colors: false }),
    )
}

/// The text without the marks that newer Pythons put below code, and with `DIR` for the working folder.
fn without_marks(text: &str) -> String {
    let is_mark = |line: &&str| line.contains('~') || line.trim_matches([' ', '^']).is_empty();
    let lines = text.lines().filter(|line| !is_mark(line)).map(|line| format!("{line}\n"));
    let text: String = lines.collect();
    // Old versions of Python show the name as it was given.
    let text = text.replace("\"dir/s.py", "\"DIR/dir/s.py");
    let folder = text.split_once("File \"").and_then(|(_, rest)| rest.split_once("/dir/s.py"));
    folder.map_or(text.clone(), |(folder, _)| text.replace(folder, "DIR"))
}

#[test]
fn a_script_in_the_kernel_has_a_file_that_its_processes_read() {
    let spawn = "import inspect, multiprocessing as m, os\ndef square(n): return n * n\nif __name__ == '__main__':\n    \
                 with m.get_context('spawn').Pool(1) as pool: print(pool.map(square, [3]), os.path.exists(__file__), flush=True)";
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            script(spawn, false).code,
            "print(inspect.getsource(square), os.path.exists('dir'))".into(),
        ];
        let came = outputs(python, &cells);
        assert_eq!(printed(&came[1]), ("[9] True\n".into(), String::new(), "0".into()));
        assert_eq!(printed(&came[2]).0, "def square(n): return n * n\n False\n");
    });
}

#[test]
fn a_script_ends_as_python_ends_it_and_the_kernel_goes_on() {
    let scripts = [
        ("import sys\nprint('out')\nsys.exit(3)", "out\n", "", "3"),
        ("import sys\nsys.exit('text')", "", "text\n", "1"),
        ("exit()", "", "", "0"),
        ("quit(260)", "", "", "4"),
        ("raise SystemExit", "", "", "0"),
        ("import os\nprint('last')\nos._exit(5)", "last\n", "", "5"),
        (
            "import os, threading, time\nthreading.Thread(target=os._exit, args=(6,)).start()\ntime.sleep(100)",
            "",
            "",
            "6",
        ),
        (
            "import os, warnings\nwarnings.simplefilter('ignore')\nif os.fork() == 0:\n    raise SystemExit(7)\nprint(os.wait()[1] >> 8)",
            "7\n",
            "",
            "0",
        ),
        (
            "def f():\n    1/0\nf()",
            "",
            "Traceback (most recent call last):\n  File \"DIR/dir/s.py\", line 3, in <module>\n    f()\n  \
             File \"DIR/dir/s.py\", line 2, in f\n    1/0\nZeroDivisionError: division by zero\n",
            "1",
        ),
        ("\nx = = 1", "", "  File \"DIR/dir/s.py\", line 2\n    x = = 1\nSyntaxError: invalid syntax\n", "1"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGINT)", "", "KeyboardInterrupt", "130"),
        ("import sys\nsys.excepthook = lambda *about: print('mine')\n1/0", "mine\n", "", "1"),
        ("import shutil\nprint(shutil.get_terminal_size().columns)", "77\n", "", "0"),
        ("print(6 * 7)\n6 * 7", "42\n", "", "0"),
        ("magic = !echo magic\nprint(magic[0])", "magic\n", "", "0"),
        (
            "import sys, os\nprint(sys.argv, __name__, os.path.relpath(__file__), os.path.relpath(sys.path[0]))",
            "['dir/s.py', 'a b', '\\udcff'] __main__ dir/s.py dir\n",
            "",
            "0",
        ),
        (
            "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 'done'\nloop = asyncio.new_event_loop()\n\
             print(loop.run_until_complete(f()))",
            "done\n",
            "",
            "0",
        ),
        (
            "import os\nos.makedirs('dir', exist_ok=True)\nopen('dir/own.py', 'w').write('n = 1')\nimport own\nprint(own.n)",
            "1\n",
            "",
            "0",
        ),
        ("open('dir/own.py', 'w').write('n = 20')\nimport own\nprint(own.n)", "20\n", "", "0"),
        (
            "import sys\nprint(sys.stdin.mode, sys.stdout.mode, sys.stderr.errors)",
            "r w backslashreplace\n",
            "",
            "0",
        ),
        ("print(get_ipython() is not None)", "True\n", "", "0"),
        ("import sys\nsys.stdout.buffer.write('ä'.encode())\nsys.stdout.close()", "ä", "", "0"),
        ("# coding: latin-1\nprint('\u{10ffe4}')", "ä\n", "", "0"),
    ];
    for_old_and_new_ipython(|python| {
        for last in [false, true] {
            let mut cells = vec![patient_prelude()];
            cells.extend(scripts.iter().map(|(source, ..)| script(source, last).code));
            cells.push("import os\n'alive', os.environ.get('COLUMNS')".into());
            let mut came = outputs(python, &cells);
            assert_eq!(text(&came.pop().unwrap()), "('alive', None)");
            for ((source, stdout, stderr, code), came) in scripts.iter().zip(&came[1..]) {
                let (out, err, mut exit) = printed(came);
                if last && *code == "130" && exit == "1" {
                    // Old versions of Python end so after an interrupt.
                    exit = "130".into();
                }
                assert_eq!((&*out, &*exit), (*stdout, *code), "{source}: {came:?}");
                let err = without_marks(&err);
                assert!(
                    if *code == "130" { err.contains(stderr) } else { err == *stderr },
                    "{source}: {err:?}"
                );
            }
        }
    });
}

#[test]
fn a_script_that_is_the_last_one_waits_for_its_threads_and_exit_handlers() {
    // Each line in one piece: print() writes the end of a line by itself, and another thread may come in between.
    let source = "import atexit, sys, threading, time\nfrom concurrent.futures import ThreadPoolExecutor\n\
                  say = sys.stdout.write\n\
                  pool = ThreadPoolExecutor(1)\npool.submit(say, 'pool\\n')\natexit.register(print, 'handler')\n\
                  def f():\n    threading.main_thread().join(0.1)\n    say('thread\\n')\nthreading.Thread(target=f).start()\n\
                  file = open('open.txt', 'w')\nprint('main', file=file)\nsay('main\\n')\nraise SystemExit(3)";
    for_old_and_new_ipython(|python| {
        let cells = [patient_prelude(), script(source, true).code, "print(open('open.txt').read())".into()];
        let came = outputs(python, &cells);
        let (out, err, code) = printed(&came[1]);
        let mut lines: Vec<_> = out.lines().collect();
        assert_eq!((lines.pop(), err.as_str(), code.as_str()), (Some("handler"), "", "3"), "{out}");
        lines.sort_unstable();
        assert_eq!(lines, ["main", "pool", "thread"]);
        assert_eq!(printed(&came[2]).0, "main\n\n");
    });
}

#[test]
fn the_input_of_a_script_is_a_stream_of_bytes_with_an_end() {
    let read = [
        (
            "import sys\nfor line in sys.stdin:\n    print(repr(line))",
            vec!["+YQpi", ".Cg=="],
            "'a\\n'\n'b\\n'\n",
        ),
        (
            "import sys\nprint(repr(sys.stdin.read()), sys.stdin.isatty())",
            vec!["+YQrD", "+vA==", "."],
            "'a\\nü' False\n",
        ),
        ("import sys\nprint(sys.stdin.buffer.read())", vec!["./wBh"], "b'\\xff\\x00a'\n"),
        (
            "try:\n    while True:\n        print(input('? '))\nexcept EOFError:\n    print('end')",
            vec!["+YQpi", ".Cg=="],
            "? a\n? b\n? end\n",
        ),
        ("print(input(), input())", vec!["+YQpiCg=="], "a b\n"),
        // What a client without more input, or one that has gone, answers.
        ("import sys\nprint(repr(sys.stdin.read()), repr(sys.stdin.read()))", vec![""], "'' ''\n"),
    ];
    for_old_and_new_ipython(|python| {
        for last in [false, true] {
            check_input(python, &read, last);
        }
    });
}

fn check_input(python: &Path, read: &[(&str, Vec<&str>, &str)], last: bool) {
    let scripts: Vec<_> = read.iter().map(|(source, ..)| script(source, last)).collect();
    let mut cells = vec![json!(patient_prelude())];
    cells.extend(
        scripts
            .iter()
            .zip(read)
            .map(|(script, (_, answers, _))| json!([&[&*script.code], &answers[..]].concat())),
    );
    cells.push(json!(["print(input('name? '))", "Ann"]));
    let came = outputs_with_answers(python, &cells);
    for (((source, answers, stdout), came), script) in read.iter().zip(&came[1..]).zip(&scripts) {
        assert_eq!(printed(came), ((*stdout).to_owned(), String::new(), "0".into()), "{source}: {came:?}");
        let asked: Vec<_> = came.iter().filter(|part| part[0] == "asked").collect();
        assert_eq!(asked, vec![&json!(["asked", script.mark]); answers.len()], "{source}");
    }
    assert_eq!(came[came.len() - 1], [json!(["asked", "name? "]), json!(["stdout", "Ann\n"])]);
}

#[test]
fn a_script_that_is_the_last_one_is_a_process_of_its_own() {
    let as_child = "import subprocess, sys\n\
                    if len(sys.argv) == 3: print(subprocess.check_output([sys.executable, __file__], universal_newlines=True).strip())\n\
                    else: print('child')";
    let spawned = "import multiprocessing, inspect, sys\ndef f(n): return n + 1\n\
                   if __name__ == '__main__':\n    with multiprocessing.get_context('spawn').Pool(1) as pool:\n        \
                   print(pool.map(f, [1]), inspect.getsource(f))";
    let scripts = [
        ("import os\nprint('on')\nos.kill(os.getpid(), 9)", "on\n", "137"),
        ("import os\nprint('on')\nos.abort()", "on\n", "134"),
        ("import os\nos.execvp('echo', ['echo', 'other'])", "other\n", "0"),
        ("class A:\n    def __del__(self): print('del')\na = A()", "del\n", "0"),
        (
            "import os\nprint(os.fork() == os.wait()[0]) if 0 else print(os.system('echo system'))",
            "system\n0\n",
            "0",
        ),
        ("import sys\nprint([f.fileno() for f in (sys.stdin, sys.stdout, sys.stderr)])", "[0, 1, 2]\n", "0"),
        ("import sys\nprint('IPython' in sys.modules, len(sys._current_frames()))", "False 1\n", "0"),
        (
            "import subprocess\nsubprocess.Popen('sleep 100; echo late', shell=True)\nprint('end')",
            "end\n",
            "0",
        ),
        (as_child, "child\n", "0"),
        (spawned, "[2] def f(n): return n + 1\n\n", "0"),
    ];
    for_old_and_new_ipython(|python| {
        let mut cells = vec![patient_prelude()];
        cells.extend(scripts.iter().map(|(source, ..)| script(source, true).code));
        cells.push("import os\nos.path.exists('dir')".into());
        let came = outputs(python, &cells);
        for ((source, stdout, code), came) in scripts.iter().zip(&came[1..]) {
            let (out, err, exit) = printed(came);
            assert_eq!((&*out, &*err, &*exit), (*stdout, "", *code), "{source}");
        }
        assert_eq!(text(&came[came.len() - 1]), "False", "the file of the script is gone");
    });
}

#[test]
fn a_file_of_the_session_stays_and_code_without_a_file_has_its_name() {
    let of = |name: &str, source: &str, file: Option<&str>| {
        let script = Script { name: name.into(), args: vec!["a".into()], last: true, ..Default::default() };
        KernelScript::new(source, &script, file, None).code
    };
    let argv = "import sys\nprint(sys.argv, sys.stdin.read())\n1/0";
    for_old_and_new_ipython(|python| {
        let came = outputs(
            python,
            &[
                patient_prelude(),
                "open('s.py', 'w').write('theirs');".into(),
                of("s.py", "print('ours')", Some("s.py")),
                "print(open('s.py').read(), *__import__('glob').glob('.*s.py'))".into(),
                of("-c", argv, None),
                of("-", argv, None),
            ],
        );
        assert_eq!((printed(&came[2]).0, printed(&came[3]).0), ("ours\n".into(), "theirs\n".into()));
        for (came, name, shown) in [(&came[4], "-c", "<string>"), (&came[5], "-", "<stdin>")] {
            let (out, err, code) = printed(came);
            assert_eq!((out, code), (format!("['{name}', 'a'] \n"), "1".into()));
            assert!(err.contains(&format!("File \"{shown}\", line 3, in <module>")), "{err}");
        }
    });
}

#[test]
fn much_output_arrives_whole_and_before_the_exit_code() {
    let numbered = |count: u32| (0..count).map(|n| format!("{n} {}\n", "x".repeat(20))).collect();
    let lines = |count: u32, how: &str| {
        (format!("for n in range({count}):\n    print(n, 'x' * 20{how})"), numbered(count))
    };
    let texts: [(String, String); 3] = [
        lines(20_000, ""),
        // More messages than the kernel keeps for a slow reader.
        lines(2_500, ", flush=True"),
        ("print('x' * 12000000)".to_owned(), "x".repeat(12_000_000) + "\n"),
    ];
    for_old_and_new_ipython(|python| {
        for (source, whole) in &texts {
            let source = format!("import sys\n{source}\nsys.exit('the end')");
            let came = outputs(python, &[patient_prelude(), script(&source, true).code, "print(1)".into()]);
            let (out, err, code) = printed(&came[1]);
            assert_eq!((&*err, &*code), ("the end\n", "1"), "{source}");
            assert!(out == *whole, "{source}: {} bytes", out.len());
            let last = came[1].last().and_then(carried);
            assert_eq!(last.unwrap()[END], 1);
            assert_eq!(printed(&came[2]).0, "1\n");
        }
    });
}

#[test]
fn a_kernel_without_the_prelude_refuses_a_script() {
    for_old_and_new_ipython(|python| {
        let came = outputs(python, &[script("print(1)", false).code]);
        assert_eq!(came[0], [json!(["stderr", "SystemError"])]);
    });
}
