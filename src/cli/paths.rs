//! The user's folders, for commands that need them.

use super::error::CliError;
use super::exit_status::ExitStatus;
use crate::config::Paths;

/// The user's folders, or an error if there is no home folder.
pub(super) fn user_paths() -> Result<Paths, CliError> {
    Paths::of_user().ok_or_else(|| {
        CliError::new(ExitStatus::Failed, "there is no home folder")
            .hint("set HOME, or XDG_STATE_HOME and its siblings")
    })
}
