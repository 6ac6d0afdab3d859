//! Follows the log of a session. Servers cannot push new text, so this module polls.

use std::io;
use std::time::Duration;

use tokio::runtime::Handle;

use super::shell::Appearance;
use super::text::{GrowingText, follow_text};
use bai_client::{ComputeSession, ErrorKind, new_log_text};

/// Interval between two requests.
const INTERVAL: Duration = Duration::from_secs(1);
/// Time limit for an answer.
const LIMIT: Duration = Duration::from_secs(15);

/// Shows the log of a session and its new text, until the user leaves.
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
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        match tokio::time::timeout(LIMIT, session.logs()).await {
            Ok(Ok(log)) => {
                text.push(new_log_text(&seen, &log));
                seen = log;
                text.set_status("");
            }
            Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
                text.set_status("the session has ended");
                return;
            }
            Ok(Err(error)) => text.set_status(&error.to_string()),
            Err(_) => text.set_status("the server does not answer"),
        }
    }
}
