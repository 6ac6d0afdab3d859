//! Files of this machine that change while they are uploaded, and runs that are cut: the report tells what was sent, and what a cut run
//! has sent is in nobody's way.

use bai_testkit::{Sandbox, binary};
use std::collections::BTreeMap;

/// The events of an upload: the size of each file, by its name.
fn uploaded(lines: &str) -> BTreeMap<String, u64> {
    let of = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        (event["to"].as_str().unwrap().to_owned(), event["bytes"].as_u64().unwrap())
    };
    lines.lines().map(of).collect()
}

#[test]
fn the_report_of_an_upload_tells_what_was_sent_of_files_that_change() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    sandbox.write("large", vec![b'x'; 30_000_000]);
    for name in ["grows", "shrinks"] {
        sandbox.write(name, vec![b'x'; 500_000]);
    }
    sandbox.write("log", vec![b'x'; 2_000_000]);
    // Large files are sent first. While they are, the small files change, and the log grows all the time.
    let script = "(while [ ! -e stop ]; do echo 0123456789 >> log; done) & growing=$!\n\
                  \"$0\" --json upload work large grows shrinks log > told & sending=$!\n\
                  while [ -z \"$(find \"$HOME\" -name 'p00000004')\" ] && kill -0 $sending; do :; done\n\
                  head -c 1000 large > shrinks; head -c 9000 large >> grows; wait $sending; code=$?\n\
                  touch stop; wait $growing; exit $code";
    let said = sandbox.program("sh").args(["-c", script]).arg(binary()).output().unwrap();
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    let told = uploaded(&std::fs::read_to_string(sandbox.work().join("told")).unwrap());
    let look = "import os; print({n: os.path.getsize(n) for n in os.listdir()})";
    let there = sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).stdout.replace('\'', "\"");
    assert_eq!(told, serde_json::from_str(&there).unwrap());
    assert_eq!((told["shrinks"], told["grows"]), (1000, 500_000));
}

#[test]
fn a_large_file_that_shrinks_while_it_is_sent_is_left_out_and_the_others_arrive() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
    sandbox.write("large", vec![b'x'; 60_000_000]);
    sandbox.write("other", "other");
    let script = "\"$0\" --json upload work large other & sending=$!\n\
                  while [ -z \"$(find \"$HOME\" -name 'p00000004')\" ] && kill -0 $sending; do :; done\n\
                  head -c 1000 /dev/zero > large; wait $sending";
    let said = sandbox.program("sh").args(["-c", script]).arg(binary()).output().unwrap();
    let errors = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{errors}");
    let sentence = "large is left out: the file became shorter while it was sent";
    assert!(errors.contains(sentence), "{errors}");
    assert_eq!(uploaded(&String::from_utf8(said.stdout).unwrap()), BTreeMap::from([("other".to_owned(), 5)]));
    let look = "import os; print(os.listdir())";
    sandbox.run(&["-q", "-t", "work", "-c", look, "python"]).expect(0, "['other']\n");
}

#[test]
fn a_run_replaces_the_files_of_a_run_that_was_cut() {
    for signal in ["KILL", "INT"] {
        let sandbox = Sandbox::new();
        sandbox.run(&["-q", "-t", "work", "-c", "1", "python"]).expect_code(0);
        sandbox.write("first", vec![b'1'; 2_000_000]);
        sandbox.write("second", vec![b'2'; 60_000_000]);
        let script = "\"$0\" -q run -t work python first second --exec true & run=$!\n\
                      while [ -z \"$(find \"$HOME\" -name first)\" ] && kill -0 $run; do :; done\n\
                      kill -$1 $run; wait $run";
        // An interrupt is ignored by what a script without job control starts.
        let script = format!("set -m; {script}");
        let said = sandbox.program("bash").args(["-c", &script]).arg(binary()).arg(signal).output().unwrap();
        assert!(!said.status.success());
        sandbox.write("first", "changed");
        sandbox.write("second", "changed");
        let words = ["-q", "run", "-t", "work", "python", "first", "second", "--exec", "cat first second"];
        sandbox.run(&words).expect(0, "changedchanged");
        // A file of the session that no run has sent stays.
        sandbox
            .run(&["-q", "-t", "work", "-c", "_ = open('first', 'w').write('mine')", "python"])
            .expect(0, "");
        let refused = sandbox.run(&words);
        assert!(refused.code == Some(122) && refused.stderr.contains("first already exists"), "{refused:?}");
    }
}
