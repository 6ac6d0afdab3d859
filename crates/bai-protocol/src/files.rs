//! Files of a session (`docs/wire` §6): limits, and the listing, which is JSON inside JSON.

use super::{json, lenient};
use serde::{Deserialize, Serialize};

/// The folder that every relative path starts from.
pub const HOME: &str = "/home/work";
/// The largest number of parts in one upload.
pub const MAX_UPLOAD_FILES: usize = 20;
/// One uploaded part must have fewer bytes than this.
pub const UPLOAD_LIMIT: u64 = 1_048_576;
/// The largest number of paths in one download.
pub const MAX_DOWNLOAD_FILES: usize = 5;
/// The largest size of one downloaded tar, in bytes.
pub const DOWNLOAD_LIMIT: u64 = 1_048_576;

/// The reply to `GET /{P}/{s}/files`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListReply {
    /// A JSON array as text, with a newline; empty on error.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub files: String,
    /// Standard error of the listing helper.
    #[serde(deserialize_with = "lenient::null_as_default")]
    pub errors: String,
    /// The requested path.
    #[serde(alias = "folder_path", deserialize_with = "lenient::null_as_default")]
    pub abspath: String,
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Type and permissions as `ls -l` writes them, such as `-rw-r--r--`.
    #[serde(default)]
    pub mode: String,
    /// The size in bytes.
    #[serde(default)]
    pub size: u64,
    /// Last change of the inode, seconds since the epoch.
    #[serde(default)]
    pub ctime: f64,
    /// Last change of the content, seconds since the epoch.
    #[serde(default)]
    pub mtime: f64,
    /// Last access, seconds since the epoch.
    #[serde(default)]
    pub atime: f64,
    /// Name without its folder.
    pub filename: String,
    /// Where a symbolic link leads, if the server tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What a symbolic link leads to in the end, as an entry with the name of the link. The server tells it if it is there, and in
    /// the home folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Box<FileEntry>>,
}

/// The reply to `GET /{P}/{s}/checksum`, of our own server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChecksumReply {
    /// SHA-256 of what was asked for, in lower-case hex.
    pub sha256: String,
    /// How many bytes that is.
    pub size: u64,
}

impl FileEntry {
    /// Whether it is a folder.
    pub fn is_dir(&self) -> bool {
        self.mode.starts_with('d')
    }

    /// Whether it is a symbolic link.
    pub fn is_link(&self) -> bool {
        self.mode.starts_with('l')
    }

    /// The permissions as a number such as 0o644; `None` if the server does not tell them.
    pub fn permissions(&self) -> Option<u32> {
        let letters = self.mode.as_bytes().get(1..10)?;
        Some(
            letters
                .iter()
                .fold(0, |bits, letter| bits << 1 | u32::from(!matches!(letter, b'-' | b'S' | b'T'))),
        )
    }
}

impl ListReply {
    /// A listing as the genuine server writes it.
    pub fn new(entries: &[FileEntry], path: &str) -> Self {
        let files = serde_json::to_string(entries).map(|text| text + "\n").unwrap_or_default();
        ListReply { files, errors: String::new(), abspath: path.to_owned() }
    }

    /// The entries, or the server's error text.
    pub fn entries(&self) -> Result<Vec<FileEntry>, String> {
        if self.files.trim().is_empty() {
            let error = self.errors.trim().lines().last().unwrap_or_default();
            return if error.is_empty() { Ok(Vec::new()) } else { Err(error.to_owned()) };
        }
        json::with_names(&self.files).map_err(|e| format!("the listing is not what was agreed: {e}"))
    }
}

/// The path in the form that an upload needs: relative to the home folder. An absolute path below it is made relative,
/// because the server would refuse it (`docs/wire` §10, row 36). `None` for a path outside of it.
pub fn upload_path(path: &str) -> Option<String> {
    let inside =
        path.strip_prefix(HOME).filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path);
    let absolute_elsewhere = path.starts_with('/') && inside.len() == path.len();
    let parts: Vec<_> = inside.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let bad = |part: &&str| *part == ".." || part.contains('\0');
    if absolute_elsewhere || parts.is_empty() || parts.iter().any(bad) { None } else { Some(parts.join("/")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_listing_is_json_inside_json() {
        let reply: ListReply = serde_json::from_value(json!({
            "files": "[{\"mode\": \"-rw-r--r--\", \"size\": 3, \"ctime\": 1.5, \"mtime\": 1.5, \"atime\": 1.5, \"filename\": \"a\"}]\n",
            "errors": "", "folder_path": ".",
        }))
        .unwrap();
        let entries = reply.entries().unwrap();
        assert_eq!((entries.len(), entries[0].size, entries[0].is_dir()), (1, 3, false));
        assert_eq!(
            ListReply::new(&entries, "."),
            ListReply { abspath: ".".into(), ..ListReply::new(&entries, "x") }
        );
        assert_eq!(ListReply::new(&entries, ".").entries(), Ok(entries));
    }

    #[test]
    fn permissions_are_read_from_their_letters() {
        for (mode, bits) in [
            ("-rw-r-----", Some(0o640)),
            ("drwxr-xr-t", Some(0o755)),
            ("-rwSr-xr-T", Some(0o654)),
            ("d", None),
            ("", None),
        ] {
            let entry: FileEntry = serde_json::from_value(json!({"mode": mode, "filename": "a"})).unwrap();
            assert_eq!(entry.permissions(), bits, "{mode}");
        }
    }

    #[test]
    fn an_error_is_the_last_line_of_the_helpers_traceback() {
        let reply =
            ListReply { errors: "Traceback\n  x\nFileNotFoundError: 'x'\n".into(), ..Default::default() };
        assert_eq!(reply.entries(), Err("FileNotFoundError: 'x'".into()));
        assert_eq!(ListReply::default().entries(), Ok(Vec::new()));
        assert!(ListReply { files: "{".into(), ..Default::default() }.entries().is_err());
        let files = r#"[{"mode": "-rw-r--r--", "filename": "a\udcff"}]"#.to_owned();
        let entries = ListReply { files, ..Default::default() }.entries().unwrap();
        assert_eq!(*crate::byte_text::bytes(&entries[0].filename), *b"a\xff");
    }

    #[test]
    fn upload_paths_are_relative_and_stay_inside() {
        assert_eq!(upload_path("/home/work/a/b.bin").as_deref(), Some("a/b.bin"));
        assert_eq!(upload_path("./a//b").as_deref(), Some("a/b"));
        assert_eq!(upload_path("naïve name\n.txt").as_deref(), Some("naïve name\n.txt"));
        for bad in [
            "",
            ".",
            "/",
            "/etc/passwd",
            "/home/workshop/x",
            "../x",
            "a/../../x",
            "a\0b",
            "/home/work",
            "/home/work/../x",
        ] {
            assert_eq!(upload_path(bad), None, "{bad}");
        }
    }
}
