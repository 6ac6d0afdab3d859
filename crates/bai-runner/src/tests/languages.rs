//! One table of scenarios, for every language of this machine. Languages that are not installed are left out.

mod own;
mod words;

use super::super::*;
use super::harness::{LIMIT, Session};
use bai_protocol::complete::CompletionRequest;
use bai_testkit::leave_out;
use tokio::time::timeout;
use words::{TABLE, Words};

#[test]
fn every_language_has_a_row_in_the_table_of_scenarios() {
    let ours = super::super::registry::all().map(|language| language.name());
    for name in ours.filter(|name| !["app", "jupyter"].contains(name)) {
        let rows: Vec<&Words> = TABLE.iter().filter(|words| words.image == name).collect();
        let [words] = rows[..] else { panic!("{name}: one row in words.rs, and not {}", rows.len()) };
        let language = bai_protocol::language::of_name(name).unwrap();
        let end = std::path::Path::new(words.batch.0).extension();
        assert_eq!(end, Some(language.extension().as_ref()), "{name}");
    }
}

/// The installed languages.
fn installed() -> Vec<&'static Words> {
    let is_here = |words: &&Words| resolve(words.image).is_ok();
    let (here, missing): (Vec<_>, Vec<_>) = TABLE.iter().partition(is_here);
    missing.iter().for_each(|words| leave_out(words.image));
    assert!(!here.is_empty());
    here
}

/// Runs a scenario in a session of each language at the same time, or only of those that have the words for it.
async fn in_each(needs: fn(&Words) -> bool, scenario: impl AsyncFn(&'static Words, Session)) {
    for words in installed().into_iter().filter(|words| needs(words)) {
        println!("{}", words.image);
        scenario(words, Session::start(words.image).await).await;
    }
}

#[tokio::test]
async fn definitions_of_a_cell_are_usable_in_the_next() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            if !words.define.is_empty() {
                assert_eq!(session.value(words.define).await, "", "{}", words.image);
            }
            let (code, shown) = words.value;
            assert_eq!(session.value(code).await, shown, "{}", words.image);
            let (code, shown) = words.unicode;
            assert_eq!(session.value(code).await, shown, "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn a_failure_has_a_message_and_an_exit_code() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            let (code, expected) = words.fail;
            let outcome = session.run(code).await;
            assert!(outcome.stderr().contains(expected), "{}: {}", words.image, outcome.stderr());
            assert!(!outcome.stderr().contains("_bai_"), "{}: {}", words.image, outcome.stderr());
            // Guile's own report names the file that it loads.
            let names_folder = outcome.stderr().contains("/bai-repl-");
            assert!(
                !names_folder || words.image == "scheme",
                "{}: a message to the user names our scratch folder: {}",
                words.image,
                outcome.stderr()
            );
            assert!(matches!(outcome.exit_code, 1 | 2 | 127), "{}: {}", words.image, outcome.exit_code);
            if !words.define.is_empty() {
                session.value(words.define).await;
            }
            let outcome = session.run(words.exit).await;
            assert_eq!(outcome.exit_code, 3, "{}: {outcome:?}", words.image);
            // An exit that the driver does not catch ends the interpreter, and the variables are gone.
            assert!(!outcome.stderr().contains("A new one has been started"), "{}: {outcome:?}", words.image);
            let (code, shown) = words.value;
            assert_eq!(session.value(code).await, shown, "{} goes on", words.image);
            let (code, shown) = words.unicode;
            assert_eq!(session.value(code).await, shown, "{} goes on", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn questions_are_asked_after_their_prompt_text() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            for (code, is_password) in [(words.ask, false), (words.password, true), (words.ask, false)] {
                if code.is_empty() {
                    continue;
                }
                let outcome = session.run_with(code, &["Änn"]).await;
                let asks = |reply: &Reply| matches!(reply, Reply::WaitingInput { .. });
                let at = outcome.replies.iter().position(asks).unwrap();
                assert_eq!(outcome.replies[at], Reply::WaitingInput { is_password }, "{}", words.image);
                let (before, after) = outcome.replies.split_at(at);
                let text = |replies: &[Reply]| -> String {
                    let texts = replies.iter().filter_map(|reply| match reply {
                        Reply::Console(ConsoleRecord::Stdout(text))
                        | Reply::Console(ConsoleRecord::Stderr(text)) => Some(text.as_str()),
                        _ => None,
                    });
                    texts.collect()
                };
                assert_eq!(
                    (text(before), text(after)),
                    ("who? ".into(), "hi Änn\n".into()),
                    "{}",
                    words.image
                );
            }
        },
    )
    .await;
}

#[tokio::test]
async fn endless_code_is_interrupted_and_the_session_lives() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            for code in [words.endless, words.ask, words.endless] {
                if code.is_empty() {
                    continue;
                }
                session.send(Op::Code(code.to_owned())).await;
                if code == words.ask {
                    session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
                } else {
                    session.until_output("on\n").await;
                }
                session.send(Op::Interrupt).await;
                let outcome = session.finish().await;
                assert!(matches!(outcome.exit_code, 1 | 130), "{}: {outcome:?}", words.image);
                assert!(!outcome.stderr().contains("A new one has been started"), "{}", words.image);
            }
            if !words.define.is_empty() {
                session.value(words.define).await;
            }
            let (code, shown) = words.value;
            assert_eq!(session.value(code).await, shown, "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn names_are_completed_from_the_live_namespace() {
    in_each(
        |words| !words.complete.0.is_empty(),
        async |words: &'static Words, mut session: Session| {
            session.value(words.define).await;
            let (code, expected) = words.complete;
            let request = CompletionRequest::at(code, code.len());
            let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
            assert!(completion.suggestions.iter().any(|s| s == expected), "{}: {completion:?}", words.image);
            let start = completion.start.unwrap();
            assert!(expected.starts_with(&code.chars().skip(start).collect::<String>()), "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn a_flood_of_output_is_complete() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            let text = session.value(words.flood).await;
            assert_eq!(text.len(), 10_000_000, "{}", words.image);
            assert_eq!(text.lines().count(), 125_000, "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn a_batch_finds_the_program_and_a_makefile_before_it() {
    if !bai_testkit::need("make") {
        return;
    }
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            let (file, text) = words.batch;
            std::fs::write(session.folder.path().join(file), text).unwrap();
            for op in [Op::Clean(Step::Heuristic), Op::Build(Step::Heuristic), Op::Exec(Step::Heuristic)] {
                session.send(op).await;
            }
            let outcome = session.finish().await;
            assert_eq!(
                (outcome.stdout().as_str(), outcome.exit_code),
                ("batch\n", 0),
                "{}: {outcome:?}",
                words.image
            );
            std::fs::write(session.folder.path().join("Makefile"), "all:\n\t@echo made; exit 1\n").unwrap();
            session.send(Op::Build(Step::Heuristic)).await;
            session.send(Op::Exec(Step::Heuristic)).await;
            let outcome = session.finish().await;
            assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("made\n", 127), "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn an_interpreter_runs_its_exit_handlers_at_shutdown() {
    in_each(
        |words| !words.farewell.is_empty(),
        async |words: &'static Words, mut session: Session| {
            session.value(words.farewell).await;
            timeout(LIMIT, session.kernel.shutdown()).await.unwrap();
            let end = std::fs::read_to_string(session.folder.path().join("end"));
            assert_eq!(end.ok().as_deref(), Some("bye"), "{}", words.image);
        },
    )
    .await;
}
