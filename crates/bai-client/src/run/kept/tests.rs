use super::*;

fn printed(text: &str) -> ConsoleRecord {
    ConsoleRecord::Stdout(text.into())
}

fn mark(stdout: u64) -> ConsoleRecord {
    let at = json!({"stdout": stdout, "stderr": 0, "media": 0, "question": 0});
    ConsoleRecord::Media { mime: "image/svg+xml".into(), data: format!("{{\"bai-repl\": 1, \"at\": {at}}}") }
}

fn frame(status: RunStatus, console: Vec<ConsoleRecord>) -> ExecuteResult {
    ExecuteResult { console, ..ExecuteResult::new(status) }
}

fn going(kept: &mut Kept, console: Vec<ConsoleRecord>) -> String {
    text(&[kept.frame(frame(RunStatus::Continued, console), true)])
}

fn text(frames: &[ExecuteResult]) -> String {
    let records = frames.iter().flat_map(|frame| &frame.console);
    records
        .map(|record| match record {
            ConsoleRecord::Stdout(text) => text.clone(),
            other => format!("<{}>", other.to_wire()),
        })
        .collect()
}

fn lines(lines: &[Value]) -> Vec<u8> {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

#[test]
fn after_a_break_the_files_fill_the_gap_up_to_a_mark_and_no_text_comes_twice() {
    let all = "äbcdefghij";
    for lost in 1..9 {
        let mut kept = Kept::new();
        assert_eq!(going(&mut kept, vec![printed("äb")]), "äb");
        kept.broke();
        // Without a mark nobody knows where this belongs.
        assert_eq!(going(&mut kept, vec![printed("?")]), "");
        let at = 2 + lost;
        let after: String = all.chars().skip(at).collect();
        assert_eq!(going(&mut kept, vec![mark(at as u64), printed(&after)]), "", "{lost}");
        assert!(kept.is_behind());
        let file: String = all.chars().take(5).collect();
        let mut came = text(&kept.read(&lines(&[json!(["stdout", file, 0])])));
        let rest: String = all.chars().skip(5).collect();
        came += &text(&kept.read(&lines(&[json!(["stdout", rest, 5])])));
        came += &going(&mut kept, vec![printed("kl")]);
        assert_eq!(came, "cdefghijkl", "{lost}");
        assert!(!kept.is_behind());
    }
}

#[test]
fn what_the_files_have_earlier_is_not_shown_again() {
    let mut kept = Kept::new();
    let both = lines(&[json!(["stdout", "one\n", 0]), json!(["stdout", "two\n", 4])]);
    let (first, second) = both.split_at(25);
    assert_eq!(text(&kept.read(first)), "one\n");
    assert_eq!(text(&kept.read(second)), "two\n");
    assert_eq!(going(&mut kept, vec![printed("one\ntwo\nthree\n")]), "three\n");
}

#[test]
fn records_that_another_request_took_away_are_noticed() {
    let mut kept = Kept::new();
    assert_eq!(going(&mut kept, vec![printed("ab"), mark(2), printed("c")]), "abc");
    assert_eq!(going(&mut kept, vec![mark(9), printed("j")]), "");
    assert!(kept.is_behind());
    assert_eq!(text(&kept.read(&lines(&[json!(["stdout", "abcdefghij", 0])]))), "defghij");
    // A request from before the break may still take some away: its marks do not count.
    kept.broke();
    kept.frame(frame(RunStatus::Continued, vec![mark(10), printed("k")]), false);
    assert!(kept.is_behind());
}

#[test]
fn the_end_waits_for_what_is_missing_and_has_the_code_of_the_program() {
    let mut kept = Kept::new();
    going(&mut kept, vec![printed("a")]);
    kept.broke();
    let finished = ExecuteResult { exit_code: Some(0), ..frame(RunStatus::Finished, vec![printed("?")]) };
    assert_eq!(kept.frame(finished, true).status, RunStatus::Continued);
    assert!(kept.has_finished() && kept.ending().is_none());
    let picture = ConsoleRecord::Media { mime: "image/png".into(), data: "data:x".into() };
    let came = kept.read(&lines(&[
        json!(["stdout", "ab", 0]),
        json!(["media", ["image/png", "data:x"], 0]),
        json!(["end", 3, 0]),
    ]));
    assert_eq!(came[0].console, [printed("b"), picture]);
    let ending = kept.ending().unwrap();
    assert_eq!((ending.status, ending.exit_code), (RunStatus::Finished, Some(3)));
}

#[test]
fn a_question_that_was_lost_is_asked_and_one_whose_answer_was_lost_is_asked_again() {
    let mut kept = Kept::new();
    kept.broke();
    let asked = kept.read(&lines(&[json!(["stdout", "who? ", 0]), json!(["question", true, 0])]));
    assert_eq!(
        (text(&asked).as_str(), asked[0].is_password(), asked[0].question()),
        ("who? ", true, Some(1))
    );
    assert_eq!(kept.frame(frame(RunStatus::Continued, vec![]), true).status, RunStatus::WaitingInput);
    kept.answered();
    assert_eq!(kept.frame(frame(RunStatus::Continued, vec![]), true).status, RunStatus::Continued);
    assert!(!kept.doubts_answer());
    kept.broke();
    assert!(kept.doubts_answer());
    assert_eq!(kept.ask_again().unwrap().question(), Some(1));
    kept.answered();
    kept.broke();
    let more = kept.read(&lines(&[json!(["answered", null, 0]), json!(["stdout", "hello", 5])]));
    assert_eq!((text(&more).as_str(), kept.doubts_answer()), ("hello", false));
}

#[test]
fn a_question_that_ends_by_itself_is_withdrawn() {
    let mut kept = Kept::new();
    kept.broke();
    kept.read(&lines(&[json!(["question", false, 0])]));
    let over = kept.read(&lines(&[json!(["answered", null, 0])]));
    assert_eq!(over.iter().map(|frame| &frame.status).collect::<Vec<_>>(), [&RunStatus::Continued]);
}

#[test]
fn a_question_that_is_over_when_it_is_read_is_not_asked() {
    let end = json!(["end", 1, 0]);
    for over in
        [vec![json!(["answered", null, 0])], vec![json!(["unanswered", null, 0]), end.clone()], vec![end]]
    {
        let mut kept = Kept::new();
        kept.broke();
        let came = [vec![json!(["stdout", "who? ", 0]), json!(["question", false, 0])], over].concat();
        let frames = kept.read(&lines(&came));
        assert_eq!(text(&frames), "who? ");
        assert!(frames.iter().all(|frame| frame.status == RunStatus::Continued), "{frames:?}");
        let next = kept.read(&lines(&[json!(["question", false, 1])]));
        assert_eq!(next.last().and_then(ExecuteResult::question), Some(2));
    }
}

#[test]
fn the_connection_asks_while_it_is_whole() {
    let mut kept = Kept::new();
    let early = lines(&[
        json!(["stdout", "who? ", 0]),
        json!(["question", false, 0]),
        json!(["answered", null, 0]),
        json!(["stdout", "x", 5]),
    ]);
    assert_eq!(text(&kept.read(&early)), "who? ");
    let asked = kept.frame(frame(RunStatus::WaitingInput, vec![printed("who? ")]), true);
    assert_eq!((text(std::slice::from_ref(&asked)).as_str(), asked.question()), ("", Some(1)));
    kept.answered();
    assert_eq!(text(&kept.read(&[])), "x");
    assert_eq!(going(&mut kept, vec![printed("xy")]), "y");
}

#[test]
fn output_that_the_files_have_not_kept_is_counted() {
    let mut kept = Kept::new();
    going(&mut kept, vec![printed("ab")]);
    kept.broke();
    kept.tear();
    let mut bytes = b"the end of a line\", 3]\n".to_vec();
    bytes.extend(lines(&[json!(["stdout", "xyz", 12])]));
    assert_eq!(text(&kept.read(&bytes)), "xyz");
    assert!(kept.loss().unwrap().to_string().starts_with("10 characters"), "10");
    assert!(kept.loss().is_none());
}

#[test]
fn words_of_the_runner_do_not_shift_the_place() {
    let mut kept = Kept::new();
    assert_eq!(going(&mut kept, vec![printed("a"), printed("LOG"), mark(1), printed("b")]), "aLOGb");
    kept.broke();
    assert_eq!(text(&kept.read(&lines(&[json!(["stdout", "abc", 0])]))), "c");
}
