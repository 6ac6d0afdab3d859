//! A text in the user's own editor (`$VISUAL`, `$EDITOR`, else `vi`), in a file that only they can read.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::sys::termios::{self, SetArg};
use thiserror::Error;

/// Why the text did not come back. It is as it was.
#[derive(Debug, Error)]
pub(in crate::repl) enum ExternalError {
    /// The file could not be written or read.
    #[error("cannot use a temporary file for the editor: {0}")]
    File(#[from] io::Error),
    /// The program could not be started.
    #[error("cannot start the editor `{0}`: {1}; set $VISUAL or $EDITOR")]
    Start(String, io::Error),
    /// It says that it failed, which editors do when the user gives up.
    #[error("the editor `{0}` ended with {1}; the cell is as it was")]
    Failed(String, ExitStatus),
    /// The file that it left is not text.
    #[error("what the editor saved is not UTF-8; the cell is as it was")]
    NotText,
}

/// Gives `text` to the editor and takes what it saves, without the last line end. The terminal is as the program found
/// it meanwhile, and as it was before afterwards.
pub(in crate::repl) fn edit(text: &str, extension: &str) -> Result<String, ExternalError> {
    let mut file = tempfile::Builder::new().prefix("cell-").suffix(&format!(".{extension}")).tempfile()?;
    file.write_all(text.as_bytes())?;
    if !text.is_empty() && !text.ends_with('\n') {
        file.write_all(b"\n")?;
    }
    file.flush()?;
    let name = std::env::var("VISUAL").ok().filter(|name| !name.trim().is_empty());
    let name = name.or_else(|| std::env::var("EDITOR").ok()).filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| "vi".to_owned());
    let status = run(&name, file.path())?;
    if !status.success() {
        return Err(ExternalError::Failed(name, status));
    }
    // By name, not through the handle: many editors save to a new file in the old one's place.
    let bytes = std::fs::read(file.path())?;
    let saved = String::from_utf8(bytes).map_err(|_| ExternalError::NotText)?;
    let saved = crate::repl::printable::printable(&saved.replace("\r\n", "\n"));
    Ok(saved.strip_suffix('\n').map(str::to_owned).unwrap_or(saved))
}

/// The editor's variable may hold arguments, so a shell reads it, as git does.
fn run(editor: &str, file: &Path) -> Result<ExitStatus, ExternalError> {
    let stdin = io::stdin();
    let modes = termios::tcgetattr(&stdin).ok();
    crate::terminal::restore();
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status();
    if let Some(modes) = modes {
        // A terminal that is gone is noticed by whoever reads next.
        let _ = termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &modes);
        let mut out = io::stdout();
        let _ = out.write_all(b"\x1b[?2004h").and_then(|()| out.flush());
    }
    status.map_err(|error| ExternalError::Start(editor.to_owned(), error))
}
