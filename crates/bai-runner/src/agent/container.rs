//! What an agent puts into a container for the runner (`docs/wire` §9.1): variables, ports, and the place of task
//! logs. This module only reads files.

use serde::Deserialize;
use std::io;
use std::path::{Path, PathBuf};

/// Folders of programs that images keep outside the search path, in the order in which they are put before it.
const PROGRAMS: [&str; 3] =
    ["/usr/local/cuda/bin", "/usr/local/nvidia/bin", "/home/linuxbrew/.linuxbrew/bin"];
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Ports that differ from container to container, where containers share the network of their host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct IntrinsicPorts {
    pub(super) replin: Option<u16>,
    pub(super) replout: Option<u16>,
    pub(super) sshd: Option<u16>,
    pub(super) ttyd: Option<u16>,
}

impl IntrinsicPorts {
    /// Reads `intrinsic-ports.json`; without the file, the usual ports apply.
    ///
    /// # Errors
    /// When the file cannot be read or is malformed.
    pub(super) fn read(config: &Path) -> io::Result<Self> {
        match std::fs::read(config.join("intrinsic-ports.json")) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(IntrinsicPorts::default()),
            Err(error) => Err(error),
        }
    }
}

/// The variables of every process in the session, on top of our own.
pub(super) fn environment(config: &Path, workdir: &Path) -> Vec<(String, String)> {
    let mut env = written(config);
    let known = |env: &[(String, String)], name: &str| {
        let written = env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        written.or_else(|| std::env::var(name).ok()).filter(|value| !value.is_empty())
    };
    let shell = if Path::new("/bin/ash").is_file() { "/bin/ash" } else { "/bin/bash" };
    let home = workdir.to_string_lossy().into_owned();
    for (name, value) in [("LANG", "C.UTF-8"), ("TERM", "xterm"), ("SHELL", shell), ("HOME", &home)] {
        if known(&env, name).is_none() {
            env.push((name.to_owned(), value.to_owned()));
        }
    }
    let path = known(&env, "PATH").unwrap_or_else(|| SEARCH_PATH.to_owned());
    env.push(("PATH".to_owned(), search_path(&path, &workdir.join(".local/bin"))));
    env
}

/// The lines of `environ.txt`. Lines without a name and a value are skipped.
fn written(config: &Path) -> Vec<(String, String)> {
    let text = std::fs::read(config.join("environ.txt")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn search_path(path: &str, own: &Path) -> String {
    let own = own.to_string_lossy();
    let there = PROGRAMS.into_iter().filter(|folder| Path::new(folder).is_dir()).rev();
    let mut folders: Vec<&str> = std::iter::once(own.as_ref()).chain(there).collect();
    let rest: Vec<&str> = path.split(':').filter(|folder| !folders.contains(folder)).collect();
    folders.extend(rest);
    folders.join(":")
}

/// The file that keeps the output of batch steps. It is named by the kernel's id. `None` unless the user has made its
/// folder.
pub(super) fn task_log(workdir: &Path, kernel_id: &str) -> Option<PathBuf> {
    let logs = workdir.join(".logs");
    let id = uuid::Uuid::parse_str(kernel_id).ok()?.simple().to_string();
    let (first, rest) = id.split_at_checked(2)?;
    let (second, rest) = rest.split_at_checked(2)?;
    logs.is_dir().then(|| logs.join("task").join(first).join(second).join(format!("{rest}.log")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_from_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let read = || IntrinsicPorts::read(folder.path());
        assert_eq!(read().unwrap(), IntrinsicPorts::default());
        std::fs::write(
            folder.path().join("intrinsic-ports.json"),
            r#"{"replin": 30000, "ttyd": 30003, "x": 1}"#,
        )
        .unwrap();
        let ports = IntrinsicPorts { replin: Some(30000), ttyd: Some(30003), ..IntrinsicPorts::default() };
        assert_eq!(read().unwrap(), ports);
        std::fs::write(folder.path().join("intrinsic-ports.json"), "{").unwrap();
        assert!(read().is_err());
    }

    #[test]
    fn variables_are_read_from_their_file_and_invalid_lines_ignored() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("environ.txt"), "A=b=c\nodd\n=x\nTERM=dumb\nB=\nPATH=/x:/y\n")
            .unwrap();
        let env = environment(folder.path(), Path::new("/home/work"));
        let get =
            |name: &str| env.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(
            (get("A"), get("B"), get("TERM"), get("odd")),
            (Some("b=c"), Some(""), Some("dumb"), None)
        );
        let path = get("PATH").unwrap();
        assert!(path.starts_with("/home/work/.local/bin:") && path.ends_with("/x:/y"), "{path}");
    }

    #[test]
    fn a_folder_occurs_once_in_the_search_path() {
        let own = Path::new("/home/work/.local/bin");
        assert_eq!(search_path("/a:/home/work/.local/bin:/b", own), "/home/work/.local/bin:/a:/b");
    }

    #[test]
    fn the_task_log_is_written_if_its_folder_exists() {
        let folder = tempfile::tempdir().unwrap();
        let id = "0123ABCD-0000-4000-8000-00000000000f";
        assert_eq!(task_log(folder.path(), id), None);
        std::fs::create_dir(folder.path().join(".logs")).unwrap();
        let path = folder.path().join(".logs/task/01/23/abcd00004000800000000000000f.log");
        assert_eq!(task_log(folder.path(), id), Some(path));
        assert_eq!(task_log(folder.path(), "../.."), None);
    }
}
