//! The `.env` file that the official client reads from the current folder or the nearest parent folder (`docs/wire`
//! §1.3). It is a place of its own: what it says counts only at the endpoint that it names. Which place counts is decided
//! in `environment`.

use super::logins::same_endpoint;
use super::trusted;
use bai_private::trust::Distrust;
use bai_protocol::environment::variable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The variables that tell who the user is, or how the user logs in. Without one of them the file does not count: web
/// projects name an endpoint of their own in `BACKEND_ENDPOINT`.
const SIGNS: [&str; 3] = ["ACCESS_KEY", "SECRET_KEY", "ENDPOINT_TYPE"];
/// The variables that count. The file cannot switch off certificate checks, and it cannot select a profile, which would
/// bring another endpoint.
const NAMES: [&str; 10] = [
    "ENDPOINT",
    "ENDPOINT_TYPE",
    "ACCESS_KEY",
    "SECRET_KEY",
    "USER",
    "PASSWORD",
    "DOMAIN",
    "GROUP",
    "CONNECTION_TIMEOUT",
    "READ_TIMEOUT",
];

/// Why a `.env` file does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Disregard {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Another user can have written it.
    #[error("{0}")]
    Distrusted(Distrust),
    /// It names an endpoint, and no keys.
    #[error("it has BACKEND_ENDPOINT, but neither BACKEND_ACCESS_KEY nor BACKEND_SECRET_KEY")]
    NoKeys,
    /// It has keys, and names no endpoint.
    #[error("it has keys, but no BACKEND_ENDPOINT")]
    NoEndpoint,
}

/// A `.env` file that is for clients of this API, or may be. Debug shows no secret.
pub struct EnvFile {
    path: PathBuf,
    variables: BTreeMap<String, String>,
    /// Why nothing is known of it.
    unreadable: Option<String>,
    distrust: Option<Distrust>,
    is_closed: bool,
}

impl std::fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl EnvFile {
    /// The file that applies to `folder`; `None` if there is none, or if it belongs to another program. One that cannot be read may
    /// be for us.
    pub(super) fn find(folder: &Path) -> Option<Self> {
        let path = folder.ancestors().map(|above| above.join(".env")).find(|path| path.is_file())?;
        let found = match trusted::read_any(&path) {
            Ok(found) => found?,
            Err(error) => {
                let (unreadable, variables) = (Some(error.to_string()), BTreeMap::new());
                return Some(EnvFile { path, variables, unreadable, distrust: None, is_closed: true });
            }
        };
        let variables = parse(&String::from_utf8_lossy(&found.content));
        let (distrust, is_closed) = (found.distrust, found.is_closed);
        let file = EnvFile { path, variables, unreadable: None, distrust, is_closed };
        (file.endpoint().is_some() || file.has_sign()).then_some(file)
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why the file chooses no server, if it does not.
    pub fn disregard(&self) -> Option<Disregard> {
        if let Some(why) = &self.unreadable {
            return Some(Disregard::Unreadable(why.clone()));
        }
        match (self.distrust, self.endpoint()) {
            (Some(why), _) => Some(Disregard::Distrusted(why)),
            (None, None) => Some(Disregard::NoEndpoint),
            (None, Some(_)) => (!self.has_sign()).then_some(Disregard::NoKeys),
        }
    }

    /// Whether its variables count at the endpoint that it names.
    pub(super) fn counts(&self) -> bool {
        self.distrust.is_none() && self.has_sign()
    }

    /// Whether it would count, but for its permissions. The user has meant it to, so running the code elsewhere would be a
    /// surprise.
    pub fn is_open_to_writers(&self) -> bool {
        self.distrust == Some(Distrust::Writable) && self.has_sign() && self.endpoint().is_some()
    }

    fn has_sign(&self) -> bool {
        SIGNS.iter().any(|sign| self.get(sign).is_some())
    }

    /// The endpoint that the file names.
    pub fn endpoint(&self) -> Option<String> {
        self.get("ENDPOINT")
    }

    /// Whether the file tries to switch off certificate checks, which has no effect.
    pub fn wants_no_certificate_checks(&self) -> bool {
        let value = variable(|name| self.variables.get(name).cloned(), "SKIP_SSLCERT_VALIDATION");
        value.is_some_and(|value| bai_protocol::environment::is_true(&value))
    }

    /// Whether the file names this endpoint.
    pub(super) fn names(&self, endpoint: &str) -> bool {
        self.endpoint().is_some_and(|named| same_endpoint(&named, endpoint))
    }

    /// Whether it holds a secret that other users may read.
    pub(super) fn shows_secret(&self) -> bool {
        !self.is_closed && (self.get("SECRET_KEY").is_some() || self.get("PASSWORD").is_some())
    }

    /// The value of `BACKEND_<name>`, or of `SORNA_<name>`.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        variable(|name| self.variables.get(name).cloned(), name).filter(|_| NAMES.contains(&name))
    }
}

