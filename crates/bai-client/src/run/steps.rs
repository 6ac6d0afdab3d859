//! Batch runs on servers that lose output between two steps, the end of the run included (`docs/wire` §3.7):
//! each step is a run of its own there, and its command begins after a pause. The reader of the run sees no difference.
//!
//! What `*` means at those servers is in `heuristics`; no connection is made here.

use super::heuristics;
use super::step_end::StepEnd;
use super::{Answer, Cell, Run, RunEnds, RunEvent, RunOptions, Start, Step, Turns, start_in_turn};
use crate::error::ClientError;
use crate::session_ref::SessionRef;
use bai_protocol::execute::{BatchOptions, RunId};
use bai_protocol::shell_word;
use std::collections::VecDeque;
use tokio::sync::{mpsc, watch};

/// Events that may wait for the reader.
const QUEUE: usize = 16;
/// How long a command waits, so that the server listens again after the steps that are skipped before it, in seconds.
const PAUSE: &str = "0.5";
/// Runs a command in a process group of its own.
const GROUP: &str = include_str!("step.py");
/// The Python of the runner in containers of genuine clusters.
const RUNNER_PYTHON: &str = "/opt/backend.ai/bin/python";
/// Exit code of a run whose build failed (`docs/wire` §3.4).
const NOT_RUN: i32 = 127;

/// A step that has not run yet; the last one has no kind.
struct BatchStep {
    step: Option<Step>,
    command: String,
}

/// Whether the agents of a manager of this release lose output between two steps: those from 25.12 on.
pub(crate) fn are_lossy(manager: Option<&str>) -> bool {
    // Only very old managers do not report their release.
    let Some(manager) = manager else { return false };
    let mut numbers = manager.split(['.', '-']).map(|part| part.parse::<u32>());
    match (numbers.next(), numbers.next()) {
        (Some(Ok(year)), Some(Ok(month))) => (year, month) >= (25, 12),
        // A pause costs less than a run without an end.
        _ => true,
    }
}

/// Begins a batch run, step by step.
pub(crate) async fn start(
    session: &SessionRef,
    turns: &Turns,
    commands: &BatchOptions,
    options: RunOptions,
) -> Result<Run, ClientError> {
    let mut parts = parts(commands);
    let has_work = |part: &BatchStep| part.step.is_none() || !part.command.is_empty();
    let skipped: Vec<_> = parts
        .drain(..parts.iter().take_while(|part| !has_work(part)).count())
        .filter_map(|part| part.step)
        .collect();
    let first = parts.pop_front().unwrap_or(BatchStep { step: None, command: String::new() });
    let run = begin(session, turns, &first, &options).await?;
    let (handle, RunEnds { events, input, interrupts, leave, .. }) = Run::new(RunId::random(), QUEUE);
    let relay = Relay {
        session: session.clone(),
        turns: turns.clone(),
        options,
        parts,
        events,
        input,
        interrupts,
        leave,
        interrupted: false,
        left: false,
    };
    tokio::spawn(relay.drive(skipped, first, run));
    Ok(handle)
}

fn parts(commands: &BatchOptions) -> VecDeque<BatchStep> {
    let clean = if commands.clean == "*" { String::new() } else { commands.clean.clone() };
    let build = if commands.build == "*" { heuristics::build() } else { commands.build.clone() };
    let exec = if commands.exec == "*" { heuristics::execute() } else { commands.exec.clone() };
    let all = [(Some(Step::Clean), clean), (Some(Step::Build), build), (None, exec)];
    all.map(|(step, command)| BatchStep { step, command }).into()
}

async fn begin(
    session: &SessionRef,
    turns: &Turns,
    part: &BatchStep,
    options: &RunOptions,
) -> Result<Run, ClientError> {
    let end = StepEnd::new(session);
    let exec = match part.command.as_str() {
        "" => format!("sleep {PAUSE}"),
        command => {
            format!("sleep {PAUSE}\n{}", interruptible(command, RUNNER_PYTHON, &end.arguments()))
        }
    };
    let cell = Cell::Batch(BatchOptions { exec, ..BatchOptions::default() });
    start_in_turn(session.clone(), turns, Start::Step(cell, end), options.clone()).await
}

