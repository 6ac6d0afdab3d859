//! Texts that the command line names: files, and standard input. They are UTF-8 and not too large for a cell.

use super::error::CliError;
use super::exit_status::ExitStatus;
use bai_client::not_a_file;
use bai_protocol::byte_text;
use std::io::Read;
use std::path::Path;

/// Maximum size of a script or a bootstrap script.
const SIZE_LIMIT: u64 = 64 << 20;

/// Reads a file of the command line as text.
///
/// # Errors
/// When it cannot be read, is too large, or is not UTF-8.
pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    let name = byte_text::shown_path(path);
    let failed = |error| CliError::new(ExitStatus::Usage, format!("cannot read {name}: {error}"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    // A pipe or a device can be read.
    let metadata = file.metadata().map_err(failed)?;
    if let Some(kind) = not_a_file(&metadata).filter(|_| metadata.is_dir()) {
        return Err(CliError::new(ExitStatus::Usage, format!("{name} is {kind}")));
    }
    file.take(SIZE_LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    text_of(bytes, &name.to_string())
}

/// Reads all of standard input as text.
///
/// # Errors
/// As [`read_text`].
pub(super) fn read_standard_input() -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(SIZE_LIMIT).read_to_end(&mut bytes);
    read.map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot read standard input: {error}")))?;
    text_of(bytes, "standard input")
}

fn text_of(bytes: Vec<u8>, name: &str) -> Result<String, CliError> {
    if bytes.len() as u64 >= SIZE_LIMIT {
        return Err(CliError::new(
            ExitStatus::Usage,
            format!("{name} is larger than 64 MiB, the maximum size of a cell"),
        ));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        CliError::new(
            ExitStatus::Usage,
            format!("{name} is not UTF-8: byte {position} is not part of a character"),
        )
    })?;
    // Some editors begin a file with this mark. It is no part of the text.
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}