/// Parses lines of `NAME=value`, with optional `export` and quotes. Keeps only the names that clients of this API read.
pub(super) fn parse(text: &str) -> BTreeMap<String, String> {
    let is_ours = |name: &str| name.starts_with("BACKEND_") || name.starts_with("SORNA_");
    trusted::without_mark(text)
        .lines()
        .filter_map(|line| {
            let line = line.trim_start();
            let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
            let name = name.trim();
            is_ours(name).then(|| (name.to_owned(), unquote(value.trim())))
        })
        .collect()
}

fn unquote(value: &str) -> String {
    for quote in ['\'', '"'] {
        if let Some((inside, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inside.to_owned();
        }
    }
    // A comment ends an unquoted value.
    value.split_once(" #").map_or(value, |(before, _)| before).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn lines_are_read_as_shells_write_them() {
        let text = "# a comment\nexport BACKEND_ENDPOINT='https://x.example' # y\nBACKEND_GROUP = \"my group\"\n\
                    BACKEND_ACCESS_KEY=AKIA #no secret\nPATH=/evil\nSORNA_DOMAIN=a#b\nnonsense\n";
        let read = parse(text);
        let expected = [
            ("BACKEND_ACCESS_KEY", "AKIA"),
            ("BACKEND_ENDPOINT", "https://x.example"),
            ("BACKEND_GROUP", "my group"),
            ("SORNA_DOMAIN", "a#b"),
        ];
        assert_eq!(read, expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn the_nearest_file_is_found_if_it_is_for_us_with_its_access() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        std::fs::create_dir_all(&folder).unwrap();
        let path = root.path().join(".env");
        std::fs::write(&path, "BACKEND_ENDPOINT=http://localhost:3000\n").unwrap();
        let disregard = || EnvFile::find(&folder).unwrap().disregard();
        assert_eq!(disregard(), Some(Disregard::NoKeys), "a web project's file");
        std::fs::write(&path, "BACKEND_PORT=3000\n").unwrap();
        assert!(EnvFile::find(&folder).is_none());
        std::fs::write(&path, b"\xef\xbb\xbfBACKEND_SECRET_KEY=hush # gr\xfc\xdfe\n").unwrap();
        assert_eq!(disregard(), Some(Disregard::NoEndpoint));
        std::fs::write(&path, "BACKEND_ENDPOINT=http://x\nBACKEND_SECRET_KEY=hush\nBACKEND_PROFILE=lab\n")
            .unwrap();
        let found = |mode| {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let file = EnvFile::find(&folder).unwrap();
            (file.disregard(), file.shows_secret())
        };
        assert_eq!(found(0o644), (None, true));
        assert_eq!(found(0o662), (Some(Disregard::Distrusted(Distrust::Writable)), true));
        assert_eq!(found(0o600), (None, false));
        let file = EnvFile::find(&folder).unwrap();
        assert_eq!((file.get("SECRET_KEY").as_deref(), file.get("PROFILE")), (Some("hush"), None));
        assert!(file.names("http://X/") && !file.names("https://x"));
        assert!(!format!("{file:?}").contains("hush"));
    }
}