/// The command as all of it gets an interrupt, where the Python is that the runner of genuine clusters brings along: that runner
/// signals one process only. It leaves its end there, too. The command reads no input, as nobody could give it any.
fn interruptible(command: &str, python: &str, end: &str) -> String {
    let (program, command) = (shell_word::quoted(GROUP), shell_word::quoted(command));
    format!(
        "set -- {command}\n[ ! -x {python} ] || exec {python} -I -S -c {program} \"$1\" {end}\nexec sh -c \"$1\" </dev/null"
    )
}

/// What following one step has come to.
enum Followed {
    Finished(Option<i32>),
    /// The last event was delivered, or the reader is gone.
    Over,
}

struct Relay {
    session: SessionRef,
    turns: Turns,
    options: RunOptions,
    parts: VecDeque<BatchStep>,
    events: mpsc::Sender<RunEvent>,
    input: mpsc::Receiver<Answer>,
    interrupts: watch::Receiver<u64>,
    leave: watch::Receiver<bool>,
    /// Whether no further step has to run.
    interrupted: bool,
    /// Whether the reader is gone and lets the run go on.
    left: bool,
}

impl Relay {
    async fn drive(mut self, skipped: Vec<Step>, mut part: BatchStep, mut run: Run) {
        for step in skipped {
            self.tell(&run, RunEvent::StepFinished { step, exit_code: Some(0) }).await;
        }
        loop {
            let Followed::Finished(exit_code) = self.follow(&mut run).await else { return };
            let Some(step) = part.step else {
                return self.tell(&run, RunEvent::Finished { exit_code }).await;
            };
            self.tell(&run, RunEvent::StepFinished { step, exit_code }).await;
            let failed = step == Step::Build && exit_code.unwrap_or(0) != 0;
            if failed || self.interrupted {
                return self.tell(&run, RunEvent::Finished { exit_code: Some(NOT_RUN) }).await;
            }
            let Some(next) = self.next_part(&run).await else { return };
            match begin(&self.session, &self.turns, &next, &self.options).await {
                Ok(begun) => (part, run) = (next, begun),
                Err(error) => {
                    let lost = super::LostRun {
                        error,
                        session: super::SessionState::Unknown,
                        run_id: None,
                        exit_code: None,
                    };
                    return self.tell(&run, RunEvent::Lost(lost)).await;
                }
            }
        }
    }

    /// The next step with a command; the others are reported as finished. The last step always runs: its end is the end
    /// of the run.
    async fn next_part(&mut self, run: &Run) -> Option<BatchStep> {
        loop {
            let part = self.parts.pop_front()?;
            match part.step {
                Some(step) if part.command.is_empty() => {
                    self.tell(run, RunEvent::StepFinished { step, exit_code: Some(0) }).await;
                }
                None if part.command.is_empty() => {
                    self.tell(run, RunEvent::Finished { exit_code: Some(0) }).await;
                    return None;
                }
                _ => return Some(part),
            }
        }
    }

    async fn follow(&mut self, run: &mut Run) -> Followed {
        loop {
            let event = tokio::select! { biased;
                () = self.events.closed(), if !self.left => {
                    self.left = *self.leave.borrow();
                    if self.left { continue }
                    // The run is interrupted when it is dropped.
                    return Followed::Over;
                }
                Ok(()) = self.interrupts.changed(), if !self.left => {
                    self.interrupted = true;
                    run.interrupt();
                    continue;
                }
                Some(answer) = self.input.recv(), if !self.left => {
                    run.answer(answer);
                    continue;
                }
                event = run.next() => event,
            };
            match event {
                Some(RunEvent::Finished { exit_code }) => return Followed::Finished(exit_code),
                Some(RunEvent::StepFinished { .. }) => {}
                Some(event) => {
                    let over = matches!(event, RunEvent::Lost(_));
                    self.tell(run, event).await;
                    if over {
                        return Followed::Over;
                    }
                }
                None => return Followed::Over,
            }
        }
    }

