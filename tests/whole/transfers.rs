//! Files that change, cannot be read, or are there already while they are copied: what can travel travels, the rest is named at
//! the end, and a transfer that was cut goes on.

use super::limits::on_a_small_disk;
use bai_testkit::{Sandbox, binary};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const UNREADABLE: &str = "its permissions do not allow to read it";

/// The names in a folder, sorted, with the hidden ones.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_that_grows_arrives_as_it_was_and_the_others_too() {
    let sandbox = Sandbox::new();
    let start = "import os, subprocess, sys\nos.mkdir('out')\n_ = open('out/z.txt', 'w').write('last')\n\
                 _ = open('out/log', 'w').write('0123456789abcde\\n' * 100000)\n\
                 grow = \"import os\\nlog = open('out/log', 'a')\\nwhile not os.path.exists('stop'):\\n    \
                 log.write('0123456789abcde\\\\n'); log.flush()\"\n\
                 growing = subprocess.Popen([sys.executable, '-c', grow])";
    sandbox.run(&["-q", "-t", "work", "-c", start, "python"]).expect(0, "");
    for to in ["one", "two"] {
        let got = sandbox.run(&["download", "work", "out", "--to", to]);
        assert_eq!(got.code, Some(0), "{}", got.stderr);
        let folder = sandbox.work().join(to).join("out");
        assert_eq!(names(&folder), ["log", "z.txt"]);
        let log = std::fs::read(folder.join("log")).unwrap();
        assert!(log.len() >= 1_600_000, "{}", log.len());
        assert!(log.chunks(16).all(|line| b"0123456789abcde\n".starts_with(line)));
    }
    let stop = "open('stop', 'w').close(); growing.wait(); print(os.path.exists('.bai-repl'))";
    sandbox.run(&["-q", "-t", "work", "-c", stop, "python"]).expect(0, "False\n");
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_travel() {
    let Some(sandbox) = Sandbox::of_another_user() else { return };
    let make = "mkdir -p out/closed; echo a > out/a; echo secret > out/b; echo z > out/z; head -c 1500000 /dev/zero > out/large; \
                cp out/large out/shut; echo hidden > out/closed/file; chmod 000 out/b out/shut out/closed";
    sandbox.run(&["-q", "-t", "work", "-c", make, "bash"]).expect(0, "");
    let got = sandbox.run(&["download", "work", "out"]);
    assert_eq!(got.code, Some(1), "{}", got.stderr);
    let out = sandbox.work().join("out");
    assert_eq!(names(&out), ["a", "closed", "large", "z"]);
    for name in ["out/b", "out/shut", "out/closed"] {
        let line = got.stderr.lines().find(|line| line.contains(&format!("{name} is left out: ")));
        assert!(line.is_some_and(|line| line.contains(UNREADABLE)), "{name}: {}", got.stderr);
    }
    assert!(got.stderr.contains("3 files"), "{}", got.stderr);
    let alone = sandbox.run(&["download", "work", "out/b", "--to", "alone"]);
    assert!(alone.code == Some(122) && alone.stderr.contains("out/b: Permission denied"), "{alone:?}");
    let alone = sandbox.run(&["download", "work", "out/b", "--to", "-"]);
    assert!(alone.code == Some(122) && alone.stderr.contains("Permission denied"), "{alone:?}");

    // The other direction.
    let closed = sandbox.program("sh").args(["-c", "echo no > out/no; chmod 000 out/no out/closed"]).status();
    assert!(closed.unwrap().success());
    let sent = sandbox.run(&["upload", "work", "out", "--to", "up"]);
    assert_eq!(sent.code, Some(1), "{}", sent.stderr);
    for name in ["out/no", "out/closed"] {
        assert!(sent.stderr.contains(&format!("{name} is left out: {UNREADABLE}")), "{}", sent.stderr);
    }
    sandbox.run(&["-q", "-t", "work", "-c", "ls -A up/out", "bash"]).expect(0, "a\nlarge\nz\n");
    let there = sandbox.run(&["upload", "work", "out/no"]);
    assert!(there.code == Some(1) && there.stderr.contains("Permission denied"), "{there:?}");
}

