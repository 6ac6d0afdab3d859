//! A script is the main program of its Python: nothing of ours is in its stack, and its end is Python's own.

use super::script_signals::{Python, pythons};
use bai_testkit::{Sandbox, code_of};

/// Each prints what Python itself prints.
const SCRIPTS: [&str; 16] = [
    "import inspect\ndef f(): print([(f.function, f.lineno) for f in inspect.stack()])\nf()",
    "import sys\nframe, n = sys._getframe(), 0\nwhile frame: print(frame.f_code.co_name, frame.f_code.co_filename); frame = frame.f_back\n\
     try: sys._getframe(1)\nexcept ValueError as e: print(e)",
    "import traceback\ndef f(): traceback.print_stack()\nf()",
    "import warnings\nwarnings.warn('at the top', stacklevel=2)\ndef f(): warnings.warn('in f', stacklevel=3)\nf()",
    "import faulthandler\ndef f(): faulthandler.dump_traceback(all_threads=False)\nf()",
    "import logging\nlogging.basicConfig(format='%(pathname)s %(lineno)d %(funcName)s %(message)s')\nlogging.warning('x', stack_info=True)",
    "import threading\ndef f(): 1/0\nt = threading.Thread(target=f, name='worker'); t.start(); t.join()",
    "import sys\nsys.excepthook = lambda *e: (print(e[0].__name__), 1/0)\nraise KeyError('x')",
    "import sys\nsys.exit({'a': 1})",
    "import atexit\natexit.register(print, 'at exit')\nraise SystemExit(3)",
    "raise KeyboardInterrupt",
    "def f(:",
    "import sys, __main__\nprint(sorted(k for k in vars(__main__) if k[:1] == '_'), __spec__, __loader__.__class__.__name__, __package__, __doc__, __name__)",
    "import sys\nprint(sys.argv, sys.path[0], __file__, getattr(sys, 'orig_argv', [])[1:], [k for k in __import__('os').environ if 'PYTHON' in k and 'SHELL' not in k or 'GUEST' in k])",
    "import signal\nprint(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGPIPE))",
    "class A:\n  def __del__(self): print('deleted')\na = A()\ndef g():\n  yield\nimport sys; print(sys.getrecursionlimit(), sys.gettrace())",
];

#[test]
fn the_stack_of_a_script_ends_where_that_of_python_does() {
    let sandbox = Sandbox::new();
    for (number, script) in SCRIPTS.into_iter().enumerate() {
        sandbox.write("s.py", script);
        for python in pythons() {
            let forms = [&["s.py", "a b"][..], &["-"], &[], &["-c", script, "a"]];
            // One form is enough for most.
            for words in forms.into_iter().take(if number < 4 { 4 } else { 1 }) {
                let mut own = sandbox.program(python.program.to_str().unwrap());
                let mut ours = sandbox.command(&["-q"]);
                match words {
                    ["-c", code, rest @ ..] => ours.args(["-c", code, &python.image]).args(rest),
                    words => ours.arg(&python.image).args(words),
                };
                let ended = [own.args(words), &mut ours].map(|command| {
                    let input = std::fs::File::open(sandbox.work().join("s.py")).unwrap();
                    let output = command.env("MPLBACKEND", "agg").stdin(input).output().unwrap();
                    let text = |bytes| String::from_utf8(bytes).unwrap();
                    (code_of(output.status), text(output.stdout), text(output.stderr))
                });
                let [own, ours] = ended;
                assert_eq!(ours, own, "{}: {words:?}: {script}", python.image);
            }
        }
    }
}

/// Scripts close what they have not opened, as those do that go into the background.
#[test]
fn a_script_closes_descriptors_that_it_does_not_know() {
    let sandbox = Sandbox::new();
    let closes = "import os, signal, subprocess, sys, time\nos.closerange(3, 65536)\n";
    let ends = |script: &str, python: &Python| {
        sandbox.write("s.py", format!("{closes}{script}"));
        let [mut own, mut ours] =
            [sandbox.program(python.program.to_str().unwrap()), sandbox.command(&["-q"])];
        ours.arg(&python.image);
        [&mut own, &mut ours].map(|command| {
            let input = std::fs::File::open(sandbox.work().join("s.py")).unwrap();
            let output = command.arg("s.py").stdin(input).output().unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            (code_of(output.status), text(output.stdout), text(output.stderr))
        })
    };
    for python in pythons() {
        for script in [
            "print('out'); print('err', file=sys.stderr); print('got', input('name? '), flush=True)\n\
             print(subprocess.check_output(['echo', 'x'])); os.system('echo child 1>&2'); sys.exit(5)",
            "signal.signal(signal.SIGINT, lambda *a: sys.exit(6))\nos.kill(os.getpid(), 2)\n\
             while True: time.sleep(0.01)",
            "if os.fork(): os._exit(7)\nos._exit(0)",
            "1/0",
        ] {
            let [own, ours] = ends(script, &python);
            assert_eq!(ours, own, "{}: {script}", python.image);
        }
    }
    // Longer than an interpreter may live without its runner.
    if let Some(python) = pythons().first() {
        let [own, ours] = ends("time.sleep(2.5); print('later')", python);
        assert_eq!(ours, own, "{}", python.image);
    }
}
