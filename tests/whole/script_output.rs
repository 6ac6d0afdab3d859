//! The output of a Python script that goes to a pipe or a file, and how it ends: as with Python itself.

use super::script_signals::pythons;
use bai_testkit::Sandbox;
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