#[test]
fn a_session_with_closed_folders_is_destroyed_with_its_files() {
    let Some(sandbox) = Sandbox::of_another_user() else { return };
    let make =
        "mkdir -p a/b c/d; echo x > a/b/f; echo x > c/d/f; chmod 555 a a/b; chmod 000 c/d c; ln -s /tmp link";
    for lost in [false, true] {
        sandbox.run(&["-q", "-t", "work", "-c", make, "bash"]).expect(0, "");
        if lost {
            sandbox.run(&["serve", "--stop"]).expect_code(0);
        }
        sandbox.run(&["rm", "work"]).expect_code(0);
        sandbox.run(&["serve", "--stop"]).expect_code(0);
        let listed = sandbox.run(&["ls", "--all"]);
        assert!(!listed.stdout.contains("LOST"), "{listed:?}");
    }
    let left = sandbox.home().join(".local/state/bai-repl/engine/sessions");
    assert_eq!(names(&left), [""; 0]);
}

#[test]
fn files_that_cannot_be_removed_are_said_and_the_session_keeps_its_name() {
    let Some(sandbox) = Sandbox::of_another_user() else { return };
    sandbox.run(&["-q", "-t", "work", "-c", "pwd; mkdir closed; chmod 555 closed", "bash"]).expect_code(0);
    sandbox.write("file", "x");
    let refused = sandbox.run(&["upload", "work", "file", "--to", "closed"]);
    assert_eq!(refused.code, Some(122), "{refused:?}");
    assert!(refused.stderr.contains("closed/file: Permission denied") && !refused.stderr.contains(".upload"));
    let sessions = sandbox.home().join(".local/state/bai-repl/engine/sessions");
    let id = names(&sessions).into_iter().find(|name| !name.ends_with(".json")).unwrap();
    // This test is root.
    let foreign = sessions.join(id).join("foreign");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("file"), "x").unwrap();
    for _ in 0..2 {
        let refused = sandbox.run(&["rm", "work"]);
        assert!(refused.code == Some(1), "{refused:?}");
        assert!(refused.stderr.contains("foreign belongs to another user"), "{refused:?}");
        sandbox.run(&["serve", "--stop"]).expect_code(0);
        let listed = sandbox.run(&["ls"]);
        assert!(listed.stdout.contains("work  LOST"), "{listed:?}");
    }
    std::fs::remove_dir_all(&foreign).unwrap();
    sandbox.run(&["rm", "work"]).expect_code(0);
    assert_eq!(names(&sessions), [""; 0]);
}

#[test]
fn a_full_disk_holds_back_no_download_and_takes_no_name() {
    let sandbox = Sandbox::new();
    let script = "set -e\n\
                  \"$1\" -q -t work -c \"_ = open('large', 'w').write('x' * 3000000)\" python\n\
                  for file in \"$0\"/bai-repl; do head -c 9000000 /dev/zero > \"$0/full\" 2>/dev/null || true; done\n\
                  \"$1\" -q download work large --to got\n\
                  test $(wc -c < got/large) = 3000000; echo got\n\
                  if \"$1\" rename work other; then exit 3; fi\n\
                  if \"$1\" -q -t third -c 1 python; then exit 4; fi\n\
                  \"$1\" -q ls\n\
                  rm \"$0/full\"; \"$1\" rename work other; \"$1\" serve --stop; \"$1\" -q ls";
    let Some(output) = on_a_small_disk(&sandbox, "4m", script) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{listed}{said}");
    assert_eq!(said.matches("the disk is full").count(), 2, "{said}");
    assert!(
        listed.contains("got\n") && listed.contains("work  RUNNING") && !listed.contains("third"),
        "{listed}"
    );
    assert!(listed.contains("other  LOST"), "{listed}");
}

