//! The locks of a background engine. The system drops a lock with the process that holds it, however that ends, so no time
//! limit is needed to tell whether an engine lives.
//!
//! The file of the lock can be removed while the engine lives. The engine then locks a new one. Until it does so, the process that
//! holds the removed file tells that the engine lives (`holder`), so that no second one is started.

use super::{DaemonError, holder, prepare, sessions_folder};
use crate::folder_watch::FolderWatch;
use crate::listeners::identity;
use crate::options::Workdirs;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file whose lock an engine holds as long as it lives.
const LIFE_FILE: &str = "engine.alive";
/// The file whose lock a program holds while it starts an engine.
const START_FILE: &str = "engine.lock";

/// The right to be the engine of a folder. At most one process has it.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    /// Holds the lock: it is one of this open file, not of the process.
    life: File,
    /// The watch over the folder, once it has begun.
    watch: Option<FolderWatch>,
}

impl Claim {
    /// The folders of the engine's sessions, which only this process uses. The engine must end before the claim.
    pub fn workdirs(&self) -> Workdirs {
        Workdirs::Claimed(sessions_folder(&self.folder))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Holds the claim until this process has ended, so that nobody takes it for gone before.
    pub fn hold_to_the_end(self) {
        std::mem::forget(self.life);
    }

    /// Waits until files of the folder may have been removed, replaced or changed. The claim holds afterwards. Must be called on a
    /// tokio runtime.
    pub async fn disturbed(&mut self) {
        loop {
            self.watch.get_or_insert_with(|| FolderWatch::of(&self.folder)).changed().await;
            match self.renew() {
                Ok(true) => return,
                Ok(false) => tracing::warn!("another engine has claimed the folder of this one"),
                Err(error) => tracing::warn!(%error, "the claim cannot be renewed"),
            }
        }
    }

    /// Locks the file that has the name now, if it is another one than before. Returns whether the claim holds.
    fn renew(&mut self) -> Result<bool, DaemonError> {
        let path = self.folder.join(LIFE_FILE);
        let held = self.life.metadata().map_err(|source| DaemonError::Io { path: path.clone(), source })?;
        if identity(&path) == Some((held.dev(), held.ino())) {
            return Ok(true);
        }
        let Some(life) = lock_life(&self.folder)? else { return Ok(false) };
        tracing::warn!(file = %path.display(), "the file was removed, and is made again");
        self.life = life;
        Ok(true)
    }
}

/// Claims `folder` for an engine of this process, and removes the state file of an engine that has died. Makes the
/// folder, for its owner only, if it is missing. `None` when an engine lives there.
///
/// # Errors
/// When the folder belongs to another user, or cannot be written.
pub fn claim(folder: &Path) -> Result<Option<Claim>, DaemonError> {
    if is_running(folder)? {
        return Ok(None);
    }
    let Some(life) = lock_life(folder)? else { return Ok(None) };
    let claim = Claim { folder: folder.to_owned(), life, watch: None };
    claim.withdraw()?;
    Ok(Some(claim))
}

/// Opens the file and locks it. `None` when another process holds the lock.
fn lock_life(folder: &Path) -> Result<Option<File>, DaemonError> {
    let life = open(folder, LIFE_FILE)?;
    match fcntl(&life, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Ok(_) => Ok(Some(life)),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(None),
        Err(errno) => Err(io_error(&folder.join(LIFE_FILE), errno)),
    }
}

/// Whether an engine lives in `folder`: it runs, starts, ends or is stopped. The question takes no lock, so it disturbs no
/// engine. A removed file is no proof that none lives.
///
/// # Errors
/// When the lock cannot be read.
pub fn is_running(folder: &Path) -> Result<bool, DaemonError> {
    let path = folder.join(LIFE_FILE);
    let life = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(life) => life,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(holder::of(&path).is_some()),
        Err(source) => return Err(DaemonError::Io { path, source }),
    };
    let mut found = whole_file();
    fcntl(&life, FcntlArg::F_OFD_GETLK(&mut found)).map_err(|errno| io_error(&path, errno))?;
    Ok(i32::from(found.l_type) != nix::libc::F_UNLCK)
}

/// The id of the process that holds the lock of the engine in `folder`. `None` if there is none, if the process belongs to another
/// user or machine, and on systems other than Linux, which do not tell.
pub fn holding_process(folder: &Path) -> Option<i32> {
    holder::of(&folder.join(LIFE_FILE))
}

/// A program holds this lock while it looks for an engine and may start one. Other programs wait.
#[derive(Debug)]
pub struct StartLock(#[allow(dead_code, reason = "released when it is dropped")] Flock<File>);

/// Takes the lock. Blocks while another program holds it.
///
/// # Errors
/// When the lock file cannot be made.
pub fn lock_start(folder: &Path) -> Result<StartLock, DaemonError> {
    let file = open(folder, START_FILE)?;
    let locked = Flock::lock(file, FlockArg::LockExclusive);
    locked.map(StartLock).map_err(|(_, errno)| io_error(&folder.join(START_FILE), errno))
}

fn open(folder: &Path, name: &str) -> Result<File, DaemonError> {
    prepare(folder).map_err(|source| DaemonError::Io { path: folder.to_owned(), source })?;
    let path = folder.join(name);
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    file.map_err(|source| DaemonError::Io { path, source })
}

fn io_error(path: &Path, errno: Errno) -> DaemonError {
    DaemonError::Io { path: path.to_owned(), source: errno.into() }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the constants are small, and their types differ between systems"
)]
fn whole_file() -> nix::libc::flock {
    nix::libc::flock {
        l_type: nix::libc::F_WRLCK as _,
        l_whence: nix::libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_lives_as_long_as_its_claim() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_running(folder.path()).unwrap());
        let ours = claim(folder.path()).unwrap().unwrap();
        assert!(is_running(folder.path()).unwrap() && is_running(folder.path()).unwrap());
        assert!(claim(folder.path()).unwrap().is_none());
        drop(ours);
        assert!(!is_running(folder.path()).unwrap());
        assert!(claim(folder.path()).unwrap().is_some());
    }

    #[test]
    fn one_process_at_a_time_starts_an_engine() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock_start(folder.path()).unwrap();
        let path = folder.path().join(START_FILE);
        let try_lock = || Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock).is_ok();
        assert!(!try_lock());
        drop(first);
        assert!(try_lock());
    }
}
