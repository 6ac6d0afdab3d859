use super::super::buffer::OutputItem;
use super::super::frame::{self, Wanted};
use super::*;
use bai_protocol::execute::{RunId, RunStatus};
use bai_protocol::record::ConsoleRecord;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const NOW: CollectOptions =
    CollectOptions { window: Some(Duration::ZERO), linger: Duration::ZERO, quiet: Duration::ZERO };
const PATIENT: CollectOptions =
    CollectOptions { window: None, linger: Duration::from_millis(1), quiet: Duration::from_millis(1) };

fn run() -> Arc<Run> {
    Run::new(RunId::from_wire("r1"))
}

fn out(text: &str) -> OutputItem {
    ConsoleRecord::Stdout(text.into()).into()
}

async fn collect(run: &Arc<Run>, options: CollectOptions, seen: u64) -> Delivery {
    run.attach(None).collect(options, seen).await.unwrap()
}

async fn frame_of(run: &Arc<Run>, options: CollectOptions) -> Value {
    let delivery = collect(run, options, 0).await;
    let value = serde_json::from_str(&frame::frame(&delivery, Wanted::default())).unwrap();
    delivery.delivered();
    value
}

#[tokio::test]
async fn output_and_end_come_in_one_frame_as_from_the_genuine_server() {
    let run = run();
    run.push(out("hello\n"));
    run.push(out("42"));
    run.push(ConsoleRecord::Stderr("é\u{1b}\"".into()));
    run.push(ConsoleRecord::Media { mime: "image/png".into(), data: "data:x".into() });
    run.push(ConsoleRecord::Html("<b>".into()));
    run.finish(End::Finished(3));
    let expected = json!({
        "status": "finished", "exitCode": 3, "options": null, "files": [],
        "console": [["stdout", "hello\n42"], ["stderr", "é\u{1b}\""], ["media", ["image/png", "data:x"]], ["html", "<b>"]],
    });
    assert_eq!(frame_of(&run, PATIENT).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_run_is_forsaken_when_no_client_has_come_back() {
    let run = run();
    let began = Instant::now();
    drop(run.attach(None));
    let client = run.attach(None);
    let gone = async {
        tokio::time::sleep(FORSAKEN_AFTER * 2).await;
        drop(client);
    };
    let (_, ()) = tokio::join!(gone, run.forsaken());
    assert!(began.elapsed() >= FORSAKEN_AFTER * 3);
    // Once.
    assert!(tokio::time::timeout(FORSAKEN_AFTER * 9, run.forsaken()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_forsaken_run_goes_on_and_keeps_the_end_of_its_output() {
    let run = run();
    drop(run.attach(None));
    for _ in 0..8 {
        run.push(out(&"x".repeat(ABANDONED_BOUND / 8)));
    }
    assert!(!run.has_room(), "its client may come back");
    while !run.has_room() {
        run.room().await;
    }
    run.push(out("the end"));
    run.finish(End::Finished(0));
    let (mut shown, mut is_over) = (String::new(), false);
    while !is_over {
        let frame = frame_of(&run, NOW).await;
        is_over = frame["status"] == "finished";
        frame["console"].as_array().unwrap().iter().for_each(|record| shown += record[1].as_str().unwrap());
    }
    assert!(shown.starts_with("[1048576 bytes of output were dropped, because no client"));
    assert!(shown.ends_with("xthe end"));
}

#[tokio::test]
async fn consecutive_pieces_of_output_are_one_record() {
    let run = run();
    for letter in ["a", "b", "c"] {
        run.push(out(&letter.repeat(60_000)));
    }
    let frame = frame_of(&run, PATIENT).await;
    assert_eq!(frame["console"].as_array().unwrap().len(), 1);
    assert_eq!(frame["console"][0][1].as_str().unwrap().len(), 180_000);
    assert_eq!(frame["status"], "continued");
}

#[tokio::test]
async fn the_end_of_a_step_is_delivered_alone_and_no_output_is_lost_between_steps() {
    let run = run();
    run.push(OutputItem::Step { status: RunStatus::CleanFinished, exit_code: 0 });
    run.push(out("built"));
    run.push(OutputItem::Step { status: RunStatus::BuildFinished, exit_code: 2 });
    run.finish(End::Finished(127));
    let frames = [frame_of(&run, NOW).await, frame_of(&run, NOW).await, frame_of(&run, NOW).await];
    let ends: Vec<_> =
        frames.iter().map(|f| (f["status"].as_str().unwrap(), f["exitCode"].as_i64().unwrap())).collect();
    assert_eq!(ends, [("clean-finished", 0), ("build-finished", 2), ("finished", 127)]);
    assert_eq!(frames[1]["console"], json!([["stdout", "built"]]));
}

#[tokio::test]
async fn a_lost_delivery_is_repeated() {
    let run = run();
    run.push(out("kept"));
    run.push(OutputItem::Step { status: RunStatus::CleanFinished, exit_code: 0 });
    drop(collect(&run, NOW, 0).await);
    let frame = frame_of(&run, NOW).await;
    assert_eq!((&frame["status"], &frame["console"][0][1]), (&json!("clean-finished"), &json!("kept")));
}

#[tokio::test]
async fn the_output_limit_depends_on_whether_a_client_collects() {
    let run = run();
    run.push(out(&"x".repeat(4 << 20)));
    assert!(run.has_room(), "without a collector 8 MiB are kept");
    let collector = run.attach(None);
    assert!(!run.has_room(), "somebody collects: 2 MiB are enough");
    drop(collector);
    run.push(out(&"x".repeat(4 << 20)));
    assert!(!run.has_room());
    run.interrupted();
    assert!(run.has_room(), "an interrupted run without a collector must reach its end");
    run.push(out("KeyboardInterrupt"));
    assert!(run.uncollected() <= 8 << 20);
    run.finish(End::Finished(1));
    let mut seen = String::new();
    loop {
        let frame = frame_of(&run, NOW).await;
        for record in frame["console"].as_array().unwrap() {
            seen.push_str(record[1].as_str().unwrap());
        }
        if frame["status"] == "finished" {
            break;
        }
    }
    assert!(seen.starts_with('[') && seen.contains("dropped"), "the loss is reported first");
    assert!(seen.ends_with("KeyboardInterrupt"));
}

#[tokio::test]
async fn a_question_is_delivered_once_to_each_collector() {
    let run = run();
    assert_eq!(run.ask(true), None);
    let first = collect(&run, PATIENT, 0).await;
    let Outcome::Waiting { is_password: true, question } = first.outcome else { panic!("{first:?}") };
    first.delivered();
    assert_eq!(collect(&run, NOW, question).await.outcome, Outcome::Continued);
    assert_eq!(frame_of(&run, PATIENT).await["options"], json!({"is_password": true}));
    assert_eq!(run.input(line("x")), Some(line("x")));
    assert_eq!(collect(&run, NOW, 0).await.outcome, Outcome::Continued);
}

#[tokio::test]
async fn a_client_that_counts_is_told_whether_its_question_is_open() {
    let run = run();
    let follower = run.attach(Some(0));
    run.ask(false);
    let asked = Outcome::Waiting { is_password: false, question: 1 };
    let collect = async |seen| {
        let delivery = follower.collect(PATIENT, seen).await.unwrap();
        let outcome = (delivery.outcome.clone(), delivery.items.len());
        delivery.delivered();
        outcome
    };
    assert_eq!(collect(0).await, (asked.clone(), 0));
    run.push(out("late\n"));
    assert_eq!(collect(1).await, (asked, 1), "output of another thread");
    run.withdraw_question();
    assert_eq!(collect(1).await, (Outcome::Withdrawn, 0));
    run.push(out("on\n"));
    assert_eq!(collect(1).await, (Outcome::Continued, 1));
    assert_eq!(run.input(line("x")), None);
}

fn line(text: &str) -> RunInput {
    RunInput::Line(text.to_owned())
}

#[tokio::test]
async fn early_input_waits_for_the_question_and_an_interrupt_drops_it() {
    let run = run();
    assert_eq!(run.input(line("one")), None);
    assert_eq!(run.input(line("two")), None);
    assert_eq!(run.ask(false), Some(line("one")));
    run.interrupted();
    assert_eq!(run.ask(false), None);
    run.finish(End::Finished(0));
    assert_eq!(run.input(line("late")), None);
    assert_eq!(collect(&run, NOW, 0).await.outcome, Outcome::Ended(End::Finished(0)));
}

#[tokio::test]
async fn a_waiting_collector_wakes_for_new_output() {
    let run = run();
    let later = async {
        run.finish(End::Destroyed("gone".into()));
        run.finish(End::Finished(0));
    };
    // The collector is polled first, and waits.
    let (delivery, ()) = tokio::join!(collect(&run, PATIENT, 0), later);
    assert_eq!(delivery.outcome, Outcome::Ended(End::Destroyed("gone".into())));
}