#[test]
fn a_transfer_that_was_cut_goes_on_without_force() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    let folder = sandbox.work().join("data");
    std::fs::create_dir_all(folder.join("sub")).unwrap();
    let large = vec![b'x'; 1_500_000];
    for (name, content) in [("a", &b"first"[..]), ("sub/large", &large), ("z", b"last")] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    sandbox.run(&["upload", "work", "data"]).expect_code(0);
    // As if it had been cut: some files are missing.
    sandbox.run(&["-q", "-t", "work", "-c", "import os; os.remove('data/z')", "python"]).expect(0, "");
    let again = sandbox.run(&["upload", "work", "data"]);
    assert!(again.code == Some(0) && again.stderr.contains("3 files"), "{again:?}");
    sandbox.run(&["download", "work", "data", "--to", "back"]).expect_code(0);
    std::fs::remove_file(sandbox.work().join("back/data/sub/large")).unwrap();
    let again = sandbox.run(&["download", "work", "data", "--to", "back"]);
    assert!(again.code == Some(0) && again.stderr.contains("3 files"), "{again:?}");
    assert_eq!(std::fs::read(sandbox.work().join("back/data/sub/large")).unwrap(), large);
    // A file of another content stays, and is named.
    let differing = sandbox.write("back/data/a", "fIrst");
    for words in [["download", "work", "data", "--to", "back"], ["upload", "work", "back/data", "--to", "."]]
    {
        let refused = sandbox.run(&words);
        assert!(refused.code == Some(122) && refused.stderr.contains("data/a already exists"), "{refused:?}");
    }
    assert_eq!(std::fs::read(differing).unwrap(), b"fIrst");
}

#[test]
fn equal_uploads_at_the_same_time_all_arrive() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    sandbox.write("large", vec![b'x'; 6_500_000]);
    let all = [(); 3].map(|()| sandbox.command(&["upload", "-f", "work", "large"]).spawn().unwrap());
    for one in all {
        let ended = one.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let look = "import os; print(os.path.getsize('large'), os.listdir())";
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "6500000 ['large']\n");
}

#[test]
fn files_of_a_lost_session_are_listed_and_downloaded() {
    let sandbox = Sandbox::new();
    let make = "import os\nos.mkdir('out')\n_ = open('out/large', 'w').write('x' * 1500000)\n\
                _ = open('out/small', 'w').write('s')\nos.symlink('small', 'out/link')";
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect(0, "");
    let listed = |key: &str| {
        let listed = sandbox.run(&["--json", "ls"]);
        serde_json::from_str::<serde_json::Value>(&listed.stdout).unwrap()[key].clone()
    };
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    let ended = listed("ended");
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    assert!(ended.is_string() && listed("status") == "LOST");
    assert_eq!(listed("ended"), ended);
    let listed = sandbox.run(&["files", "work", "out"]);
    assert!(listed.code == Some(0) && listed.stdout.contains("large"), "{listed:?}");
    sandbox.run(&["download", "work", "out"]).expect_code(0);
    let out = sandbox.work().join("out");
    assert_eq!(names(&out), ["large", "link", "small"]);
    assert_eq!(std::fs::metadata(out.join("large")).unwrap().len(), 1_500_000);
    assert_eq!(std::fs::read_link(out.join("link")).unwrap(), Path::new("small"));
    sandbox.run(&["download", "work", "out/small", "--to", "-"]).expect(0, "s");
    let sent = sandbox.run(&["upload", "work", "out/small"]);
    assert!(sent.code == Some(123) && sent.stderr.contains("was lost"), "{sent:?}");
    assert_eq!(out.join("small").metadata().unwrap().permissions().mode() & 0o111, 0);
}

#[test]
fn an_upload_replaces_no_file_that_is_made_meanwhile() {
    let sandbox = Sandbox::new();
    let start = "import subprocess, sys\nwatch = \"import os\\nwhile not os.path.exists('.bai-repl'): pass\\n\
                 open('large', 'w').write('results of today')\"\nwatching = subprocess.Popen([sys.executable, '-c', watch])";
    sandbox.run(&["-q", "-t", "work", "-c", start, "python"]).expect(0, "");
    sandbox.write("large", vec![b'x'; 20_000_000]);
    let refused = sandbox.run(&["upload", "work", "large"]);
    assert!(refused.code == Some(122) && refused.stderr.contains("large already exists"), "{refused:?}");
    let look = "import os; print(open('large').read(), os.listdir())";
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "results of today ['large']\n");
}

