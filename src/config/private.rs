//! Files with secrets: read only if the user owns them and they are closed to other users.

use super::ConfigError;
use bai_private::trust::{self, Distrust};
use std::fs::OpenOptions;
use std::io::{self, Read};
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
    let file = match trust::open_regular(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    match trust::check(&file.metadata().map_err(failed)?) {
        Some(distrust @ Distrust::Owner) => return Err(failed(distrust.into())),
        Some(_) => return Err(ConfigError::Readable { path: path.to_owned() }),
        None => {}
    }
    let mut text = String::new();
    file.take(SIZE_LIMIT).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_a_private_file_of_the_user_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/secret");
        assert_eq!(read(&path).unwrap(), None);
        bai_private::replace_file(&path, b"hush").unwrap();
        assert_eq!(read(&path).unwrap().as_deref(), Some("hush"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.contains("chmod 600"), "{message}");
        assert!(matches!(read(folder.path()), Err(ConfigError::Read { .. })));
    }
}
