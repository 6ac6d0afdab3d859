//! Paths inside a session's folder, and the listing of a folder (`docs/wire` §6).
//!
//! One rule holds for every path from a client: it is resolved below the session's folder, and its target must lie in
//! that folder after all symbolic links are followed.

use super::error::ApiResult;
use super::leftovers;
use super::request::{self, Params, json_body, json_reply};
use super::session::Session;
use super::state::ServerState;
use axum::body::Body;
use axum::extract::{Path as UrlPath, RawQuery, State};
use axum::http::StatusCode;
use bai_protocol::byte_text;
use bai_protocol::files::{FileEntry, HOME, ListReply};
use bai_protocol::machine_limit::explain;
use serde_json::Value;
use std::fs::{FileType, Metadata, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Why a path cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum PathError {
    /// The path leads out of the session's folder.
    #[error("{0} is outside of the session's home folder")]
    Outside(String),
    /// No file or folder has this path.
    #[error("there is no {0}")]
    Missing(String),
    /// A file is where a folder is needed, or the reverse.
    #[error("{path} is {is}")]
    WrongKind {
        /// The path.
        path: String,
        /// What it is: `a file` or `a folder`.
        is: &'static str,
    },
    /// The user of the engine must not read or write it.
    #[error("{0}: Permission denied")]
    Forbidden(String),
    /// The system reported an error.
    #[error("{0}")]
    System(String),
}

/// Makes a client's path relative to the session's folder, by its text alone. An absolute path must begin with
/// `/home/work`, the cluster's name of that folder, or with the folder itself.
pub(super) fn relative(root: &Path, path: &str) -> Result<PathBuf, PathError> {
    let outside = || PathError::Outside(byte_text::shown(path));
    let given = byte_text::path(path);
    let inside = match given.strip_prefix(HOME).or_else(|_| given.strip_prefix(root)) {
        Ok(inside) => inside,
        Err(_) => &given,
    };
    let mut clean = PathBuf::new();
    for part in inside.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir if clean.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(outside()),
        }
    }
    if path.contains('\0') { Err(outside()) } else { Ok(clean) }
}

/// The path of an existing file or folder inside `root`, with all links followed.
pub(super) fn existing(root: &Path, path: &str) -> Result<PathBuf, PathError> {
    let root = canonical(root, ".")?;
    let found = canonical(&root.join(relative(&root, path)?), path)?;
    if found.starts_with(&root) { Ok(found) } else { Err(PathError::Outside(path.to_owned())) }
}

/// The path of a file to write. Makes missing folders, and checks that no folder on the way leads out.
pub(super) fn target(root: &Path, path: &str) -> Result<PathBuf, PathError> {
    let root = canonical(root, ".")?;
    let relative = relative(&root, path)?;
    let name = relative.file_name().ok_or_else(|| PathError::Outside(path.to_owned()))?;
    let folder = make_folders(&root, relative.parent().unwrap_or(Path::new("")), path)?;
    let target = folder.join(name);
    if target.is_dir() {
        return Err(PathError::WrongKind { path: path.to_owned(), is: "a folder" });
    }
    Ok(target)
}

/// Makes a folder, and those above it. A new one gets these permissions, if any are given.
pub(super) fn make_folder(root: &Path, path: &str, mode: Option<u32>) -> Result<(), PathError> {
    let root = canonical(root, ".")?;
    let relative = relative(&root, path)?;
    let is_new = std::fs::symlink_metadata(root.join(&relative)).is_err();
    let folder = make_folders(&root, &relative, path)?;
    match mode.filter(|_| is_new) {
        Some(mode) => std::fs::set_permissions(folder, Permissions::from_mode(mode))
            .map_err(|error| system(path, &error)),
        None => Ok(()),
    }
}

/// Makes missing folders, and checks that none of them leads out.
fn make_folders(root: &Path, relative: &Path, path: &str) -> Result<PathBuf, PathError> {
    let mut folder = root.to_owned();
    for part in relative.components() {
        let next = folder.join(part);
        match std::fs::create_dir(&next) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(system(path, &error));
            }
            _ => {}
        }
        folder = canonical(&next, path)?;
        if !folder.starts_with(root) {
            return Err(PathError::Outside(path.to_owned()));
        }
        if !folder.is_dir() {
            let part = folder.strip_prefix(root).unwrap_or(&folder).display().to_string();
            return Err(PathError::WrongKind { path: part, is: "a file" });
        }
    }
    Ok(folder)
}

