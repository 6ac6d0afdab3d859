//! Tells a program that waits for its session why it waits: where no progress is shown, a line on standard error after some seconds
//! in the queue, and one when the session has left it; also why it waits for a session that ends.

use super::context::CommandContext;
use crate::format;
use crate::render::sanitize;
use bai_client::{Api, ComputeSession, Limit, QueueReason, Shortage};
use bai_protocol::status::SessionStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// How long a session may be in the queue without a word.
const PATIENCE: Duration = Duration::from_secs(3);
/// Maximum width of a line; parts of it come from servers.
const WIDTH: usize = 500;

/// The lines about one session.
#[derive(Debug)]
pub(super) struct QueueNote {
    name: String,
    said: Arc<AtomicBool>,
    /// Whether the session has left the queue.
    left: bool,
    waiting: Option<AbortOnDropHandle<()>>,
}

impl QueueNote {
    /// The lines about the session of this name. None with `--quiet`.
    pub(super) fn new(context: &CommandContext, api: &Api, name: &str) -> Option<Self> {
        if context.global.quiet {
            return None;
        }
        let said = Arc::new(AtomicBool::new(false));
        let (saying, api, wanted) = (Arc::clone(&said), api.clone(), name.to_owned());
        let waiting = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut told_of_end = false;
            loop {
                tokio::time::sleep(PATIENCE).await;
                let Ok(session) = ComputeSession::attach(&api, &wanted).await else { return };
                match session.info().await.ok().and_then(|info| info.status) {
                    Some(SessionStatus::Terminating) => {
                        if !std::mem::replace(&mut told_of_end, true) {
                            say(&wanted, "is still ending (TERMINATING)");
                        }
                    }
                    Some(status) if is_queued(&status) => {
                        let why = words(&session.why_queued().await);
                        say(&wanted, &format!("waits in the queue (PENDING){why}"));
                        return saying.store(true, Ordering::Relaxed);
                    }
                    _ => return,
                }
            }
        }));
        Some(QueueNote { name: name.to_owned(), said, left: false, waiting: Some(waiting) })
    }

    /// The session has this status now.
    pub(super) fn report(&mut self, status: &SessionStatus) {
        // An earlier session of the name may be ending.
        let is_before = is_queued(status) || *status == SessionStatus::Terminating;
        if is_before || std::mem::replace(&mut self.left, true) {
            return;
        }
        self.waiting = None;
        if self.said.load(Ordering::Relaxed) && !status.is_dead() {
            say(&self.name, "has left the queue, and starts");
        }
    }
}

fn is_queued(status: &SessionStatus) -> bool {
    matches!(status, SessionStatus::Pending)
}

fn say(name: &str, what: &str) {
    eprintln!("bai-repl: {}", sanitize::line(&format!("session {name} {what}"), WIDTH));
}

fn words(reason: &QueueReason) -> String {
    match reason {
        QueueReason::Told(told) => format!(": {told}"),
        QueueReason::Short(short) => {
            let short: Vec<_> = short.iter().map(shortage).collect();
            format!(": it needs {}", short.join(", and "))
        }
        _ => "; the server does not say why".to_owned(),
    }
}

fn shortage(short: &Shortage) -> String {
    let Shortage { slot, needed, left, limit } = short;
    let amount = |amount: f64| format::amount(slot, amount);
    let whose = match limit {
        Limit::Key => "the key may still use",
        Limit::Project => "the project may still use",
        Limit::Machines => "the machines have free",
    };
    format!("{slot} {}, of which {whose} {}", amount(*needed), amount(*left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_part_of_a_sentence() {
        let short = |slot: &str, needed, left, limit| Shortage { slot: slot.into(), needed, left, limit };
        let reason = QueueReason::Short(vec![
            short("cpu", 4.0, 0.0, Limit::Machines),
            short("mem", 2_147_483_648.0, -1.0, Limit::Key),
        ]);
        assert_eq!(
            words(&reason),
            ": it needs cpu 4, of which the machines have free 0, and mem 2.0 GiB, of which the key may still use 0 B"
        );
        assert_eq!(words(&QueueReason::Told("no agent".into())), ": no agent");
    }
}
