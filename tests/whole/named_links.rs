//! Symbolic links that are named as the thing to copy: they are followed, as `scp` does. Links inside of a folder stay links.

use bai_testkit::{Finished, Sandbox};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// The reason for a link that leads nowhere.
const DANGLES: &str = "is a symbolic link to a file or folder that does not exist";

fn refused(run: &Finished, code: i32, sentence: &str) {
    assert!(run.code == Some(code) && run.stderr.contains(sentence), "{run:?}");
    assert_eq!(run.stdout, "");
}

#[test]
fn a_link_that_is_named_is_followed_by_a_download() {
    let sandbox = Sandbox::new();
    let make = "import os\nos.makedirs('d/sub')\n_ = open('d/f', 'w').write('small')\nos.chmod('d/f', 0o600)\n\
                _ = open('d/sub/g', 'w').write('deep')\n_ = open('large', 'w').write('x' * 3000000)\nos.chmod('d', 0o700)\n\
                for name, to in dict(file='d/f', folder='d', big='large', twice='file').items(): os.symlink(to, name)\n\
                os.symlink('f', 'd/inside')";
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect(0, "");
    let words = ["download", "work", "file", "folder", "big", "twice", "d/inside", "--to", "got"];
    // The second time, everything is there and equal. The third time, the session is lost.
    for time in 0..3 {
        let got = sandbox.run(&words);
        assert!(got.code == Some(0) && got.stderr.contains("6 files"), "{got:?}");
        let got = sandbox.work().join("got");
        let content = |name: &str| std::fs::read_to_string(got.join(name)).unwrap();
        for (name, expected) in
            [("file", "small"), ("twice", "small"), ("inside", "small"), ("folder/sub/g", "deep")]
        {
            assert_eq!(content(name), expected);
        }
        for name in ["file", "folder", "big", "twice", "inside"] {
            assert!(!got.join(name).is_symlink(), "{name}");
        }
        assert_eq!(content("big").len(), 3_000_000);
        assert_eq!(std::fs::read_link(got.join("folder/inside")).unwrap(), Path::new("f"));
        let mode = |name: &str| std::fs::metadata(got.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("file"), mode("folder")), (0o600, 0o700));
        sandbox.run(&["download", "work", "file", "--to", "-"]).expect(0, "small");
        let large = sandbox.run(&["download", "work", "big", "--to", "-"]);
        assert_eq!((large.code, large.stdout.len()), (Some(0), 3_000_000));
        if time == 1 {
            sandbox.run(&["serve", "--stop"]).expect_code(0);
        }
    }
    let folder = sandbox.run(&["download", "work", "folder", "--to", "-"]);
    refused(&folder, 2, "folder is a folder; only a single file can go to standard output");
}

#[test]
fn a_link_that_leads_nowhere_is_a_clear_error_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let make = "import os\nfor name, to in dict(nowhere='gone', out='/etc/hostname', away='/etc', loop='loop').items(): os.symlink(to, name)";
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect(0, "");
    for (link, code, sentence) in [
        ("nowhere", 123, DANGLES),
        ("out", 122, "is a symbolic link to a place outside of the session's home folder"),
        ("away", 122, "is a symbolic link to a place outside of the session's home folder"),
        ("loop", 122, "is a symbolic link that leads to itself"),
    ] {
        let sentence = format!("bai-repl: {link} {sentence}\n");
        refused(&sandbox.run(&["download", "work", link, "--to", "got"]), code, &sentence);
        assert!(!sandbox.work().join("got").exists(), "{link}");
        refused(&sandbox.run(&["download", "work", link, "--to", "-"]), code, &sentence);
        refused(&sandbox.run(&["files", "work", link]), code, &sentence);
    }
}

#[test]
fn a_link_of_this_machine_that_is_named_is_followed_by_an_upload() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    std::fs::create_dir(sandbox.work().join("real")).unwrap();
    sandbox.write("real/f", "content");
    for (target, link) in [("real/f", "file"), ("real", "folder"), ("gone", "nowhere"), ("loop", "loop")] {
        symlink(target, sandbox.work().join(link)).unwrap();
    }
    sandbox.run(&["upload", "work", "file", "folder"]).expect_code(0);
    let look = "import os; print(open('file').read(), os.listdir('folder'), os.path.islink('file'), os.path.islink('folder'))";
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "content ['f'] False False\n");
    for words in [
        &["upload", "work", "nowhere"][..],
        &["run", "python", "nowhere"],
        &["upload", "work", "file", "nowhere"],
    ] {
        refused(&sandbox.run(words), 2, &format!("bai-repl: nowhere {DANGLES}\n"));
    }
    refused(
        &sandbox.run(&["upload", "work", "loop"]),
        2,
        "bai-repl: loop is a symbolic link that leads to itself\n",
    );
}