pub(super) fn canonical(path: &Path, as_named: &str) -> Result<PathBuf, PathError> {
    path.canonicalize().map_err(|error| system(as_named, &error))
}

/// The error of the system for a path, which is named as the client did.
pub(super) fn system(path: &str, error: &std::io::Error) -> PathError {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => PathError::Forbidden(byte_text::shown(path)),
        std::io::ErrorKind::NotFound => PathError::Missing(byte_text::shown(path)),
        _ => PathError::System(format!("{}: {}", byte_text::shown(path), explain(error))),
    }
}

/// `GET /{P}/{s}/files`: the path from the query or, as older clients send it, from a JSON body.
pub(super) async fn list(
    State(server): State<Arc<ServerState>>,
    UrlPath(reference): UrlPath<String>,
    RawQuery(query): RawQuery,
    body: Body,
) -> ApiResult {
    let session = request::session_with_files(&server, &reference)?;
    let body = json_body(body).await?;
    let params = Params::parse(query.as_deref());
    let path =
        params.get(&["path"]).or_else(|| body.get("path").and_then(Value::as_str)).unwrap_or(".").to_owned();
    let reply = tokio::task::spawn_blocking(move || listing(&session, &path)).await.unwrap_or_default();
    Ok(json_reply(StatusCode::OK, &reply))
}

/// The listing, or an error in the form of the genuine server: with status 200, in `errors`.
fn listing(session: &Session, path: &str) -> ListReply {
    let home = canonical(&session.spec.workdir, ".");
    let entries = home.and_then(|home| {
        let entries = existing(&home, path).map(std::fs::read_dir)?.map_err(|error| system(path, &error))?;
        let entries = entries.flatten().filter(|entry| !leftovers::is_ours(entry, &home));
        Ok(entries.map(|entry| describe(&entry, &home)).collect::<Vec<_>>())
    });
    match entries {
        Ok(entries) => ListReply::new(&entries, path),
        Err(error) => {
            let kind = match error {
                PathError::Missing(_) => "FileNotFoundError",
                PathError::Outside(_) | PathError::Forbidden(_) => "PermissionError",
                PathError::WrongKind { .. } | PathError::System(_) => "OSError",
            };
            ListReply { files: String::new(), errors: format!("{kind}: {error}\n"), abspath: path.to_owned() }
        }
    }
}

/// An entry of a folder in the session's home folder, which is given in its canonical form. Where the user must not look into the
/// folder, only its name and its type are known.
fn describe(entry: &std::fs::DirEntry, home: &Path) -> FileEntry {
    let filename = byte_text::text(entry.file_name().as_bytes());
    let Ok(meta) = entry.metadata() else {
        let is = |test: fn(&FileType) -> bool| entry.file_type().is_ok_and(|kind| test(&kind));
        let kind = match () {
            () if is(FileType::is_dir) => 0o040_000,
            () if is(FileType::is_symlink) => 0o120_000,
            () => 0,
        };
        let (size, ctime, mtime, atime) = (0, 0.0, 0.0, 0.0);
        let mode = mode_text(kind);
        return FileEntry { mode, size, ctime, mtime, atime, filename, target: None, resolved: None };
    };
    let described = of_metadata(filename.clone(), &meta);
    if !meta.is_symlink() {
        return described;
    }
    let target = std::fs::read_link(entry.path()).ok();
    let end = entry.path().canonicalize().ok().filter(|end| end.starts_with(home));
    let end = end.and_then(|end| std::fs::metadata(end).ok());
    FileEntry {
        target: target.map(|target| byte_text::text(target.as_os_str().as_bytes())),
        resolved: end.map(|meta| Box::new(of_metadata(filename, &meta))),
        ..described
    }
}