    /// Delivers an event. An interrupt is noticed even while the reader has no space for it.
    async fn tell(&mut self, run: &Run, event: RunEvent) {
        while !self.left {
            tokio::select! { biased;
                Ok(()) = self.interrupts.changed() => {
                    self.interrupted = true;
                    run.interrupt();
                }
                room = self.events.reserve() => {
                    // Without a reader it is dropped; the next look at the run notices that.
                    if let Ok(permit) = room {
                        permit.send(event);
                    }
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Stdio};

    /// A shell that runs a step, which leaves its end in this file, where this Python is that of the runner.
    fn step(command: &str, python: &str, end: &str) -> Command {
        let mut shell = Command::new("sh");
        // As a terminal to which nobody types.
        shell
            .arg("-c")
            .arg(interruptible(command, python, &format!("{end} id")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        shell
    }

    fn python() -> String {
        let found = Command::new("sh").args(["-c", "command -v python3"]).output().unwrap().stdout;
        String::from_utf8(found).unwrap().trim().to_owned()
    }

    #[test]
    fn a_step_ends_as_its_command_ends_and_finds_no_input() {
        let folder = tempfile::tempdir().unwrap();
        let end = folder.path().join("new/end").display().to_string();
        for (python, leaves) in [(python(), true), ("/nowhere/python".to_owned(), false)] {
            for (command, code, signal, printed) in [
                ("echo \"it's $0 $#\"; exit 4", Some(4), None, "it's sh 0\n"),
                ("kill -TERM $$", None, Some(15), ""),
                ("kill -KILL $$", None, Some(9), ""),
                ("cat; echo end", Some(0), None, "end\n"),
                ("no-such-command 2>/dev/null", Some(127), None, ""),
                ("yes | head -n 1", Some(0), None, "y\n"),
            ] {
                let mut child = step(command, &python, &end).spawn().unwrap();
                let input = child.stdin.take();
                let ended = child.wait_with_output().unwrap();
                drop(input);
                assert_eq!((ended.status.code(), ended.status.signal()), (code, signal), "{command}");
                assert_eq!(String::from_utf8(ended.stdout).unwrap(), printed, "{command}");
                let code = code.or(signal.map(|signal| 128 + signal)).filter(|_| leaves);
                let left = std::fs::read_to_string(&end).ok();
                assert_eq!(left, code.map(|code| format!("id {code}\n")), "{command}");
                assert!(!std::fs::exists(format!("{end}.process")).unwrap(), "{command}");
                let _ = std::fs::remove_file(&end);
            }
        }
    }

    #[test]
    fn an_interrupt_reaches_the_children_of_a_shell() {
        // A shell that is just about to start a program runs its trap only after it, so that the programs are short.
        let command =
            "sh -c 'trap \"echo caught; exit 5\" INT; echo ready; while :; do sleep 0.1; done'; exit $?";
        let mut child = step(command, &python(), "/nowhere/end").spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut ready = [0; 6];
        output.read_exact(&mut ready).unwrap();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "caught\n");
        let status = child.wait().unwrap();
        assert!(status.signal() == Some(2) || status.code() == Some(5), "{status}");
    }

    #[test]
    fn agents_that_lose_output_are_known_by_the_manager_version() {
        for (manager, lossy) in
            [("26.9.6", true), ("25.12.0rc1", true), ("25.11.3", false), ("22.03.19", false), ("next", true)]
        {
            assert_eq!(are_lossy(Some(manager)), lossy, "{manager}");
        }
        assert!(!are_lossy(None));
    }
}
