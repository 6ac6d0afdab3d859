//! A background engine: how other programs of its user find it, and how they know that it lives. Starting the process is
//! the caller's task.
//!
//! Its folder belongs to the user alone. A lock there tells whether it lives (`locks`), and the state file tells where it
//! is and with which keys. A program that finds the lock and no state file has found an engine that starts or ends.
//!
//! These files can be removed or damaged under a living engine. It makes them again ([`Claim::disturbed`]).

mod holder;
mod locks;

use super::keypair::Keypair;
use super::listeners::prepare;
use super::session_folders;
use bai_protocol::machine_limit::explain_or;
pub use locks::{Claim, StartLock, claim, holding_process, is_running, lock_start};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const STATE_FILE: &str = "engine.json";
/// The largest state file or hello that is read, in bytes.
const SHORT: u64 = 16 << 10;

/// The address and the keys of a background engine.
#[derive(Debug, Clone)]
pub struct DaemonInfo {
    /// The Unix socket on which it listens.
    pub socket: PathBuf,
    /// URL such as `http://127.0.0.1:41234`, or a name if it listens on the socket only.
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
    #[error("cannot use {}: {}", path.display(), explain_or(source, "check the folder's permissions"))]
    Io {
        /// File or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file is that of another version of this program.
    #[error("the background engine{} is of another version, which wrote {} in another form", in_words(*pid), path.display())]
    OtherVersion {
        /// The state file.
        path: PathBuf,
        /// The process of the engine, if the system or the file tells it.
        pid: Option<u32>,
    },
    /// The file is not one that an engine has written.
    #[error("the state file {} of the background engine{} is damaged", path.display(), in_words(*pid))]
    Damaged {
        /// The state file.
        path: PathBuf,
        /// The process of the engine, if the system tells it.
        pid: Option<u32>,
    },
    /// Another user could have written or read it.
    #[error("{} is not trusted: {why}; remove it and start the engine again", path.display())]
    NotOurs {
        /// The file or folder.
        path: PathBuf,
        /// The problem.
        why: bai_private::trust::Distrust,
    },
}

#[derive(PartialEq, Serialize, Deserialize)]
struct OnDisk {
    socket: PathBuf,
    endpoint: String,
    access_key: String,
    secret_key: String,
    pid: u32,
    version: String,
    instance: String,
}

impl From<&DaemonInfo> for OnDisk {
    fn from(daemon: &DaemonInfo) -> Self {
        OnDisk {
            socket: daemon.socket.clone(),
            endpoint: daemon.endpoint.clone(),
            access_key: daemon.keypair.access_key().to_owned(),
            secret_key: daemon.keypair.secret_key().expose_secret().to_owned(),
            pid: daemon.pid,
            version: daemon.version.clone(),
            instance: daemon.instance.clone(),
        }
    }
}

/// What is in a state file; `None` if this version cannot read it.
fn parse(text: &str) -> Option<OnDisk> {
    serde_json::from_str(text).ok()
}

/// The folder of the sessions' folders.
fn sessions_folder(folder: &Path) -> PathBuf {
    folder.join("sessions")
}

/// How many sessions in `folder` have files. Where no engine lives, they are lost, and the next engine finds them.
pub fn sessions_with_files(folder: &Path) -> usize {
    session_folders::sessions_with_files(&sessions_folder(folder))
}

impl Claim {
    /// Writes the state of this engine for others. The file is replaced atomically.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn announce(&self, daemon: &DaemonInfo) -> Result<(), DaemonError> {
        let path = self.folder().join(STATE_FILE);
        let io = |source| DaemonError::Io { path: path.clone(), source };
        let text = serde_json::to_vec(&OnDisk::from(daemon)).map_err(|error| io(error.into()))?;
        bai_private::replace_cache(&path, &text).map_err(io)
    }

    /// Whether the state file tells others of this engine.
    pub fn is_announced(&self, daemon: &DaemonInfo) -> bool {
        let text = read_text(self.folder()).ok().flatten();
        text.is_some_and(|text| parse(&text).is_some_and(|found| found == OnDisk::from(daemon)))
    }

    /// Removes the state file, of this engine or of one that has died. The engine can still end its sessions then.
    ///
    /// # Errors
    /// When the file exists and cannot be removed.
    pub fn withdraw(&self) -> Result<(), DaemonError> {
        let path = self.folder().join(STATE_FILE);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(DaemonError::Io { path, source }),
            _ => Ok(()),
        }
    }
}

