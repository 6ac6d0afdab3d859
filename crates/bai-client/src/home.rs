//! Paths as users type them: what a leading `~` means, on this machine and in a session. Paths that a program makes do
//! not pass through here.

use std::path::{Path, PathBuf};

/// Replaces a leading `~` with the home folder, as a shell does: `~` alone and `~/x`. Any other path is unchanged,
/// `~user/x` too. Only for paths of this machine: a path of a session has its own home folder.
///
/// ```
/// # use std::path::PathBuf;
/// assert_eq!(bai_client::expand_tilde("notes/~"), PathBuf::from("notes/~"));
/// ```
pub fn expand_tilde(path: impl AsRef<Path>) -> PathBuf {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    expand_in(path.as_ref(), home.map(PathBuf::from))
}

/// Replaces a leading `~` in a path of a session with the session's home folder, as `scp` does: `~` alone and `~/x`. The
/// result is relative to the home folder. Every other path stays as it is; `./~` names a file that is called `~`.
///
/// ```
/// assert_eq!(bai_client::expand_session_tilde("~"), ".");
/// assert_eq!(bai_client::expand_session_tilde("~/data/a.txt"), "data/a.txt");
/// assert_eq!(bai_client::expand_session_tilde("data/~"), "data/~");
/// ```
pub fn expand_session_tilde(path: &str) -> &str {
    match path.strip_prefix('~') {
        Some(rest) if rest.chars().all(|letter| letter == '/') => ".",
        Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
        _ => path,
    }
}

fn expand_in(path: &Path, home: Option<PathBuf>) -> PathBuf {
    match (path.strip_prefix("~"), home) {
        (Ok(rest), Some(home)) if rest.as_os_str().is_empty() => home,
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_tilde_is_the_home_folder_of_a_session() {
        for (path, expanded) in [
            ("~", "."),
            ("~/", "."),
            ("~//a/~", "a/~"),
            ("~/sub/", "sub/"),
            ("~other/a", "~other/a"),
            ("./~", "./~"),
            ("/a", "/a"),
            ("", ""),
        ] {
            assert_eq!(expand_session_tilde(path), expanded, "{path}");
        }
    }

    #[test]
    fn only_a_leading_tilde_is_the_home_folder() {
        for (path, expanded) in [
            ("~", "/home/me"),
            ("~/", "/home/me"),
            ("~/a b/c", "/home/me/a b/c"),
            ("~other/a", "~other/a"),
            ("a/~", "a/~"),
            ("./~", "./~"),
            ("", ""),
        ] {
            assert_eq!(expand_in(Path::new(path), Some("/home/me".into())), Path::new(expanded), "{path}");
            assert_eq!(expand_in(Path::new(path), None), Path::new(path));
        }
    }
}
