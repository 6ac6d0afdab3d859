//! Saves the content of a view in a file that the user names.

use std::fs::OpenOptions;
use std::io::{self, Write};

/// Writes `bytes` into a new file; never replaces an existing one. Returns the path for display, or an error message.
pub(super) fn save_new(name: &str, bytes: &[u8]) -> Result<String, String> {
    let path = bai_client::expand_tilde(name);
    let shown = path.display().to_string();
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .and_then(|mut file| file.write_all(bytes));
    match written {
        Ok(()) => Ok(shown),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(format!("{shown} exists")),
        Err(error) => Err(format!("cannot save in {shown}: {error}")),
    }
}