/// The id of the process of the engine in `folder`, as the system knows it. `None` if that is no process of our user on this
/// machine.
///
/// # Errors
/// As [`read`].
pub async fn process(folder: &Path) -> Result<Option<i32>, DaemonError> {
    match holding_process(folder) {
        Some(process) => Ok(Some(process)),
        None => match read(folder)? {
            Some(found) => Ok(found.listening_process().await),
            None => Ok(None),
        },
    }
}

/// Reads the state that an engine left in `folder`. `None` when there is no file, or none that this version can read.
///
/// # Errors
/// When the file belongs to another user, or other users may read it.
pub fn read(folder: &Path) -> Result<Option<DaemonInfo>, DaemonError> {
    let text = read_text(folder)?;
    let Some(on_disk) = text.and_then(|text| parse(&text)) else {
        return Ok(None);
    };
    Ok(Some(DaemonInfo {
        socket: on_disk.socket,
        endpoint: on_disk.endpoint,
        keypair: Keypair::new(on_disk.access_key, SecretString::from(on_disk.secret_key)),
        pid: on_disk.pid,
        version: on_disk.version,
        instance: on_disk.instance,
    }))
}

/// Checks that this version can read the state file in `folder`, if there is one. An engine that starts removes the file of an
/// earlier one, and one that runs repairs it, so the answer counts only when it lasts.
///
/// # Errors
/// [`DaemonError::OtherVersion`], [`DaemonError::Damaged`], or as [`read`].
pub fn check_state(folder: &Path) -> Result<(), DaemonError> {
    let Some(text) = read_text(folder)?.filter(|text| parse(text).is_none()) else { return Ok(()) };
    let (path, pid) = (folder.join(STATE_FILE), holding_process(folder).and_then(|pid| pid.try_into().ok()));
    let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let version = state.get("version").and_then(serde_json::Value::as_str);
    Err(match version {
        Some(version) if version != env!("CARGO_PKG_VERSION") => {
            let told = || state.get("pid")?.as_u64()?.try_into().ok();
            DaemonError::OtherVersion { path, pid: pid.or_else(told) }
        }
        _ => DaemonError::Damaged { path, pid },
    })
}

/// `, process PID,` in a sentence.
fn in_words(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(", process {pid},"))
}

/// The state file; `None` if there is none.
fn read_text(folder: &Path) -> Result<Option<String>, DaemonError> {
    let path = folder.join(STATE_FILE);
    let io = |source| DaemonError::Io { path: path.clone(), source };
    let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(io(io::Error::other("it is not a regular file")));
    }
    if let Some(why) = bai_private::trust::check(&meta) {
        return Err(DaemonError::NotOurs { path, why });
    }
    let mut text = String::new();
    file.take(SHORT).read_to_string(&mut text).map_err(io)?;
    Ok(Some(text))
}

impl DaemonInfo {
    /// Whether this engine, and not another one, answers at its socket. A slow engine is waited for, however long it takes:
    /// limit the wait by [`is_running`] or by the user.
    pub async fn answers(&self) -> bool {
        self.hello().await.is_some_and(|instance| instance == self.instance)
    }

    /// The id of the process that listens at the socket, as the system knows it. `None` if no process of our user does.
    async fn listening_process(&self) -> Option<i32> {
        self.connect().await?.peer_cred().ok()?.pid()
    }

    async fn connect(&self) -> Option<UnixStream> {
        let socket = UnixStream::connect(&self.socket).await.ok()?;
        let peer = socket.peer_cred().ok()?;
        bai_private::is_own_user(peer.uid()).then_some(socket)
    }

    /// The `instance` in the hello of the server at the socket.
    async fn hello(&self) -> Option<String> {
        let mut socket = self.connect().await?;
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
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
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn daemon() -> DaemonInfo {
        DaemonInfo {
            socket: "/no/such/socket".into(),
            endpoint: "http://localhost".into(),
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
        let claim = claim(&folder).unwrap().unwrap();
        let ours = daemon();
        claim.announce(&ours).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(STATE_FILE))), (0o700, 0o600));
        let back = read(&folder).unwrap().unwrap();
        assert_eq!((back.endpoint.as_str(), back.pid, back.instance.as_str()), ("http://localhost", 7, "i"));
        assert_eq!(back.socket, ours.socket);
        assert_eq!(back.keypair.secret_key().expose_secret(), ours.keypair.secret_key().expose_secret());
        claim.withdraw().unwrap();
        assert!(read(&folder).unwrap().is_none());
        claim.withdraw().unwrap();
    }

    #[test]
    fn a_state_file_that_is_a_link_or_readable_by_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        claim(folder.path()).unwrap().unwrap().announce(&daemon()).unwrap();
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

    #[tokio::test]
    async fn a_stale_state_file_is_not_an_engine() {
        assert!(!daemon().answers().await);
        assert_eq!(daemon().listening_process().await, None);
    }
}
