//! Files that decide where code and keys go: they count only if no other user can have written them, and those with
//! secrets only if no other user can read them. `bai_private::trust` has the rule.

use super::ConfigError;
use bai_private::trust::{self, Distrust};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

/// Maximum bytes of a file.
const SIZE_LIMIT: u64 = 1 << 20;

/// The byte order mark that some editors put before a text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The content of a file, and what is known about its access.
#[derive(Debug)]
pub(super) struct Found<Content> {
    pub(super) content: Content,
    /// Why another user can have written it.
    pub(super) distrust: Option<Distrust>,
    /// Whether it belongs to this user and is closed to others.
    pub(super) is_closed: bool,
}

/// Reads a file that may be of anybody; `None` if there is no such file.
///
/// # Errors
/// Errors of the file system; when it is larger than 1 MiB, or not a regular file.
pub(super) fn read_any(path: &Path) -> io::Result<Option<Found<Vec<u8>>>> {
    let file = match trust::open_regular(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        // Where a folder of its path is a file, there is none either.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    let content = read_all(file)?;
    let (distrust, is_closed) = (trust::check_writer(path, &metadata), trust::check(&metadata).is_none());
    Ok(Some(Found { content, distrust, is_closed }))
}

fn read_all(file: File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    match file.take(SIZE_LIMIT + 1).read_to_end(&mut content)? as u64 {
        ..=SIZE_LIMIT => Ok(content),
        _ => Err(io::Error::other("it is larger than 1 MiB")),
    }
}

fn text_of(content: Vec<u8>) -> io::Result<String> {
    let text = String::from_utf8(content).map_err(|error| {
        let position = error.utf8_error().valid_up_to();
        let why = format!("it is not UTF-8: byte {position} is not part of a character");
        io::Error::new(io::ErrorKind::InvalidData, why)
    })?;
    Ok(without_mark(&text).to_owned())
}

/// A text without the byte order mark before it.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Reads a file that decides something; `None` if there is no such file.
///
/// # Errors
/// [`ConfigError::Distrusted`] when another user can have written it; [`ConfigError::Read`] when it cannot be read as text.
pub(super) fn read(path: &Path) -> Result<Option<Found<String>>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let Some(Found { content, distrust, is_closed }) = read_any(path).map_err(failed)? else {
        return Ok(None);
    };
    if let Some(why) = distrust {
        return Err(ConfigError::Distrusted { path: path.to_owned(), why });
    }
    Ok(Some(Found { content: text_of(content).map_err(failed)?, distrust, is_closed }))
}

/// Reads a file that decides something and must be there. What the caller's shell has opened, as for `<(…)`, is read too:
/// the shell has decided who writes it.
///
/// # Errors
/// [`ConfigError::Distrusted`] when another user can have written it; [`ConfigError::Read`] when it is missing, or cannot be read as
/// text.
pub fn read_named(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    if is_stream(path) {
        let content = File::open(path).and_then(read_all).map_err(failed)?;
        return text_of(content).map_err(failed);
    }
    read(path)?.map(|found| found.content).ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

/// Whether the path names a descriptor of this process, or the empty file.
fn is_stream(path: &Path) -> bool {
    let folder = path.parent();
    let is_descriptor = ["/dev/fd", "/proc/self/fd"].iter().any(|of| folder == Some(Path::new(of)));
    is_descriptor || ["/dev/stdin", "/dev/null"].iter().any(|of| path == Path::new(of))
}

/// Reads a file with secrets; `None` if there is no such file.
///
/// # Errors
/// As [`read`]; [`ConfigError::Readable`] when other users may read it.
pub(super) fn read_secret(path: &Path) -> Result<Option<String>, ConfigError> {
    match read(path)? {
        None => Ok(None),
        Some(found) if found.is_closed => Ok(Some(found.content)),
        Some(_) => Err(ConfigError::Readable { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn only_a_file_that_others_cannot_write_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/secret");
        assert!(read(&path).unwrap().is_none());
        assert_eq!(read_secret(&path).unwrap(), None);
        bai_private::replace_file(&path, b"hush").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(read_secret(&path).unwrap().as_deref(), Some("hush"));
        assert!(read(&path.join("below")).unwrap().is_none());
        mode(0o640);
        assert_eq!(read(&path).unwrap().unwrap().content, "hush");
        let message = read_secret(&path).unwrap_err().to_string();
        assert!(message.contains("chmod 600"), "{message}");
        for open in [0o620, 0o602, 0o666] {
            mode(open);
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("other users can write it"), "{message}");
            assert!(read_secret(&path).is_err());
        }
        mode(0o600);
        // Only the administrator can give files away.
        if chown(&path, Some(65534), None).is_ok() {
            let message = read(&path).unwrap_err().to_string();
            assert!(message.contains("belongs to another user"), "{message}");
        }
        assert!(matches!(read(folder.path()), Err(ConfigError::Read { .. })));
    }
}
