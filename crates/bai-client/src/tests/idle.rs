//! Output that no run owns, on our own engine.

use super::engine::Lab;
use super::*;

async fn run(session: &ComputeSession, code: &str) -> (RunId, String) {
    let mut run = soon(session.execute(Cell::query(code), RunOptions::default())).await.unwrap();
    let mut printed = String::new();
    loop {
        match soon(run.next()).await {
            Some(RunEvent::Console(ConsoleRecord::Stdout(text))) => printed += &text,
            Some(RunEvent::Finished { .. }) => return (run.id().clone(), printed),
            _ => {}
        }
    }
}

async fn listen(session: &ComputeSession) -> Listener {
    soon(session.listen(RunOptions::default())).await.unwrap().unwrap()
}

/// What comes until `text` was printed, or until a run began.
async fn heard(listener: &mut Listener, text: &str) -> (String, Option<RunId>) {
    let mut printed = String::new();
    while !printed.ends_with(text) || text.is_empty() {
        match soon(listener.next()).await.expect("the end of the listener") {
            IdleEvent::Console(ConsoleRecord::Stdout(more)) => printed += &more,
            IdleEvent::Began(id) => return (printed, Some(id)),
            other => panic!("{other:?}"),
        }
    }
    (printed, None)
}

const PRINTER: &str = "import threading, queue\nlines = queue.Queue()\ndef serve():\n  for line in iter(lines.get, None): print(line, flush=True)\n\
                       thread = threading.Thread(target=serve, daemon=True)\nthread.start()";

#[tokio::test]
async fn a_listener_gets_what_no_run_owns_and_learns_when_a_run_begins() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    run(&session, PRINTER).await;
    let mut listener = listen(&session).await;
    let (id, _) = run(&session, "timer = threading.Timer(0.05, lines.put, ['between'])\ntimer.start()").await;
    assert_eq!(heard(&mut listener, "").await, (String::new(), Some(id)));
    assert_eq!(heard(&mut listener, "between\n").await, ("between\n".to_owned(), None));
    // Each line is either the listener's, before the run began, or the run's.
    run(&session, "import itertools, time\ngoes_on = True\ndef count():\n  for n in itertools.count():\n    if not goes_on: return\n    print(n, flush=True)\n    time.sleep(0.0005)\n\
                   counter = threading.Thread(target=count)\ncounter.start()")
    .await;
    heard(&mut listener, "").await;
    let mut whole = String::new();
    for _ in 0..20 {
        let (id, printed) = run(&session, "time.sleep(0.002)").await;
        let (before, began) = heard(&mut listener, "").await;
        assert_eq!(began, Some(id));
        whole += &(before + &printed);
    }
    run(&session, "goes_on = False\ncounter.join()").await;
    // The first line may have begun in the run before: a number and its line end are written one after the other.
    let numbers: Vec<u64> = whole.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    let first = numbers[0];
    assert!(numbers.iter().enumerate().all(|(at, number)| *number == first + at as u64), "{whole}");
}

#[tokio::test]
async fn without_a_listener_output_waits_for_the_next_run_or_listener() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    run(&session, PRINTER).await;
    let listener = listen(&session).await;
    drop(listener);
    let mut printed = String::new();
    for line in ["first", "second"] {
        printed += &run(&session, &format!("lines.put('{line}')")).await.1;
    }
    while !printed.contains("second\n") {
        printed += &run(&session, "import time; time.sleep(0.01)").await.1;
    }
    assert_eq!(printed, "first\nsecond\n");
    let mut listener = listen(&session).await;
    let mut code = "lines.put('third')";
    let mut printed = String::new();
    while !printed.contains("third\n") {
        let (id, of_run) = run(&session, code).await;
        code = "time.sleep(0.01)";
        let (before, began) = heard(&mut listener, "").await;
        assert_eq!(began, Some(id));
        printed += &(before + &of_run);
    }
    assert_eq!(printed, "third\n");
}
