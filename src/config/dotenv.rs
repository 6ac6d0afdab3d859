//! The `.env` file that the official client reads from the current folder or the nearest parent folder (`docs/wire`
//! §1.3). As in that client, its variables take precedence over those of the process.

use super::ConfigError;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A larger file is not read.
const SIZE_LIMIT: u64 = 1 << 20;
/// Endings of names that only clients of this API use. `BACKEND_ENDPOINT` alone is not a sign: web projects use it too.
const SIGNS: [&str; 3] = ["ACCESS_KEY", "SECRET_KEY", "ENDPOINT_TYPE"];

/// Reads our variables from the `.env` file that applies to `folder`. The map is empty if there is no such file, or if the
/// file belongs to another program.
///
/// # Errors
/// When the file is for us and another user could have written it: it decides where code and keys go.
pub(super) fn read(folder: &Path) -> Result<BTreeMap<String, String>, ConfigError> {
    let Some(path) = find(folder) else { return Ok(BTreeMap::new()) };
    // An unreadable file is not an error: most `.env` files belong to other programs.
    let Ok(metadata) = std::fs::metadata(&path) else { return Ok(BTreeMap::new()) };
    if metadata.len() > SIZE_LIMIT {
        return Ok(BTreeMap::new());
    }
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(BTreeMap::new()) };
    let variables = parse(&text);
    let is_sign = |name: &str| SIGNS.iter().any(|sign| name.ends_with(&format!("_{sign}")));
    if !variables.keys().any(|name| is_sign(name)) {
        return Ok(BTreeMap::new());
    }
    let ours = metadata.uid() == nix::unistd::geteuid().as_raw() || metadata.uid() == 0;
    if !ours || metadata.permissions().mode() & 0o022 != 0 {
        let why = io::Error::other("another user can write it, so it is not trusted");
        return Err(ConfigError::Read { path, source: why });
    }
    let holds_secret = variables.keys().any(|name| name.ends_with("_SECRET_KEY"));
    if holds_secret && metadata.permissions().mode() & 0o077 != 0 {
        return Err(ConfigError::Readable { path });
    }
    Ok(variables)
}

fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|above| above.join(".env")).find(|path| path.is_file())
}

/// Parses lines of `NAME=value`, with optional `export` and quotes. Keeps only the names that we read.
fn parse(text: &str) -> BTreeMap<String, String> {
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
    fn the_nearest_file_is_read_if_it_is_ours_and_private() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        std::fs::create_dir_all(&folder).unwrap();
        let path = root.path().join(".env");
        std::fs::write(&path, "BACKEND_ENDPOINT=http://localhost:3000\n").unwrap();
        assert!(read(&folder).unwrap().is_empty(), "a web project's file");
        std::fs::write(&path, "BACKEND_ENDPOINT=http://x\nBACKEND_SECRET_KEY=hush\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        mode(0o644);
        assert!(matches!(read(&folder), Err(ConfigError::Readable { .. })));
        mode(0o662);
        assert!(matches!(read(&folder), Err(ConfigError::Read { .. })));
        mode(0o600);
        assert_eq!(read(&folder).unwrap()["BACKEND_SECRET_KEY"], "hush");
    }
}
