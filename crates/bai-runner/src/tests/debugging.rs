//! Debuggers in a cell: they show the frames of the user alone, end with the cell, and complete in their frame.

use super::super::{CompletionRequest, Op, Reply, resolve};
use super::harness::{Outcome, Session, at_least, pythons};

/// The plain shell of every interpreter, and IPython.
async fn sessions() -> Vec<Session> {
    let mut sessions = Session::start_with_ipython().await;
    for python in pythons().await {
        sessions.push(Session::start(&python).await);
    }
    sessions
}

const STOPS: &str = "def stops(x):\n    y = x + 1\n    import pdb; pdb.set_trace()\n    return y";

/// The text with the plain shell's names of cells in the place of IPython's, `<ipython-input-4-` and a hash.
fn with_plain_names(text: &str) -> String {
    let mut parts = text.split("<ipython-input-");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| {
        let (name, rest) = part.split_once('>').unwrap();
        format!("{whole}<cell {}>{rest}", name.split('-').next().unwrap())
    })
}

fn check(outcome: &Outcome, shown: &[&str]) {
    let text = with_plain_names(&outcome.stdout());
    let mut rest = text.as_str();
    for words in shown {
        let Some((_, after)) = rest.split_once(words) else { panic!("{words:?} is missing in {text}") };
        rest = after;
    }
    for ours in ["bai-repl", "<string>", "interactiveshell"] {
        assert!(!text.contains(ours) && !outcome.stderr().contains(ours), "{text}{}", outcome.stderr());
    }
}

#[tokio::test]
async fn a_debugger_shows_the_users_frames_alone() {
    for mut session in sessions().await {
        session.value(STOPS).await;
        let outcome = session.run_with("stops(1)\nprint('after')", &["w", "p y", "l", "u", "u", "c"]).await;
        let frames = [
            "  <cell 2>(1)<module>()",
            "-> stops(1)",
            "> <cell 1>(",
            "2\n",
            "    y = x + 1\n",
            "Oldest frame",
        ];
        check(&outcome, &frames);
        assert!(outcome.stdout().ends_with("(Pdb) after\n"), "{outcome:?}");
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), ("", 0));
    }
}

#[tokio::test]
async fn a_debugger_that_steps_ends_with_the_cell() {
    for mut session in sessions().await {
        session.value(STOPS).await;
        let steps = ["n"; 12];
        let outcome = session.run_with("stops(1)\nprint('after')", &steps).await;
        check(&outcome, &["--Return--", "print('after')", "after\n"]);
        assert_eq!(session.value("print('next')").await, "next\n");
        let outcome = session.run_with("stops(1)", &["q"]).await;
        check(&outcome, &["> <cell 1>("]);
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), ("", 1));
        assert_eq!(session.value("print('next')").await, "next\n");
        session.run("1/0").await;
        check(&session.run_with("import pdb; pdb.pm()", &["w", "q"]).await, &["> <cell 6>(1)<module>()"]);
    }
}

#[tokio::test]
async fn breakpoint_stops_at_the_line_of_the_cell() {
    for python in at_least((3, 7)).await {
        let mut session = Session::start(&python).await;
        let outcome = session.run_with("x = 1\nbreakpoint()", &["w", "p x", "s", "c"]).await;
        check(&outcome, &["> <cell 1>(2)<module>()", "-> breakpoint()", "1\n"]);
        assert_eq!(outcome.exit_code, 0);
    }
}

#[tokio::test]
async fn the_debugger_of_ipython_shows_the_users_frames_alone() {
    for mut session in Session::start_with_ipython().await {
        session.value("def divide(n):\n    return 1 / n").await;
        session.run("divide(0)").await;
        let outcome = session.run_with("%debug", &["w", "u", "u", "q"]).await;
        check(&outcome, &["<cell 1>", "<cell 2>", "Oldest frame"]);
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), ("", 0));
    }
}

#[tokio::test]
async fn a_debuggers_question_completes_in_its_frame_and_survives_an_interrupt() {
    for mut session in sessions().await {
        session.value(STOPS).await;
        session.send(Op::Code("stops('text')".replace("'text'", "1"))).await;
        session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
        for (line, found) in
            [("wher", "where"), ("p y", "y"), ("x.bit_l", "bit_length"), ("p x.bit_l", "bit_length")]
        {
            let completion = session.kernel.complete(CompletionRequest::at(line, line.len())).await;
            assert!(completion.suggestions.iter().any(|name| name == found), "{line}: {completion:?}");
        }
        session.send(Op::Interrupt).await;
        let asked = session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
        check(&asked, &["--KeyboardInterrupt--"]);
        session.send(Op::Input("q".into())).await;
        assert_eq!(session.finish().await.exit_code, 1);
        assert_eq!(session.value("'after'").await, "'after'\n");
    }
}

#[tokio::test]
async fn debuggers_of_other_languages_ask() {
    for (image, code, lines, shown) in [
        (
            "r",
            "f <- function(x) { browser(); x + 1 }\nf(1)",
            &["x * 10", "nowhere", "where", "n", "x <- 5", "c"][..],
            "Called from: f(1)\nBrowse[1]> [1] 10\nBrowse[1]> Browse[1]> where 1: f(1)\n\
             Browse[1]> There are no steps here: c continues, Q ends the cell.\nBrowse[1]> Browse[1]> [1] 6\n",
        ),
        ("r", "f <- function(x) { browser(); x + 1 }\nf(1)\n3", &["Q"], "Called from: f(1)\nBrowse[1]> "),
    ] {
        if resolve(image).is_err() {
            bai_testkit::leave_out(image);
            continue;
        }
        let mut session = Session::start(image).await;
        let outcome = session.run_with(code, lines).await;
        assert_eq!(outcome.stdout(), shown, "{image}");
        let errors = if lines.len() > 1 { "Error: object 'nowhere' not found\n" } else { "" };
        assert_eq!(
            (outcome.stderr().as_str(), outcome.exit_code),
            (errors, i32::from(lines.len() == 1)),
            "{image}"
        );
    }
    if resolve("ruby").is_err() {
        return bai_testkit::leave_out("ruby");
    }
    let mut session = Session::start("ruby").await;
    let outcome = session.run_with("kept = 5\nbinding.irb\n'after'", &["kept + 1", "exit"]).await;
    let text = outcome.stdout();
    assert!(
        text.contains("irb(main):001:0> => 6\nirb(main):002:0> ") && text.ends_with("=> \"after\"\n"),
        "{text}"
    );
    assert!(!text.contains("Switch to"), "{text}");
}
