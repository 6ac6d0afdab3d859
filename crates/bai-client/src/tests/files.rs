//! Uploads and downloads that must be refused, and names and entries that are easily lost, with our engine and a real shell.

use super::engine::Lab;
use super::server::{Server, json, reply, result, status};
use super::*;
use bai_protocol::byte_text;
use std::path::{Path, PathBuf};

const REPLACING: UploadOptions = UploadOptions { overwrite: true };
const NEW: UploadOptions = UploadOptions { overwrite: false };

/// A file's content of 1 MiB, which no server takes or gives at once.
fn large() -> bytes::Bytes {
    vec![7_u8; 1 << 20].into()
}

/// The session's home folder on this machine.
fn home(lab: &Lab, session: &ComputeSession) -> PathBuf {
    lab.folder.path().join(session.id().unwrap())
}

/// The paths of all files below a folder, with the hidden ones.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let shown = path.strip_prefix(folder).unwrap().display().to_string();
            if path.is_dir() && !path.is_symlink() { waiting.push(path) } else { found.push(shown) }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_percent_signs_arrive_unchanged() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    session.write_file("a b.txt", "mine".into(), NEW).await.unwrap();
    let names =
        ["a%20b.txt", "50%25.txt", "%41.txt", "dir%2Fesc", "%2e%2e%2fup.txt", "100%.txt", "%E9", "sub/%41"];
    for name in names {
        session.write_file(name, name.into(), NEW).await.unwrap();
        assert_eq!(session.read_file(name).await.unwrap(), name);
    }
    session.write_file("large%20file", large(), NEW).await.unwrap();
    let mut expected = [&names[..], &["a b.txt", "large%20file"]].concat();
    expected.sort_unstable();
    assert_eq!(tree(&home(&lab, &session)), expected);
    assert_eq!(session.read_file("a b.txt").await.unwrap(), "mine");
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_onto_a_folder_or_below_a_file_is_refused() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    session.write_file("p/in/f", "x".into(), NEW).await.unwrap();
    session.write_file("n1", "x".into(), NEW).await.unwrap();
    for content in ["small".into(), large()] {
        for (target, why) in [
            ("p", "cannot replace the folder p with a file"),
            ("p/in", "cannot replace the folder p/in with a file"),
            ("n1/x", "cannot upload n1/x: a file is in the place of the folder n1"),
            ("n1/a/x", "cannot upload n1/a/x: a file is in the place of the folder n1/a"),
        ] {
            let error = soon(session.write_file(target, content.clone(), REPLACING)).await.unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Refused, why));
            assert_eq!(error.hint(), None);
        }
        let error = session.write_file("n1/x", content, NEW).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    }
    assert_eq!(tree(&home(&lab, &session)), ["n1", "p/in/f"]);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_appears_during_an_upload_is_not_written_to() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let from = lab.folder.path().join("local");
    std::fs::write(&from, large()).unwrap();
    let folder = home(&lab, &session).join("late");
    let uploads = [Upload::new(from, "late")];
    let appear = |_: &Progress<'_>| drop(std::fs::create_dir(&folder));
    let error = soon(session.upload_with(&uploads, REPLACING, appear)).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot replace the folder late with a file");
    assert_eq!(tree(&home(&lab, &session)), [""; 0]);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_replaces_a_symbolic_link_whatever_its_size() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let home = home(&lab, &session);
    std::fs::create_dir(home.join("folder")).unwrap();
    std::fs::write(home.join("file"), "kept").unwrap();
    for content in [bytes::Bytes::new(), "small".into(), large()] {
        for target in ["file", "folder", "nowhere"] {
            let link = home.join(format!("to-{target}"));
            drop(std::fs::remove_file(&link));
            std::os::unix::fs::symlink(target, &link).unwrap();
            soon(session.write_file(&format!("to-{target}"), content.clone(), REPLACING)).await.unwrap();
            assert!(!link.is_symlink() && std::fs::read(&link).unwrap() == content, "{target}");
        }
    }
    assert_eq!(tree(&home), ["file", "to-file", "to-folder", "to-nowhere"]);
    assert_eq!(std::fs::read(home.join("file")).unwrap(), b"kept");
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_for_one_place_are_refused_before_the_download() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    for name in ["p/same", "q/same"] {
        session.write_file(name, name.into(), NEW).await.unwrap();
    }
    let into = lab.folder.path().join("down");
    for overwrite in [false, true] {
        for (paths, why) in [
            (["p/same", "q/same"], "two of the paths are to be downloaded to same, so no file was copied"),
            (["p/same", "p/same/"], "two of the paths are to be downloaded to same, so no file was copied"),
            (["p/same", ""], "the path is empty"),
        ] {
            let paths = paths.map(str::to_owned);
            let error = session.download(&paths, &into, DownloadOptions { overwrite }).await.unwrap_err();
            assert_eq!((error.kind(), error.why()), (ErrorKind::BadRequest, why));
        }
    }
    assert!(!into.exists());
    assert_eq!(session.read_file("").await.unwrap_err().kind(), ErrorKind::BadRequest);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_way_inside_a_folder_is_named() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    for content in ["small".into(), large()] {
        session.write_file("tree/sub/f", content, REPLACING).await.unwrap();
        let into = lab.folder.path().join("down");
        let taken = into.join("tree/sub/f");
        std::fs::create_dir_all(taken.parent().unwrap()).unwrap();
        std::fs::write(&taken, "mine").unwrap();
        for path in ["tree", "tree/sub"] {
            let into = if path == "tree" { into.clone() } else { into.join("tree") };
            let error =
                session.download(&[path.to_owned()], &into, DownloadOptions::default()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error:?}");
            assert_eq!(error.existing(), [taken.display().to_string()]);
            assert!(error.to_string().ends_with("sub/f already exists; nothing was copied"), "{error}");
        }
        assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    }
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_and_sockets_are_reported() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let code = "import os, socket\nos.makedirs('tree/sub')\nopen('tree/f', 'w').close()\nos.mkfifo('tree/sub/fifo')\n\
                socket.socket(socket.AF_UNIX).bind('tree/socket')";
    finish(&mut begin(&session, code, Transport::Auto).await, &[]).await;
    let into = lab.folder.path().join("down");
    let got = session.download(&["tree".into()], &into, DownloadOptions::default()).await.unwrap();
    let mut skipped: Vec<_> =
        got.skipped.iter().map(|entry| (entry.name.as_str(), entry.why.as_ref())).collect();
    skipped.sort_unstable();
    let why = "it is neither a file nor a folder";
    assert_eq!(skipped, [("tree/socket", why), ("tree/sub/fifo", why)]);
    assert_eq!(tree(&into), ["tree/f"]);
    for path in ["tree/sub/fifo", "tree/socket"] {
        let paths = [path.to_owned()];
        let error =
            session.download(&paths, &into.join("new"), DownloadOptions::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(
            error.to_string(),
            format!("{path} is neither a file nor a folder, so it cannot be downloaded")
        );
    }
    assert!(!into.join("new").exists());
    let paths = ["tree/socket", "tree/f", "none"].map(str::to_owned);
    let got = session.download(&paths, &into.join("new"), DownloadOptions::default()).await.unwrap();
    let skipped: Vec<_> = got.skipped.iter().map(|entry| (entry.name.as_str(), entry.why.as_ref())).collect();
    assert_eq!(skipped, [("tree/socket", why), ("none", "no such file or folder in the session")]);
    assert_eq!(tree(&into.join("new")), ["f"]);
    lab.engine.shutdown().await;
}

