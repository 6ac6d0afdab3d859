//! A line of the shell in a cell that was typed at a terminal: its program has a terminal, which is gone when it has ended.

use super::super::{ConsoleRecord, Op, Reply};
use super::harness::{Outcome, Session, pythons};
use bai_protocol::execute::Window;
use bai_protocol::record::TerminalChange;
use bai_protocol::signal::RunSignal;

const WINDOW: Window = Window { columns: 90, rows: 30, colors: true };

/// A session of each Python, with our shell and with IPython, whose next cell is typed at a terminal.
async fn sessions() -> Vec<Session> {
    let mut sessions = Session::start_with_ipython().await;
    for python in pythons().await {
        sessions.push(Session::start(&python).await);
    }
    for session in &sessions {
        session.send(Op::Window(Some(WINDOW))).await;
        at_terminal(session).await;
    }
    sessions
}

async fn at_terminal(session: &Session) {
    session.send(Op::Pty(Some("xterm-256color".into()))).await;
}

/// Runs a cell, and types these keys at once.
async fn run(session: &mut Session, code: &str, keys: &str) -> Outcome {
    at_terminal(session).await;
    session.send(Op::Code(code.to_owned())).await;
    let (mut whole, mut keys) = (Outcome::default(), Some(keys.as_bytes().to_vec()));
    loop {
        let part = session.until(|r| matches!(r, Reply::Finished { .. } | Reply::WaitingInput { .. })).await;
        let waits = matches!(part.replies.last(), Some(Reply::WaitingInput { .. }));
        whole.replies.extend(part.replies);
        if !waits {
            whole.exit_code = part.exit_code;
            return whole;
        }
        if let Some(bytes) = keys.take() {
            session.send(Op::InputPiece { bytes, end: false, ahead: false }).await;
        }
    }
}

/// Waits until the program has printed this, and is asked for keys.
async fn until_ready(session: &mut Session, text: &str) {
    let (mut seen, mut asks) = (String::new(), false);
    while !(seen.contains(text) && asks) {
        match session.next().await {
            Reply::Console(ConsoleRecord::Stdout(more)) => seen.push_str(&more),
            Reply::WaitingInput { .. } => asks = true,
            Reply::Finished { .. } => panic!("finished before {text:?}; got {seen:?}"),
            _ => {}
        }
    }
}

/// How often a program has had the terminal, and what was left in it.
fn terminals(outcome: &Outcome) -> (usize, String) {
    let mut closed = (0, String::new());
    for reply in &outcome.replies {
        if let Reply::Console(ConsoleRecord::Terminal(TerminalChange::Closed { unread, .. })) = reply {
            closed = (closed.0 + 1, unread.clone());
        }
    }
    closed
}

#[tokio::test]
async fn a_line_of_the_shell_has_a_terminal_and_the_rest_of_the_cell_has_none() {
    for mut session in sessions().await {
        let outcome = run(
            &mut session,
            "import os\nprint('before', flush=True)\n!stty size; tty; echo $TERM; [ -t 0 ] && [ -t 1 ] && [ -t 2 ]; exit 3\nprint(_exit_code, os.path.exists('/dev/tty') and os.ttyname is not None)",
            "",
        )
        .await;
        let shown = outcome.stdout();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            (lines[0], lines[1], lines[3], lines[4]),
            ("before", "30 90", "xterm-256color", "3 True"),
            "{shown}"
        );
        assert!(lines[2].starts_with("/dev/"), "{shown}");
        assert_eq!(
            (outcome.stderr(), outcome.exit_code, terminals(&outcome).0),
            (String::new(), 0, 1),
            "{shown}"
        );
        // Not in a cell that was typed elsewhere.
        session.send(Op::Pty(None)).await;
        assert_eq!(session.value("!tty").await, "not a tty\n");
    }
}

#[tokio::test]
async fn a_program_that_ends_at_once_runs_once() {
    for mut session in sessions().await {
        let code = "codes = []\nfor _ in range(100):\n    !exit 3\n    codes.append(_exit_code)\nset(codes)";
        let outcome = run(&mut session, code, "").await;
        assert_eq!(
            (outcome.stdout().as_str(), terminals(&outcome).0),
            ("{3}\n", 100),
            "{}",
            outcome.stderr()
        );
    }
}

