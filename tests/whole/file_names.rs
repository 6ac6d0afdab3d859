//! Files of any name, empty folders, symbolic links and the right to be executed travel to a session and back.

use super::daemon::Daemon;
use bai_testkit::Sandbox;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Every path below a folder, with the content of files and whether they may be executed.
fn tree(folder: &Path) -> BTreeMap<Vec<u8>, Option<(Vec<u8>, bool)>> {
    let mut tree = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().as_os_str().as_bytes().to_vec();
            if path.is_symlink() {
                let target = path.read_link().unwrap();
                tree.insert(name, Some((target.as_os_str().as_bytes().to_vec(), false)));
            } else if path.is_dir() {
                tree.insert(name, None);
                todo.push(path);
            } else {
                let is_executable = path.metadata().unwrap().permissions().mode() & 0o100 != 0;
                tree.insert(name, Some((std::fs::read(&path).unwrap(), is_executable)));
            }
        }
    }
    tree
}

#[test]
fn what_a_killed_transfer_has_left_is_removed_by_the_next_one() {
    let sandbox = Sandbox::new();
    let _daemon = Daemon::start(&sandbox);
    let code = "import os\nopen('large', 'w').write('x' * 1500000)\nfor name in ('down-old', 'up-old', 'down-new', 'mine'):\n    \
                os.makedirs('.bai-repl/' + name)\n    \
                if name != 'down-new': os.utime('.bai-repl/' + name, (1, 1))";
    sandbox.run(&["-q", "-t", "work", "-c", code, "python"]).expect_code(0);
    let left = sandbox.write(&format!(".bai-repl-{}", "a1".repeat(16)), "half");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::options().write(true).open(&left).unwrap().set_modified(long_ago).unwrap();
    sandbox.run(&["download", "work", "large"]).expect_code(0);
    assert!(!left.exists());
    sandbox.run(&["upload", "-f", "work", "large"]).expect_code(0);
    sandbox
        .run(&["-q", "-t", "work", "-c", "print(sorted(os.listdir('.bai-repl')))", "python"])
        .expect(0, "['down-new', 'mine']\n");
}

#[test]
fn what_killed_uploads_have_left_is_none_of_the_files_of_the_session() {
    let sandbox = Sandbox::new();
    let code = "import os\nopen('data.csv', 'w').write('1,2')\nfor digit in '12':\n    \
                os.makedirs(f'.bai-repl/up-{digit * 16}')\n    open(f'.bai-repl/up-{digit * 16}/p00000000', 'w').close()\n\
                os.utime('.bai-repl/up-' + '1' * 16, (1, 1))\nos.mkdir('sub')\n\
                for folder in '.', 'sub': open(folder + '/.bai-repl-' + 'a1' * 16 + '.part', 'w').write('half')";
    sandbox.run(&["-q", "-t", "work", "-c", code, "python"]).expect_code(0);
    let see_only_files = || {
        let listed = sandbox.run(&["files", "work"]).stdout;
        assert!(listed.contains("data.csv") && !listed.contains(".bai-repl"), "{listed}");
        sandbox.run(&["download", "-f", "work", ".", "--to", "got"]).expect_code(0);
        let mut find = std::process::Command::new("find");
        let got = find.args(["got", "-type", "f"]).current_dir(sandbox.work()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&got.stdout), "got/data.csv\n");
    };
    see_only_files();
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    see_only_files();
    let look = "import os; print(sorted(os.listdir()), os.listdir('.bai-repl'), os.listdir('sub'))";
    let again = sandbox.run(&["-t", "work", "-c", look, "python"]);
    again.expect(0, "['.bai-repl', 'data.csv', 'sub'] ['up-2222222222222222'] []\n");
    assert!(again.stderr.contains("its 2 files are here"), "{again:?}");
}

