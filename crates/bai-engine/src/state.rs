//! The state that all handlers share. It knows no handler.

use super::keypair::Keypair;
use super::options::Workdirs;
use super::sessions::Sessions;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What every handler is given.
#[derive(Debug)]
pub(super) struct ServerState {
    pub(super) keypair: Keypair,
    pub(super) sessions: Sessions,
    /// Turns for starting kernels.
    pub(super) starts: Semaphore,
    /// Cancelled when the engine ends.
    pub(super) stop: CancellationToken,
    /// Tells this engine from others that had its port.
    pub(super) instance: String,
    pub(super) workdirs: Workdirs,
    /// Images that were found to be startable here; the search costs tens of milliseconds.
    known_images: Mutex<HashSet<String>>,
}

impl ServerState {
    /// A server without sessions, of which at most `starts` start their kernels at the same time.
    pub(super) fn new(keypair: Keypair, workdirs: Workdirs, starts: usize) -> Self {
        ServerState {
            sessions: Sessions::new(keypair.access_key()),
            keypair,
            starts: Semaphore::new(starts),
            stop: CancellationToken::new(),
            instance: uuid::Uuid::new_v4().to_string(),
            workdirs,
            known_images: Mutex::default(),
        }
    }

    /// Whether an image was found before.
    pub(super) fn knows_image(&self, image: &str) -> bool {
        self.known_images.lock().unwrap_or_else(PoisonError::into_inner).contains(image)
    }

    /// Remembers an image that was found.
    pub(super) fn learn_image(&self, image: &str) {
        self.known_images.lock().unwrap_or_else(PoisonError::into_inner).insert(image.to_owned());
    }

    /// The folder of a new session, and whether it is its own.
    pub(super) fn workdir_for(&self, id: &str) -> (PathBuf, bool) {
        match &self.workdirs {
            Workdirs::Shared(folder) => (folder.clone(), false),
            Workdirs::Own(root) => (root.join(id), true),
        }
    }
}