#[tokio::test]
async fn keys_reach_the_program_and_those_that_it_has_not_read_come_back() {
    for mut session in sessions().await {
        let outcome = run(&mut session, "!read x; echo \"got $x\"", "one\rtwo\rthr").await;
        assert!(outcome.stdout().contains("got one\r\n"), "{:?}", outcome.sequence());
        assert_eq!(terminals(&outcome), (1, "two\nthr".to_owned()));
        // The next program of the cell reads them.
        let outcome =
            run(&mut session, "!read x; echo \"got $x\"\n!read x; echo \"got $x\"", "one\rtwo\r").await;
        assert!(outcome.stdout().contains("got one\r\n") && outcome.stdout().contains("got two\r\n"));
        assert_eq!(terminals(&outcome), (2, String::new()));
    }
}

#[tokio::test]
async fn a_program_that_ctrl_c_ends_ends_its_cell() {
    for mut session in sessions().await {
        at_terminal(&session).await;
        session.send(Op::Code("!echo on; exec sleep 1000\nprint('not reached')".into())).await;
        until_ready(&mut session, "on\r\n").await;
        session.send(Op::InputPiece { bytes: b"\x03".to_vec(), end: false, ahead: false }).await;
        let outcome = session.finish().await;
        assert!(outcome.stderr().contains("KeyboardInterrupt"), "{:?}", outcome.sequence());
        assert!(!outcome.stdout().contains("not reached") && outcome.exit_code == 1);
        assert_eq!(session.value("_exit_code").await, "-2\n");
        // From elsewhere, too.
        session.send(Op::Code("!echo on; exec sleep 1000\nprint('not reached')".into())).await;
        until_ready(&mut session, "on\r\n").await;
        session.send(Op::Interrupt).await;
        assert!(session.finish().await.stderr().contains("KeyboardInterrupt"));
    }
}

#[tokio::test]
async fn a_program_that_has_stopped_goes_on() {
    for mut session in sessions().await {
        at_terminal(&session).await;
        session.send(Op::Code("!echo on; read x; echo \"got $x\"".into())).await;
        until_ready(&mut session, "on\r\n").await;
        session.send(Op::InputPiece { bytes: b"\x1a".to_vec(), end: false, ahead: false }).await;
        let stopped = Reply::Console(ConsoleRecord::Terminal(TerminalChange::Stopped));
        let asks = |reply: &Reply| matches!(reply, Reply::WaitingInput { .. });
        let before = session.until(|reply| *reply == stopped).await;
        session.send(Op::Signal(RunSignal::Continue)).await;
        if !before.replies.iter().any(asks) {
            session.until(asks).await;
        }
        session.send(Op::InputPiece { bytes: b"x\r".to_vec(), end: false, ahead: false }).await;
        assert!(session.finish().await.stdout().contains("got x\r\n"));
    }
}

#[tokio::test]
async fn a_program_whose_user_has_gone_is_hung_up_on_and_the_session_stays() {
    for mut session in sessions().await {
        session.value("kept = 42").await;
        for (stops, op) in [(false, Op::HangUp), (true, Op::HangUp), (false, Op::Interrupt)] {
            at_terminal(&session).await;
            // Without a loop of children: the system does not stop a shell in the moment in which it starts one.
            let code = "!trap '' INT; echo on; exec sleep 1000";
            session.send(Op::Code(code.into())).await;
            until_ready(&mut session, "on\r\n").await;
            if stops {
                session.send(Op::InputPiece { bytes: b"\x1a".to_vec(), end: false, ahead: false }).await;
                let stopped = Reply::Console(ConsoleRecord::Terminal(TerminalChange::Stopped));
                session.until(|reply| *reply == stopped).await;
            }
            session.send(op.clone()).await;
            if op == Op::Interrupt {
                session.send(op).await;
            }
            let outcome = session.finish().await;
            assert_eq!((terminals(&outcome).0, outcome.exit_code), (1, 0), "{:?}", outcome.sequence());
            assert_eq!(session.value("kept, _exit_code").await, "(42, -1)\n");
        }
        // Code that runs without one is not concerned.
        at_terminal(&session).await;
        session
            .send(Op::Code(
                "print(end='on', flush=True)\nfor _ in range(20): __import__('time').sleep(0.01)\n43".into(),
            ))
            .await;
        session.until_output("on").await;
        session.send(Op::HangUp).await;
        assert_eq!(session.finish().await.stdout(), "43\n");
    }
}

