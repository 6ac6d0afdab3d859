//! The log of a session, followed: servers cannot tell that there is more, so that it is asked for again and again.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;

use super::shell::Appearance;
use super::text::{GrowingText, follow_text};
use bai_client::{ComputeSession, ErrorKind, new_log_text};

/// How often the log is asked for.
const OFTEN: Duration = Duration::from_secs(1);
/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(15);

/// Shows the log of a session and what comes to it, until the person leaves it.
///
/// # Errors
/// When standard input or output is not a terminal.
pub fn follow_log(
    runtime: &Handle,
    session: ComputeSession,
    appearance: &Appearance,
    editor_waits: bool,
) -> io::Result<()> {
    let title = format!("log of {}", session.name());
    follow_text(runtime, &title, appearance, editor_waits, |text| {
        runtime.spawn(follow(session, text)).abort_handle()
    })
}

async fn follow(session: ComputeSession, text: GrowingText) {
    let mut seen = String::new();
    let mut ticks = tokio::time::interval(OFTEN);
    loop {
        ticks.tick().await;
        match tokio::time::timeout(LIMIT, session.logs()).await {
            Ok(Ok(log)) => {
                text.push(new_log_text(&seen, &log));
                seen = log;
                text.say("");
            }
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
                text.say("the session has ended");
                return;
            }
            Ok(Err(error)) => text.say(&error.to_string()),
            Err(_) => text.say("the server does not answer"),
        }
    }
}
