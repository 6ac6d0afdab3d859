//! What became of each file of a transfer: what can travel travels, and what cannot is named with the reason.

use super::refused::UNREADABLE;
use crate::error::{ClientError, ErrorKind};
use bai_protocol::byte_text;
use bai_protocol::machine_limit::MachineLimit;
use bai_protocol::problem::Problem;
use std::borrow::Cow;
use std::error::Error;
use std::io;

/// An entry that was left out of a transfer, or arrived in part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Its path, in the session or on this machine; bytes that are not text are replaced. Untrusted text.
    pub name: String,
    /// Why, in a few words. Untrusted text.
    pub why: Cow<'static, str>,
}

impl Skipped {
    pub(crate) fn new(name: &str, why: impl Into<Cow<'static, str>>) -> Self {
        Skipped { name: byte_text::shown(name).chars().take(1024).collect(), why: why.into() }
    }

    /// The entry for a file whose transfer has failed.
    pub(crate) fn after(error: &ClientError, name: &str) -> Self {
        let said = error.problem().and_then(|problem| problem.msg.as_deref()).unwrap_or(error.why());
        let shown = byte_text::shown(name);
        let why = said.strip_prefix(&shown).map_or(said, |rest| rest.trim_start_matches([':', ' ']));
        Skipped::new(name, if says_closed(why) { Cow::Borrowed(UNREADABLE) } else { why.to_owned().into() })
    }
}

/// Whether these are the words for missing rights: of this system, of the session's shell, or of a listing.
fn says_closed(why: &str) -> bool {
    ["Permission denied", "must not be read"].iter().any(|words| why.contains(words))
}

/// Whether the user of the session must not read a file or a folder.
pub(super) fn is_closed(error: &ClientError) -> bool {
    says_closed(error.why())
}

/// Whether a failure is that of one file, so that others may still travel. A full disk of this machine, or a server that is
/// gone, ends the whole transfer.
pub(crate) fn is_about_one_file(error: &ClientError) -> bool {
    match (error.status(), error.kind()) {
        (Some(_), ErrorKind::Server) => true,
        (Some(_), _) => error.problem().map(Problem::slug) == Some("vfolder-operation-failed"),
        (None, ErrorKind::Local) => system_error(error).and_then(MachineLimit::of).is_none(),
        (None, kind) => matches!(
            kind,
            ErrorKind::Refused | ErrorKind::NotFound | ErrorKind::NoSuchFile | ErrorKind::BadRequest
        ),
    }
}

/// Whether an interrupted transfer of a file goes on when it is called again: the connection failed, and not the file.
pub(crate) fn can_go_on(error: &ClientError) -> bool {
    matches!(error.kind(), ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Busy)
}

fn system_error(error: &ClientError) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_does_not_repeat_the_name() {
        let why = |said: &str| {
            let error = ClientError::new(ErrorKind::Refused, "download", said);
            Skipped::after(&error, "sub/a").why.into_owned()
        };
        assert_eq!(why("sub/a: Permission denied"), UNREADABLE);
        assert_eq!(why("sub/a must not be read"), UNREADABLE);
        assert_eq!(why("sub/a: too many links"), "too many links");
        assert_eq!(why("odd words"), "odd words");
    }

    #[test]
    fn a_full_disk_is_not_the_failure_of_one_file() {
        let local = |error: io::Error| ClientError::new(ErrorKind::Local, "x", "y").with_source(error);
        assert!(is_about_one_file(&local(io::ErrorKind::PermissionDenied.into())));
        assert!(!is_about_one_file(&local(io::ErrorKind::StorageFull.into())));
        assert!(!is_about_one_file(&ClientError::new(ErrorKind::Connect, "x", "y")));
    }
}
