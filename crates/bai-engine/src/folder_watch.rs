//! Tells when entries of a folder may have been removed, replaced or changed: programs that clean up, and people, do that to files that
//! are in use. What has to be done about it is decided by who watches.
//!
//! Linux reports the changes of a folder. What it does not report, and all changes on other systems, are found by a look
//! from time to time.

use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The longest time between two looks. The change of a folder further above is not reported, nor one by another machine.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A watch begins after this time. To end one takes the system ten milliseconds or more, even at the end of a process, for which the
/// user of a short script would wait.
const BEGIN_AFTER: Duration = Duration::from_secs(1);

/// A watch over one folder, which need not exist all the time.
#[derive(Debug)]
pub(super) struct FolderWatch {
    folder: PathBuf,
    begin: Instant,
    /// `None` until the watch begins.
    reports: Option<reports::Reports>,
}

impl FolderWatch {
    pub(super) fn of(folder: &Path) -> Self {
        FolderWatch { folder: folder.to_owned(), begin: Instant::now() + BEGIN_AFTER, reports: None }
    }

    /// Waits until it is time to look at the folder. Must be called on a tokio runtime. Cancel-safe.
    pub(super) async fn changed(&mut self) {
        if self.reports.is_none() {
            tokio::time::sleep_until(self.begin).await;
        }
        let reports = self.reports.get_or_insert_default();
        // A folder that was made anew, and one that is watched from now on, may have changed before.
        if reports.aim(&self.folder) {
            return;
        }
        let _ = tokio::time::timeout(LOOK_AGAIN, reports.next()).await;
    }
}

#[cfg(target_os = "linux")]
mod reports {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd, RawFd};
    use std::path::Path;
    use tokio::io::unix::AsyncFd;

    /// The reports of the system. There are none if the user watches too much already.
    #[derive(Debug)]
    pub(super) struct Reports {
        queue: Option<AsyncFd<Queue>>,
        /// Changes with the folder, also if the path stays.
        aim: Option<WatchDescriptor>,
    }

    #[derive(Debug)]
    struct Queue(Inotify);

    impl AsRawFd for Queue {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_fd().as_raw_fd()
        }
    }

    impl Default for Reports {
        fn default() -> Self {
            let queue = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK);
            let queue = queue.map_err(io::Error::from).and_then(register);
            let queue = queue.inspect_err(|error| tracing::debug!(%error, "folders are not watched"));
            Reports { queue: queue.ok(), aim: None }
        }
    }

    #[allow(unsafe_code)]
    fn register(queue: Inotify) -> io::Result<AsyncFd<Queue>> {
        // SAFETY: an `Inotify` is one open descriptor, the same for as long as it lives, and it lives in the `AsyncFd`.
        Ok(unsafe { AsyncFd::register(Queue(queue)) }?)
    }

    impl Reports {
        /// Watches the folder that has this path now. Returns whether that is another one than before.
        pub(super) fn aim(&mut self, folder: &Path) -> bool {
            let Some(queue) = &self.queue else { return false };
            let changes = AddWatchFlags::IN_DELETE
                | AddWatchFlags::IN_MOVE
                | AddWatchFlags::IN_CLOSE_WRITE
                | AddWatchFlags::IN_ATTRIB
                | AddWatchFlags::IN_DELETE_SELF
                | AddWatchFlags::IN_MOVE_SELF
                | AddWatchFlags::IN_ONLYDIR;
            // An error is that of a folder which is gone.
            let aim = queue.get_ref().0.add_watch(folder, changes).ok();
            std::mem::replace(&mut self.aim, aim) != aim && aim.is_some()
        }

        /// Waits for a report.
        pub(super) async fn next(&self) {
            let Some(queue) = &self.queue else { return std::future::pending().await };
            loop {
                let Ok(mut ready) = queue.readable().await else { return std::future::pending().await };
                let read = ready.try_io(|queue| queue.get_ref().0.read_events().map_err(io::Error::from));
                if read.is_ok() {
                    return;
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reports {
    use std::path::Path;

    #[derive(Debug, Default)]
    pub(super) struct Reports;

    impl Reports {
        pub(super) fn aim(&mut self, _folder: &Path) -> bool {
            false
        }

        pub(super) async fn next(&self) {
            std::future::pending().await
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs;

    #[tokio::test(start_paused = true)]
    async fn removals_are_reported_at_once_and_other_changes_after_a_while() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("engine");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "").unwrap();
        let mut watch = FolderWatch::of(&folder);
        let began = tokio::time::Instant::now();
        fs::remove_file(folder.join("file")).unwrap();
        watch.changed().await;
        fs::remove_dir(&folder).unwrap();
        watch.changed().await;
        fs::create_dir(&folder).unwrap();
        watch.changed().await;
        assert!(began.elapsed() < LOOK_AGAIN, "{:?}", began.elapsed());
        fs::remove_dir(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        fs::rename(parent.path(), parent.path().with_extension("moved")).unwrap();
        while began.elapsed() < LOOK_AGAIN {
            watch.changed().await;
        }
        fs::remove_dir_all(parent.path().with_extension("moved")).unwrap();
    }
}
