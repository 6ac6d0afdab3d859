//! Why a file or a path is refused, in the words that all commands share.

use crate::error::{ClientError, ErrorKind};
use bai_protocol::byte_text::shown;
use std::fs::Metadata;

/// Why a symbolic link in a folder is left out of a copy.
pub const LINK_LEFT_OUT: &str =
    "it is a symbolic link, which is not copied, as it may lead out of its folder";
/// What is wrong with a symbolic link that is named as the thing to copy, and leads to a missing place.
pub const LINK_DANGLES: &str = "is a symbolic link to a file or folder that does not exist";
/// What is wrong with a symbolic link that is named as the thing to copy, and leads to itself.
pub const LINK_LEADS_TO_ITSELF: &str = "is a symbolic link that leads to itself";
/// Why a pipe, a socket or a device is left out of a copy.
pub const SPECIAL_LEFT_OUT: &str = "it is neither a file nor a folder";

/// Why a file is left out that the user, or the user of the session, must not read.
pub const UNREADABLE: &str = "its permissions do not allow to read it";

/// What is wrong with a file that has arrived without the right to be executed.
pub(super) const NOT_EXECUTABLE: &str = "it has arrived, but the session cannot allow to execute it";

/// What is wrong with a file or folder that has arrived without its private permissions.
pub(super) const NOT_PRIVATE: &str = "it has arrived, but the session cannot make it private";

/// What a file of this machine is, after "it is", if it is not a regular file.
pub fn not_a_file(metadata: &Metadata) -> Option<&'static str> {
    match metadata {
        _ if metadata.is_file() => None,
        _ if metadata.is_dir() => Some("a folder, not a regular file"),
        _ => Some("not a regular file"),
    }
}

/// The refusal to replace a file that was made in the session during the upload.
pub(super) fn taken_meanwhile(target: &str) -> ClientError {
    let why = format!("{} already exists: it was made during the upload, and is not replaced", shown(target));
    let existing = vec![target.to_owned()];
    ClientError::new(ErrorKind::AlreadyExists, "upload", why).into_sentence().with_existing(existing)
}

/// The refusal of a path that leads out of the session's home folder.
pub(super) fn outside(path: &str) -> ClientError {
    let sentence = format!("{} is outside of the session's home folder", shown(path));
    ClientError::new(ErrorKind::NotFound, "use the path", sentence).into_sentence()
}

/// The refusal to follow a symbolic link that leads to itself.
pub(super) fn leads_to_itself(link: &str) -> ClientError {
    cannot_follow(ErrorKind::Refused, format!("{} {LINK_LEADS_TO_ITSELF}", shown(link)))
}

/// The refusal to follow a symbolic link out of the session's home folder.
pub(super) fn leads_out(link: &str) -> ClientError {
    let sentence =
        format!("{} is a symbolic link to a place outside of the session's home folder", shown(link));
    cannot_follow(ErrorKind::Refused, sentence)
}

/// The refusal to follow a symbolic link whose target is missing.
pub(super) fn dangles(link: &str) -> ClientError {
    cannot_follow(ErrorKind::NotFound, format!("{} {LINK_DANGLES}", shown(link)))
}

fn cannot_follow(kind: ErrorKind, sentence: String) -> ClientError {
    ClientError::new(kind, "follow the link", sentence).into_sentence()
}

/// The refusal to do `what`, such as "download", into a folder in whose place a file is, on this machine or in the session.
pub(super) fn not_a_folder(what: &str, folder: &str) -> ClientError {
    let sentence = format!("cannot {what}: a file is in the place of the folder {folder}");
    ClientError::new(ErrorKind::Refused, what, sentence).into_sentence()
}
