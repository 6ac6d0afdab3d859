//! The sessions that live, as a board: their states as they change, what they use, a filter, and what can be done with
//! one: go to it, look at its log or its files, end it.

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

/// Shows the sessions until the person leaves the board or wants to go to one, whose id is then given. As
/// `shell::show`.
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
        let session = match view.take_wish() {
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
