//! Files of a session: upload, download, listing (`docs/wire` §6).

mod download;
mod equal;
mod existing;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod large_down;
mod large_up;
mod leftovers;
mod links;
mod mounted;
mod multipart;
mod named;
mod outcome;
mod partial_download;
mod permissions;
mod plan;
mod progress;
mod read;
mod refused;
mod shell;
mod unpack;
mod update;
mod upload;

pub use download::{DownloadOptions, Downloaded, DownloadedFile};
pub use links::SymbolicLink;
pub use outcome::Skipped;
pub use progress::Progress;
pub use refused::{
    LINK_DANGLES, LINK_LEADS_TO_ITSELF, LINK_LEFT_OUT, SPECIAL_LEFT_OUT, UNREADABLE, not_a_file,
};
pub use update::UploadRecord;
pub use upload::{Upload, UploadOptions, Uploaded, UploadedFile};

pub(crate) use download::create_folders;
pub(crate) use large_down::open_partial;
pub(crate) use large_up::{blocking, identity, local_error};
pub(crate) use multipart::form_of_one;
pub(crate) use outcome::{can_go_on, is_about_one_file};
pub(crate) use partial_download::{DownloadTarget, PartialDownload};
pub(crate) use plan::PlannedFolder;
pub(crate) use progress::ProgressMeter;
pub(crate) use upload::open_source;

use super::error::{ClientError, ErrorKind};
use super::reply::Reply;
use super::session::ComputeSession;
use bai_protocol::byte_text;
use bai_protocol::files::{FileEntry, HOME, ListReply};
use reqwest::Method;
use std::time::Duration;

/// How long one call with file contents may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(120);
/// The largest accepted reply with file contents, in bytes. Genuine servers send less.
const REPLY_LIMIT: usize = 64 * 1024 * 1024;

impl ComputeSession {
    async fn post_or_get(
        &self,
        what: &str,
        suffix: &str,
        query: &[(&str, &str)],
        start: Option<usize>,
    ) -> Result<Reply, ClientError> {
        let mut result = Err(ClientError::new(ErrorKind::Unsupported, what, "no method was tried"));
        for method in [Method::POST, Method::GET] {
            let mut call = self.at.request(what, method, suffix).await?;
            for (name, value) in query {
                call = call.query(name, *value);
            }
            call = call.within(TRANSFER_LIMIT).limit(REPLY_LIMIT);
            if let Some(bytes) = start {
                call = call.start(bytes);
            }
            result = call.send().await;
            match &result {
                Err(error) if is_no_route(error) => {}
                _ => break,
            }
        }
        result
    }

    /// The entries of a folder of the session, in the server's order. `path` is relative to the home folder or absolute.
    ///
    /// # Errors
    /// [`ErrorKind::NoSuchFile`] when it is missing; [`ErrorKind::NotFound`] when the server cannot list it for another reason;
    /// else what the server says.
    pub async fn list_files(&self, path: &str) -> Result<Vec<FileEntry>, ClientError> {
        let what = format!("list {path}");
        match self.listing(path, &what).await?.entries() {
            Ok(entries) => Ok(entries),
            Err(said) => {
                let link = self.unfollowed(path, Unlisted::from(said.as_str())).await?;
                Err(link.unwrap_or_else(|| cannot_list(path, what, &said)))
            }
        }
    }

    /// What is at a place where a folder may be.
    async fn place(&self, path: &str) -> Result<Place, ClientError> {
        let reply = self.listing(path, &format!("list {path}")).await?;
        Ok(match reply.entries() {
            Ok(entries) => Place::Folder(entries),
            Err(said) => match Unlisted::from(said.as_str()) {
                Unlisted::Missing => Place::Missing,
                Unlisted::NotAFolder => Place::NotAFolder,
                Unlisted::Outside | Unlisted::Forbidden | Unlisted::Loop | Unlisted::Other => Place::Unknown,
            },
        })
    }

    async fn listing(&self, path: &str, what: &str) -> Result<ListReply, ClientError> {
        let listing = large_up::despite_breaks(|| self.at.list(what, path)).await;
        listing.map_err(|error| outside_or(error, path))
    }
}

/// Genuine servers do not say why they fail.
fn outside_or(error: ClientError, path: &str) -> ClientError {
    match error.kind() {
        ErrorKind::Server if leaves_home(path) => {
            refused::outside(path).with_hint(format!("this server lists and copies what is in {HOME}"))
        }
        _ => error,
    }
}

