//! The user's namespace is a real `__main__` that only the user changes.

use super::harness::{Session, at_least, pythons};

#[tokio::test]
async fn the_namespace_has_no_names_of_the_driver() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let shown =
            session.value("sorted(n for n in dir() if n not in ('__builtins__', '__annotations__'))").await;
        assert_eq!(shown, "['__doc__', '__loader__', '__name__', '__package__', '__spec__']\n", "{python}");
        assert_eq!(
            session.value("__name__, __import__('__main__').__dict__ is globals()").await,
            "('__main__', True)\n"
        );
        assert_eq!(session.value("import threading; threading.active_count()").await, "1\n");
    }
}

#[tokio::test]
async fn pickling_sources_and_processes_work() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "class Point:\n    kind = 'point'\n    def __init__(self, x): self.x = x\n\ndef double(n):\n    return 2 * n";
        session.value("def odd(): return 'a\u{c}b\u{2028}c'").await;
        session.value(code).await;
        for (code, shown) in [
            ("import pickle; pickle.loads(pickle.dumps(Point(3))).x", "3\n"),
            ("pickle.loads(pickle.dumps(double))(4)", "8\n"),
            (
                "import inspect; print(inspect.getsource(double).strip())",
                "def double(n):\n    return 2 * n\n",
            ),
            ("inspect.getsource(odd)[-8:]", "\"'a\\x0cb\\u2028c'\\n\"\n"),
            ("inspect.getsource(Point).splitlines()[1]", "\"    kind = 'point'\"\n"),
            (
                "import multiprocessing\nwith multiprocessing.Pool(2) as pool: print(pool.map(double, [1, 2]))",
                "[2, 4]\n",
            ),
            (
                "p = multiprocessing.Process(target=print, args=('child',)); p.start(); p.join(); p.exitcode",
                "child\n0\n",
            ),
            (
                "import concurrent.futures as f\nwith f.ProcessPoolExecutor(1) as e: print(e.submit(double, 5).result())",
                "10\n",
            ),
        ] {
            assert_eq!(session.value(code).await, shown, "{python}: {code}");
        }
    }
}

#[tokio::test]
async fn lines_of_several_children_stay_whole() {
    for python in at_least((3, 7)).await {
        let mut session = Session::start(&python).await;
        let code = "import multiprocessing as m, os\nfork = m.get_context('fork')\nstart = fork.Barrier(4)\n\
                    def work(n):\n    start.wait()\n    for k in range(100): print('worker', n, 'does', k, 'things')\n    \
                    print(n, end='')\n\
                    all = [fork.Process(target=work, args=(n,)) for n in range(4)]\n\
                    for one in all: one.start()\nfor one in all: one.join()\nprint()\n\
                    if not os.fork(): print('end', end='')\nelse: _ = os.wait()";
        let shown = session.value(code).await;
        let is_whole = |line: &&str| {
            line.trim_start_matches(char::is_numeric).starts_with("worker ") && line.ends_with(" things")
        };
        assert_eq!(shown.lines().filter(is_whole).count(), 400, "{python}: {shown}");
        assert!(shown.ends_with("\nend"), "{python}: {shown}");
    }
}

#[tokio::test]
async fn dataclasses_and_type_hints_find_their_module() {
    for python in at_least((3, 7)).await {
        let mut session = Session::start(&python).await;
        let code = "import dataclasses, typing\n@dataclasses.dataclass\nclass D:\n    n: 'int' = 0\n    d: 'typing.Optional[D]' = None\n\
                    typing.get_type_hints(D)['n'], D(1)";
        assert_eq!(session.value(code).await, "(<class 'int'>, D(n=1, d=None))\n", "{python}");
        session.value("from __future__ import annotations").await;
        assert_eq!(
            session.value("def f(a: Undefined): pass\nf.__annotations__").await,
            "{'a': 'Undefined'}\n",
            "{python}"
        );
    }
}

#[tokio::test]
async fn the_environment_has_the_requested_variables_and_no_secrets() {
    let mut session = Session::start_with("python", &[("GREETING", "hej"), ("bad=name", "x")]).await;
    assert_eq!(
        session.value("import os; os.environ['GREETING'], os.environ['MPLBACKEND']").await,
        "('hej', 'agg')\n"
    );
    let secrets = "[n for n in os.environ if n.startswith(('BACKEND_SECRET', 'BACKEND_ACCESS'))]";
    assert_eq!(session.value(secrets).await, "[]\n");
}

#[tokio::test]
async fn a_stack_has_no_frames_of_the_driver() {
    let code = "import traceback, inspect, logging\n\
                def f(): return traceback.extract_stack(), inspect.stack(), list(traceback.walk_stack(None))\n\
                a, b, c = f()\n\
                names = [[e[2] for e in a], [e[3] for e in b][::-1], [e[0].f_code.co_name for e in c][::-1]]\n";
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value(code).await;
        assert_eq!(
            session.value("*names,").await,
            "(['<module>', 'f'], ['<module>', 'f'], ['<module>', 'f'])\n"
        );
        let shown =
            session.run("logging.warning('x', stack_info=True); traceback.print_stack()").await.stderr();
        assert_eq!(shown.matches("File \"<cell 3>\", line 1").count(), 2, "{python}: {shown}");
        assert_eq!(shown.matches("File ").count(), 2, "{python}: {shown}");
    }
    for mut session in Session::start_with_ipython().await {
        session.value(code).await;
        assert_eq!(
            session.value("set(n[-1] for n in names), set(n[-2] for n in names)").await,
            "({'f'}, {'<module>'})\n"
        );
        let files = "[e.filename for e in a] + [e[1] for e in b] + [e[0].f_code.co_filename for e in c]";
        assert_eq!(
            session.value(&format!("[f for f in {files} if 'bai-repl' in f or f == '<string>']")).await,
            "[]\n"
        );
    }
}
