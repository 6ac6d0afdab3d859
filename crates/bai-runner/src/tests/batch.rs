//! Batch steps: commands, heuristics, exit codes, the queue.

use super::super::*;
use super::harness::{Outcome, Session};

async fn step(session: &mut Session, op: Op) -> Outcome {
    session.send(op).await;
    session
        .until(|reply| {
            matches!(
                reply,
                Reply::Finished { .. } | Reply::BuildFinished { .. } | Reply::CleanFinished { .. }
            )
        })
        .await
}

fn command(text: &str) -> Step {
    Step::from_wire(Some(text))
}

#[tokio::test]
async fn commands_run_in_order_with_their_exit_codes() {
    let mut session = Session::start("python").await;
    session.send(Op::Clean(command("echo clean >&2; exit 4"))).await;
    session.send(Op::Build(command("echo build; echo $_BACKEND_BATCH_MODE"))).await;
    session.send(Op::Exec(command("echo exec $_BACKEND_BATCH_MODE; no-such-command-at-all"))).await;
    let mut replies = Vec::new();
    while !matches!(replies.last(), Some(Reply::Finished { .. })) {
        replies.push(session.next().await);
    }
    let text = Outcome { replies, exit_code: 0 }.sequence();
    assert_eq!(
        text[..4],
        ["E:clean\n", "[CleanFinished { exit_code: 4 }]", "O:build\n\n", "[BuildFinished { exit_code: 0 }]"]
    );
    assert_eq!(text[4], "O:exec 1\n");
    assert!(text[5].contains("no-such-command-at-all"));
    assert_eq!(text[6], "[Finished { exit_code: 127 }]");
    assert_eq!(step(&mut session, Op::Exec(command("kill -9 $$"))).await.exit_code, -9);
}

#[tokio::test]
async fn a_failed_build_fails_the_next_exec() {
    let mut session = Session::start("python").await;
    assert_eq!(step(&mut session, Op::Build(command("exit 2"))).await.exit_code, 2);
    assert_eq!(
        step(&mut session, Op::Exec(command("echo no"))).await,
        Outcome { replies: vec![], exit_code: 127 }
    );
    assert_eq!(step(&mut session, Op::Exec(command("echo yes"))).await.stdout(), "yes\n");
    assert_eq!(step(&mut session, Op::Clean(Step::Skip)).await.exit_code, 0);
}

#[tokio::test]
async fn heuristics_find_makefiles_and_main_programs() {
    if !bai_testkit::need("make") {
        return;
    }
    let mut session = Session::start("python").await;
    let outcome = step(&mut session, Op::Exec(Step::Heuristic)).await;
    assert_eq!((outcome.exit_code, outcome.stderr().contains("main.py")), (127, true));
    assert_eq!(step(&mut session, Op::Clean(Step::Heuristic)).await.exit_code, 0);
    let outcome = step(&mut session, Op::Build(Step::Heuristic)).await;
    assert_eq!((outcome.exit_code, outcome.stderr().is_empty()), (0, false));
    let file = |name: &str, text: &str| std::fs::write(session.folder.path().join(name), text).unwrap();
    file("Makefile", "all:\n\t@echo made\n");
    file("main.py", "import sys\nprint(__name__, sys.argv)\nsys.exit(6)\n");
    assert_eq!(step(&mut session, Op::Build(Step::Heuristic)).await.stdout(), "made\n");
    let outcome = step(&mut session, Op::Exec(Step::Heuristic)).await;
    assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("__main__ ['main.py']\n", 6));
}

/// What dash does when an interrupt comes between its fork and the exec: the handler swallows it, and another program begins.
#[tokio::test]
async fn a_program_that_begins_during_an_interrupt_does_not_lose_it() {
    let mut session = Session::start("python").await;
    let shell = "import os, signal, time; \
                 signal.signal(signal.SIGINT, lambda *_: os.execlp('sleep', 'sleep', '1000')); \
                 print('on', flush=True)\nwhile True: time.sleep(0.01)";
    for shell in [format!("exec python3 -c \"{shell}\""), format!("python3 -c \"{shell}\"; exit 1")] {
        session.send(Op::Exec(command(&shell))).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        assert_eq!(session.finish().await.exit_code, -2, "{shell}");
    }
}

#[tokio::test]
async fn a_program_that_ends_after_an_interrupt_gets_no_second_one() {
    let mut session = Session::start("python").await;
    let program = "import signal, time\n\
                   def end(number, frame):\n    signal.signal(number, signal.SIG_DFL); time.sleep(0.5); print('saved'); exit(0)\n\
                   signal.signal(signal.SIGINT, end); print('on', flush=True)\nwhile True: time.sleep(0.01)";
    session.send(Op::Exec(command(&format!("exec python3 -c \"{program}\"")))).await;
    session.until_output("on\n").await;
    session.send(Op::Interrupt).await;
    let outcome = session.finish().await;
    assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("saved\n", 0));
}

#[tokio::test]
async fn an_interrupted_step_leaves_no_processes() {
    let mut session = Session::start("python").await;
    session.send(Op::Exec(command("echo on; exec sleep 1000"))).await;
    session.until_output("on\n").await;
    session.send(Op::Interrupt).await;
    let outcome = session.finish().await;
    assert_eq!(outcome.exit_code, -2, "{outcome:?}");
    let outcome = step(&mut session, Op::Exec(command("sleep 1000 & echo $!"))).await;
    super::harness::gone(&outcome.stdout()).await;
}