/// A genuine server gives files of less than 1 MiB, and answers 500 for the others, for folders and for missing files.
#[tokio::test]
async fn a_file_that_the_server_does_not_give_is_read_in_parts() {
    const SUM: &str = "8f990ba0b577b51cf009ea049368c16bbda1b21e1b93be07a824758bb253c39b";
    let server = Server::start(|asked, mut stream| async move {
        let files = |files: serde_json::Value| {
            serde_json::json!({"files": files.to_string(), "errors": ""}).to_string()
        };
        let part = |bytes: usize| "x".repeat(bytes);
        // The command that cuts the file.
        if asked.is("POST /session/work ") {
            return json(stream, &result("finished", "")).await;
        }
        if asked.is("GET /session/work/files") {
            let entries = serde_json::json!([
                {"filename": "large", "size": 1_048_576, "mode": "-rw-r--r--"},
                {"filename": "huge", "size": 1_u64 << 30, "mode": "-rw-r--r--"},
                {"filename": "folder", "size": 4096, "mode": "drwxr-xr-x"},
                {"filename": "pipe", "mode": "prw-r--r--"},
                {"filename": "small", "size": 3, "mode": "-rw-r--r--"},
                // As Python writes a byte that is not UTF-8.
                {"filename": "LONE", "size": 1_048_576, "mode": "-rw-r--r--"},
            ]);
            return json(stream, &files(entries).replace("LONE", r"caf\\udce9")).await;
        }
        let content = match asked.line.split(' ').nth(1).and_then(|path| path.rsplit(['/', 'F']).next()) {
            Some("sum") => SUM.to_owned(),
            Some("paaaaaa") => part(1_000_000),
            Some("paaaaab") => part(48_576),
            _ => return status(stream, "500 Internal Server Error").await,
        };
        reply(&mut stream, "200 OK", "application/octet-stream", &content).await;
        Some(stream)
    })
    .await;
    let session = server.session();
    for path in ["large", &byte_text::text(b"caf\xe9")] {
        assert_eq!(soon(session.read_file(path)).await.unwrap(), "x".repeat(1 << 20));
    }
    for (path, kind, why) in [
        ("none", ErrorKind::NoSuchFile, "none: no such file or folder in the session"),
        ("folder", ErrorKind::Refused, "folder is a folder"),
        ("pipe", ErrorKind::Refused, "pipe is neither a file nor a folder"),
        ("huge", ErrorKind::Refused, "huge is larger than 64 MiB, so it must be downloaded"),
        ("small", ErrorKind::Server, "could not read small: the server answers 500"),
    ] {
        let error = session.read_file(path).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (kind, why));
    }
}

/// A genuine server answers 500 for a path outside of the home folder, without a reason.
#[tokio::test]
async fn a_path_outside_of_the_home_folder_is_refused_in_words() {
    let server = Server::start(|_, stream| status(stream, "500 Internal Server Error")).await;
    let session = server.session();
    for path in ["/etc/hosts", "..", "a/../../b", "/home/worker", "/home/work/../other"] {
        for error in [session.list_files(path).await.err(), session.read_file(path).await.err()] {
            let error = error.unwrap();
            assert!(error.to_string().contains("is outside of the session's home folder"), "{path}: {error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("/home/work")), "{error:?}");
        }
    }
    for path in [".", "a/../b", "/home/work", "/home/work/a..b"] {
        assert_eq!(session.list_files(path).await.unwrap_err().kind(), ErrorKind::Server, "{path}");
    }
}
