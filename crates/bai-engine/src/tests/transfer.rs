//! Uploads and downloads.

use super::client::{IMAGE, Lab, read, slug};
use crate::{EngineOptions, Workdirs};
use bai_protocol::files::ListReply;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read;

/// A multipart body of files with these names.
fn multipart(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, content) in files {
        let head = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"src\"; filename=\"{name}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    body
}

impl Lab {
    async fn upload(&self, session: &str, body: impl Into<reqwest::Body>) -> (StatusCode, Value) {
        let mut parts = self.parts(Method::POST, &format!("/session/{session}/upload"));
        parts.content_type = Some("multipart/form-data; boundary=edge".into());
        read(self.send(&parts, body).await).await
    }

    /// Downloads like an old or a new client; returns the files of all tars by their names.
    async fn download(&self, method: Method, target: &str) -> BTreeMap<String, Vec<u8>> {
        let reply = self.send(&self.parts(method, target), "").await;
        assert_eq!(reply.status(), StatusCode::OK);
        let content_type = reply.headers()["content-type"].to_str().unwrap().to_owned();
        let boundary = content_type.strip_prefix("multipart/mixed; boundary=").unwrap();
        let body = reply.bytes().await.unwrap().to_vec();
        let delimiter = format!("--{boundary}").into_bytes();
        let starts: Vec<_> = body
            .windows(delimiter.len())
            .enumerate()
            .filter(|(_, w)| *w == delimiter)
            .map(|(at, _)| at)
            .collect();
        assert!(body.ends_with(b"--\r\n"));
        let mut files = BTreeMap::new();
        for pair in starts.windows(2) {
            let part = &body[pair[0] + delimiter.len() + 2..pair[1] - 2];
            let head = part.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
            assert!(String::from_utf8_lossy(&part[..head]).contains("Content-Encoding: identity"));
            let mut tar = tar::Archive::new(&part[head + 4..]);
            for entry in tar.entries().unwrap() {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().to_string_lossy().into_owned();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                files.insert(name, content);
            }
        }
        files
    }
}

#[tokio::test]
async fn files_are_uploaded_listed_and_downloaded() {
    let lab = Lab::new().await;
    let id = lab.session("files").await;
    let all: Vec<u8> = (0..=255).collect();
    let body = multipart(&[
        ("a.txt", b"alpha\n"),
        ("sub/b.bin", &all),
        ("/home/work/abs.txt", b"x"),
        ("enc%2Fna%C3%AFve.txt", b"delta"),
        ("./as%20it%20is", b"y"),
        ("empty", b""),
    ]);
    assert_eq!(lab.upload("files", body).await.0, StatusCode::NO_CONTENT);
    let (printed, _) = lab
        .run("files", "import os; print(sorted(os.listdir()), os.listdir('enc'), open('a.txt').read())")
        .await;
    assert_eq!(
        printed,
        "['a.txt', 'abs.txt', 'as%20it%20is', 'empty', 'enc', 'sub'] ['naïve.txt'] alpha\n\n"
    );
    for body in [Value::Null, json!({"path": "sub"})] {
        let query = if body.is_null() { "?path=sub" } else { "" };
        let (status, reply) = lab.call(Method::GET, &format!("/session/files/files{query}"), body).await;
        assert_eq!((status, &reply["abspath"]), (StatusCode::OK, &json!("sub")));
        let entries = serde_json::from_value::<ListReply>(reply).unwrap().entries().unwrap();
        assert_eq!((entries.len(), entries[0].filename.as_str(), entries[0].size), (1, "b.bin", 256));
        assert_eq!(entries[0].mode, "-rw-r--r--");
    }
    for method in [Method::POST, Method::GET] {
        let files = lab.download(method, &format!("/session/{id}/download?files=a.txt&files=sub")).await;
        let expected = [("a.txt", &b"alpha\n"[..]), ("sub/", b""), ("sub/b.bin", &all)];
        assert_eq!(files, expected.map(|(name, content)| (name.to_owned(), content.to_vec())).into());
    }
    let reply =
        lab.send(&lab.parts(Method::POST, "/session/files/download_single?file=sub%2Fb.bin"), "").await;
    assert_eq!(
        (reply.status(), &reply.headers()["content-type"]),
        (StatusCode::OK, &"application/octet-stream".parse().unwrap())
    );
    assert_eq!(reply.bytes().await.unwrap(), all);
    let (status, _) = lab.upload("files", multipart(&[("a.txt", b"new")])).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let reply = lab.send(&lab.parts(Method::GET, "/session/files/download_single?file=a.txt"), "").await;
    assert_eq!(reply.bytes().await.unwrap(), "new");
}

