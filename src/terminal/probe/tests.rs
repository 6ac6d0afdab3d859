use super::*;
use nix::pty::{OpenptyResult, openpty};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

/// A pseudo-terminal; the test controls its far end.
struct Far {
    near: OwnedFd,
    far: std::fs::File,
}

fn terminal() -> Far {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    Far { near: slave, far: master.into() }
}

/// Reads at the far end until the queries have arrived.
fn wait_for_queries(far: &mut std::fs::File) -> Vec<u8> {
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

fn queries() -> Queries {
    Queries::new(&Multiplexer::Closed)
}

#[test]
fn a_terminal_that_answers_is_understood_and_its_modes_are_put_back() {
    let Far { near, mut far } = terminal();
    let before = termios::tcgetattr(&near).unwrap();
    let answering = std::thread::spawn(move || {
        far.write_all(b"typed ahead").unwrap();
        wait_for_queries(&mut far);
        far.write_all(b"\x1bP>|foot(1.13)\x1b\\\x1b[6;20;10t").unwrap();
        far.write_all(b"!\x1b]11;rgb:1e1e/1e1e/2e2e\x07\x1b[?62;4;22c").unwrap();
        far
    });
    let (probe, _) = ask(near.as_fd(), near.as_fd(), &queries(), PATIENT).unwrap();
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
    let (probe, _) = ask(near.as_fd(), near.as_fd(), &queries(), SHORT).unwrap();
    assert!(!probe.answered);
    assert_eq!(probe.typed, b"abc");
}

#[test]
fn an_answer_that_has_begun_is_waited_for() {
    let Far { near, mut far } = terminal();
    far.write_all(b"\x1b]11;rgb:ff").unwrap();
    let answering = std::thread::spawn(move || {
        wait_for_queries(&mut far);
        far.write_all(b"ff/ffff/ffff\x1b\\\x1b[?6c").unwrap();
        far
    });
    // The first limit ends at once; the wait continues because the answer has begun.
    let (probe, _) =
        ask(near.as_fd(), near.as_fd(), &queries(), Limits { answer: Duration::from_millis(1), ..PATIENT })
            .unwrap();
    let _far = answering.join().unwrap();
    assert_eq!(probe.typed, b"");
    assert_eq!(probe.background, Some((255, 255, 255)));
}

#[test]
fn a_terminal_that_hangs_up_ends_the_wait() {
    let Far { near, far } = terminal();
    drop(far);
    let result = ask(near.as_fd(), near.as_fd(), &queries(), PATIENT);
    assert!(result.is_err() || !result.unwrap().0.answered);
}

#[test]
fn unsafe_terminals_are_not_queried() {
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
fn multiplexers_get_no_sequence_that_they_read_as_a_title() {
    let detect = |variables: &[(&str, &str)], tmux: Option<&Tmux>| {
        let env =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        Multiplexer::detect(env, tmux)
    };
    let without_tmux = |variables: &[(&str, &str)]| detect(variables, None);
    let tmux = |lets_through| Tmux { lets_through, attached: String::new() };
    let inside = [("TERM", "tmux-256color"), ("TMUX", "/tmp/x,1,0")];
    assert_eq!(detect(&inside, Some(&tmux(true))), Multiplexer::TmuxPassing);
    assert_eq!(detect(&inside, Some(&tmux(false))), Multiplexer::Closed);
    assert_eq!(detect(&inside, None), Multiplexer::Closed);
    assert_eq!(without_tmux(&[("TERM", "xterm")]), Multiplexer::Direct);
    assert_eq!(without_tmux(&[("TERM", "tmux-256color")]), Multiplexer::Closed);
    assert_eq!(without_tmux(&[("TERM", "xterm"), ("STY", "1.x")]), Multiplexer::Closed);
    assert!(Queries::new(&Multiplexer::Direct).text.starts_with(KITTY));
    assert!(!queries().text.contains("_G"));
    let wrapped = Queries::new(&Multiplexer::TmuxPassing);
    assert!(wrapped.text.contains("\x1bPtmux;\x1b\x1b_Gi=31") && wrapped.ends == 2);
    assert!(wrapped.text.ends_with(DA1));
}
