//! `bai-repl pty`: a terminal in a session, as a pane or passed straight through.

use super::args::{OpenFlags, Pty as Flags};
use super::context::CommandContext;
use super::daemon::print_wait;
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::server::{Server, destroy_session};
use super::session_name;
use crate::config::FileConfig;
use crate::panes::raw::{self, RawOptions};
use crate::panes::terminal::{self as pane, LeaveReason, PaneExit, PaneOptions};
use crate::panes::{Clipboard, ClipboardPolicy, Ended, PrefixKey, TerminalHost};
use crate::terminal::{FatalSignals, Screen, listen_fatal};
use bai_client::pty::LinkState;
use bai_client::{ClientError, ComputeSession, ErrorKind, Pty, PtyOptions, PtySource};
use bai_protocol::create::CreateRequest;
use futures_util::FutureExt as _;
use std::io::IsTerminal;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Opens the terminal, and returns when the user leaves it or it ends. A session that was created for it is then destroyed.
pub(super) async fn open(
    flags: &Flags,
    open: &OpenFlags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let (server, found) = find(flags, context).await?;
    let mut fatal = listen_fatal().map_err(|error| CliError::new(ExitStatus::Failed, error))?;
    let new_name = if found.is_none() { Some(session_name::generate()) } else { None };
    let exit =
        run_terminal(&server, found, new_name.as_deref(), flags, open, &context.config, &mut fatal).await;
    if let Some(name) = new_name {
        destroy_session(&server.api, &name).await;
    }
    server.close().await;
    exit
}

/// The key that leaves the terminal, and that opens it at the prompt.
pub(super) fn prefix(config: &FileConfig) -> PrefixKey {
    config.prefix_key.as_deref().and_then(PrefixKey::parse).unwrap_or_default()
}

/// The user's clipboard, and what programs may do with it.
pub(super) fn clipboard(config: &FileConfig) -> Clipboard {
    let policy = config.clipboard.as_deref().and_then(ClipboardPolicy::named);
    Clipboard::new(policy.unwrap_or_default())
}

/// The server, and the session of that name if there is one.
async fn find(flags: &Flags, context: &CommandContext) -> Result<(Server, Option<ComputeSession>), CliError> {
    if let Some(name) = &flags.session_or_image
        && let Some((server, session)) = existing(name, context).await?
    {
        return Ok((server, Some(session)));
    }
    Ok((Server::open(context, false).await?, None))
}

/// Opens the terminal in the session that was found, or in a new one, and shows it. A fatal signal ends it.
async fn run_terminal(
    server: &Server,
    found: Option<ComputeSession>,
    name: Option<&str>,
    flags: &Flags,
    open: &OpenFlags,
    config: &FileConfig,
    fatal: &mut FatalSignals,
) -> Result<ExitStatus, CliError> {
    let connected = async {
        let session = match found {
            Some(session) => session,
            None => create(server, name, flags, open).await?,
        };
        connect(&session, flags).await
    };
    let host = tokio::select! {
        biased;
        signal = fatal.recv() => return Ok(ExitStatus::of_signal(signal)),
        host = connected => host?,
    };
    view(&host, flags, config, fatal).await
}

async fn create(
    server: &Server,
    name: Option<&str>,
    flags: &Flags,
    open: &OpenFlags,
) -> Result<ComputeSession, CliError> {
    let image = flags.session_or_image.clone().unwrap_or_else(|| super::creation::image(open).to_owned());
    let name = name.map_or_else(session_name::generate, str::to_owned);
    let request = CreateRequest { name, image, reuse: true, ..CreateRequest::default() };
    Ok(ComputeSession::create(&server.api, request, |_| ()).await?.0)
}

/// The existing session of that name, and its server. A name that looks like an image is not looked up.
async fn existing(
    name: &str,
    context: &CommandContext,
) -> Result<Option<(Server, ComputeSession)>, CliError> {
    if name.contains([':', '/']) {
        return Ok(None);
    }
    let Some(server) = Server::find_running(context, &print_wait).await? else { return Ok(None) };
    match ComputeSession::attach(&server.api, name).await {
        Ok(session) => Ok(Some((server, session))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn connect(session: &ComputeSession, flags: &Flags) -> Result<TerminalHost, CliError> {
    let size = crate::terminal::size();
    let source = flags.app.clone().map_or(PtySource::Auto, PtySource::App);
    let options = PtyOptions { source, rows: size.rows, columns: size.cols };
    let pty = Pty::open(session, options).await.map_err(|error: ClientError| CliError::from(error))?;
    let (host, events) = TerminalHost::start(&Handle::current(), pty, session.name(), size.cols, size.rows);
    // There is no prompt that could show background events.
    drop(events);
    Ok(host)
}

async fn view(
    host: &TerminalHost,
    flags: &Flags,
    config: &FileConfig,
    fatal: &mut FatalSignals,
) -> Result<ExitStatus, CliError> {
    let prefix = prefix(config);
    let is_raw = flags.raw || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal();
    // A fatal signal also closes the view.
    let left = if is_raw {
        raw::run(host, RawOptions { prefix }).await
    } else {
        let colors = Screen::detect().colors;
        let clipboard = Arc::new(clipboard(config));
        pane::open(host, PaneOptions { prefix, colors, clipboard, editor_waits: false }).await
    };
    let PaneExit { why, .. } =
        left.map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot use the terminal: {error}")))?;
    Ok(match why {
        LeaveReason::Ended(ended) => exit_of(&ended),
        // The user leaves a terminal that has ended, or whose link is down, as well as one that lives.
        LeaveReason::Left | LeaveReason::Detached => match (host.ended(), host.status().link) {
            (Some(ended), _) => exit_of(ended),
            (None, LinkState::Down { why, .. }) => exit_of(&Ended::Lost(why)),
            (None, LinkState::Up { .. }) => ExitStatus::Ok,
        },
        LeaveReason::HungUp => fatal.recv().now_or_never().map_or(ExitStatus::Ok, ExitStatus::of_signal),
    })
}

/// The exit status for the end of a terminal; a loss is reported.
fn exit_of(ended: &Ended) -> ExitStatus {
    match ended {
        Ended::Exited(code) => ExitStatus::Remote(code.unwrap_or(0)),
        Ended::Lost(why) | Ended::NotOpened(why) => {
            CliError::new(ExitStatus::Lost, format!("the terminal is lost: {why}")).report()
        }
    }
}