#[tokio::test]
async fn what_a_program_leaves_in_the_background_goes_on_and_is_heard() {
    for mut session in sessions().await {
        let code = "!(while [ ! -e go ]; do sleep 0.01; done; echo late; sleep 1000) & echo $!";
        let outcome = run(&mut session, code, "").await;
        assert_eq!(terminals(&outcome).0, 1);
        let pid = outcome.stdout().trim().to_owned();
        std::fs::write(session.folder.path().join("go"), "").unwrap();
        session.until_output("late").await;
        session.kernel.shutdown().await;
        super::harness::gone(&pid).await;
    }
}

#[tokio::test]
async fn a_program_is_started_as_a_child_of_the_session_is() {
    for mut session in sessions().await {
        let code = "import os, resource\nos.mkdir('sub'); os.chdir('sub'); os.umask(0o077)\n\
                    resource.setrlimit(resource.RLIMIT_NOFILE, (77, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n\
                    os.environ['KEPT'] = 'ä'; os.environb[b'RAW'] = b'\\xff'\n\
                    !pwd; umask; ulimit -n; echo $KEPT; printf $RAW | od -An -tx1; env | grep -E '^(COLUMNS|PAGER)='; echo end";
        let outcome = run(&mut session, code, "").await;
        let shown = outcome.stdout();
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        assert!(lines[0].ends_with("/sub"), "{shown}");
        assert_eq!(lines[1..], ["0077", "77", "ä", "ff", "end"], "{:?}", outcome.sequence());
    }
}

#[tokio::test]
async fn where_a_program_cannot_be_started_it_has_the_streams_of_the_session() {
    for mut session in sessions().await {
        let code = "import os\nos.mkdir('sub'); os.chdir('sub'); os.rmdir('../sub')\n!echo here";
        let outcome = run(&mut session, code, "").await;
        assert_eq!((outcome.stdout().as_str(), terminals(&outcome).0), ("here\n", 0), "{}", outcome.stderr());
        let outcome =
            run(&mut session, "os.chdir('..'); os.environ['SHELL'] = '/nonexistent'\n!echo here", "").await;
        assert_eq!((outcome.stdout().as_str(), terminals(&outcome).0), ("here\n", 0), "{}", outcome.stderr());
        // Several lines captured by Python are no program at a terminal.
        let outcome =
            run(&mut session, "import os\nos.environ['SHELL'] = '/bin/sh'\nos.system('tty')", "").await;
        assert!(outcome.stdout().starts_with("not a tty\n"));
    }
}

#[tokio::test]
async fn what_threads_print_comes_after_the_program_that_has_the_terminal() {
    for mut session in sessions().await {
        let code = "import threading, time, os\ndef work():\n  while not os.path.exists('go'): time.sleep(0.01)\n  print('thread', flush=True)\n  open('done', 'w').close()\nt = threading.Thread(target=work); t.start()\n\
                    !touch go; while [ ! -e done ]; do sleep 0.01; done; echo program\nt.join()";
        let outcome = run(&mut session, code, "").await;
        let shown = outcome.stdout();
        assert!(shown.starts_with("program\r\nthread\n"), "{shown:?}");
    }
}

#[tokio::test]
async fn the_program_ends_with_its_interpreter() {
    for mut session in sessions().await {
        at_terminal(&session).await;
        session.send(Op::Code("!echo $$ $PPID; exec sleep 1000".into())).await;
        let mut seen = String::new();
        while !seen.contains('\n') {
            if let Reply::Console(ConsoleRecord::Stdout(text)) = session.next().await {
                seen.push_str(&text);
            }
        }
        session.kernel.restart().await.unwrap();
        super::harness::gone(&seen).await;
        let outcome = session.finish().await;
        assert_eq!((terminals(&outcome).0, outcome.exit_code), (1, 137));
        assert_eq!(session.value("6 * 7").await, "42\n");
    }
}
