//! A storage proxy that lists a part of a folder, and one that cannot give every file.

use super::server::{Asked, Server, json, reply, status};
use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json as value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A virtual folder, in memory. Only files are kept; a folder is where a path of one begins.
#[derive(Default)]
struct Storage {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How many entries a listing has at most; 0 for all.
    limit: usize,
    /// Whether the server says how many entries there are.
    counts: bool,
    endpoint: String,
}

impl Storage {
    fn with(files: impl IntoIterator<Item = String>, limit: usize) -> Storage {
        let files = files.into_iter().map(|name| (name, b"old".to_vec())).collect();
        Storage { files: Mutex::new(files), limit, counts: true, ..Storage::default() }
    }

    fn content(&self, path: &str) -> Option<String> {
        self.files.lock().unwrap().get(path).map(|content| String::from_utf8_lossy(content).into_owned())
    }

    fn rename(&self, from: &str, to: String, content: Option<Vec<u8>>) {
        let mut files = self.files.lock().unwrap();
        let old = files.remove(from).unwrap();
        files.insert(to, content.unwrap_or(old));
    }

    fn names(&self) -> Vec<String> {
        self.files.lock().unwrap().keys().cloned().collect()
    }

    /// The names of what is in a folder, each with its size if it is a file.
    fn entries(&self, path: &str) -> BTreeMap<String, Option<usize>> {
        let begin = if path.is_empty() { String::new() } else { format!("{path}/") };
        let files = self.files.lock().unwrap();
        let inside = files.iter().filter_map(|(name, content)| Some((name.strip_prefix(&begin)?, content)));
        inside
            .map(|(name, content)| match name.split_once('/') {
                Some((folder, _)) => (folder.to_owned(), None),
                None => (name.to_owned(), Some(content.len())),
            })
            .collect()
    }

    fn count(&self, path: &str) -> usize {
        let entries = self.entries(path);
        let below = entries.iter().filter(|(_, size)| size.is_none());
        let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        entries.len() + below.map(|(name, _)| self.count(&join(name))).sum::<usize>()
    }

    fn listing(&self, path: &str) -> Option<Value> {
        let entries = self.entries(path);
        if entries.is_empty() && !path.is_empty() {
            return None;
        }
        let item = |(name, size): (&String, &Option<usize>)| match size {
            Some(_) if name == "link" => value!({"name": name, "type": "SYMLINK", "mode": 0o120_777}),
            Some(_) if name == "pipe" => value!({"name": name, "type": "FILE", "mode": 0o10_644}),
            Some(size) => value!({"name": name, "type": "FILE", "size": size, "mode": 0o100_644}),
            None => value!({"name": name, "type": "DIRECTORY", "size": 4096, "mode": 0o40_755}),
        };
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        // A storage proxy lists in an order of its own.
        Some(value!({"items": entries.iter().rev().take(limit).map(item).collect::<Vec<_>>()}))
    }

