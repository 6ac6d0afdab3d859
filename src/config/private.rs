//! Files with secrets: read only if the user owns them and they are closed to other users, and written atomically.

use super::ConfigError;
use super::paths::private_dir;
use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Maximum bytes that are read.
const SIZE_LIMIT: u64 = 1 << 20;

/// Returns the content of a file with secrets; `None` if there is no such file.
///
/// # Errors
/// [`ConfigError::Readable`] when other users may read it, [`ConfigError::Read`] when it cannot be read, is not a regular
/// file, or belongs to another user.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(failed(io::Error::other("it is not a regular file")));
    }
    if metadata.uid() != nix::unistd::geteuid().as_raw() {
        return Err(failed(io::Error::other("it belongs to another user")));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(ConfigError::Readable { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(SIZE_LIMIT).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// Replaces a file atomically by one that only its owner may read.
///
/// # Errors
/// Errors of the file system.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    private_dir(folder)?;
    // `tempfile` creates it with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_private_file_of_the_user_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/secret");
        assert_eq!(read(&path).unwrap(), None);
        write(&path, b"hush").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().as_deref(), Some("hush"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("chmod 600"), "{message}");
        assert!(matches!(read(folder.path()), Err(ConfigError::Read { .. })));
    }
}
