//! `bai-repl sessions`: the sessions that live, full screen.

use crate::cli::args::{Global, Open};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::place::Place;
use crate::cli::{look, prompt};
use crate::config::FileConfig;
use crate::terminal::Screen;
use tokio::runtime::Runtime;

/// Shows them until the person leaves, or goes to one.
pub(in crate::cli) fn run(
    runtime: &Runtime,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let screen = Screen::detect();
    if screen.dumb || !screen.interactive() {
        return Err(Failure::new(
            Exit::Usage,
            "the board of sessions needs a terminal that shows full screens",
        )
        .hint("bai-repl ls lists the sessions"));
    }
    let place = runtime.block_on(Place::find(global, config))?;
    let look = look::for_views(global, config)?;
    let chosen = crate::panes::show_sessions(runtime.handle(), &place.api, &look, false)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot use the terminal: {error}")))?;
    runtime.block_on(place.close());
    match chosen {
        Some(session) => prompt::attach(runtime, session, open, global, config),
        None => Ok(Exit::Ok),
    }
}