/// Whether a path leads out of the home folder by its words.
fn leaves_home(path: &str) -> bool {
    let below = match path.strip_prefix(HOME) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ if path.starts_with('/') => return true,
        _ => path,
    };
    let mut depth = 0_usize;
    for part in below.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return true,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

/// What is at a place where a folder may be.
#[derive(Debug)]
enum Place {
    /// A folder with these entries.
    Folder(Vec<FileEntry>),
    /// Neither a file nor a folder.
    Missing,
    /// A file, or a path below a file.
    NotAFolder,
    /// The server cannot list it.
    Unknown,
}

/// Why a server cannot list a folder, by what its listing helper said. That ends with the name of a Python exception.
#[derive(Debug, Clone, Copy)]
enum Unlisted {
    Missing,
    NotAFolder,
    Outside,
    Forbidden,
    /// A symbolic link leads to itself.
    Loop,
    Other,
}

impl From<&str> for Unlisted {
    fn from(said: &str) -> Self {
        let (exception, words) = exception(said);
        match exception {
            "FileNotFoundError" => Unlisted::Missing,
            "NotADirectoryError" => Unlisted::NotAFolder,
            _ if words.contains("Not a directory") => Unlisted::NotAFolder,
            _ if words.contains("Too many levels of symbolic links") => Unlisted::Loop,
            "PermissionError" if words.contains("outside of") => Unlisted::Outside,
            "PermissionError" => Unlisted::Forbidden,
            _ => Unlisted::Other,
        }
    }
}

/// The name of the exception, and its words.
fn exception(said: &str) -> (&str, &str) {
    match said.split_once(": ") {
        Some((name, words)) if name.ends_with("Error") && !name.contains(' ') => (name, words),
        _ => (said.trim_end_matches(':'), said),
    }
}

/// What a server's listing helper said, in plain words.
fn cannot_list(path: &str, what: String, said: &str) -> ClientError {
    let sentence = match Unlisted::from(said) {
        Unlisted::Missing => return missing(path),
        Unlisted::NotAFolder => format!("{path} is not a folder"),
        Unlisted::Outside => return refused::outside(path),
        Unlisted::Forbidden => format!("{path} must not be read"),
        Unlisted::Loop => return refused::leads_to_itself(path),
        Unlisted::Other => return ClientError::new(ErrorKind::NotFound, what, exception(said).1),
    };
    ClientError::new(ErrorKind::NotFound, what, sentence).into_sentence()
}

fn missing(path: &str) -> ClientError {
    let sentence = format!("{}: no such file or folder in the session", byte_text::shown(path));
    ClientError::new(ErrorKind::NoSuchFile, "use the path", sentence).into_sentence()
}

/// Refuses an empty path, which some servers take for the home folder.
fn refuse_empty(what: &str, path: &str) -> Result<(), ClientError> {
    if path.is_empty() {
        Err(ClientError::new(ErrorKind::BadRequest, what, "the path is empty"))
    } else {
        Ok(())
    }
}

/// Whether the server does not have this route, so that an older form may work.
pub(crate) fn is_no_route(error: &ClientError) -> bool {
    let slug = error.problem().map(bai_protocol::problem::Problem::slug);
    match error.status() {
        Some(405) => true,
        Some(404) => matches!(slug, None | Some("url-not-found")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_listing_is_reported_without_exception_names() {
        for (said, sentence) in [
            ("FileNotFoundError: there is no a", "a: no such file or folder in the session"),
            (
                "FileNotFoundError: [Errno 2] No such file or directory: 'a'",
                "a: no such file or folder in the session",
            ),
            ("NotADirectoryError: [Errno 20] Not a directory: 'a'", "a is not a folder"),
            ("OSError: a: Not a directory (os error 20)", "a is not a folder"),
            (
                "PermissionError: a is outside of the session's folder",
                "a is outside of the session's home folder",
            ),
            ("PermissionError: [Errno 13] Permission denied: 'a'", "a must not be read"),
            ("OSError: too many links", "could not list a: too many links"),
            ("odd words", "could not list a: odd words"),
        ] {
            assert_eq!(cannot_list("a", "list a".to_owned(), said).to_string(), sentence);
        }
    }
}
