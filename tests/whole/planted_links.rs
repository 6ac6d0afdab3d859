//! The home folder is under the hand of another user, as with `HOME=/tmp`, or a sudo that keeps `HOME`. What that user plants
//! there must not lead this program to folders of its own user.

use bai_testkit::{FakeTerminal, Sandbox, as_another_user};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

const CODE: [&str; 3] = ["-c", "print(1)", "python"];
const NAMED: [&str; 5] = ["-t", "work", "-c", "print(1)", "python"];
const STATE: &str = ".local/state/bai-repl";

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// A folder of the user with a file, which is open to others.
fn precious(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.work().join("precious");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    set_mode(&folder, 0o755);
    folder
}

#[track_caller]
fn expect_untouched(folder: &Path) {
    assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

/// Runs a shell as another user.
fn plant(script: &str) -> bool {
    let Some(mut command) = as_another_user("sh") else { return false };
    let planted = command.args(["-c", script]).output().unwrap();
    assert!(planted.status.success(), "{planted:?}");
    true
}

#[test]
fn a_planted_link_is_refused_and_its_target_stays_as_it_is() {
    for name in ["engine/prompts", "engine", "history", ""] {
        let sandbox = Sandbox::new();
        let target = precious(&sandbox);
        let link = sandbox.home().join(STATE).join(name);
        let link = link.components().collect::<PathBuf>();
        let parent = link.parent().unwrap();
        // All users share the home folder.
        set_mode(sandbox.home().parent().unwrap(), 0o755);
        set_mode(&sandbox.home(), 0o1777);
        let script =
            format!("mkdir -p {0}; ln -s {1} {2}", parent.display(), target.display(), link.display());
        if !plant(&script) {
            return;
        }
        // A session that leaves nothing needs no such folder.
        sandbox.run(&CODE).expect(0, "1\n");
        let refused = sandbox.run(&NAMED);
        assert!(refused.code != Some(0) && refused.stdout.is_empty(), "{name}: {refused:?}");
        assert!(refused.stderr.contains(".local is not trusted: it belongs to another user"), "{refused:?}");
        // It writes a log.
        let logged = sandbox.run(&["-v", "ls"]);
        assert!(logged.code != Some(0) && logged.stderr.contains(".local is not trusted"), "{logged:?}");
        expect_untouched(&target);
        // The folders are the user's, and only the link is not.
        for folder in link.ancestors().skip(1).take_while(|folder| *folder != sandbox.home()) {
            chown(folder, Some(0), Some(0)).unwrap();
        }
        let said = format!("{} is not trusted: it is a symbolic link of another user", link.display());
        sandbox.run(&CODE).expect(0, "1\n");
        let run = sandbox.run(&NAMED);
        match name {
            // Code of a command line has no history, and the background engine has no prompt.
            "history" | "engine/prompts" => run.expect(0, "1\n"),
            _ => assert!(run.code != Some(0) && run.stderr.contains(&said), "{name}: {run:?}"),
        }
        if name == "history" {
            let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
            terminal.enter("print(40 + 2)");
            terminal.wait_for("42");
            terminal.leave();
        }
        expect_untouched(&target);
    }
}

#[test]
fn a_link_of_the_cache_is_refused_and_a_link_of_the_user_is_followed() {
    let sandbox = Sandbox::new();
    let target = precious(&sandbox);
    set_mode(sandbox.home().parent().unwrap(), 0o755);
    std::fs::create_dir(sandbox.home().join(".cache")).unwrap();
    set_mode(&sandbox.home().join(".cache"), 0o1777);
    let link = sandbox.home().join(".cache/bai-repl");
    if !plant(&format!("ln -s {} {}", target.display(), link.display())) {
        return;
    }
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.leave();
    expect_untouched(&target);
    std::fs::remove_file(&link).unwrap();
    // A person has moved the state to another disk.
    std::fs::remove_dir_all(sandbox.home().join(STATE)).unwrap();
    symlink(&target, sandbox.home().join(STATE)).unwrap();
    sandbox.run(&["-t", "work", "-c", "print(1)", "python"]).expect(0, "1\n");
    assert_eq!(target.metadata().unwrap().mode() & 0o777, 0o755);
    assert_eq!(target.join("engine").metadata().unwrap().mode() & 0o777, 0o700);
}

#[test]
fn an_engine_folder_of_another_user_is_refused() {
    let sandbox = Sandbox::new();
    let engine = sandbox.home().join(STATE).join("engine");
    std::fs::create_dir_all(&engine).unwrap();
    set_mode(&engine, 0o755);
    if as_another_user("true").is_none() {
        return;
    }
    chown(&engine, Some(65534), None).unwrap();
    let said = format!("{} is not trusted: it belongs to another user", engine.display());
    sandbox.run(&CODE).expect(0, "1\n");
    let refused = sandbox.run(&NAMED);
    assert!(refused.code != Some(0) && refused.stderr.contains(&said), "{refused:?}");
    let metadata = engine.metadata().unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o755, 65534));
    assert_eq!(std::fs::read_dir(&engine).unwrap().count(), 0);
}
