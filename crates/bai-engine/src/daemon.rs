//! The state file of a background engine, by which other programs find it. Only its owner can read the file. A lock
//! keeps two programs from starting an engine at the same time. A hello to the engine distinguishes a live engine from
//! a stale file. Starting the process is the caller's task.

use super::keypair::Keypair;
use nix::fcntl::{Flock, FlockArg};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const STATE_FILE: &str = "engine.json";
const LOCK_FILE: &str = "engine.lock";
/// How long an engine on this machine may take to answer a hello.
const HELLO: Duration = Duration::from_secs(2);
/// The largest state file or hello that is read, in bytes.
const SHORT: u64 = 16 << 10;

/// The address and the keys of a background engine.
#[derive(Debug, Clone)]
pub struct DaemonInfo {
    /// URL such as `http://127.0.0.1:41234`.
    pub endpoint: String,
    /// The key pair that clients sign with.
    pub keypair: Keypair,
    /// Process id of the engine.
    pub pid: u32,
    /// Version of the program that runs it.
    pub version: String,
    /// The value of `instance` in its hello.
    pub instance: String,
}

/// Why the state of a background engine cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// The file system refused.
    #[error("cannot use {}: {source}; check the folder's permissions", path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another user could have written or read it.
    #[error("{} is not trusted: {why}; remove it and start the engine again", path.display())]
    NotOurs {
        /// The file or folder.
        path: PathBuf,
        /// The problem.
        why: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
struct OnDisk {
    endpoint: String,
    access_key: String,
    secret_key: String,
    pid: u32,
    version: String,
    instance: String,
}

/// Writes the state of an engine of this process. Makes `folder`, for its owner only, if it is missing. The file is
/// replaced atomically.
///
/// # Errors
/// When the folder belongs to another user, or cannot be written.
pub fn write(folder: &Path, daemon: &DaemonInfo) -> Result<(), DaemonError> {
    prepare(folder)?;
    let on_disk = OnDisk {
        endpoint: daemon.endpoint.clone(),
        access_key: daemon.keypair.access_key().to_owned(),
        secret_key: daemon.keypair.secret_key().expose_secret().to_owned(),
        pid: daemon.pid,
        version: daemon.version.clone(),
        instance: daemon.instance.clone(),
    };
    let path = folder.join(STATE_FILE);
    let io = |source| DaemonError::Io { path: path.clone(), source };
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    serde_json::to_writer(&mut file, &on_disk).map_err(|error| io(error.into()))?;
    file.flush().map_err(io)?;
    file.persist(&path).map_err(|error| io(error.error))?;
    Ok(())
}

/// Reads the state that an engine left in `folder`. `None` when there is no file, or none that this version can read.
///
/// # Errors
/// When the file belongs to another user, or other users may read it.
pub fn read(folder: &Path) -> Result<Option<DaemonInfo>, DaemonError> {
    let path = folder.join(STATE_FILE);
    let io = |source| DaemonError::Io { path: path.clone(), source };
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    check(&path, &file.metadata().map_err(io)?)?;
    let mut text = String::new();
    file.take(SHORT).read_to_string(&mut text).map_err(io)?;
    let Ok(on_disk) = serde_json::from_str::<OnDisk>(&text) else { return Ok(None) };
    Ok(Some(DaemonInfo {
        endpoint: on_disk.endpoint,
        keypair: Keypair::new(on_disk.access_key, SecretString::from(on_disk.secret_key)),
        pid: on_disk.pid,
        version: on_disk.version,
        instance: on_disk.instance,
    }))
}

/// Removes the state file if it belongs to the engine with this `instance`.
///
/// # Errors
/// When the file exists and cannot be trusted or removed.
pub fn remove(folder: &Path, instance: &str) -> Result<(), DaemonError> {
    if read(folder)?.is_none_or(|daemon| daemon.instance != instance) {
        return Ok(());
    }
    let path = folder.join(STATE_FILE);
    fs::remove_file(&path).map_err(|source| DaemonError::Io { path, source })
}

/// A program holds this lock while it looks for an engine and may start one. Other programs wait.
#[derive(Debug)]
pub struct StartLock(#[allow(dead_code, reason = "released when it is dropped")] Flock<File>);

/// Takes the lock. Blocks while another program holds it.
///
/// # Errors
/// When the lock file cannot be made.
pub fn lock_start(folder: &Path) -> Result<StartLock, DaemonError> {
    prepare(folder)?;
    let path = folder.join(LOCK_FILE);
    let io = |source| DaemonError::Io { path: path.clone(), source };
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(io)?;
    Flock::lock(file, FlockArg::LockExclusive).map(StartLock).map_err(|(_, errno)| io(errno.into()))
}

fn prepare(folder: &Path) -> Result<(), DaemonError> {
    let io = |source| DaemonError::Io { path: folder.to_path_buf(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let meta = fs::metadata(folder).map_err(io)?;
    owned(folder, &meta)?;
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(io)?;
    }
    Ok(())
}

fn owned(path: &Path, meta: &fs::Metadata) -> Result<(), DaemonError> {
    if meta.uid() == nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    Err(DaemonError::NotOurs { path: path.to_path_buf(), why: "it belongs to another user" })
}

fn check(path: &Path, meta: &fs::Metadata) -> Result<(), DaemonError> {
    owned(path, meta)?;
    let why = match () {
        () if !meta.is_file() => "it is not a regular file",
        () if meta.mode() & 0o077 != 0 => "others may read or write it",
        () => return Ok(()),
    };
    Err(DaemonError::NotOurs { path: path.to_path_buf(), why })
}

impl DaemonInfo {
    /// Whether this engine, and not another one, answers at its endpoint now.
    pub async fn is_alive(&self) -> bool {
        let answer = tokio::time::timeout(HELLO, self.hello()).await;
        answer.ok().flatten().is_some_and(|instance| instance == self.instance)
    }

    /// The `instance` in the hello of the server at the endpoint.
    async fn hello(&self) -> Option<String> {
        let address = self.endpoint.strip_prefix("http://")?;
        let mut socket = tokio::net::TcpStream::connect(address).await.ok()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.ok()?;
        let mut reply = Vec::new();
        socket.take(SHORT).read_to_end(&mut reply).await.ok()?;
        let reply = String::from_utf8(reply).ok()?;
        let (_, body) = reply.split_once("\r\n\r\n")?;
        let body: serde_json::Value = serde_json::from_str(body).ok()?;
        Some(body.get("instance")?.as_str()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon() -> DaemonInfo {
        DaemonInfo {
            endpoint: "http://127.0.0.1:1".into(),
            keypair: Keypair::random(),
            pid: 7,
            version: "0.1.0".into(),
            instance: "i".into(),
        }
    }

    #[test]
    fn the_state_is_saved_and_only_its_owner_can_read_it() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state/engine");
        assert!(read(&folder).unwrap().is_none());
        let ours = daemon();
        write(&folder, &ours).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(STATE_FILE))), (0o700, 0o600));
        let back = read(&folder).unwrap().unwrap();
        assert_eq!(
            (back.endpoint.as_str(), back.pid, back.instance.as_str()),
            ("http://127.0.0.1:1", 7, "i")
        );
        assert_eq!(back.keypair.secret_key().expose_secret(), ours.keypair.secret_key().expose_secret());
        remove(&folder, "another").unwrap();
        assert!(read(&folder).unwrap().is_some());
        remove(&folder, "i").unwrap();
        assert!(read(&folder).unwrap().is_none());
    }

    #[test]
    fn a_state_file_that_is_a_link_or_readable_by_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &daemon()).unwrap();
        let path = folder.path().join(STATE_FILE);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(read(folder.path()), Err(DaemonError::NotOurs { .. })));
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(read(folder.path()).is_err());
    }

    #[test]
    fn an_invalid_state_file_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", "{\"endpoint\": 3}", "[]"] {
            let path = folder.path().join(STATE_FILE);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert!(read(folder.path()).unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn one_process_at_a_time_holds_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let first = lock_start(folder.path()).unwrap();
        let path = folder.path().join(LOCK_FILE);
        let try_lock = || Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock).is_ok();
        assert!(!try_lock());
        drop(first);
        assert!(try_lock());
    }

    #[tokio::test]
    async fn a_stale_state_file_is_not_an_engine() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let closed = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(!DaemonInfo { endpoint: closed, ..daemon() }.is_alive().await);
    }
}