fn of_metadata(filename: String, meta: &Metadata) -> FileEntry {
    let seconds = |whole: i64, nanos: i64| whole as f64 + nanos as f64 / 1e9;
    FileEntry {
        mode: mode_text(meta.mode()),
        size: meta.size(),
        ctime: seconds(meta.ctime(), meta.ctime_nsec()),
        mtime: seconds(meta.mtime(), meta.mtime_nsec()),
        atime: seconds(meta.atime(), meta.atime_nsec()),
        filename,
        target: None,
        resolved: None,
    }
}

/// Type and permissions as `ls -l` writes them.
fn mode_text(mode: u32) -> String {
    let kind = match mode & 0o170_000 {
        0o040_000 => 'd',
        0o120_000 => 'l',
        0o020_000 => 'c',
        0o060_000 => 'b',
        0o010_000 => 'p',
        0o140_000 => 's',
        _ => '-',
    };
    let letters = "rwxrwxrwx".chars().enumerate();
    let bits = letters.map(|(at, letter)| if mode & (0o400 >> at) != 0 { letter } else { '-' });
    let mut text: Vec<char> = std::iter::once(kind).chain(bits).collect();
    for (bit, at, set, bare) in [(0o4000, 3, 's', 'S'), (0o2000, 6, 's', 'S'), (0o1000, 9, 't', 'T')] {
        if let Some(place) = text.get_mut(at).filter(|_| mode & bit != 0) {
            *place = if *place == 'x' { set } else { bare };
        }
    }
    text.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_that_lead_out_are_refused_by_their_text() {
        let root = Path::new("/srv/s1");
        for (path, inside) in [
            ("a.txt", "a.txt"),
            ("./sub//b", "sub/b"),
            ("sub/../a", "a"),
            ("/home/work/a", "a"),
            ("/srv/s1/sub/a", "sub/a"),
            ("/home/work", ""),
            (".", ""),
            ("ünï\n", "ünï\n"),
        ] {
            assert_eq!(relative(root, path), Ok(PathBuf::from(inside)), "{path}");
        }
        for path in
            ["..", "../x", "a/../../x", "/etc/passwd", "/home/workshop", "/home/work/../../etc", "a\0b"]
        {
            assert!(matches!(relative(root, path), Err(PathError::Outside(_))), "{path}");
        }
    }

    #[test]
    fn links_that_lead_out_are_refused_and_links_inside_are_followed() {
        let root = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::write(elsewhere.path().join("secret"), "x").unwrap();
        std::fs::create_dir(root.path().join("sub")).unwrap();
        std::fs::write(root.path().join("sub/a"), "x").unwrap();
        symlink(elsewhere.path(), root.path().join("out")).unwrap();
        symlink(elsewhere.path().join("secret"), root.path().join("file")).unwrap();
        symlink("sub", root.path().join("in")).unwrap();
        let outside = |result| matches!(result, Err(PathError::Outside(_)));
        assert!(outside(existing(root.path(), "out/secret")));
        assert!(outside(existing(root.path(), "file")));
        assert!(outside(target(root.path(), "out/new")));
        assert!(outside(target(root.path(), "out/deep/new")));
        assert!(!elsewhere.path().join("deep").exists());
        assert!(existing(root.path(), "in/a").unwrap().ends_with("sub/a"));
        assert!(target(root.path(), "in/new/b").unwrap().ends_with("sub/new/b"));
        assert_eq!(existing(root.path(), "nothing"), Err(PathError::Missing("nothing".into())));
        assert!(target(root.path(), "sub").is_err() && target(root.path(), ".").is_err());
        assert!(target(root.path(), "sub/a/b").is_err(), "a file is not a folder");
    }

    #[test]
    fn modes_read_as_ls_writes_them() {
        for (mode, text) in [
            (0o100_644, "-rw-r--r--"),
            (0o040_755, "drwxr-xr-x"),
            (0o120_777, "lrwxrwxrwx"),
            (0o104_755, "-rwsr-xr-x"),
            (0o041_777, "drwxrwxrwt"),
            (0o102_644, "-rw-r-Sr--"),
        ] {
            assert_eq!(mode_text(mode), text);
        }
    }
}
