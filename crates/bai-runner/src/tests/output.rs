//! All output arrives complete and in order, whichever process writes it.

use super::super::{ConsoleRecord, Op, Reply};
use super::harness::{Session, pythons};
use bai_protocol::byte_text;
use bai_testkit::Gate;

#[tokio::test]
async fn children_and_native_code_are_captured_in_order() {
    for python in pythons().await {
        // The environment of the tests may have set this.
        let mut session = Session::start_with(&python, &[("PYTHONUNBUFFERED", "")]).await;
        session.value("import os, subprocess, sys, ctypes\nlibc = ctypes.CDLL(None)").await;
        let code = "print('a', end=' ')\nos.system('echo b')\nprint('c')\nsubprocess.check_call(['echo', 'd'])\n\
                    libc.puts(b'e')\nprint('f')\nos.write(1, b'g\\n')\nprint('h')";
        assert_eq!(session.value(code).await, "a b\nc\nd\ne\nf\ng\nh\n", "{python}");
        let outcome = session.run("for n in range(200):\n  print(n)\n  print(-n, file=sys.stderr)").await;
        let expected: Vec<String> =
            (0..200).flat_map(|n| [format!("O:{n}\n"), format!("E:{}\n", -n)]).collect();
        assert_eq!(outcome.sequence(), expected, "{python}");
        let code = "print(1)\nos.system('echo 2 >&2')\nprint(3)\nsys.stderr.write('4')\nos.system('echo 5');";
        let outcome = session.run(code).await;
        assert_eq!(outcome.stdout(), "1\n3\n5\n");
        assert_eq!(outcome.stderr(), "2\n4");
    }
}

#[tokio::test]
async fn a_flood_of_output_is_complete() {
    let mut session = Session::start("python").await;
    session.send(Op::Code("print('x' * 100_000_000)".into())).await;
    let outcome = session.finish().await;
    let total: usize = outcome
        .replies
        .iter()
        .map(|r| if let Reply::Console(ConsoleRecord::Stdout(t)) = r { t.len() } else { 0 })
        .sum();
    assert_eq!(total, 100_000_001);
    assert!(
        outcome
            .replies
            .iter()
            .all(|r| matches!(r, Reply::Console(ConsoleRecord::Stdout(t)) if t.len() <= 256 << 10))
    );
    let outcome = session.run("for n in range(100_000): print(n)").await;
    let expected: String = (0..100_000).map(|n| format!("{n}\n")).collect();
    assert!(outcome.stdout() == expected);
}

#[tokio::test]
async fn a_signal_during_a_large_write_loses_no_output() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\n\
                    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\nprint('y' * 30000000)\n\
                    signal.setitimer(signal.ITIMER_REAL, 0)\nNone";
        assert_eq!(session.value(code).await.len(), 30_000_001, "{python}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_utf8_are_kept() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "import os\nos.write(1, b'a\\xffb\\xc3')\nos.write(1, b'\\xa9\\n')\nos.write(1, b'\\xf0\\x9f')\nNone";
        let text = session.value(code).await;
        assert_eq!(*byte_text::bytes(&text), *b"a\xffb\xc3\xa9\n\xf0\x9f", "{python}");
        assert_eq!(byte_text::replaced(&text), "a\u{fffd}bé\n\u{fffd}", "{python}");
        assert_eq!(session.value("print('\\ud800 \\x00')").await, "\\ud800 \0\n", "{python}");
    }
}

#[tokio::test]
async fn output_between_cells_is_delivered() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let gate = Gate::at(&session.folder.path().join("gate"));
        let code = "import threading\n\
                    thread = threading.Thread(target=lambda: (open('gate').readline(), print('late')))\nthread.start()";
        session.value(code).await;
        gate.open();
        session.until_output("late\n").await;
    }
}

#[tokio::test]
async fn a_reader_that_stops_blocks_the_program_and_not_the_runner() {
    let mut session = Session::start("python").await;
    session.send(Op::Code("while True: print('z' * 1000)".into())).await;
    // It is served although no reply was read since the flood began.
    let request = bai_protocol::complete::CompletionRequest::at("prin", 4);
    assert_eq!(session.kernel.complete(request).await.suggestions, ["print"]);
    session.send(Op::Interrupt).await;
    let outcome = session.finish().await;
    assert!(outcome.stderr().ends_with("KeyboardInterrupt\n"));
}
