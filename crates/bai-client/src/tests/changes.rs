//! Files that change while they travel: with our engine as it is, and as if it were a server without its capabilities.

use super::engine::Lab;
use super::large::names;
use super::*;
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// A change to the file at a path.
type Change<'a> = &'a (dyn Fn(&Path) + Sync);

/// What is hidden, each with a word of the same length.
const HIDDEN: [(&str, &str); 5] = [
    ("file-ranges", "file-hidden"),
    ("signed-bodies", "signed-hiding"),
    ("byte-names", "byte-hides"),
    // What listings tell about links.
    (r#"\"target\":"#, r#"\"hidden\":"#),
    (r#"\"resolved\":"#, r#"\"ignored1\":"#),
];

/// A way to a server on which clients see only what genuine servers have for files, and on which each first word of `sent` becomes
/// the second, of the same length.
pub(super) async fn without_capabilities(
    upstream: &str,
    sent: &'static [(&'static str, &'static str)],
) -> String {
    let upstream = upstream.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(async move {
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                tokio::select! {
                    () = altered(&mut from_client, &mut to_server, sent) => {}
                    () = altered(&mut from_server, &mut to_client, &HIDDEN) => {}
                }
            });
        }
    });
    endpoint
}

/// Passes bytes on, with other words in place of some.
async fn altered(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, words: &[(&str, &str)]) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        for (word, other) in words {
            let find = |buffer: &[u8]| buffer.windows(word.len()).position(|at| at == word.as_bytes());
            while let Some(at) = find(&buffer[..read]) {
                buffer[at..at + word.len()].copy_from_slice(other.as_bytes());
            }
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// The session as it is, and as a genuine server would show it; and its folder on this machine.
pub(super) async fn both(lab: &Lab) -> ([(&'static str, ComputeSession); 2], PathBuf) {
    let session = lab.session().await;
    let endpoint = without_capabilities(&lab.engine.endpoint(), &[]).await;
    let plain = ComputeSession::attach(&lab.api_at(&endpoint), "work").await.unwrap();
    assert!(
        !plain.api().has(Capability::FileRanges).await && session.api().has(Capability::FileRanges).await
    );
    let home = lab.folder.path().join(session.id().unwrap());
    ([("ranges", session), ("plain", plain)], home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_in_one_state_whatever_happens_to_it() {
    let lab = Lab::start().await;
    let (servers, home) = both(&lab).await;
    let old = vec![b'o'; 3_300_000];
    let rewrite = |path: &Path| std::fs::write(path, vec![b'n'; 3_300_000]).unwrap();
    let shorten = |path: &Path| std::fs::write(path, vec![b'n'; 1_100_000]).unwrap();
    let grow = |path: &Path| {
        let mut file = std::fs::File::options().append(true).open(path).unwrap();
        file.write_all(&[b'n'; 70_000]).unwrap();
    };
    let replace = |path: &Path| {
        let new = path.with_file_name("new");
        std::fs::write(&new, vec![b'n'; 2_200_000]).unwrap();
        std::fs::rename(new, path).unwrap();
    };
    let changes: [(&str, Change<'_>, usize); 4] = [
        ("rewrite", &rewrite, 3_300_000),
        ("shorten", &shorten, 1_100_000),
        ("grow", &grow, 0),
        ("replace", &replace, 2_200_000),
    ];
    for (server, session) in &servers {
        for (what, change, new) in changes {
            let (file, into) = (home.join("large"), lab.folder.path().join(format!("down-{server}-{what}")));
            std::fs::write(&file, &old).unwrap();
            let mut is_first = true;
            let on_progress = |progress: &Progress<'_>| {
                if progress.done > 0 && std::mem::take(&mut is_first) {
                    change(&file);
                }
            };
            let options = DownloadOptions::default();
            let paths = ["large".to_owned()];
            let got = soon(session.download_with(&paths, &into, options, on_progress)).await.unwrap();
            let content = std::fs::read(into.join("large")).unwrap();
            // Without ranges, the file was cut before the change.
            let expected = if *server == "plain" || new == 0 { old.clone() } else { vec![b'n'; new] };
            assert!(content == expected, "{server} {what}: {} bytes", content.len());
            assert_eq!((got.bytes, got.files.len()), (expected.len() as u64, 1), "{server} {what}");
            assert_eq!(names(&into), ["large"], "{server} {what}");
            assert!(!home.join(".bai-repl").exists(), "{server} {what}");
        }
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_vanishes_is_named_and_the_others_arrive() {
    let lab = Lab::start().await;
    let (servers, home) = both(&lab).await;
    for (server, session) in &servers {
        std::fs::create_dir_all(home.join("out")).unwrap();
        for (name, size) in [("a", 1_500_000), ("b", 1_500_000), ("c", 10), ("z", 20)] {
            std::fs::write(home.join("out").join(name), vec![b'x'; size]).unwrap();
        }
        let into = lab.folder.path().join(format!("down-{server}"));
        let vanish = |_: &Progress<'_>| {
            for name in ["b", "c"] {
                let _ = std::fs::remove_file(home.join("out").join(name));
            }
        };
        let paths = ["out".to_owned()];
        let got =
            soon(session.download_with(&paths, &into, DownloadOptions::default(), vanish)).await.unwrap();
        let mut skipped: Vec<_> = got.skipped.iter().map(|entry| entry.name.as_str()).collect();
        skipped.sort_unstable();
        assert_eq!(skipped, ["out/b", "out/c"], "{server}: {got:?}");
        assert_eq!(names(&into.join("out")), ["a", "z"], "{server}");
        assert!(!home.join(".bai-repl").exists(), "{server}");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_links_and_the_right_to_execute_travel_with_the_client() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let lab = Lab::start().await;
    let (servers, home) = both(&lab).await;
    for (server, session) in &servers {
        let from = lab.folder.path().join("run.sh");
        std::fs::write(&from, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o755)).unwrap();
        let uploads =
            [Upload::new(&from, format!("{server}/sub/run.sh")), Upload::new(&from, format!("{server}/x"))];
        let sent = soon(session.upload(&uploads, UploadOptions::default())).await.unwrap();
        assert_eq!((sent.files.len(), sent.skipped.len()), (2, 0), "{sent:?}");
        let there = home.join(server);
        std::fs::create_dir(there.join("empty")).unwrap();
        symlink("sub/run.sh", there.join("inside")).unwrap();
        symlink("/etc", there.join("outside")).unwrap();
        let into = lab.folder.path().join(format!("down-{server}"));
        let paths = [(*server).to_owned()];
        let get = || session.download(&paths, &into, DownloadOptions::default());
        // The second time, everything is there and equal.
        for _ in 0..2 {
            let got = soon(get()).await.unwrap();
            assert_eq!((got.files.len(), got.skipped.len()), (2, 1), "{got:?}");
            assert!(got.skipped[0].name.ends_with("outside"), "{got:?}");
            let here = into.join(server);
            assert_eq!(names(&here), ["empty", "inside", "sub", "x"]);
            assert_eq!(std::fs::read_link(here.join("inside")).unwrap(), Path::new("sub/run.sh"));
            assert_eq!(
                std::fs::metadata(here.join("sub/run.sh")).unwrap().permissions().mode() & 0o100,
                0o100
            );
        }
        assert!(!home.join(".bai-repl").exists(), "{server}");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn private_files_and_folders_stay_private_whatever_the_server_does() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::start().await;
    let (servers, home) = both(&lab).await;
    let local = lab.folder.path().join("local");
    std::fs::create_dir_all(local.join("deep")).unwrap();
    for (file, mode) in [("key", 0o600), ("tool", 0o700), ("text", 0o644)] {
        std::fs::write(local.join(file), "x").unwrap();
        std::fs::set_permissions(local.join(file), PermissionsExt::from_mode(mode)).unwrap();
    }
    std::fs::set_permissions(&local, PermissionsExt::from_mode(0o700)).unwrap();
    for (server, session) in &servers {
        let file = |name: &str| Upload::new(local.join(name), format!("{server}/{name}"));
        let uploads = [
            file("key"),
            file("tool"),
            file("text"),
            Upload::folder(&local, *server),
            Upload::folder(local.join("deep"), format!("{server}/deep")),
        ];
        let sent = soon(session.upload(&uploads, UploadOptions::default())).await.unwrap();
        assert_eq!((sent.files.len(), sent.skipped.len()), (3, 0), "{server}: {sent:?}");
        let mode = |name: &str| {
            let metadata = std::fs::metadata(home.join(server).join(name)).unwrap();
            metadata.permissions().mode() & 0o777
        };
        let modes = ["", "key", "tool", "text", "deep"].map(mode);
        assert_eq!(modes, [0o700, 0o600, 0o700, 0o644, 0o755], "{server}: {modes:?}");
        // What is there keeps its rights.
        std::fs::set_permissions(home.join(server).join("key"), PermissionsExt::from_mode(0o644)).unwrap();
        let again = soon(session.upload(&uploads, UploadOptions { overwrite: true })).await.unwrap();
        assert_eq!((again.skipped.len(), mode("key"), mode("")), (0, 0o644, 0o700), "{server}: {again:?}");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_counts_only_what_has_arrived() {
    let lab = Lab::start().await;
    let (servers, home) = both(&lab).await;
    let from = lab.folder.path().join("local");
    std::fs::write(&from, vec![b'x'; 1_500_000]).unwrap();
    for (server, session) in &servers {
        let late = home.join(format!("late-{server}"));
        let uploads = [Upload::new(&from, format!("late-{server}"))];
        let appear = |progress: &Progress<'_>| {
            if progress.done == progress.size {
                let _ = std::fs::create_dir(&late);
            }
        };
        let (mut sent, options) = (Uploaded::default(), UploadOptions { overwrite: true });
        let error = soon(session.upload_into(&uploads, options, &mut sent, appear)).await.unwrap_err();
        assert!(error.to_string().contains("cannot replace the folder"), "{error}");
        assert_eq!(sent, Uploaded::default(), "{server}");
    }
    lab.engine.shutdown().await;
}
