//! The folders of our files, by the XDG base directory specification, each with the permissions that its content needs.

use super::{Environment, OfficialFiles};
use etcetera::{BaseStrategy, base_strategy::Xdg};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The folders of our files. They need not exist: the writing function creates them.
#[derive(Debug, Clone)]
pub struct Paths {
    home: PathBuf,
    config: PathBuf,
    state: PathBuf,
    cache: PathBuf,
}

impl Paths {
    /// The folders of this user; `None` if there is no home folder.
    pub fn of_user() -> Option<Self> {
        let xdg = Xdg::new().ok()?;
        Some(Paths {
            home: xdg.home_dir().to_owned(),
            config: xdg.config_dir().join("bai-repl"),
            state: xdg.state_dir()?.join("bai-repl"),
            cache: xdg.cache_dir().join("bai-repl"),
        })
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The folder of the user's own themes.
    pub fn themes_dir(&self) -> PathBuf {
        self.config.join("themes")
    }

    /// The folder of history files, one for each language.
    pub fn history_dir(&self) -> PathBuf {
        self.state.join("history")
    }

    /// The trace log.
    pub fn log_file(&self) -> PathBuf {
        self.state.join("bai-repl.log")
    }

    /// The folder of a background engine: its state file and the folders of its sessions.
    pub fn engine_dir(&self) -> PathBuf {
        self.state.join("engine")
    }

    /// The folder of logins.
    pub fn logins_dir(&self) -> PathBuf {
        self.state.join("logins")
    }

    /// The files of the official client.
    pub fn official(&self, env: &Environment) -> OfficialFiles {
        let state = self.state.parent().unwrap_or(&self.state);
        OfficialFiles::below(&self.home, state, env)
    }

    /// The cache of session and image names, for shell completion when a server is slow.
    pub fn names_cache(&self) -> PathBuf {
        self.cache.join("names")
    }

    /// The cache of terminals' answers, so that they are not queried again.
    pub fn terminal_cache(&self) -> PathBuf {
        self.cache.join("terminals")
    }
}

/// Creates a folder, and its parents, that only its owner may enter. Closes an existing folder to other users.
pub fn private_dir(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)) }
}

/// Opens a file for appending, and makes it readable for its owner only.
pub fn append_private(path: &Path) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Some(folder) = path.parent() {
        private_dir(folder)?;
    }
    let file = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_files_are_private() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        let file = folder.join("log");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        drop(append_private(&file).unwrap());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "x");
    }
}
