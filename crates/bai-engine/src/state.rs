//! The state that all handlers share. It must not know any handler.

use super::error::{ApiError, ApiResult};
use super::keypair::Keypair;
use super::options::Workdirs;
use super::sessions::{Begun, Sessions};
use super::used_signatures::UsedSignatures;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A session that has been begun, or begins, before its client asks for it.
#[derive(Debug)]
pub(super) enum Expected {
    Begun(ApiResult<Begun>),
    Begins(JoinHandle<ApiResult<Begun>>),
}

impl Expected {
    pub(super) async fn begun(self) -> ApiResult<Begun> {
        match self {
            Expected::Begun(begun) => begun,
            Expected::Begins(task) => task.await.map_err(|_| ApiError::internal("the start was cut off"))?,
        }
    }
}

/// The state of one engine.
#[derive(Debug)]
pub(super) struct ServerState {
    pub(super) keypair: Keypair,
    pub(super) sessions: Sessions,
    /// Limits how many kernels start at the same time.
    pub(super) starts: Semaphore,
    /// Cancelled when the engine ends.
    pub(super) stop: CancellationToken,
    /// A random text that distinguishes this engine from earlier ones on the same port.
    pub(super) instance: String,
    /// The TCP address at which the engine listens, if it does.
    pub(super) address: Option<SocketAddr>,
    pub(super) workdirs: Workdirs,
    /// Signatures that cover a body are accepted once.
    pub(super) used_signatures: UsedSignatures,
    /// Images that can be started here, remembered because the search takes tens of milliseconds.
    known_images: Mutex<HashSet<String>>,
    /// The session that its client is about to ask for, and its name.
    expected: Mutex<Option<(String, Expected)>>,
}

impl ServerState {
    /// A server without sessions, of which at most `starts` start their kernels at the same time.
    pub(super) fn new(
        keypair: Keypair,
        address: Option<SocketAddr>,
        workdirs: Workdirs,
        starts: usize,
    ) -> Self {
        ServerState {
            sessions: Sessions::new(keypair.access_key()),
            keypair,
            starts: Semaphore::new(starts),
            stop: CancellationToken::new(),
            instance: uuid::Uuid::new_v4().to_string(),
            address,
            workdirs,
            used_signatures: UsedSignatures::default(),
            known_images: Mutex::default(),
            expected: Mutex::default(),
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

    /// Keeps a session that has been begun for the client that will ask for this name.
    pub(super) fn expect(&self, name: String, begun: Expected) {
        *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, begun));
    }

    /// The session of this name that has been begun, for the first client that asks for it.
    pub(super) fn take_expected(&self, name: &str) -> Option<Expected> {
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        expected.take_if(|(known, _)| known == name).map(|(_, begun)| begun)
    }

    /// The folder of a new session, and whether only this session uses it.
    pub(super) fn workdir_for(&self, id: &str) -> (PathBuf, bool) {
        match &self.workdirs {
            Workdirs::Shared(folder) => (folder.clone(), false),
            Workdirs::Own(root) | Workdirs::Claimed(root) => (root.join(id), true),
        }
    }
}
