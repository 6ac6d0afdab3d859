//! Paths of this machine in the notation of a shell.

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
