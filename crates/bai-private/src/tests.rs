use super::trust::{Distrust, check, check_writer};
use super::*;
use nix::sys::stat::{Mode, umask};
use std::os::unix::fs::chown;
use std::sync::Mutex;

/// The umask belongs to the whole process.
static UMASK: Mutex<()> = Mutex::new(());

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn with_umask<T>(mask: u32, work: impl FnOnce() -> T) -> T {
    let _turn = UMASK.lock().unwrap();
    let before = umask(Mode::from_bits_truncate(mask));
    let result = work();
    umask(before);
    result
}

#[test]
fn what_is_made_is_closed_to_others_whatever_the_umask() {
    for mask in [0o000, 0o022, 0o077, 0o177] {
        let folder = with_umask(mask, || TemporaryFolder::new().unwrap());
        assert_eq!(mode(folder.path()), 0o700, "umask {mask:03o}");
    }
    with_umask(0o000, || {
        let root = TemporaryFolder::new().unwrap();
        let deep = root.path().join("a/b");
        create_folder(&deep).unwrap();
        replace_file(&deep.join("new"), b"x").unwrap();
        append_to_file(&deep.join("log")).unwrap();
        assert_eq!([root.path().join("a"), deep.clone()].map(|path| mode(&path)), [0o700; 2]);
        assert_eq!(["new", "log"].map(|name| mode(&deep.join(name))), [0o600; 2]);
    });
}

#[test]
fn a_folder_that_all_users_share_stays_open() {
    let shared = TemporaryFolder::new().unwrap();
    std::fs::set_permissions(shared.path(), Permissions::from_mode(0o1777)).unwrap();
    replace_file(&shared.path().join("ours"), b"x").unwrap();
    assert_eq!((mode(shared.path()), mode(&shared.path().join("ours"))), (0o777, 0o600));
}

#[test]
fn what_exists_is_closed_to_others() {
    let root = TemporaryFolder::new().unwrap();
    let path = root.path().join("log");
    std::fs::write(&path, "x").unwrap();
    for open in [open_file, append_to_file] {
        for it in [root.path(), &path] {
            std::fs::set_permissions(it, Permissions::from_mode(0o777)).unwrap();
        }
        open(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
    }
    assert_eq!(mode(root.path()), 0o700);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "x");
}

#[test]
fn other_things_than_files_are_refused() {
    let root = TemporaryFolder::new().unwrap();
    let pipe = root.path().join("pipe");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    for path in [&pipe, root.path()] {
        assert!(open_file(path).is_err());
        assert!(append_to_file(path).is_err());
    }
}

#[test]
fn a_file_is_trusted_by_its_owner_and_its_mode() {
    let root = TemporaryFolder::new().unwrap();
    let path = root.path().join("file");
    std::fs::write(&path, "x").unwrap();
    let found = |mode| {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let metadata = std::fs::metadata(&path).unwrap();
        (check(&metadata), check_writer(&path, &metadata))
    };
    assert_eq!(found(0o600), (None, None));
    assert_eq!(found(0o640), (Some(Distrust::Readable), None));
    assert_eq!(found(0o662), (Some(Distrust::Writable), Some(Distrust::Writable)));
    for (mode, distrust) in [(0o757, Some(Distrust::Folder)), (0o1777, None), (0o770, None)] {
        std::fs::set_permissions(root.path(), Permissions::from_mode(mode)).unwrap();
        assert_eq!(found(0o644), (Some(Distrust::Readable), distrust), "{mode:o}");
    }
    // Only the administrator can give files away.
    if chown(&path, Some(65534), None).is_ok() {
        assert_eq!(found(0o600), (Some(Distrust::Owner), Some(Distrust::Owner)));
        assert!(open_file(&path).is_err());
    }
}

/// The path and the reason of a refusal.
fn refused(path: &Path) -> (std::path::PathBuf, Distrust) {
    let error = create_folder(path).unwrap_err();
    let folder = error.into_inner().unwrap().downcast::<UnsafeFolder>().unwrap();
    (folder.path, folder.why)
}

#[test]
fn a_link_of_the_user_is_followed_and_its_target_keeps_its_mode() {
    let root = TemporaryFolder::new().unwrap();
    let target = root.path().join("disk");
    std::fs::create_dir(&target).unwrap();
    std::fs::set_permissions(&target, Permissions::from_mode(0o755)).unwrap();
    let link = root.path().join("state");
    std::os::unix::fs::symlink("../disk", root.path().join("nowhere")).unwrap();
    std::os::unix::fs::symlink("disk", &link).unwrap();
    create_folder(&link).unwrap();
    create_folder(&link.join("../state/engine")).unwrap();
    assert_eq!((mode(&target), mode(&target.join("engine"))), (0o755, 0o700));
    assert!(create_folder(&root.path().join("nowhere")).is_err());
    // All users can replace what is in it.
    std::fs::set_permissions(&target, Permissions::from_mode(0o777)).unwrap();
    for path in [link.clone(), link.join("engine")] {
        assert_eq!(refused(&path), (target.clone(), Distrust::Writable));
    }
    assert_eq!(mode(&target), 0o777);
}

#[test]
fn what_another_user_can_replace_is_refused_and_stays_as_it_is() {
    let root = TemporaryFolder::new().unwrap();
    let ours = root.path().join("ours");
    let middle = root.path().join("middle");
    for folder in [&ours, &middle] {
        std::fs::create_dir(folder).unwrap();
        std::fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    let link = middle.join("link");
    std::os::unix::fs::symlink(&ours, &link).unwrap();
    for (mode, is_refused) in [(0o777, true), (0o1777, false), (0o775, false)] {
        std::fs::set_permissions(&middle, Permissions::from_mode(mode)).unwrap();
        assert_eq!(create_folder(&middle.join("new")).is_err(), is_refused, "{mode:o}");
        assert_eq!(create_folder(&link).is_err(), is_refused, "{mode:o}");
    }
    // Only the administrator can give files away.
    if std::os::unix::fs::lchown(&link, Some(65534), None).is_ok() {
        assert_eq!(refused(&link), (link.clone(), Distrust::Link));
        assert_eq!(refused(&link.join("new")), (link.clone(), Distrust::Link));
        chown(&middle, Some(65534), None).unwrap();
        assert_eq!(refused(&middle), (middle.clone(), Distrust::Owner));
        assert_eq!(refused(&middle.join("new")), (middle.clone(), Distrust::Owner));
        assert_eq!(refused(&link), (middle.clone(), Distrust::Owner));
    }
    assert_eq!((mode(&ours), std::fs::read_dir(&ours).unwrap().count()), (0o755, 0));
}
