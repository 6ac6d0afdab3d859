//! Transfers with a storage proxy whose connections end in the middle.

use super::server::{Asked, Server, json, reply, status};
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const FOLDERS: &str = r#"[{"id": "0a0b", "name": "data", "status": "ready"}]"#;

/// What the storage proxy has, and how often it has cut a connection.
#[derive(Default)]
struct Storage {
    content: Mutex<Vec<u8>>,
    size: AtomicUsize,
    cuts: AtomicUsize,
}

async fn manager(asked: &Asked, stream: TcpStream, endpoint: &str, storage: &Storage) -> Option<TcpStream> {
    let path = asked.line.split(' ').nth(1).unwrap_or_default();
    if path == "/folders" {
        return json(stream, FOLDERS).await;
    }
    if path.ends_with("/request-upload") {
        let size = asked.body.split("\"size\":").nth(1).unwrap().trim_end_matches('}').parse().unwrap();
        storage.size.store(size, Ordering::SeqCst);
    }
    if path.ends_with("/request-upload") || path.ends_with("/request-download") {
        return json(stream, &format!(r#"{{"token": "a-secret-ticket", "url": "{endpoint}/storage"}}"#))
            .await;
    }
    assert!(path.contains("/files"), "{path}");
    let have = storage.content.lock().unwrap().len();
    let is_complete = have > 0 && have == storage.size.load(Ordering::SeqCst);
    let item = format!(
        r#"{{"name": "f", "type": "FILE", "size": {have}, "mode": 33188, "modified": "2026-11-30T01:24:33+00:00"}}"#
    );
    json(stream, &format!(r#"{{"items": [{}]}}"#, if is_complete { item } else { String::new() })).await
}

/// A manager and a storage proxy at one address. The proxy ends the first `cuts` connections without an answer.
async fn server(storage: Arc<Storage>, cuts: usize) -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    Server::on(listener, super::server::HELLO, move |asked, mut stream| {
        let (endpoint, storage) = (endpoint.clone(), storage.clone());
        async move {
            let Some(method) =
                asked.line.split(" /storage?token=a-secret-ticket").next().filter(|m| *m != asked.line)
            else {
                return manager(&asked, stream, &endpoint, &storage).await;
            };
            assert!(asked.header("authorization").is_none(), "the storage proxy gets no signature");
            let have = storage.content.lock().unwrap().len();
            match method {
                "HEAD" => {
                    let head =
                        format!("HTTP/1.1 200 OK\r\nUpload-Offset: {have}\r\nContent-Length: 0\r\n\r\n");
                    stream.write_all(head.as_bytes()).await.unwrap();
                    Some(stream)
                }
                "PATCH" => {
                    let offset: usize = asked.header("upload-offset").unwrap().parse().unwrap();
                    if offset != have {
                        return status(stream, "409 Conflict").await;
                    }
                    let is_cut = storage.cuts.fetch_add(1, Ordering::SeqCst) < cuts;
                    // It keeps half of what comes before the cut.
                    let taken = if is_cut { asked.body.len() / 2 } else { asked.body.len() };
                    storage.content.lock().unwrap().extend_from_slice(&asked.body.as_bytes()[..taken]);
                    if is_cut {
                        return None;
                    }
                    let head = format!("HTTP/1.1 204 No Content\r\nUpload-Offset: {}\r\n\r\n", have + taken);
                    stream.write_all(head.as_bytes()).await.unwrap();
                    Some(stream)
                }
                "GET" => {
                    let from: usize = asked.header("range").map_or(0, |range| {
                        range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap()
                    });
                    let content = storage.content.lock().unwrap().clone();
                    let rest = &content[from..];
                    let line = if from > 0 { "206 Partial Content" } else { "200 OK" };
                    let head =
                        format!("HTTP/1.1 {line}\r\nEtag: \"x\"\r\nContent-Length: {}\r\n\r\n", rest.len());
                    stream.write_all(head.as_bytes()).await.unwrap();
                    let is_cut = storage.cuts.fetch_add(1, Ordering::SeqCst) < cuts;
                    stream.write_all(if is_cut { &rest[..rest.len() / 2] } else { rest }).await.unwrap();
                    (!is_cut).then_some(stream)
                }
                other => panic!("{other}"),
            }
        }
    })
}

#[tokio::test]
async fn an_upload_that_is_cut_goes_on_where_the_storage_is() {
    for cuts in [0, 1, 3] {
        let storage = Arc::new(Storage::default());
        let server = server(storage.clone(), cuts).await;
        let folder = tempfile::tempdir().unwrap();
        let content = "0123456789".repeat(1000);
        std::fs::write(folder.path().join("f"), &content).unwrap();
        let data = server.api().vfolder("data").await.unwrap();
        let mut uploaded = Uploaded::default();
        let files = [Upload::new(folder.path().join("f"), "f")];
        data.upload_into(&files, UploadOptions::default(), &mut uploaded, |_| {}).await.unwrap();
        assert_eq!(*storage.content.lock().unwrap(), content.as_bytes());
        assert_eq!((uploaded.files.len(), uploaded.files[0].bytes), (1, 10_000));
        // It is there now, and not replaced unless that is wanted.
        let again =
            data.upload_into(&files, UploadOptions::default(), &mut Uploaded::default(), |_| {}).await;
        assert_eq!(again.unwrap_err().existing(), ["data/f"]);
    }
}

#[tokio::test]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    for cuts in [0, 1, 3] {
        let storage = Arc::new(Storage::default());
        let content = "0123456789".repeat(1000);
        *storage.content.lock().unwrap() = content.clone().into_bytes();
        storage.size.store(content.len(), Ordering::SeqCst);
        let server = server(storage, cuts).await;
        let into = tempfile::tempdir().unwrap();
        let data = server.api().vfolder("0A0B").await.unwrap();
        let mut downloaded = Downloaded::default();
        let paths = ["f".to_owned()];
        let options = DownloadOptions::default();
        data.download_into(&paths, into.path(), options, &mut downloaded, |_| {}).await.unwrap();
        assert_eq!(std::fs::read_to_string(into.path().join("f")).unwrap(), content);
        assert_eq!(downloaded.bytes, 10_000);
        assert_eq!(std::fs::read_dir(into.path()).unwrap().count(), 1, "nothing of ours stays");
        let again =
            data.download_into(&paths, into.path(), options, &mut Downloaded::default(), |_| {}).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyExists);
        let ranges: Vec<_> =
            server.asked().iter().filter_map(|asked| asked.header("range").map(str::to_owned)).collect();
        assert_eq!(ranges.len(), cuts, "{ranges:?}");
    }
}

