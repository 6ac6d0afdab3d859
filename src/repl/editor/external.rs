//! Edits a text in the user's own editor (`$VISUAL`, `$EDITOR` or `vi`), in a file that only the user can read.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitStatus};

use nix::sys::termios::{self, SetArg};
use thiserror::Error;

/// Why the text could not be edited. It is unchanged.
#[derive(Debug, Error)]
pub(in crate::repl) enum ExternalError {
    /// The file could not be written or read.
    #[error("cannot use a temporary file for the editor: {0}")]
    File(#[from] io::Error),
    /// The program could not be started.
    #[error("cannot start the editor `{0}`: {1}; set $VISUAL or $EDITOR")]
    Start(String, io::Error),
    /// The program failed. Editors do so when the user cancels.
    #[error("the editor `{0}` ended with {1}; the cell is unchanged")]
    Failed(String, ExitStatus),
    /// The saved file is not text.
    #[error("the editor saved text that is not UTF-8; the cell is unchanged")]
    NotText,
}

/// Opens `text` in the editor and returns what the editor saved, without the last line end. The editor gets the terminal in its
/// original modes; the current modes are restored afterwards.
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
    // The file is read by name, because many editors replace the file with a new one.
    let bytes = std::fs::read(file.path())?;
    let saved = String::from_utf8(bytes).map_err(|_| ExternalError::NotText)?;
    let saved = crate::repl::printable::printable(&saved.replace("\r\n", "\n"));
    Ok(saved.strip_suffix('\n').map(str::to_owned).unwrap_or(saved))
}

/// Runs the editor in a shell, as git does, because the variable may contain arguments.
fn run(editor: &str, file: &Path) -> Result<ExitStatus, ExternalError> {
    let stdin = io::stdin();
    let modes = termios::tcgetattr(&stdin).ok();
    crate::terminal::restore();
    let status = Command::new("sh").arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(file).status();
    if let Some(modes) = modes {
        // An error is ignored: the next read reports a terminal that is gone.
        let _ = termios::tcsetattr(&stdin, SetArg::TCSADRAIN, &modes);
        let mut out = io::stdout();
        let _ = out.write_all(b"\x1b[?2004h").and_then(|()| out.flush());
    }
    status.map_err(|error| ExternalError::Start(editor.to_owned(), error))
}
