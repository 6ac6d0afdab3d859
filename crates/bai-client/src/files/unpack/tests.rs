use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use tar::{Builder, EntryType, Header};

/// Name, type, link target, content.
type Entry<'a> = (&'a [u8], EntryType, &'a [u8], &'a [u8]);

/// An archive with one entry, whose name is written raw, as a hostile server would.
fn one(name: &[u8], kind: EntryType, link: &[u8], content: &[u8]) -> Bytes {
    many(&[(name, kind, link, content)])
}

fn many(entries: &[Entry<'_>]) -> Bytes {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, link, content) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o6755);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        gnu.linkname[..link.len()].copy_from_slice(link);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().into()
}

/// A folder to unpack into, inside one that must stay untouched.
struct Ground {
    outside: tempfile::TempDir,
    into: PathBuf,
}

impl Ground {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        let into = outside.path().join("into");
        std::fs::create_dir(&into).unwrap();
        Ground { outside, into }
    }

    fn unpack(&self, overwrite: bool, archive: Bytes) -> io::Result<Unpacked> {
        let wanted = vec![String::new()];
        Unpacking { into: self.into.clone(), below: Vec::new(), wanted, overwrite }.run(&[archive])
    }

    /// Everything below the outer folder, apart from the inner one itself.
    fn names(&self) -> Vec<String> {
        fn walk(at: &Path, root: &Path, names: &mut Vec<String>) {
            for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
                names.push(entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned());
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), root, names);
                }
            }
        }
        let mut names = Vec::new();
        walk(self.outside.path(), self.outside.path(), &mut names);
        names.retain(|name| name != "into");
        names.sort();
        names
    }
}

#[test]
fn files_and_folders_are_written_without_special_bits() {
    let ground = Ground::new();
    let archive = many(&[
        (b"sub/", EntryType::Directory, b"", b""),
        (b"./sub/b.bin", EntryType::Regular, b"", b"abc"),
        (b"deep/er/c", EntryType::Regular, b"", b""),
    ]);
    let unpacked = ground.unpack(false, archive).unwrap();
    assert_eq!((unpacked.bytes, unpacked.files.len()), (3, 2));
    assert_eq!(ground.names(), ["into/deep", "into/deep/er", "into/deep/er/c", "into/sub", "into/sub/b.bin"]);
    let mode = std::fs::metadata(ground.into.join("sub/b.bin")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7000, 0, "setuid and setgid are not taken over");
}

#[test]
fn names_outside_the_target_folder_are_skipped() {
    for name in [b"../x".as_slice(), b"a/../../x", b"/abs", b"//abs", b"a/..", b"..", b"", b"."] {
        let ground = Ground::new();
        let unpacked = ground.unpack(true, one(name, EntryType::Regular, b"", b"evil")).unwrap();
        assert_eq!((unpacked.skipped.len(), unpacked.files.len()), (1, 0), "{name:?}");
        assert!(ground.names().is_empty(), "{name:?} {:?}", ground.names());
    }
}

#[test]
fn names_special_on_other_systems_stay_inside() {
    for name in [r"C:\x", r"\\?\C:\x", "CON", "dot.", "space ", "new\nline", "~", "-rf"] {
        let ground = Ground::new();
        ground.unpack(false, one(name.as_bytes(), EntryType::Regular, b"", b"x")).unwrap();
        assert_eq!(ground.names(), [format!("into/{name}")]);
    }
}

#[test]
fn a_name_that_is_not_utf_8_is_kept() {
    let ground = Ground::new();
    let unpacked = ground.unpack(false, one(b"\xff\xfe", EntryType::Regular, b"", b"x")).unwrap();
    assert_eq!(
        unpacked.files,
        [(bai_protocol::byte_text::path(&bai_protocol::byte_text::text(b"\xff\xfe")), 1)]
    );
}

