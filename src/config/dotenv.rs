//! The `.env` file that the official client reads from the current folder or the nearest parent folder (`docs/wire`
//! §1.3). It is a place of its own: what it says counts only at the endpoint that it names. Which place counts is decided
//! in `environment`.

use super::logins::same_endpoint;
use super::trusted;
use bai_private::trust::Distrust;
use bai_protocol::environment::variable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Endings of names that only clients of this API use. `BACKEND_ENDPOINT` alone is not a sign: web projects use it too.
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

/// A `.env` file that is for clients of this API. Debug shows no secret.
pub struct EnvFile {
    path: PathBuf,
    variables: BTreeMap<String, String>,
    distrust: Option<Distrust>,
    is_closed: bool,
}

impl std::fmt::Debug for EnvFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl EnvFile {
    /// The file that applies to `folder`; `None` if there is none, or if it belongs to another program.
    pub(super) fn find(folder: &Path) -> Option<Self> {
        let path = folder.ancestors().map(|above| above.join(".env")).find(|path| path.is_file())?;
        // An unreadable file is not an error: most `.env` files belong to other programs.
        let found = trusted::read_any(&path).ok().flatten()?;
        let variables = parse(&found.text);
        let is_sign = |name: &str| SIGNS.iter().any(|sign| name.ends_with(&format!("_{sign}")));
        variables.keys().any(|name| is_sign(name)).then_some(EnvFile {
            path,
            variables,
            distrust: found.distrust,
            is_closed: found.is_closed,
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why the file does not count: another user can have written it.
    pub fn distrust(&self) -> Option<Distrust> {
        self.distrust
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
    text.lines()
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
        assert!(EnvFile::find(&folder).is_none(), "a web project's file");
        std::fs::write(&path, "BACKEND_ENDPOINT=http://x\nBACKEND_SECRET_KEY=hush\nBACKEND_PROFILE=lab\n")
            .unwrap();
        let found = |mode| {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let file = EnvFile::find(&folder).unwrap();
            (file.distrust(), file.shows_secret())
        };
        assert_eq!(found(0o644), (None, true));
        assert_eq!(found(0o662), (Some(Distrust::Writable), true));
        assert_eq!(found(0o600), (None, false));
        let file = EnvFile::find(&folder).unwrap();
        assert_eq!((file.get("SECRET_KEY").as_deref(), file.get("PROFILE")), (Some("hush"), None));
        assert!(file.names("http://X/") && !file.names("https://x"));
        assert!(!format!("{file:?}").contains("hush"));
    }
}
