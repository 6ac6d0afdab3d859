//! The events of a run's connection, over any transport, and its end.

use super::lost_run::Recovery;
use crate::error::{ClientError, ErrorKind};
use bai_protocol::execute::ExecuteResult;
use std::error::Error;

/// The end of a connection before the end of its run.
#[derive(Debug)]
pub(super) struct LinkEnd {
    pub(super) error: ClientError,
    /// Whether only the connection ended, so that the run may still be on the server.
    pub(super) resumable: bool,
}

impl LinkEnd {
    /// The connection ended.
    pub(super) fn lost(why: &str) -> LinkEnd {
        LinkEnd { error: ClientError::new(ErrorKind::Lost, "follow the run", why), resumable: true }
    }

    /// The connection ended because of an error.
    pub(super) fn broken(why: &str, error: impl Error + Send + Sync + 'static) -> LinkEnd {
        let LinkEnd { error: end, resumable } = LinkEnd::lost(why);
        LinkEnd { error: end.with_source(error), resumable }
    }

    /// The server ended it, or broke the protocol.
    pub(super) fn failed(error: ClientError) -> LinkEnd {
        LinkEnd { error, resumable: false }
    }
}

/// One event of the link.
pub(super) enum LinkEvent {
    Frame(ExecuteResult),
    /// The connection broke, and is being restored. What it was bringing is lost.
    Broke(ClientError),
    /// The server lost some output and goes on.
    OutputLost(ClientError),
    End(LinkEnd),
    Recovery(ClientError, Recovery),
}