#[test]
fn of_two_uploads_to_one_name_at_the_same_time_one_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    for size in [10, 3_000_000] {
        let all = ["a", "b"].map(|letter| {
            let folder = format!("{letter}{size}");
            std::fs::create_dir(sandbox.work().join(&folder)).unwrap();
            let file = sandbox.write(&format!("{folder}/f{size}"), letter.repeat(size));
            sandbox.command(&["upload", "work", file.to_str().unwrap()]).spawn().unwrap()
        });
        let mut codes = all.map(|one| one.wait_with_output().unwrap().status.code());
        codes.sort();
        assert_eq!(codes, [Some(0), Some(122)], "{size}");
    }
}

#[test]
fn a_private_file_stays_private_on_both_ways() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let look = "import os; print(*[oct(os.stat(f).st_mode)[-3:] for f in sorted(os.listdir())])";
    let files =
        [("large", 2_000_000), ("small", 5)].map(|(name, size)| sandbox.write(name, "x".repeat(size)));
    files.iter().for_each(|file| set(file, 0o600));
    sandbox.run(&["upload", "work", "large", "small"]).expect_code(0);
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "600 600\n");
    files.iter().for_each(|file| set(file, 0o755));
    // Those that are there keep their rights, but the right to execute is that of the source.
    sandbox.run(&["upload", "-f", "work", "large", "small"]).expect_code(0);
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "700 700\n");
    // The other way.
    sandbox.run(&["download", "work", "large", "small", "--to", "new"]).expect_code(0);
    let new = ["large", "small"].map(|name| sandbox.work().join("new").join(name));
    new.iter().for_each(|file| assert_eq!(mode(file), 0o700, "{file:?}"));
    let make = "import os\nfor f in os.listdir(): os.chmod(f, 0o644)\nos.mkdir('closed', 0o700); open('closed/f', 'w').close()";
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect_code(0);
    new.iter().for_each(|file| set(file, 0o600));
    sandbox.run(&["download", "-f", "work", "large", "small", "closed", "--to", "new"]).expect_code(0);
    new.iter().for_each(|file| assert_eq!(mode(file), 0o600, "{file:?}"));
    assert_eq!(mode(&sandbox.work().join("new/closed")), 0o700);
}

#[test]
fn a_download_replaces_no_folder_and_copies_nothing_then() {
    let sandbox = Sandbox::new();
    let make = "_ = [open(n, 'w').write('x' * s) for n, s in (('a', 1), ('large', 2000000), ('z', 1))]";
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect(0, "");
    let got = sandbox.work().join("got");
    for name in ["large", "z"] {
        std::fs::create_dir_all(got.join(name)).unwrap();
        let refused = sandbox.run(&["download", "-f", "work", "a", name, "--to", "got"]);
        let sentence = format!("bai-repl: cannot replace the folder got/{name} with a file\n");
        assert_eq!((refused.code, refused.stderr), (Some(122), sentence));
        assert_eq!(names(&got), [name]);
        std::fs::remove_dir(got.join(name)).unwrap();
    }
    let outside = sandbox.run(&["download", "work", "../x", "--to", "-"]);
    assert_eq!(outside.stderr, "bai-repl: ../x is outside of the session's home folder\n");
}