#[tokio::test]
async fn a_storage_proxy_that_is_out_of_reach_is_named_without_the_ticket() {
    let server = Server::start(|asked, stream| async move {
        match asked.is("POST ") {
            true => json(stream, r#"{"token": "a-secret-ticket", "url": "http://127.0.0.1:1/upload"}"#).await,
            false if asked.line.contains("/files") => json(stream, r#"{"items": []}"#).await,
            false => json(stream, FOLDERS).await,
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("f"), "x").unwrap();
    let data = server.api().vfolder("data").await.unwrap();
    let files = [Upload::new(folder.path().join("f"), "f")];
    let error = data
        .upload_into(&files, UploadOptions::default(), &mut Uploaded::default(), |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    let said = format!("{error} {error:?} {:?}", error.hint());
    assert!(said.contains("storage proxy at http://127.0.0.1:1/upload"), "{said}");
    assert!(!said.contains("ticket"), "{said}");
}

#[tokio::test]
async fn what_is_in_the_way_is_looked_for_first() {
    let server = Server::start(|asked, mut stream| async move {
        let items = r#"{"items": [{"name": "f", "type": "FILE", "mode": 33188}, {"name": "d", "type": "DIRECTORY", "mode": 16877},
            {"name": "l", "type": "SYMLINK", "mode": 41471}]}"#;
        if asked.line.contains("path=none") {
            reply(&mut stream, "400 Bad Request", "application/json", r#"{"title": "failed"}"#).await;
            return Some(stream);
        }
        if asked.line.contains("/files?path= ") {
            return json(stream, items).await;
        }
        if asked.line.contains("/files?path=d ") {
            return json(stream, r#"{"items": []}"#).await;
        }
        if asked.line.contains("/request-download") {
            return json(stream, r#"{"token": "t", "url": "http://127.0.0.1:1/download"}"#).await;
        }
        assert!(asked.is("GET /folders ") || asked.is("GET /folders/_/"), "nothing may change: {}", asked.line);
        json(stream, FOLDERS).await
    })
    .await;
    let data = server.api().vfolder("data").await.unwrap();
    let kind = |result: Result<String, ClientError>| result.unwrap_err().kind();
    assert_eq!(kind(data.move_entry("none", "x", false).await), ErrorKind::NoSuchFile);
    assert_eq!(kind(data.move_entry("d", "f", false).await), ErrorKind::AlreadyExists);
    assert_eq!(kind(data.move_entry("f", "none/x", false).await), ErrorKind::NoSuchFile);
    assert_eq!(kind(data.move_entry("d", "f/x", false).await), ErrorKind::NoSuchFile);
    assert_eq!(kind(data.move_entry("d", "d/e", false).await), ErrorKind::BadRequest);
    assert_eq!(kind(data.move_entry("", "x", false).await), ErrorKind::BadRequest);
    let kinds = |failed: Vec<Failed>| failed.iter().map(|(_, error)| error.kind()).collect::<Vec<_>>();
    assert_eq!(kinds(data.remove(&["d".into()], false).await.unwrap()), [ErrorKind::Refused]);
    assert_eq!(kinds(data.remove(&["none".into()], true).await.unwrap()), [ErrorKind::NoSuchFile]);
    assert_eq!(kinds(data.remove(&[".".into()], true).await.unwrap()), [ErrorKind::BadRequest]);
    assert_eq!(kinds(data.remove(&["l".into()], true).await.unwrap()), [ErrorKind::Refused]);
    assert_eq!(kind(data.move_entry("l", "x", true).await), ErrorKind::Refused);
    assert_eq!(kind(data.move_entry("f", "l", true).await), ErrorKind::Refused);
    assert_eq!(kinds(data.make_folders(&["d".into()], false).await.unwrap()), [ErrorKind::Refused]);
    assert!(data.make_folders(&["d".into()], true).await.unwrap().is_empty());
    assert_eq!(data.list("none").await.unwrap_err().kind(), ErrorKind::NoSuchFile);
}