    async fn answer(&self, asked: &Asked, mut stream: TcpStream) -> Option<TcpStream> {
        let (method, target) = asked.line.split_once(' ').unwrap();
        let target = target.split(' ').next().unwrap();
        if let Some(token) = target.strip_prefix("/storage?token=") {
            return self.proxy(method, asked, stream, token).await;
        }
        if target.starts_with("/storage") {
            return status(stream, "400 Bad Request").await;
        }
        let body: Value = serde_json::from_str(&asked.body).unwrap_or_default();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match (method, target) {
            ("GET", "/folders") => json(stream, r#"[{"id": "0a", "name": "t", "status": "ready"}]"#).await,
            ("GET", "/folders/0a") => {
                let count = if self.counts { i64::try_from(self.count("")).unwrap() } else { -1 };
                json(stream, &value!({"name": "t", "numFiles": count}).to_string()).await
            }
            ("GET", target) if target.starts_with("/folders/0a/files?path=") => {
                let path = target.rsplit('=').next().unwrap().replace("%2F", "/");
                match self.listing(&path) {
                    Some(listing) => json(stream, &listing.to_string()).await,
                    None => status(stream, "400 Bad Request").await,
                }
            }
            ("POST", "/folders/0a/request-download" | "/folders/0a/request-upload") => {
                let session = hex::encode(text("path"));
                let claims = URL_SAFE_NO_PAD.encode(value!({"session": session}).to_string());
                if target.ends_with("upload") {
                    let staged = format!(".upload/{session}");
                    self.files.lock().unwrap().insert(staged, Vec::new());
                }
                let token = format!("{}.{claims}.{}", text("path").replace('/', "!"), body["size"]);
                let ticket = value!({"token": token, "url": format!("{}/storage", self.endpoint)});
                json(stream, &ticket.to_string()).await
            }
            ("POST", "/folders/0a/move-file") => {
                self.rename(&text("src"), text("dst"), None);
                json(stream, "{}").await
            }
            ("DELETE", "/folders/0a/delete-files") => {
                for name in body["files"].as_array().unwrap() {
                    self.files.lock().unwrap().remove(name.as_str().unwrap());
                }
                json(stream, "{}").await
            }
            ("GET", _) => status(stream, "404 Not Found").await,
            other => {
                reply(&mut stream, "500 Internal Server Error", "text/plain", &format!("{other:?}")).await;
                Some(stream)
            }
        }
    }

    async fn proxy(
        &self,
        method: &str,
        asked: &Asked,
        mut stream: TcpStream,
        token: &str,
    ) -> Option<TcpStream> {
        let mut parts = token.split('.');
        let path = parts.next().unwrap().replace('!', "/").replace("%21", "/");
        if method == "GET" {
            let found = self.files.lock().unwrap().get(&path).cloned();
            if found.is_some() && path.ends_with("bad") {
                // It has died of the name.
                return None;
            }
            let Some(content) = found else {
                if !self.entries(&path).is_empty() {
                    return status(stream, "400 Bad Request").await;
                }
                let body = r#"{"type": "https://api.backend.ai/probs/storage/file-not-found"}"#;
                reply(&mut stream, "404 Not Found", "application/problem+json", body).await;
                return Some(stream);
            };
            let all = content.len();
            let (line, range, content) = match asked.header("range") {
                Some("bytes=0-0") if all == 0 => {
                    ("416 Range Not Satisfiable", "Content-Range: bytes */0\r\n".to_owned(), &[][..])
                }
                Some("bytes=0-0") => {
                    ("206 Partial Content", format!("Content-Range: bytes 0-0/{all}\r\n"), &content[..1])
                }
                Some(other) => panic!("{other}"),
                None => ("200 OK", String::new(), &content[..]),
            };
            let head =
                format!("HTTP/1.1 {line}\r\nEtag: \"x\"\r\n{range}Content-Length: {}\r\n\r\n", content.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(content).await.unwrap();
            return Some(stream);
        }
        assert_eq!(method, "PATCH");
        if path.ends_with("bad") {
            return status(stream, "500 Internal Server Error").await;
        }
        let staged = format!(".upload/{}", hex::encode(&path));
        self.rename(&staged, path, Some(asked.body.clone().into_bytes()));
        let head = format!("HTTP/1.1 204 No Content\r\nUpload-Offset: {}\r\n\r\n", asked.body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        Some(stream)
    }
}

async fn start(mut storage: Storage) -> (Arc<Storage>, VFolder, Server) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    storage.endpoint = format!("http://{}", listener.local_addr().unwrap());
    let storage = Arc::new(storage);
    let at = storage.clone();
    let server = Server::on(listener, super::server::HELLO, move |asked, stream| {
        let storage = at.clone();
        async move { storage.answer(&asked, stream).await }
    });
    (storage, server.api().vfolder("t").await.unwrap(), server)
}

/// A folder `many` of `count` files, of which the first are not listed.
fn many(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("many/f{number:03}"))
}

#[tokio::test]
async fn what_a_cut_listing_lacks_is_not_replaced() {
    let files = many(150).chain(["x".to_owned()]);
    let (storage, folder, _server) = start(Storage::with(files, 120)).await;
    let error = folder.move_entry("x", "many/f000", false).await.unwrap_err();
    assert_eq!(error.existing(), ["t/many/f000"]);
    let local = tempfile::tempdir().unwrap();
    std::fs::write(local.path().join("new"), "new").unwrap();
    let upload = [Upload::new(local.path().join("new"), "many/f001")];
    let options = UploadOptions::default();
    let error = folder.upload_into(&upload, options, &mut Uploaded::default(), |_| {}).await.unwrap_err();
    assert_eq!(error.existing(), ["t/many/f001"]);
    assert_eq!(
        (storage.content("many/f000"), storage.content("many/f001")),
        (Some("old".into()), Some("old".into()))
    );
    // With the word of the user it is replaced, and found there.
    let mut uploaded = Uploaded::default();
    folder.upload_into(&upload, UploadOptions { overwrite: true }, &mut uploaded, |_| {}).await.unwrap();
    assert_eq!((uploaded.files.len(), uploaded.skipped.len()), (1, 0), "{uploaded:?}");
    assert_eq!(storage.content("many/f001").unwrap(), "new");
}

#[tokio::test]
async fn files_that_a_cut_listing_lacks_are_used_by_their_names() {
    let (storage, folder, server) = start(Storage::with(many(150), 120)).await;
    assert_eq!(folder.find("many/f000").await.unwrap().unwrap().size, 3);
    assert_eq!(folder.find("many/none").await.unwrap(), None);
    assert_eq!(folder.move_entry("many/f000", "many/g000", false).await.unwrap(), "many/g000");
    assert_eq!(storage.content("many/g000").unwrap(), "old");
    assert!(folder.remove(&["many/f001".into()], false).await.unwrap().is_empty());
    assert_eq!(storage.content("many/f001"), None);
    let into = tempfile::tempdir().unwrap();
    let (paths, options) = (["many/f002".to_owned()], DownloadOptions::default());
    let mut downloaded = Downloaded::default();
    folder.download_into(&paths, into.path(), options, &mut downloaded, |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(into.path().join("f002")).unwrap(), "old");
    assert!(downloaded.skipped.is_empty(), "{downloaded:?}");
    assert!(
        !server.asked().iter().any(|asked| asked.is("GET /folders/0a ")),
        "nothing is counted for one file"
    );
}

#[tokio::test]
async fn a_cut_listing_is_named_and_a_whole_one_is_not() {
    for (count, limit, counts, missing) in [
        (150, 120, true, Some("30 more are there")),
        (150, 0, true, None),
        (120, 120, true, None),
        (200, 200, false, Some("may not be all")),
        (150, 0, false, None),
        (99, 99, false, None),
    ] {
        let storage = Storage { counts, ..Storage::with(many(count), limit) };
        let (_storage, folder, _server) = start(storage).await;
        let listing = folder.list("many").await.unwrap();
        let cut = listing.cut.unwrap_or_default();
        assert!(cut.contains(missing.unwrap_or_default()), "{count} {limit}: {cut}");
        assert_eq!(cut.is_empty(), missing.is_none(), "{count} {limit}: {cut}");
        let into = tempfile::tempdir().unwrap();
        let mut downloaded = Downloaded::default();
        let options = DownloadOptions::default();
        folder.download_into(&["many".into()], into.path(), options, &mut downloaded, |_| {}).await.unwrap();
        assert_eq!(downloaded.files.len(), listing.entries.len());
        let skipped: Vec<_> = downloaded.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
        assert_eq!(skipped, missing.map(|_| "a part of t/many").as_slice());
    }
}

#[tokio::test]
async fn one_bad_file_does_not_stop_the_others() {
    let names = ["a", "d/bad", "d/c", "e"].map(str::to_owned);
    let (storage, folder, _server) = start(Storage::with(names, 0)).await;
    let into = tempfile::tempdir().unwrap();
    let mut downloaded = Downloaded::default();
    let (paths, options) = (["a", "none", "d", "e"].map(str::to_owned), DownloadOptions::default());
    folder.download_into(&paths, into.path(), options, &mut downloaded, |_| {}).await.unwrap();
    let arrived: Vec<_> = downloaded.files.iter().map(|file| file.from.as_str()).collect();
    assert_eq!(arrived, ["a", "d/c", "e"]);
    let skipped: Vec<_> = downloaded.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
    assert_eq!(skipped, ["t/none", "d/bad"]);
    // The only one is an error, and not one of the connection.
    let paths = ["d/bad".to_owned()];
    let error = folder
        .download_into(&paths, into.path(), options, &mut Downloaded::default(), |_| {})
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    let failed = folder.remove(&["a", "none", "d", "e"].map(str::to_owned), false).await.unwrap();
    let failed: Vec<_> = failed.iter().map(|(path, error)| (path.as_str(), error.kind())).collect();
    assert_eq!(failed, [("none", ErrorKind::NoSuchFile), ("d", ErrorKind::Refused)]);
    assert_eq!(storage.names(), ["d/bad", "d/c"]);
}

#[tokio::test]
async fn what_has_arrived_of_a_file_that_fails_is_removed() {
    let (storage, folder, _server) = start(Storage::with(["a".to_owned()], 0)).await;
    let local = tempfile::tempdir().unwrap();
    for name in ["bad", "good"] {
        std::fs::write(local.path().join(name), name).unwrap();
    }
    let uploads = ["bad", "good"].map(|name| Upload::new(local.path().join(name), name));
    let mut uploaded = Uploaded::default();
    folder.upload_into(&uploads, UploadOptions::default(), &mut uploaded, |_| {}).await.unwrap();
    assert_eq!((uploaded.files.len(), uploaded.skipped.len()), (1, 1), "{uploaded:?}");
    assert_eq!(storage.names(), ["a", "good"]);
    assert_eq!(uploaded.unfinished(), None);
}

#[tokio::test]
async fn the_staging_folder_is_shown_and_not_downloaded_with_the_rest() {
    let names = ["a", ".upload/0123"].map(str::to_owned);
    let (storage, folder, _server) = start(Storage::with(names, 0)).await;
    let listed = folder.list("").await.unwrap().entries;
    assert_eq!(listed.iter().map(|entry| entry.filename.as_str()).collect::<Vec<_>>(), [".upload", "a"]);
    let into = tempfile::tempdir().unwrap();
    let (paths, options) = ([".".to_owned()], DownloadOptions::default());
    folder.download_into(&paths, into.path(), options, &mut Downloaded::default(), |_| {}).await.unwrap();
    assert_eq!(into.path().read_dir().unwrap().count(), 1);
    assert!(folder.remove(&[".upload/0123".into()], false).await.unwrap().is_empty());
    assert_eq!(storage.names(), ["a"]);
}

#[tokio::test]
async fn a_link_that_is_named_is_followed_and_a_pipe_is_no_file() {
    let names = ["link", "d/link", "d/pipe", "pipe"].map(str::to_owned);
    let (storage, folder, _server) = start(Storage::with(names, 0)).await;
    let into = tempfile::tempdir().unwrap();
    let mut downloaded = Downloaded::default();
    let (paths, options) = (["link", "d"].map(str::to_owned), DownloadOptions::default());
    folder.download_into(&paths, into.path(), options, &mut downloaded, |_| {}).await.unwrap();
    assert_eq!(std::fs::read_to_string(into.path().join("link")).unwrap(), "old");
    let skipped: Vec<_> = downloaded.skipped.iter().map(|skipped| skipped.name.as_str()).collect();
    assert_eq!(skipped, ["d/link", "d/pipe"]);
    let failed = folder.remove(&["link", "pipe"].map(str::to_owned), true).await.unwrap();
    assert!(failed.iter().all(|(_, error)| error.kind() == ErrorKind::Refused), "{failed:?}");
    assert_eq!((failed.len(), storage.names().len()), (2, 4));
}

#[tokio::test]
async fn a_file_is_read_to_standard_output_and_written_from_an_open_one() {
    let (storage, folder, _server) = start(Storage::with(["d/a".to_owned()], 0)).await;
    let (pieces, mut taken) = tokio::sync::mpsc::channel(8);
    folder.read_in_pieces("d/a", &pieces).await.unwrap();
    assert_eq!(taken.recv().await.unwrap(), "old");
    let error = folder.read_in_pieces("d", &pieces).await.unwrap_err();
    assert!(error.to_string().ends_with("t/d is a folder"), "{error}");
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, b"typed").unwrap();
    let mut uploaded = Uploaded::default();
    let again = file.try_clone().unwrap();
    folder.upload_file(file, "d/b", UploadOptions::default(), &mut uploaded, |_| {}).await.unwrap();
    assert_eq!(storage.content("d/b").unwrap(), "typed");
    let refused = folder.upload_file(again, "d/b", UploadOptions::default(), &mut uploaded, |_| {}).await;
    assert_eq!(refused.unwrap_err().existing(), ["t/d/b"]);
}

#[tokio::test]
async fn a_folder_of_another_user_is_not_ones_own() {
    const LIST: &str = r#"[{"id": "0a", "name": "mine", "is_owner": true, "user": "AA-01"},
        {"id": "0b", "name": "other", "is_owner": true, "user": "aa-02"},
        {"id": "0c", "name": "old", "is_owner": true}]"#;
    let server = Server::start(|asked, stream| async move {
        match asked.line.split(' ').nth(1).unwrap() {
            "/folders" => json(stream, LIST).await,
            "/admin/gql" if asked.body.contains("user { uuid }") => {
                json(stream, r#"{"data": {"user": {"uuid": "aa01"}}}"#).await
            }
            "/folders/0b/leave" => json(stream, "{}").await,
            _ => status(stream, "404 Not Found").await,
        }
    })
    .await;
    let folders = server.api().all_virtual_folders().await.unwrap();
    let owned: Vec<_> = folders.iter().map(|folder| (folder.name.as_str(), folder.is_owner)).collect();
    assert_eq!(owned, [("mine", true), ("other", false), ("old", true)]);
    server.api().vfolder("other").await.unwrap().leave().await.unwrap();
    let error = server.api().vfolder("mine").await.unwrap().leave().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
}
