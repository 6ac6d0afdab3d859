//! `--with`: the files that a script needs.

use super::daemon::ProxiedEngine;
use bai_testkit::Sandbox;
use std::path::PathBuf;

const WITH: &[&str] = &["--with", "helper.py", "--with", "data", "python", "s.py", "x"];
const PRINTED: &str = "help 1,2 ['x']\n";

fn in_folder(sandbox: &Sandbox, folder: &str, name: &str, content: &str) -> PathBuf {
    let folder = sandbox.work().join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), content).unwrap();
    folder
}

fn write_files(sandbox: &Sandbox) {
    sandbox.write("s.py", "import helper, sys\nprint(helper.name, open('data/a.csv').read(), sys.argv[1:])");
    sandbox.write("helper.py", "name = 'help'");
    in_folder(sandbox, "data", "a.csv", "1,2");
}

#[test]
fn the_files_of_a_script_are_found_where_its_session_works() {
    let sandbox = Sandbox::new();
    write_files(&sandbox);
    sandbox.run(&[&["-q"], WITH].concat()).expect(0, PRINTED);
    let named = ["-q", "-t", "work"];
    sandbox.run(&[&named, WITH].concat()).expect(0, PRINTED);
    let list = "import os; print(sorted(name for name in os.listdir() if name[0] != '_'))";
    sandbox.run(&[&named[..], &["-c", list, "python"]].concat()).expect(0, "['data', 'helper.py']\n");
    sandbox
        .run(&["-q", "-c", "print(open('helper.py').read())", "--with", "helper.py", "python"])
        .expect(0, "name = 'help'\n");
}

#[test]
fn the_files_of_a_script_are_uploaded_to_a_server_that_runs_no_scripts() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("scripts");
    write_files(sandbox);
    sandbox.run(&[&["-q"], WITH].concat()).expect(0, PRINTED);
    // A script that lies elsewhere has its files beside it.
    in_folder(sandbox, "far", "s.py", "import helper\nprint(helper.name)");
    in_folder(sandbox, "far", "helper.py", "name = 'far'");
    let near = in_folder(sandbox, "near", "empty", "");
    let mut command = sandbox.command(&["-q", "--with", "../far/helper.py", "python", "../far/s.py"]);
    let output = command.current_dir(near).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "far\n", "{output:?}");
}

#[test]
fn a_file_that_the_session_has_changed_is_not_replaced() {
    let ProxiedEngine { sandbox, .. } = &ProxiedEngine::new();
    sandbox.write("n.txt", "1");
    let print = ["-q", "-t", "work", "--with", "n.txt", "-c", "print(open('n.txt').read())", "python"];
    sandbox.run(&print).expect(0, "1\n");
    sandbox.write("n.txt", "2");
    sandbox.run(&print).expect(0, "2\n");
    sandbox.run(&["-q", "-t", "work", "-c", "open('n.txt', 'w').write('own')", "python"]).expect(0, "");
    let refused = sandbox.run(&print);
    refused.expect(122, "");
    assert!(refused.stderr.contains("n.txt already exists"), "{}", refused.stderr);
    assert!(refused.stderr.contains("bai-repl upload --force work FILE"), "{}", refused.stderr);
}

#[test]
fn files_without_a_script_or_outside_of_its_folder_are_refused() {
    let sandbox = Sandbox::new();
    let folder = in_folder(&sandbox, "folder", "s.py", "print(1)");
    sandbox.write("outside.py", "");
    for (words, sentence) in [
        (&["--with", "missing", "python", "s.py"][..], "cannot read missing"),
        (&["--with", "../outside.py", "python", "s.py"], "../outside.py is not in the folder"),
        (&["attach", "x", "--with", "s.py"], "--with"),
    ] {
        let output = sandbox.command(words).current_dir(&folder).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]), "{stderr}");
        assert!(stderr.contains(sentence), "{stderr}");
    }
}
