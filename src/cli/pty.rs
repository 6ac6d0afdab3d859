//! `bai-repl pty`: a terminal inside a session, as a pane or passed straight through.

use super::args::{Global, Open, Pty as Flags};
use super::exit::Exit;
use super::failure::Failure;
use super::place::Place;
use super::{destroy, names};
use crate::client::{ClientError, ComputeSession, ErrorKind, Pty, PtyOptions, PtySource};
use crate::config::FileConfig;
use crate::panes::raw::{self, RawOptions};
use crate::panes::terminal::{self as pane, PaneExit, PaneOptions, Why};
use crate::panes::{Ended, PrefixKey, TerminalHost};
use crate::protocol::create::CreateRequest;
use crate::terminal::Screen;
use std::io::IsTerminal;
use tokio::runtime::Handle;

/// Opens the terminal and stays until it is left or ends. A session that was made for it is destroyed then.
pub(super) async fn open(
    flags: &Flags,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<Exit, Failure> {
    let prefix = match &config.prefix_key {
        None => PrefixKey::default(),
        Some(text) => PrefixKey::parse(text).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("\"{text}\" is no key for leaving the terminal"))
                .hint("one looks like Ctrl-]")
        })?,
    };
    let (place, session, made) = subject(flags, open, global, config).await?;
    let exit = view(&session, flags, prefix).await;
    if made {
        destroy(&place, session.name()).await;
    }
    place.close().await;
    exit
}

/// The session of that name, or a new one of that image; the last value tells whether it is new.
async fn subject(
    flags: &Flags,
    open: &Open,
    global: &Global,
    config: &FileConfig,
) -> Result<(Place, ComputeSession, bool), Failure> {
    if let Some(name) = &flags.subject
        && let Some((place, session)) = existing(name, global, config).await?
    {
        return Ok((place, session, false));
    }
    let image = flags.subject.clone().unwrap_or_else(|| super::open::image(open).to_owned());
    let place = Place::open(global, config, false).await?;
    let request = CreateRequest { name: names::session(), image, reuse: true, ..CreateRequest::default() };
    let (session, _) = ComputeSession::create(&place.api, request, |_| ()).await?;
    Ok((place, session, true))
}

/// A session that lives, where there is a place with sessions. What looks like an image is not looked for.
async fn existing(
    name: &str,
    global: &Global,
    config: &FileConfig,
) -> Result<Option<(Place, ComputeSession)>, Failure> {
    if name.contains([':', '/']) {
        return Ok(None);
    }
    let Some(place) = Place::with_sessions(global, config).await? else { return Ok(None) };
    match ComputeSession::attach(&place.api, name).await {
        Ok(session) => Ok(Some((place, session))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn view(session: &ComputeSession, flags: &Flags, prefix: PrefixKey) -> Result<Exit, Failure> {
    let size = crate::terminal::size();
    let source = flags.app.clone().map_or(PtySource::Auto, PtySource::App);
    let options = PtyOptions { source, rows: size.rows, columns: size.cols };
    let pty = Pty::open(session, options).await.map_err(|error: ClientError| Failure::from(error))?;
    let (host, news) = TerminalHost::start(&Handle::current(), pty, session.name(), size.cols, size.rows);
    // Nobody is at a prompt who could be told what happens in the background.
    drop(news);
    let straight = flags.raw || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal();
    let left = if straight {
        raw::run(&host, RawOptions { prefix }).await
    } else {
        let colors = Screen::detect().colors;
        pane::open(&host, PaneOptions { prefix, colors, clipboard: true, editor_waits: false }).await
    };
    let PaneExit { why, .. } =
        left.map_err(|error| Failure::new(Exit::Failed, format!("cannot use the terminal: {error}")))?;
    Ok(match why {
        Why::Ended(Ended::Exited(code)) => Exit::Remote(code.unwrap_or(0)),
        Why::Ended(Ended::Lost(why)) => {
            Failure::new(Exit::Lost, format!("the terminal is lost: {why}")).tell()
        }
        Why::Left | Why::HungUp => Exit::Ok,
    })
}
