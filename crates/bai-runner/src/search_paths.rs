//! The places of interpreters: the search path, the active environment, and the folders of version managers. The
//! variables are read once, so that tests can search with other variables.

use super::process::is_whole_environment;
use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variables and folders that a search for interpreters uses.
#[derive(Debug, Clone, Default)]
pub(super) struct SearchPaths {
    vars: HashMap<String, OsString>,
}

impl SearchPaths {
    /// The variables of this process.
    pub(super) fn of_this_process() -> Self {
        let vars = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        SearchPaths { vars: vars.collect() }
    }

    /// Adds a session's own variables on top.
    pub(super) fn with(mut self, extra: &[(String, String)]) -> Self {
        if extra.first().is_some_and(is_whole_environment) {
            self.vars.clear();
        }
        self.vars.extend(extra.iter().map(|(name, value)| (name.clone(), value.into())));
        self
    }

    #[cfg(test)]
    pub(super) fn of(vars: &[(&str, &str)]) -> Self {
        SearchPaths { vars: vars.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect() }
    }

    /// A variable that is set and not empty.
    pub(super) fn var(&self, name: &str) -> Option<&OsString> {
        self.vars.get(name).filter(|value| !value.is_empty())
    }

    /// A folder named by a variable.
    pub(super) fn folder(&self, name: &str) -> Option<PathBuf> {
        self.var(name).map(PathBuf::from)
    }

    /// A folder below the home folder.
    pub(super) fn home(&self, below: &str) -> Option<PathBuf> {
        self.folder("HOME").map(|home| home.join(below))
    }

    /// The folders of `PATH`, each once even under several names (`/bin` often is `/usr/bin`), without relative ones: the
    /// result must not depend on the current folder.
    pub(super) fn path(&self) -> Vec<PathBuf> {
        let Some(path) = self.var("PATH") else { return Vec::new() };
        let mut known = HashSet::new();
        let mut is_new =
            |folder: &PathBuf| known.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone()));
        std::env::split_paths(path).filter(|folder| folder.is_absolute() && is_new(folder)).collect()
    }
}

/// The folders and files directly in `folder`, sorted by name; empty if it cannot be read.
pub(super) fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

/// Whether this is a file that may be run.
pub(super) fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_two_names_is_searched_once() {
        let root = tempfile::tempdir().unwrap();
        let [real, link, missing] = ["real", "link", "missing"].map(|name| root.path().join(name));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let path = std::env::join_paths([&link, &real, &missing, &link, &PathBuf::from("here")]).unwrap();
        assert_eq!(SearchPaths::of(&[("PATH", path.to_str().unwrap())]).path(), [link, missing]);
    }
}
