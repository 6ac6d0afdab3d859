//! The output of a Python script that goes to a pipe or a file, and how it ends: as with Python itself.

use super::script_signals::pythons;
use bai_testkit::{FakeTerminal, Sandbox, binary};
use std::process::Stdio;

#[test]
fn output_that_nobody_watches_ends_as_in_python_itself() {
    let sandbox = Sandbox::new();
    for script in [
        "import sys\nprint('a')\nsys.stdout.close()\ntry: print('b')\nexcept ValueError: sys.exit('closed')",
        "import sys\nprint('a')\nsys.stdout.buffer.close()\nsys.stderr.write(str(sys.stdout.closed))",
        "import sys\nprint('a')\nsys.stdout.buffer.raw.close()\nsys.stderr.write(str(sys.stdout.closed))",
        "import sys\nout = sys.stdout\nprint(out.closed, out.name, out.mode, out.fileno(), out.isatty())",
        "import sys\nprint('a', end='')\nrest = sys.stdout.detach()\nrest.write(b'b')\nrest.flush()",
        "import sys\nprint('a' * 9000, file=sys.stderr)\nprint('b' * 9000)\nsys.stdout.flush()\nprint('c' * 9000)",
        // What goes round in circles is deleted, whether there was a collection or not.
        "class A:\n  def __del__(self): print('gone')\na = A()\na.me = a\nprint('end')",
        "class A:\n  def __del__(self): print('gone')\na = [A() for _ in range(9)]\na.append(a)\nb = [[] for _ in range(9999)]",
        "import gc\nclass A:\n  def __del__(self): print('gone')\na = A()\na.me = a\ngc.collect()\ngc.disable()",
    ] {
        sandbox.write("s.py", script);
        for python in pythons() {
            let mut own = sandbox.program(python.program.to_str().unwrap());
            own.arg("s.py").current_dir(sandbox.work());
            let [own, ours] = [own, sandbox.command(&["-q", &python.image, "s.py"])].map(|mut command| {
                let output = command.stdin(Stdio::null()).output().unwrap();
                let [out, error] =
                    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
                (output.status.code(), out, error)
            });
            assert_eq!(ours, own, "{}: {script}", python.image);
        }
    }
}

#[test]
fn a_signal_handler_that_raises_an_exception_never_makes_a_write_come_twice() {
    let sandbox = Sandbox::new();
    let script = "import signal, sys\nclass Cut(Exception): pass\ndef cut(*_): raise Cut\nsignal.signal(signal.SIGALRM, cut)\n\
                  for n in range(2000):\n  try:\n    signal.setitimer(signal.ITIMER_REAL, (n % 20 + 1) * 1e-5)\n    \
                  sys.stdout.write('%d\\n' % n)\n    sys.stdout.flush()\n    signal.setitimer(signal.ITIMER_REAL, 0)\n  \
                  except Cut: pass";
    sandbox.write("s.py", script);
    for python in pythons() {
        let output = sandbox.command(&["-q", &python.image, "s.py"]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert!(numbers.is_sorted_by(|one, next| one < next), "{}: {text}", python.image);
        assert_eq!(output.status.code(), Some(0), "{}", python.image);
    }
}

#[test]
fn what_the_children_of_a_script_print_at_its_end_arrives() {
    let sandbox = Sandbox::new();
    // A reader of the script's own output, which ends after it, as `tee` does.
    sandbox.write(
        "s.sh",
        "exec > >(while read -r line; do echo \"got $line\"; sleep 0.02; done; echo 'the end') 2>&1\nseq 20; exit 3",
    );
    sandbox.write(
        "s.py",
        "import os, subprocess, sys\n\
         reader = 'while read -r line; do echo \"got $line\"; sleep 0.02; done; echo \"the end\"'\n\
         os.dup2(subprocess.Popen(['sh', '-c', reader], stdin=subprocess.PIPE).stdin.fileno(), 1)\n\
         for n in range(20): print(n + 1)\nsys.exit(3)",
    );
    let printed: String = (1..=20).map(|n| format!("got {n}\n")).chain(["the end\n".to_owned()]).collect();
    let mut words = vec![["bash".to_owned(), "s.sh".to_owned()]];
    words.extend(pythons().into_iter().map(|python| [python.image, "s.py".to_owned()]));
    for [image, script] in words {
        sandbox.run(&["-q", &image, &script]).expect(3, &printed);
        for line in ["PROGRAM", "PROGRAM | cat", "PROGRAM 2> err"] {
            let program = format!("'{}' -q {image} {script}", binary());
            let line = line.replace("PROGRAM", &program);
            let shell = sandbox.in_terminal(&["bash", "-o", "pipefail", "-c", &line]);
            let end = FakeTerminal::start_command(shell, 30, 90).wait_for_end();
            assert_eq!((end.code, end.screen.all.trim_end()), (3, printed.trim_end()), "{line}");
        }
    }
    // One that stays for good is not waited for.
    sandbox.run(&["-q", "-c", "sleep 1000 & echo here", "bash"]).expect(0, "here\n");
}
