//! Saves media as new files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::data::{Medium, essence};

/// The most files of one kind in a folder.
const MAX_FILES: u32 = 100_000;

/// Saves a medium in `folder`, which is created if it is missing, under the first free name (`image-001.png`). Existing
/// files are never replaced, and symbolic links are not followed.
pub(in crate::render) fn save(medium: &Medium, folder: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let mime = essence(&medium.mime);
    let extension = extension(&mime, &medium.bytes);
    let stem = if mime.starts_with("image/") { "image" } else { "media" };
    for number in 1..=MAX_FILES {
        let path = folder.join(format!("{stem}-{number:03}.{extension}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(&medium.bytes)?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the folder has too many such files"))
}

/// Returns the file extension: by the content for pictures, else by the type.
fn extension(mime: &str, bytes: &[u8]) -> &'static str {
    if let Some(name) = image::guess_format(bytes).ok().and_then(|format| format.extensions_str().first()) {
        return name;
    }
    match mime {
        "image/svg+xml" => "svg",
        "text/html" => "html",
        "text/markdown" => "md",
        "text/plain" => "txt",
        "text/csv" => "csv",
        "text/latex" => "tex",
        "application/json" => "json",
        "application/pdf" => "pdf",
        "audio/mpeg" => "mp3",
        "audio/wav" | "audio/x-wav" => "wav",
        "video/mp4" => "mp4",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_gets_a_unique_name() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/folder");
        let medium = |mime: &str, bytes: &[u8]| Medium { mime: mime.into(), bytes: bytes.into() };
        let first = save(&medium("image/svg+xml", b"<svg/>"), &target).unwrap();
        assert_eq!(first, target.join("image-001.svg"));
        let second = save(&medium("image/svg+xml", b"<other/>"), &target).unwrap();
        assert_eq!(second, target.join("image-002.svg"));
        assert_eq!(fs::read(first).unwrap(), b"<svg/>");
        let hostile = save(&medium("../../etc/passwd; x", b"?"), &target).unwrap();
        assert_eq!(hostile, target.join("media-001.bin"));
        let png = save(&medium("image/jpeg", b"\x89PNG\r\n\x1a\n"), &target).unwrap();
        assert_eq!(png.extension().unwrap(), "png", "the content decides");
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::os::unix::fs::symlink(&victim, folder.path().join("media-001.bin")).unwrap();
        let saved = save(&Medium { mime: "x/y".into(), bytes: b"1"[..].into() }, folder.path()).unwrap();
        assert_eq!(saved, folder.path().join("media-002.bin"));
        assert!(!victim.exists());
    }
}
