//! Large files, in parts, over links that hold and links that do not, with our engine and a real shell.

use super::cuts::Way;
use super::engine::Lab;
use super::*;
use std::path::{Path, PathBuf};
use tokio::sync::Notify;

/// Bytes that no compression and no pattern helps with.
fn noise(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(4);
    std::iter::repeat_with(|| random.u8(..)).take(size).collect()
}

/// The session's home folder on this machine.
fn home(lab: &Lab, session: &ComputeSession) -> PathBuf {
    lab.folder.path().join(session.id().unwrap())
}

/// The names in a folder, sorted.
pub(super) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_is_uploaded_and_downloaded_complete() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let content = noise(5_300_000);
    let from = lab.folder.path().join("local");
    std::fs::write(&from, &content).unwrap();
    let uploads = [
        Upload::new(from.clone(), "sub/it's large"),
        Upload::new(lab.folder.path().join("small"), "sub/small"),
    ];
    std::fs::write(&uploads[1].from, "small").unwrap();
    let (mut seen, new) = (Vec::new(), UploadOptions::default());
    soon(session.upload_with(&uploads, new, |progress| seen.push((progress.all_done, progress.all_size))))
        .await
        .unwrap();
    assert_eq!(seen.last(), Some(&(5_300_005, 5_300_005)));
    assert!(seen.len() >= 4 && seen.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{seen:?}");
    assert_eq!(names(&home(&lab, &session).join("sub")), ["it's large", "small"]);
    assert!(session.list_files(".bai-repl").await.is_err(), "the parts are gone");

    soon(session.write_file("memory", content.clone().into(), UploadOptions::default())).await.unwrap();
    assert!(std::fs::read(home(&lab, &session).join("memory")).unwrap() == content);

    let into = lab.folder.path().join("down");
    let mut seen = 0;
    let paths = ["sub/it's large".to_owned(), "sub/small".to_owned()];
    let options = DownloadOptions::default();
    let got = soon(session.download_with(&paths, &into, options, |progress| seen = progress.all_done));
    let got = got.await.unwrap();
    assert_eq!((got.bytes, seen, got.files.len()), (5_300_005, 5_300_005, 2));
    assert!(std::fs::read(into.join("it's large")).unwrap() == content);
    assert_eq!(names(&into), ["it's large", "small"]);
    assert!(session.list_files(".bai-repl").await.is_err(), "the parts are gone");
    let again = session.download(&paths, &into, options).await.unwrap();
    assert_eq!((again.files.len(), again.bytes), (2, 5_300_005), "what is there and equal has arrived");
    std::fs::write(into.join("it's large"), noise(5_300_001).split_off(1)).unwrap();
    let again = session.download(&paths[..1], &into, options).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::AlreadyExists, "what is there is not replaced");
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_is_resumed() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let content = noise(9_000_000);
    std::fs::write(home(&lab, &session).join("large"), &content).unwrap();
    let (paths, into) = (["large".to_owned()], lab.folder.path().join("down"));
    let options = DownloadOptions::default();
    // The upload was abandoned in the middle.
    let stop = Notify::new();
    let mut until = |progress: &Progress<'_>| {
        if progress.done >= 4_000_000 {
            stop.notify_one();
        }
    };
    tokio::select! {
        done = session.download_with(&paths, &into, options, &mut until) => panic!("{done:?}"),
        () = stop.notified() => {}
    }
    // Broken by the network, again and again: the calls themselves go on.
    let way = Way::to(&lab.engine.endpoint(), &[700_000, 2_200_000, 3_000_001]).await;
    let through = ComputeSession::attach(&lab.api_at(&way.endpoint), "work").await.unwrap();
    let mut first = 0;
    let mut look = |progress: &Progress<'_>| {
        if first == 0 {
            first = progress.done;
        }
    };
    soon(through.download_with(&paths, &into, options, &mut look)).await.unwrap();
    assert!(first >= 4_000_000, "{first} bytes were there");
    assert_eq!(way.cuts(), 3);
    assert!(std::fs::read(into.join("large")).unwrap() == content);
    assert_eq!(names(&into), ["large"]);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_was_cut_after_its_last_byte_is_completed() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let content = noise(9_000_000);
    std::fs::write(home(&lab, &session).join("large"), &content).unwrap();
    let (paths, into) = (["large".to_owned()], lab.folder.path().join("down"));
    let stop = Notify::new();
    let mut until = |progress: &Progress<'_>| {
        if progress.done == progress.size {
            stop.notify_one();
        }
    };
    tokio::select! { biased;
        () = stop.notified() => {}
        done = session.download_with(&paths, &into, DownloadOptions::default(), &mut until) => panic!("{done:?}"),
    }
    soon(session.download(&paths, &into, DownloadOptions::default())).await.unwrap();
    assert!(std::fs::read(into.join("large")).unwrap() == content);
    assert_eq!(names(&into), ["large"]);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_download_of_a_file_is_refused_while_the_first_is_under_way() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let content = noise(3_000_000);
    std::fs::write(home(&lab, &session).join("large"), &content).unwrap();
    let (paths, into) = (["large".to_owned()], lab.folder.path().join("down"));
    // The first download stops at its second part.
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let first = {
        let (session, paths, into) = (session.clone(), paths.clone(), into.clone());
        let mut begun = Some(begun);
        let mut pause = move |progress: &Progress<'_>| {
            if let Some(begun) = begun.take_if(|_| progress.done > 0) {
                begun.send(()).unwrap();
                // Other tasks of this thread go on.
                tokio::task::block_in_place(|| may_go_on.recv().unwrap());
            }
        };
        async move { session.download_with(&paths, &into, DownloadOptions::default(), &mut pause).await }
    };
    let first = tokio::spawn(first);
    soon(has_begun).await.unwrap();
    let error = soon(session.download(&paths, &into, DownloadOptions::default())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Local, "{error:?}");
    assert!(error.to_string().contains("another download of it is under way"), "{error}");

    // Cut there: the next call completes it.
    first.abort();
    go_on.send(()).unwrap();
    assert!(soon(first).await.unwrap_err().is_cancelled());
    assert_eq!(names(&into).len(), 1);
    soon(session.download(&paths, &into, DownloadOptions::default())).await.unwrap();
    assert!(std::fs::read(into.join("large")).unwrap() == content);
    assert_eq!(names(&into), ["large"]);
    lab.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_is_resumed_and_replaces_wrong_parts() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let content = noise(6_000_000);
    let from = lab.folder.path().join("local");
    std::fs::write(&from, &content).unwrap();
    let uploads = [Upload::new(from, "large")];
    let stop = Notify::new();
    let mut until = |progress: &Progress<'_>| {
        if progress.done >= 4_000_000 {
            stop.notify_one();
        }
    };
    tokio::select! {
        done = session.upload_with(&uploads, UploadOptions::default(), &mut until) => panic!("{done:?}"),
        () = stop.notified() => {}
    }
    let parts = home(&lab, &session).join(".bai-repl");
    let folder = parts.join(&names(&parts)[0]);
    // Of the right size, and wrong: only what is not sent again can be found wrong.
    std::fs::write(folder.join("p00000001"), noise(1_000_001).split_off(1)).unwrap();
    let mut begun = 0;
    let options = UploadOptions::default();
    soon(session.upload_with(&uploads, options, |progress| begun += u32::from(progress.done == 0)))
        .await
        .unwrap();
    assert_eq!(begun, 2, "the second time with all parts");
    assert!(std::fs::read(home(&lab, &session).join("large")).unwrap() == content);
    lab.engine.shutdown().await;
}