#[test]
fn every_name_travels_to_a_session_and_back() {
    let sandbox = Sandbox::new();
    let _daemon = Daemon::start(&sandbox);
    let odd = sandbox.work().join("odd");
    let large = vec![b'x'; 1_500_000];
    for (name, content) in [
        (&b"a\xffb"[..], &b"bytes"[..]),
        (b"new\nline\x1b", b"control"),
        (b"100%25", b"percent"),
        (b"sub\xfe/\xf0\x9f\x98", b"in a folder"),
        (b"large\xff", &large),
        (b"large\n.sh", &large),
        (b"run.sh", b"#!/bin/sh\necho ran\n"),
        ("größe 数".as_bytes(), b"text"),
    ] {
        let path = odd.join(OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        if name.ends_with(b".sh") {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    std::fs::create_dir_all(odd.join(OsStr::from_bytes(b"empty/deep\xff"))).unwrap();
    symlink(OsStr::from_bytes(b"a\xffb"), odd.join(OsStr::from_bytes(b"link\n\xfe"))).unwrap();
    symlink("../run.sh", odd.join(OsStr::from_bytes(b"sub\xfe/link"))).unwrap();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    let sent = sandbox.run(&["upload", "work", "odd"]);
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    let code = "import os, subprocess; print(sorted(os.listdir(b'odd')), os.listdir(b'odd/empty'), \
                subprocess.check_output('odd/run.sh'))";
    let there = sandbox.run(&["-q", "-t", "work", "-c", code, "python"]);
    there.expect(
        0,
        "[b'100%25', b'a\\xffb', b'empty', b'gr\\xc3\\xb6\\xc3\\x9fe \\xe6\\x95\\xb0', b'large\\n.sh', b'large\\xff', b'link\\n\\xfe', \
         b'new\\nline\\x1b', b'run.sh', b'sub\\xfe'] [b'deep\\xff'] b'ran\\n'\n",
    );
    let got = sandbox.run(&["download", "work", "odd", "--to", "back"]);
    assert_eq!(got.code, Some(0), "{}", got.stderr);
    assert_eq!(tree(&sandbox.work().join("back/odd")), tree(&odd));
    // A listing gives each name in a form that a request takes, and so does a report of a copy.
    let listed = sandbox.run(&["--json", "files", "work", "odd"]);
    let names: Vec<serde_json::Value> =
        listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = names.iter().find(|row| row["name"] == "a\\xffb").unwrap();
    let bytes = |row: &serde_json::Value, key: &str| {
        OsString::from_vec(STANDARD.decode(row[key].as_str().unwrap()).unwrap())
    };
    let path = Path::new("odd").join(bytes(row, "nameBytes"));
    let read = sandbox.command(&["download", "work", "--to", "-"]).arg(&path).output().unwrap();
    assert_eq!((read.status.code(), &*read.stdout), (Some(0), &b"bytes"[..]), "{read:?}");
    assert!(names.iter().all(|row| !row.to_string().contains('\u{10ffff}')), "{}", listed.stdout);
    assert!(names.iter().any(|row| row["name"] == "größe 数" && row.get("nameBytes").is_none()));
    for words in [
        &["--json", "upload", "-f", "work", "odd", "--to", "."][..],
        &["--json", "download", "-f", "work", "odd", "--to", "back"],
    ] {
        let done = sandbox.run(words);
        assert_eq!(done.code, Some(0), "{done:?}");
        let events: Vec<serde_json::Value> =
            done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let odd = events.iter().find(|event| event["from"].as_str().unwrap().ends_with("a\\xffb")).unwrap();
        let (from, to) = (bytes(odd, "fromBytes"), bytes(odd, "toBytes"));
        for name in [from, to] {
            assert_eq!(Path::new(&name).file_name(), path.file_name(), "{done:?}");
        }
    }
}

#[test]
fn names_with_hidden_characters_are_told_apart() {
    let sandbox = Sandbox::new();
    let _daemon = Daemon::start(&sandbox);
    let code = "for name in ['a', 'a\\x1b[31m', 'a\\x1b]0;x', 'a\\u200b', 'a<U+200B>', 'a\\u202e', 'a\\ufeff', 'a\\n', 'a ', 'a\\xa0']: \
                open(name, 'w').close()";
    sandbox.run(&["-q", "-t", "work", "-c", code, "python"]).expect_code(0);
    let listed = sandbox.run(&["files", "work", "."]);
    listed.expect_code(0);
    let mut shown: Vec<&str> =
        listed.stdout.lines().filter_map(|line| line.split_whitespace().last()).collect();
    shown.retain(|name| name.starts_with('a'));
    let wanted = [
        "a",
        "a<U+000A>",
        "a<U+001B>[31m",
        "a<U+001B>]0;x",
        "a<U+0020>",
        "a<U+003C>U+200B>",
        "a<U+00A0>",
        "a<U+200B>",
        "a<U+202E>",
        "a<U+FEFF>",
    ];
    assert_eq!(shown, wanted, "{}", listed.stdout);
    for arguments in [
        &["info", "esc\u{1b}]0;x"][..],
        &["-t", "esc\u{1b}]0;x", "-c", "1", "python"],
        &["files", "work", "esc\u{1b}]0;x"],
        &["download", "work", "esc\u{1b}]0;x"],
        &["app", "work", "esc\u{1b}]0;x"],
        &["upload", "work", "esc\u{1b}]0;x"],
        &["-c", "1", "esc\u{1b}]0;x"],
        &["ls", "esc\u{1b}]0;x"],
        &["--theme", "esc\u{1b}]0;x", "-c", "1", "python"],
    ] {
        let run = sandbox.run(arguments);
        assert_ne!(run.code, Some(0), "{arguments:?}");
        let (_, after) = run
            .stderr
            .split_once("esc<U+001B>]0;x")
            .unwrap_or_else(|| panic!("{arguments:?}: {}", run.stderr));
        assert!(after.trim().len() > 3, "{arguments:?}: {}", run.stderr);
        assert!(!run.stderr.contains('\u{1b}'), "{arguments:?}: {}", run.stderr);
    }
}
