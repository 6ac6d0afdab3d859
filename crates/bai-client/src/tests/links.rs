//! Symbolic links that are named: with our engine as it is, and as a genuine server would show it.

use super::changes::both;
use super::engine::Lab;
use super::large::names;
use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread")]
async fn a_named_link_is_followed_and_one_in_a_folder_is_not() {
    let lab = Lab::start().await;
    let (servers, home) = both(&lab).await;
    std::fs::create_dir_all(home.join("real")).unwrap();
    std::fs::write(home.join("real/file"), "content").unwrap();
    std::fs::set_permissions(home.join("real/file"), PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(home.join("big"), vec![b'x'; 1_500_000]).unwrap();
    for (target, link) in [
        ("real/file", "to-file"),
        ("real", "to-folder"),
        ("big", "to-big"),
        ("file", "real/inside"),
        ("gone", "nowhere"),
        ("itself", "itself"),
        ("/etc/hostname", "out"),
    ] {
        symlink(target, home.join(link)).unwrap();
    }
    for (server, session) in &servers {
        let into = lab.folder.path().join(format!("down-{server}"));
        let paths = ["to-file", "to-folder", "to-big"].map(str::to_owned);
        for _ in 0..2 {
            let got = soon(session.download(&paths, &into, DownloadOptions::default())).await.unwrap();
            assert_eq!(
                (got.files.len(), got.skipped.len(), got.bytes),
                (3, 0, 1_500_014),
                "{server}: {got:?}"
            );
        }
        assert_eq!(names(&into), ["to-big", "to-file", "to-folder"], "{server}");
        let file = into.join("to-file");
        assert_eq!(std::fs::read(&file).unwrap(), b"content", "{server}");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{server}");
        assert_eq!(std::fs::metadata(into.join("to-big")).unwrap().len(), 1_500_000, "{server}");
        assert!(["to-big", "to-file", "to-folder"].iter().all(|name| !into.join(name).is_symlink()));
        assert_eq!(names(&into.join("to-folder")), ["file", "inside"], "{server}");
        assert_eq!(std::fs::read_link(into.join("to-folder/inside")).unwrap(), Path::new("file"), "{server}");
        for (link, size) in [("to-file", 7), ("to-big", 1_500_000)] {
            let (pieces, mut taken) = mpsc::channel(8);
            soon(session.read_file_in_pieces(link, &pieces)).await.unwrap();
            let mut read = 0;
            while let Ok(piece) = taken.try_recv() {
                read += piece.len();
            }
            assert_eq!(read, size, "{server} {link}");
        }
        for (link, kind, words) in [
            ("nowhere", ErrorKind::NotFound, "does not exist"),
            ("itself", ErrorKind::Refused, "leads to itself"),
            ("out", ErrorKind::Refused, "outside of the session's home folder"),
        ] {
            let new = lab.folder.path().join("new");
            let paths = [link.to_owned()];
            let error = soon(session.download(&paths, &new, DownloadOptions::default())).await.unwrap_err();
            assert!(error.kind() == kind && error.to_string().contains(words), "{server}: {error:?}");
            let listed = session.list_files(link).await.unwrap_err();
            assert_eq!(listed.to_string(), error.to_string(), "{server}");
            let read = soon(session.read_file_in_pieces(link, &mpsc::channel(1).0)).await;
            assert_eq!(read.unwrap_err().to_string(), error.to_string(), "{server}");
            assert!(!new.exists(), "{server}");
        }
        assert!(!home.join(".bai-repl").exists(), "{server}");
    }
    lab.engine.shutdown().await;
}
