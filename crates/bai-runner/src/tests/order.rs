//! The order of a cell's output: the interpreter writes to both streams, its children to either, and records are not
//! text. Any sequence of them arrives in its order.

use super::harness::{Session, pythons};
use proptest::prop_assert_eq;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;

/// One action of a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    Out,
    Err,
    /// More than a pipe's page at once.
    Much,
    /// Written past the interpreter's own streams.
    Raw,
    ShellOut,
    ShellErr,
    ChildOut,
    ChildErr,
    Fork,
    Media,
    Html,
}

const ACTS: [Act; 11] = [
    Act::Out,
    Act::Err,
    Act::Much,
    Act::Raw,
    Act::ShellOut,
    Act::ShellErr,
    Act::ChildOut,
    Act::ChildErr,
    Act::Fork,
    Act::Media,
    Act::Html,
];

const DEFINE: &str = "
import os, subprocess, sys
class Shown:
    def __init__(self, **shown): self.shown = shown
    def _repr_mimebundle_(self, **options): return self.shown
def child(n, to): subprocess.check_call(['sh', '-c', 'echo %d >&%d' % (n, to)])
def fork(n):
    pid = os.fork()
    if pid == 0:
        os.write(1, b'%d\\n' % n)
        os._exit(0)
    os.waitpid(pid, 0)
";

/// The line of the cell, and the expected output: a stream's mark with text, or a record.
fn written(act: Act, n: usize) -> (String, String) {
    let out = format!("O:{n}\n");
    match act {
        Act::Out => (format!("print({n})"), out),
        Act::Err => (format!("print({n}, file=sys.stderr)"), format!("E:{n}\n")),
        Act::Much => (format!("print('{n}' * 5000)"), format!("O:{}\n", n.to_string().repeat(5000))),
        Act::Raw => (format!("sys.stdout.buffer.write(b'{n}\\n')"), out),
        Act::ShellOut => (format!("os.system('echo {n}')"), out),
        Act::ShellErr => (format!("os.system('echo {n} >&2')"), format!("E:{n}\n")),
        Act::ChildOut => (format!("child({n}, 1)"), out),
        Act::ChildErr => (format!("child({n}, 2)"), format!("E:{n}\n")),
        Act::Fork => (format!("fork({n})"), out),
        Act::Media => ("display(Shown(**{'image/svg+xml': '<svg/>'}))".into(), "[image/svg+xml]".into()),
        Act::Html => ("display(Shown(**{'text/html': '<b>'}))".into(), "[html]".into()),
    }
}

/// Joins neighbours on one stream.
fn expected(acts: &[Act]) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for (n, &act) in acts.iter().enumerate() {
        let seen = written(act, n).1;
        let mark = &seen[..2];
        match pieces.last_mut() {
            Some(last) if mark.ends_with(':') && last.starts_with(mark) => last.push_str(&seen[2..]),
            _ => pieces.push(seen),
        }
    }
    pieces
}

#[test]
fn output_of_all_sources_keeps_its_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let all = proptest::collection::vec(proptest::sample::select(&ACTS[..]), 1..24);
    for python in runtime.block_on(pythons()) {
        let session = RefCell::new(runtime.block_on(Session::start(&python)));
        runtime.block_on(session.borrow_mut().value(DEFINE));
        let config = Config { cases: 6, failure_persistence: None, ..Config::default() };
        let result = TestRunner::new(config).run(&all, |acts| {
            let lines = acts.iter().enumerate().map(|(n, &act)| written(act, n).0);
            let code = lines.chain(["None".to_owned()]).collect::<Vec<_>>().join("\n");
            let outcome = runtime.block_on(session.borrow_mut().run(&code));
            prop_assert_eq!(outcome.sequence(), expected(&acts), "{}", code);
            Ok(())
        });
        assert_eq!(result, Ok(()), "{python}");
    }
}
