//! Texts that the command line names: files, and standard input. They are not too large for a cell. Source text may have
//! another encoding than UTF-8, which its language knows.

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
    let source = read_source(path)?;
    check_utf8(&source, &byte_text::shown_path(path))?;
    Ok(source)
}

/// Reads a file of the command line as source text, in which [`byte_text`] writes what is not UTF-8.
///
/// # Errors
/// When it cannot be read or is too large.
pub(super) fn read_source(path: &Path) -> Result<String, CliError> {
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

/// Reads all of standard input as source text.
///
/// # Errors
/// As [`read_source`].
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
    let mut text = byte_text::text(&bytes);
    // Some editors begin a file with this mark. It is no part of the text.
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// Refuses a text that is not UTF-8.
///
/// # Errors
/// When it is not.
pub(super) fn check_utf8(text: &str, name: &str) -> Result<(), CliError> {
    match std::str::from_utf8(&byte_text::bytes(text)) {
        Ok(_) => Ok(()),
        Err(error) => {
            let position = error.valid_up_to();
            let what = format!("{name} is not UTF-8: byte {position} is not part of a character");
            Err(CliError::new(ExitStatus::Usage, what))
        }
    }
}