#[test]
fn a_private_folder_stays_private_in_the_session() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    let tree = sandbox.work().join("tree");
    std::fs::create_dir_all(tree.join("shut/deep")).unwrap();
    std::fs::create_dir_all(tree.join("open/empty")).unwrap();
    for file in ["f", "shut/deep/f", "open/f"] {
        std::fs::write(tree.join(file), "x").unwrap();
    }
    let modes = [("", 0o700), ("shut", 0o750), ("shut/deep", 0o700), ("open", 0o775), ("open/empty", 0o700)];
    for (folder, mode) in modes {
        std::fs::set_permissions(tree.join(folder), PermissionsExt::from_mode(mode)).unwrap();
    }
    let look = "import os; print(*[oct(os.stat(d).st_mode)[-3:] for d, *_ in sorted(os.walk('tree'))])";
    sandbox.run(&["upload", "work", "tree"]).expect_code(0);
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "700 755 700 750 700\n");
    // A folder that is there keeps its rights.
    let open = "import os; os.chmod('tree', 0o755); os.chmod('tree/open', 0o711)";
    sandbox.run(&["-q", "-t", "work", "-c", open, "python"]).expect_code(0);
    sandbox.run(&["upload", "-f", "work", "tree"]).expect_code(0);
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "755 711 700 750 700\n");
    let run = ["-q", "run", "python", "tree", "--exec", "stat -c %a tree tree/shut/deep"];
    sandbox.run(&run).expect(0, "700\n700\n");
    // A file in the place of a folder is not replaced.
    std::fs::create_dir(sandbox.work().join("f")).unwrap();
    let refused = sandbox.run(&["upload", "-f", "work", "f", "--to", "tree"]);
    let sentence = "cannot upload: a file is in the place of the folder tree/f";
    assert!(refused.code == Some(122) && refused.stderr.contains(sentence), "{refused:?}");
}

#[test]
fn what_cannot_be_read_is_left_out_also_if_it_is_named_and_of_a_run() {
    let Some(sandbox) = Sandbox::of_another_user() else { return };
    let make = "mkdir closed; echo a > a; echo c > c; echo f > closed/f; chmod 000 closed";
    sandbox.run(&["-q", "-t", "work", "-c", make, "bash"]).expect(0, "");
    let got = sandbox.run(&["download", "work", "a", "closed", "c"]);
    assert!(
        got.code == Some(1) && got.stderr.contains(&format!("closed is left out: {UNREADABLE}")),
        "{got:?}"
    );
    assert_eq!(std::fs::read(sandbox.work().join("c")).unwrap(), b"c\n");
    let got = sandbox.run(&["download", "work", "a", "closed/f", "c", "--to", "more"]);
    assert!(
        got.code == Some(1) && got.stderr.contains(&format!("closed/f is left out: {UNREADABLE}")),
        "{got:?}"
    );
    let alone = sandbox.run(&["download", "work", "closed"]);
    assert_eq!(alone.code, Some(123), "{alone:?}");

    let closed = sandbox.program("sh").args(["-c", "echo no > no; chmod 000 no"]).status();
    assert!(closed.unwrap().success());
    let run = sandbox.run(&["-q", "run", "bash", "a", "no", "--exec", "ls"]);
    assert!(run.code == Some(1) && run.stdout == "a\n", "{run:?}");
    assert!(run.stderr.contains(&format!("no is left out: {UNREADABLE}")), "{run:?}");
}

#[test]
fn the_beginning_of_the_name_of_a_lost_session_is_enough() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "working", "-c", "_ = open('a', 'w').write('x')", "python"]).expect(0, "");
    sandbox.run(&["serve", "--stop"]).expect_code(0);
    sandbox.run(&["download", "work", "a", "--to", "-"]).expect(0, "x");
    let refused = sandbox.run(&["rm", "work"]);
    assert!(refused.code == Some(123) && refused.stderr.contains("working begins so"), "{refused:?}");
}

#[test]
fn a_file_of_any_size_goes_to_standard_output() {
    let sandbox = Sandbox::new();
    let make = "import random\nwith open('big', 'wb') as f:\n    for i in range(70): f.write(bytes([i]) * (1 << 20))\n\
                import hashlib; print(hashlib.sha256(open('big', 'rb').read()).hexdigest())";
    let made = sandbox.run(&["-q", "-t", "work", "-c", make, "python"]);
    let script = "\"$0\" download work big --to - | sha256sum | cut -d' ' -f1; \"$0\" download work big --to - | head -c 3 | wc -c";
    let said = sandbox.program("sh").args(["-c", script]).arg(binary()).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.replace(' ', ""), format!("{}3\n", made.stdout));
}

