//! The banner at the start of the prompt.

use super::options::Banner;
use super::terminal::{PromptTerminal, TerminalError};

/// Shows the banner.
pub(super) fn show(banner: &Banner, terminal: &mut PromptTerminal) -> Result<(), TerminalError> {
    let dot = format!(" {} ", terminal.paint.signs().dot);
    let version = concat!("bai-repl ", env!("CARGO_PKG_VERSION"));
    let session = format!("session {}", banner.session);
    let join =
        |parts: &[&str]| parts.iter().copied().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(&dot);
    terminal.note(&join(&[version, &banner.server, &banner.image]))?;
    let terminal_key = format!("{} terminal", terminal.pane.key_name());
    terminal.note(&join(&[&session, ":help", &terminal_key, "Ctrl-D leave"]))?;
    terminal.line(None, "")
}