#[test]
fn links_and_devices_are_skipped_and_never_written_through() {
    let ground = Ground::new();
    let archive = many(&[
        (b"link", EntryType::Symlink, b"..", b""),
        (b"link/x", EntryType::Regular, b"", b"not through a link"),
        (b"hard", EntryType::Link, b"../secret", b""),
        (b"", EntryType::Symlink, b"/", b""),
        (b"fifo", EntryType::Fifo, b"", b""),
        (b"dev", EntryType::Char, b"", b""),
        (b"block", EntryType::Block, b"", b""),
    ]);
    let unpacked = ground.unpack(true, archive).unwrap();
    assert_eq!((unpacked.skipped.len(), unpacked.files.len()), (6, 1));
    assert_eq!(ground.names(), ["into/link", "into/link/x"], "the folder is a real one");
}

#[test]
fn an_existing_link_is_not_followed() {
    for overwrite in [false, true] {
        let ground = Ground::new();
        symlink(ground.outside.path(), ground.into.join("sub")).unwrap();
        let result = ground.unpack(overwrite, one(b"sub/x", EntryType::Regular, b"", b"x"));
        assert!(result.unwrap_err().to_string().contains("link"));
        assert_eq!(ground.names(), ["into/sub"]);
    }
}

#[test]
fn an_existing_file_is_replaced_only_with_permission() {
    let ground = Ground::new();
    let victim = ground.outside.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    std::fs::write(ground.into.join("file"), "old").unwrap();
    symlink(&victim, ground.into.join("link")).unwrap();
    for name in [b"file".as_slice(), b"link"] {
        let archive = one(name, EntryType::Regular, b"", b"new");
        assert_eq!(ground.unpack(false, archive.clone()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        ground.unpack(true, archive).unwrap();
    }
    assert_eq!(std::fs::read_to_string(ground.into.join("file")).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(ground.into.join("link")).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    std::fs::create_dir(ground.into.join("folder")).unwrap();
    assert!(ground.unpack(true, one(b"folder", EntryType::Regular, b"", b"x")).is_err());
    assert_eq!(
        ground.names(),
        ["into/file", "into/folder", "into/link", "victim"],
        "no temporary file is left"
    );
}

#[test]
fn files_that_were_not_requested_are_skipped() {
    let ground = Ground::new();
    let archive =
        many(&[(b"asked", EntryType::Regular, b"", b"x"), (b".bashrc", EntryType::Regular, b"", b"evil")]);
    let unpacking = Unpacking {
        into: ground.into.clone(),
        below: Vec::new(),
        wanted: vec!["asked".into()],
        overwrite: false,
    };
    let unpacked = unpacking.run(&[archive]).unwrap();
    assert_eq!(unpacked.skipped, [Skipped { name: ".bashrc".into(), why: "it was not asked for".into() }]);
    assert_eq!(ground.names(), ["into/asked"]);
}

#[test]
fn broken_archives_leave_no_partial_files() {
    let whole = one(b"file", EntryType::Regular, b"", &[7; 4000]);
    for length in [600, 1000, 4000] {
        let ground = Ground::new();
        assert!(ground.unpack(false, whole.slice(..length)).is_err());
        assert!(ground.names().is_empty(), "{length}");
    }
    let ground = Ground::new();
    let mut header = Header::new_gnu();
    header.set_path("huge").unwrap();
    header.set_size(8 << 60);
    header.set_cksum();
    assert!(ground.unpack(false, Bytes::copy_from_slice(header.as_bytes())).is_err());
    assert!(ground.names().is_empty());
}

#[test]
fn long_names_and_collisions_are_reported() {
    let ground = Ground::new();
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(0);
    builder.append_data(&mut header, "x".repeat(4096), io::empty()).unwrap();
    let unpacked = ground.unpack(false, builder.into_inner().unwrap().into()).unwrap();
    assert_eq!(unpacked.skipped[0].why, "its name is impossible");
    let twice = many(&[(b"a", EntryType::Regular, b"", b"1"), (b"a", EntryType::Regular, b"", b"2")]);
    assert_eq!(ground.unpack(false, twice).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}
