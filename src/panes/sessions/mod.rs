//! The sessions that live, as a board: their states as they change, what they use, a filter, and what can be done with
//! one: go to it, look at its log or its files, end it.

mod board;
mod columns;
mod details;
mod watch;

use std::io;

use tokio::runtime::Handle;

use super::shell::{self, Bell, Look};
use super::{follow_log, show_files};
use bai_client::Api;
use board::{Board, Wish};
use watch::{At, Watch};

/// Shows the sessions until the person leaves the board or wants to go to one, whose id is then given. As
/// `shell::show`.
///
/// # Errors
/// When standard input and output are no terminal.
pub fn show_sessions(
    runtime: &Handle,
    api: &Api,
    look: &Look,
    editor_waits: bool,
) -> io::Result<Option<String>> {
    let at = At::new(Bell::new()?);
    let _watch = Watch::start(runtime, api, &at);
    let mut view = Board::new(api, at.clone(), Some(runtime.clone()));
    loop {
        shell::show(runtime, &at.bell, &mut view, look, editor_waits)?;
        let session = match view.take_wish() {
            None => return Ok(None),
            Some(Wish::Attach(id)) => return Ok(Some(id)),
            Some(Wish::Logs(id)) => view.find(&id).map(|session| (session, true)),
            Some(Wish::Files(id)) => view.find(&id).map(|session| (session, false)),
        };
        match session {
            Some((session, true)) => follow_log(runtime, session, look, editor_waits)?,
            Some((session, false)) => show_files(runtime, session, ".", look, editor_waits)?,
            None => {}
        }
    }
}