#[test]
fn a_closed_standard_stream_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "_ = open('a', 'w').write('x')", "python"]).expect(0, "");
    let script = "\"$0\" download work a --to - >&-; echo $?; \"$0\" upload work - --to b <&-; echo $?; \
                  \"$0\" download work a --to - >/dev/null; echo $?; \"$0\" -q upload work - --to c </dev/null; echo $?";
    let said = sandbox.program("sh").args(["-c", script]).arg(binary()).output().unwrap();
    let errors = String::from_utf8(said.stderr).unwrap();
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "1\n1\n0\n0\n", "{errors}");
    assert!(
        errors.contains("standard output is closed") && errors.contains("standard input is closed"),
        "{errors}"
    );
    let look = "import os; print(sorted(os.listdir()))";
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "['a', 'c']\n");
}

#[test]
fn a_refused_download_leaves_no_part() {
    let sandbox = Sandbox::new();
    let make = "_ = open('large', 'w').write('x' * 60_000_000)";
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect(0, "");
    let script = "mkdir got; \"$0\" download work large --to got & \
                  while [ -z \"$(find got -name '.bai-repl-*.part')\" ] && kill -0 $!; do :; done; echo mine > got/large; wait $!";
    let said = sandbox.program("sh").args(["-c", script]).arg(binary()).output().unwrap();
    assert_eq!(said.status.code(), Some(122), "{}", String::from_utf8_lossy(&said.stderr));
    let got = sandbox.work().join("got");
    assert_eq!(
        (names(&got), std::fs::read(got.join("large")).unwrap()),
        (vec!["large".to_owned()], b"mine\n".to_vec())
    );
}

#[test]
fn an_upload_that_fills_the_disk_removes_its_parts() {
    let sandbox = Sandbox::new();
    sandbox.write("large", vec![b'x'; 12_000_000]);
    let script = "\"$1\" -q -t work -c 1 python || exit 3\n\
                  \"$1\" upload work large; echo $?\n\
                  find \"$0\" -name '.bai-repl*' -o -name '.upload*'\n\
                  \"$1\" serve --stop";
    let Some(output) = on_a_small_disk(&sandbox, "6m", script) else { return };
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!told.starts_with('0') && !told.contains("/."), "{told}");
    assert!(said.contains("the disk is full"), "{said}");
}

#[test]
fn a_run_replaces_the_files_of_the_last_run_and_no_others() {
    let sandbox = Sandbox::new();
    let make = "_ = open('data.csv', 'w').write('RESULTS OF TODAY')";
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect(0, "");
    sandbox.write("main.py", "print(open('data.csv').read())");
    sandbox.write("data.csv", "local");
    let words = ["-q", "run", "-t", "work", "python", "main.py", "data.csv", "--exec", "python3 main.py"];
    let refused = sandbox.run(&words);
    assert!(refused.code == Some(122) && refused.stderr.contains("data.csv already exists"), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    let look = "import os; print(os.listdir(), open('data.csv').read())";
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "['data.csv'] RESULTS OF TODAY\n");
    let forced: Vec<_> = words.into_iter().chain(["--force"]).collect();
    sandbox.run(&forced).expect(0, "local\n");
    // A file that is as the last run has left it.
    sandbox.write("data.csv", "changed");
    sandbox.run(&words).expect(0, "changed\n");
    sandbox.run(&words).expect(0, "changed\n");
    sandbox.run(&["-q", "-t", "work", "-c", make, "python"]).expect(0, "");
    let refused = sandbox.run(&words);
    assert!(refused.code == Some(122) && refused.stderr.contains("data.csv already exists"), "{refused:?}");
}

#[test]
fn a_download_into_what_is_not_a_folder_says_so() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "open('a', 'w').write('a')", "python"]).expect_code(0);
    let run = sandbox.run(&["download", "work", "a", "--to", "/dev/null"]);
    let said = "bai-repl: cannot download: a file is in the place of the folder /dev/null\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(122), said));
}
