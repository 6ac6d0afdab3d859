//! How a step of a batch has ended, by a file that its command leaves in the session (`step.py`): a server that loses the end of a step lets its client
//! wait for good. All steps of a session have one file, in the folder of the other links and files of ours, and each has an id of its own.
//!
//! What becomes of the run is decided in `driver`.

use super::activity::{Activity, FOLDER, STEP, Sight};
use crate::session_ref::SessionRef;
use bai_protocol::execute::RunId;
use bai_protocol::files::HOME;
use bai_protocol::shell_word;
use reqwest::Method;
use std::time::Duration;

const LOOK_LIMIT: Duration = Duration::from_secs(15);
/// The most bytes that the file of our own command has.
const MOST: usize = 1024;

/// The end that a step will leave.
#[derive(Debug, Clone)]
pub(crate) struct StepEnd {
    id: RunId,
    /// The file, relative to the home folder.
    path: String,
}

impl StepEnd {
    /// For a step that begins in this session.
    pub(super) fn new(session: &SessionRef) -> Self {
        StepEnd { id: RunId::random(), path: format!("{FOLDER}/{STEP}{}", session.key) }
    }

    /// The last arguments of `step.py`: the file and the id.
    pub(super) fn arguments(&self) -> String {
        let path = format!("{HOME}/{}", self.path);
        format!("{} {}", shell_word::quoted(&path), self.id)
    }

    /// Looks whether the command has ended.
    pub(super) async fn look(&self, session: &SessionRef) -> Sight {
        let read = async {
            let call = session.request("see how the step ended", Method::POST, "/download_single").await?;
            call.query("file", &self.path).within(LOOK_LIMIT).limit(MOST).send().await
        };
        // It is the file of an earlier step, or none, until this one ends.
        let code = read.await.ok().and_then(|reply| self.code(&reply.body));
        code.map_or(Sight::Lives(Activity::Unknown), Sight::StepEnded)
    }

    fn code(&self, file: &[u8]) -> Option<i32> {
        let (id, code) = str::from_utf8(file).ok()?.trim_end().split_once(' ')?;
        code.parse().ok().filter(|_| id == self.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_of_this_step_tells_its_end() {
        let end = StepEnd { id: RunId::from_wire("b"), path: String::new() };
        for (file, code) in [("b 3\n", Some(3)), ("a 3\n", None), ("b \n", None), ("b", None), ("", None)] {
            assert_eq!(end.code(file.as_bytes()), code, "{file:?}");
        }
    }
}
