use super::*;
use nix::pty::{OpenptyResult, openpty};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

/// A terminal whose far end is played by the test.
struct Far {
    near: OwnedFd,
    far: std::fs::File,
}

fn terminal() -> Far {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    Far { near: slave, far: master.into() }
}

/// Reads at the far end until the questions have come.
fn wait_for_questions(far: &mut std::fs::File) -> Vec<u8> {
    let mut asked = Vec::new();
    let mut byte = [0];
    while !asked.ends_with(b"\x1b[c") {
        far.read_exact(&mut byte).unwrap();
        asked.push(byte[0]);
    }
    asked
}

const PATIENT: Limits = Limits { answer: Duration::from_secs(60), rest: Duration::from_secs(60) };
const SHORT: Limits = Limits { answer: Duration::from_millis(20), rest: Duration::from_millis(20) };

fn questions() -> Questions {
    Questions::new(&Surroundings::Closed)
}

#[test]
fn a_terminal_that_answers_is_understood_and_its_modes_are_put_back() {
    let Far { near, mut far } = terminal();
    let before = termios::tcgetattr(&near).unwrap();
    let answering = std::thread::spawn(move || {
        far.write_all(b"typed ahead").unwrap();
        wait_for_questions(&mut far);
        far.write_all(b"\x1bP>|foot(1.13)\x1b\\\x1b[6;20;10t").unwrap();
        far.write_all(b"!\x1b]11;rgb:1e1e/1e1e/2e2e\x07\x1b[?62;4;22c").unwrap();
        far
    });
    let (probe, _) = ask(near.as_fd(), near.as_fd(), &questions(), PATIENT).unwrap();
    let _far = answering.join().unwrap();
    assert_eq!(probe.name.as_deref(), Some("foot(1.13)"));
    assert_eq!((probe.cell, probe.background), (Some((10, 20)), Some((30, 30, 46))));
    assert!(probe.sixel && probe.answered);
    assert_eq!(probe.typed, b"typed ahead!");
    assert_eq!(termios::tcgetattr(&near).unwrap(), before);
}

#[test]
fn a_silent_terminal_costs_the_limit_and_loses_no_key() {
    let Far { near, mut far } = terminal();
    far.write_all(b"abc").unwrap();
    let (probe, _) = ask(near.as_fd(), near.as_fd(), &questions(), SHORT).unwrap();
    assert!(!probe.answered);
    assert_eq!(probe.typed, b"abc");
}

#[test]
fn an_answer_that_has_begun_is_waited_for() {
    let Far { near, mut far } = terminal();
    far.write_all(b"\x1b]11;rgb:ff").unwrap();
    let answering = std::thread::spawn(move || {
        wait_for_questions(&mut far);
        far.write_all(b"ff/ffff/ffff\x1b\\\x1b[?6c").unwrap();
        far
    });
    // The limit is over at once; what keeps the wait going is that the answer has begun.
    let (probe, _) =
        ask(near.as_fd(), near.as_fd(), &questions(), Limits { answer: Duration::from_millis(1), ..PATIENT })
            .unwrap();
    let _far = answering.join().unwrap();
    assert_eq!(probe.typed, b"");
    assert_eq!(probe.background, Some((255, 255, 255)));
}

#[test]
fn a_terminal_that_hangs_up_ends_the_wait() {
    let Far { near, far } = terminal();
    drop(far);
    let result = ask(near.as_fd(), near.as_fd(), &questions(), PATIENT);
    assert!(result.is_err() || !result.unwrap().0.answered);
}

#[test]
fn who_must_not_be_asked_is_not() {
    let why = |stdin, stdout, term: &str| {
        let owned = term.to_owned();
        let env = move |name: &str| (name == "TERM").then(|| OsString::from(&owned));
        unsafe_to_ask(&Screen::from_parts(stdin, stdout, true, &env), term)
    };
    for term in ["dumb", "", "linux", "eterm-color"] {
        assert!(why(true, true, term).is_some(), "{term}");
    }
    assert!(why(false, true, "xterm").is_some());
    assert!(why(true, false, "xterm").is_some());
    assert_eq!(why(true, true, "xterm"), None);
}

#[test]
fn what_multiplexers_take_for_a_title_is_not_sent_to_them() {
    let look = |variables: &[(&str, &str)], tmux: Option<&Tmux>| {
        let env =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        Surroundings::look(env, tmux)
    };
    let around = |variables: &[(&str, &str)]| look(variables, None);
    let tmux = |lets_through| Tmux { lets_through, attached: String::new() };
    let inside = [("TERM", "tmux-256color"), ("TMUX", "/tmp/x,1,0")];
    assert_eq!(look(&inside, Some(&tmux(true))), Surroundings::TmuxPassing);
    assert_eq!(look(&inside, Some(&tmux(false))), Surroundings::Closed);
    assert_eq!(look(&inside, None), Surroundings::Closed);
    assert_eq!(around(&[("TERM", "xterm")]), Surroundings::Direct);
    assert_eq!(around(&[("TERM", "tmux-256color")]), Surroundings::Closed);
    assert_eq!(around(&[("TERM", "xterm"), ("STY", "1.x")]), Surroundings::Closed);
    assert!(Questions::new(&Surroundings::Direct).text.starts_with(KITTY));
    assert!(!questions().text.contains("_G"));
    let wrapped = Questions::new(&Surroundings::TmuxPassing);
    assert!(wrapped.text.contains("\x1bPtmux;\x1b\x1b_Gi=31") && wrapped.ends == 2);
    assert!(wrapped.text.ends_with(DA1));
}
