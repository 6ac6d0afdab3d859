//! The folders of our files, by the XDG base directory specification. `bai_private` makes them.

use super::{Environment, OfficialFiles};
use etcetera::{BaseStrategy, base_strategy::Xdg};
use std::path::PathBuf;

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

    /// The list of `.env` files that were used.
    pub fn env_files(&self) -> PathBuf {
        self.state.join("env-files")
    }

    /// The folder of the records of runs: what they have uploaded, one file for each session.
    pub fn runs_dir(&self) -> PathBuf {
        self.state.join("runs")
    }

    /// The folder of the keys with which sshd of a session lets the user in, one folder for each server.
    pub fn ssh_keys_dir(&self) -> PathBuf {
        self.state.join("ssh")
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

    /// The cache of what the engine knows about the interpreters of this machine.
    pub fn interpreters_cache(&self) -> PathBuf {
        self.cache.join("interpreters")
    }

    /// The cache of terminals' answers, so that they are not queried again.
    pub fn terminal_cache(&self) -> PathBuf {
        self.cache.join("terminals")
    }
}
