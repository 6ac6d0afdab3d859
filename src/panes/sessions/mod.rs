//! The sessions view: the running sessions with their status and resource usage, a filter, and actions: attach, show the
//! log or the files, destroy.

mod columns;
mod details;
mod view;
mod watch;

use std::io;

use tokio::runtime::Handle;

use super::shell::{self, Appearance, ViewWaker};
use super::{follow_log, show_files};
use bai_client::Api;
use view::{Action, SessionsView};
use watch::{SharedBoard, Watch};

/// Shows the sessions until the user leaves or attaches to one; then returns its id. Works as `shell::show`.
///
/// # Errors
/// When standard input or output is not a terminal.
pub fn show_sessions(
    runtime: &Handle,
    api: &Api,
    appearance: &Appearance,
    editor_waits: bool,
) -> io::Result<Option<String>> {
    let shared = SharedBoard::new(ViewWaker::new()?);
    let _watch = Watch::start(runtime, api, &shared);
    let mut view = SessionsView::new(api, shared.clone(), Some(runtime.clone()));
    loop {
        shell::show(runtime, &shared.waker, &mut view, appearance, editor_waits)?;
        let session = match view.take_action() {
            None => return Ok(None),
            Some(Action::Attach(id)) => return Ok(Some(id)),
            Some(Action::Logs(id)) => view.find(&id).map(|session| (session, true)),
            Some(Action::Files(id)) => view.find(&id).map(|session| (session, false)),
        };
        match session {
            Some((session, true)) => follow_log(runtime, session, appearance, editor_waits)?,
            Some((session, false)) => show_files(runtime, session, ".", appearance, editor_waits)?,
            None => {}
        }
    }
}