#[tokio::test]
async fn paths_that_lead_out_are_refused_both_ways() {
    let lab = Lab::new().await;
    lab.session("inside").await;
    let victim = lab.folder.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    let code = format!(
        "import os\nos.symlink({:?}, 'out')\nos.symlink({victim:?}, 'link')\nos.mkfifo('pipe')\n\
         os.mkdir('folder')\nopen('folder/file', 'w').close()",
        lab.folder.path()
    );
    lab.run("inside", &code).await;
    let absolute = victim.display().to_string();
    for name in
        ["../victim", "/etc/evil", "out/victim", "out/new", "sub/../../victim", "..%2Fvictim", &absolute, "."]
    {
        let (status, problem) = lab.upload("inside", multipart(&[(name, b"evil")])).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "vfolder-operation-failed"), "{name}");
    }
    assert_eq!(lab.upload("inside", multipart(&[("link", b"mine")])).await.0, StatusCode::NO_CONTENT);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched", "a link is replaced, not followed");
    for (name, why) in [("folder", "folder is a folder"), ("folder/file/below", "folder/file is a file")] {
        let (status, problem) = lab.upload("inside", multipart(&[(name, b"x")])).await;
        assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "vfolder-operation-failed"), "{name}");
        assert_eq!(problem["msg"], why);
    }
    for path in ["../victim", "/etc/passwd", "out/victim", "out"] {
        for target in [format!("download?files={path}"), format!("download_single?file={path}")] {
            let (status, _) = lab.post(&format!("/session/inside/{target}"), Value::Null).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{target}");
        }
        let (status, reply) = lab.get(&format!("/session/inside/files?path={path}")).await;
        assert!(
            status == StatusCode::OK && reply["files"] == "" && !reply["errors"].as_str().unwrap().is_empty()
        );
    }
    for target in ["download?files=nothing", "download_single?file=nothing"] {
        let (status, problem) = lab.post(&format!("/session/inside/{target}"), Value::Null).await;
        assert_eq!((status, slug(&problem)), (StatusCode::NOT_FOUND, "vfolder-operation-failed"));
    }
    for target in ["download", "download_single", "download_single?file=.", "download_single?file=pipe"] {
        let (status, _) = lab.post(&format!("/session/inside/{target}"), Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{target}");
    }
    let files = lab.download(Method::POST, "/session/inside/download?files=.").await;
    assert!(files.keys().all(|name| !name.contains("victim")), "{files:?}");
    let pipes: Vec<_> = files.iter().filter(|(name, _)| name.contains("pipe")).collect();
    assert!(matches!(pipes[..], [(_, content)] if content.is_empty()), "{files:?}");
    let (_, reply) = lab.get("/session/inside/files?path=nothing").await;
    assert!(reply["errors"].as_str().unwrap().starts_with("FileNotFoundError"));
}

#[tokio::test]
async fn invalid_upload_bodies_are_refused_and_leave_no_files() {
    let lab = Lab::new().await;
    let id = lab.session("broken").await;
    let whole = multipart(&[("a.txt", &[b'x'; 1000])]);
    for body in [&b""[..], b"nonsense", &whole[..500]] {
        let (status, _) = lab.upload("broken", body.to_vec()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let (status, _) = lab.post("/session/broken/upload", json!({})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let folder = lab.folder.path().join("sessions").join(id);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0);
}

#[tokio::test]
async fn a_large_file_is_streamed_and_not_buffered() {
    const MIB: usize = 1 << 20;
    let lab = Lab::new().await;
    lab.session("big-one").await;
    let head = multipart(&[("big.bin", b"")]);
    let (head, tail) = head.split_at(head.len() - "\r\n--edge--\r\n".len());
    let middle = std::iter::repeat_n(vec![7_u8; MIB], 64);
    let chunks: Vec<_> = std::iter::once(head.to_vec()).chain(middle).chain([tail.to_vec()]).collect();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(
        chunks.into_iter().map(Ok::<_, std::io::Error>),
    ));
    assert_eq!(lab.upload("big-one", body).await.0, StatusCode::NO_CONTENT);
    let files = lab.download(Method::POST, "/session/big-one/download?files=big.bin").await;
    assert!(files["big.bin"].len() == 64 * MIB && files["big.bin"].iter().all(|byte| *byte == 7));
}

#[tokio::test]
async fn transfers_between_a_folder_and_itself_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "kept").unwrap();
    let options = EngineOptions::on_loopback(Workdirs::Shared(folder.path().to_path_buf()));
    let lab = Lab::with(folder, options).await;
    lab.session("here").await;
    let (printed, _) = lab.run("here", "print(open('mine.txt').read())").await;
    assert_eq!(printed, "kept\n");
    let (status, problem) = lab.upload("here", multipart(&[("mine.txt", b"")])).await;
    assert_eq!((status, slug(&problem)), (StatusCode::BAD_REQUEST, "vfolder-operation-failed"));
    assert!(problem["msg"].as_str().unwrap().contains("there already"), "{problem}");
    let (status, _) = lab.post("/session/here/download?files=mine.txt", Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, listing) = lab.get("/session/here/files").await;
    assert!(listing["files"].as_str().unwrap().contains("mine.txt"));
    lab.call(Method::DELETE, "/session/here", Value::Null).await;
    let body = json!({"name": "here", "image": IMAGE});
    assert_eq!(lab.post("/session", body).await.0, StatusCode::CREATED);
    assert_eq!(std::fs::read_to_string(lab.folder.path().join("mine.txt")).unwrap(), "kept");
}
