//! The terminal of a session: the `pty` stream (`protocol.md` §7.1) with a shell behind it, which upstream never had.
//!
//! The shell starts at the first use and stays when nobody looks; who comes later, or comes back, gets the last of
//! what was printed first. Several may look and type at once. The last frame tells the exit code, in a type of frame
//! of our own that other clients pass over.

mod broadcaster;
mod scrollback;
mod viewer;

use super::actor::environment;
use super::error::ApiResult;
use super::request::ready_session;
use super::session::Session;
use super::state::ServerState;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Path, State};
use axum::response::Response;
use bai_protocol::service::{App, PTY_PROTOCOL};
use bai_runner::TerminalSpec;
use broadcaster::{Attached, Broadcaster, Command};
use std::io;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};

/// The largest frame that is taken, in bytes, as genuine servers have it.
const FRAME_LIMIT: usize = 16 << 20;

/// The terminal as the list of apps has it.
pub(super) fn app() -> App {
    App { name: "shell".into(), protocol: PTY_PROTOCOL.into(), ..App::default() }
}

/// `GET /stream/{P}/{s}/pty`.
pub(super) async fn stream(
    State(server): State<Arc<ServerState>>,
    Path(reference): Path<String>,
    upgrade: WebSocketUpgrade,
) -> ApiResult<Response> {
    let session = ready_session(&server, &reference)?;
    let upgrade = upgrade.max_message_size(FRAME_LIMIT).max_frame_size(FRAME_LIMIT);
    Ok(upgrade.on_upgrade(move |socket| async move { viewer::serve(&session, socket).await }))
}

/// The way to a session's terminal; behind it is one, or none yet.
#[derive(Debug, Default)]
pub(super) struct TerminalHandle(Mutex<Option<mpsc::Sender<Command>>>);

impl TerminalHandle {
    /// Joins those who look at the terminal; starts it if there is none.
    async fn attach(&self, session: &Session, size: Option<(u16, u16)>) -> io::Result<Attached> {
        let mut behind = self.0.lock().await;
        if let Some(commands) = behind.as_ref() {
            let (reply, answer) = oneshot::channel();
            // A shell that is ending just now does not answer.
            if commands.send(Command::Attach { size, reply }).await.is_ok()
                && let Ok(attached) = answer.await
            {
                return Ok(attached);
            }
        }
        let (rows, columns) = size.unwrap_or((24, 80));
        let spec =
            TerminalSpec { workdir: session.fixed.workdir.clone(), env: environment(session), rows, columns };
        let (broadcaster, commands, attached) = Broadcaster::start(spec)?;
        let stop = session.stop.clone();
        session.tasks.spawn(async move { stop.run_until_cancelled(broadcaster.run()).await });
        *behind = Some(commands);
        Ok(attached)
    }
}
