//! Uploads into a folder that is mounted in the session: a genuine server stores files below the mount point. Here it stores those for `mnt`
//! in `hid`.

use super::changes::without_capabilities;
use super::engine::Lab;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn files_for_a_mounted_folder_arrive_in_it() {
    let lab = Lab::start().await;
    let session = lab.session().await;
    let endpoint =
        without_capabilities(&lab.engine.endpoint(), &[("\"mnt/", "\"hid/"), ("\"./mnt/", "\"./hid/")]).await;
    let session = (ComputeSession::attach(&lab.api_at(&endpoint), "work").await.unwrap(), session);
    let home = lab.folder.path().join(session.1.id().unwrap());
    std::fs::create_dir_all(home.join("mnt")).unwrap();
    std::fs::create_dir_all(home.join("own")).unwrap();
    let local = |name: &str, content: &str| {
        let path = lab.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let targets = ["mnt/one", "mnt/two", "mnt/new/three", "own/four", "five", "other/six"];
    let send = async |content: &str, overwrite| {
        let files = targets.map(|to| Upload::new(local(&to.replace('/', "-"), content), to));
        let mut last = (0, 0);
        let sent = session.0.upload_with(&files, UploadOptions { overwrite }, |progress| {
            last = (progress.all_done, progress.all_size);
        });
        let sent = soon(sent).await.unwrap();
        assert_eq!((sent.files.len(), sent.skipped.len()), (targets.len(), 0), "{sent:?}");
        let all = (targets.len() * content.len()) as u64;
        assert_eq!(last, (all, all));
        for to in targets {
            assert_eq!(std::fs::read_to_string(home.join(to)).unwrap(), content, "{to}");
        }
    };
    send("new", false).await;
    // The same size: only the time of the change tells that it did not arrive.
    send("old", true).await;
    assert!(home.join("hid").exists(), "the server has stored a file elsewhere");
    lab.engine.shutdown().await;
}
