//! Limits of the machine: the message names the limit and what to do, and the exit code tells that this program failed.

use bai_testkit::{Sandbox, as_another_user, binary, leave_out, need};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// Runs the binary with these limits.
fn limited(sandbox: &Sandbox, limits: &str, arguments: &[&str]) -> Output {
    let script = format!("ulimit {limits} && exec \"$0\" \"$@\"");
    let mut command = sandbox.program("sh");
    command.args(["-c", &script, binary()]).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn too_few_open_files_are_named() {
    let sandbox = Sandbox::new();
    let code = ["-c", "print(6 * 7)", "python"];
    for limits in ["-n 12", "-n 18", "-n 24"] {
        let output = limited(&sandbox, limits, &code);
        let said = said(&output);
        assert!(
            said.contains("may not have more files open") && said.contains("ulimit -n"),
            "{limits}: {said}"
        );
        assert!(matches!(output.status.code(), Some(1 | 125 | 127)), "{limits}: {output:?}");
        assert!(!said.contains("installed") && !said.contains("CPython"), "{limits}: {said}");
    }
    // A limit that the user may raise is raised.
    for limits in ["-n 40", "-Sn 10"] {
        let output = limited(&sandbox, limits, &code);
        assert_eq!(
            (output.status.code(), &output.stdout[..]),
            (Some(0), &b"42\n"[..]),
            "{limits}: {output:?}"
        );
    }
}

/// A copy of the program in a folder that every user may use.
fn copy_for_others() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o1777)).unwrap();
    let program = folder.path().join("bai-repl");
    std::fs::copy(binary(), &program).unwrap();
    (folder, program)
}

/// A shell of another user, whose home this folder is. The interpreters are those of the system.
fn bash_of_another_user(home: &TempDir) -> Option<Command> {
    let mut command = as_another_user("bash")?;
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home.path()).current_dir(home.path());
    Some(command)
}

#[test]
fn too_few_processes_are_no_bug_of_this_program() {
    let (folder, program) = copy_for_others();
    for count in [1, 2, 3, 5] {
        let Some(mut command) = bash_of_another_user(&folder) else { return };
        let script = format!("ulimit -u {count} && exec \"$0\" \"$@\"");
        command.args(["-c", &script]).arg(&program).args(["-c", "print(1)", "python"]);
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = said(&output);
        assert!(
            said.contains("may not have more processes") && said.contains("ulimit -u"),
            "{count}: {said}"
        );
        assert!(!said.contains("bug") && !said.contains("panicked"), "{count}: {said}");
        assert!(matches!(output.status.code(), Some(1 | 125 | 127)), "{count}: {output:?}");
    }
}

#[test]
fn a_background_engine_says_that_there_are_too_few_processes() {
    let (folder, program) = copy_for_others();
    for count in [5, 6, 7, 8, 9, 10] {
        let Some(mut command) = bash_of_another_user(&folder) else { return };
        let script = format!(
            "(ulimit -u {count} && exec \"$0\" -t work -c 'print(1)' python); code=$?; \"$0\" serve --stop >&2; exit $code"
        );
        let output = command.args(["-c", &script]).arg(&program).stdin(Stdio::null()).output().unwrap();
        let said = said(&output);
        assert!(
            said.contains("may not have more processes") && said.contains("ulimit -u"),
            "{count}: {said}"
        );
        assert!(!said.contains("ended at once") && !said.contains("panicked"), "{count}: {said}");
        assert!(matches!(output.status.code(), Some(1 | 121 | 125 | 127)), "{count}: {output:?}");
    }
}

#[test]
fn a_file_that_may_not_become_larger_is_an_error_and_leaves_no_part() {
    let sandbox = Sandbox::new();
    let input = sandbox
        .run_with_stdin(&["-q", "-t", "work", "-c", "open('large', 'w').write('x' * 300000)", "python"], b"");
    input.expect_code(0);
    // In blocks of 512 bytes.
    let output = limited(&sandbox, "-f 100", &["download", "work", "large"]);
    assert!(said(&output).contains("files may not become larger"), "{}", said(&output));
    assert_eq!(output.status.code(), Some(1));
    let left: Vec<_> =
        std::fs::read_dir(sandbox.work()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    sandbox.run(&["rm", "work"]).expect_code(0);
}

#[test]
fn a_background_engine_says_that_the_disk_is_full() {
    let sandbox = Sandbox::new();
    let script =
        "head -c 100000 /dev/zero >\"$0/full\" 2>/dev/null; exec \"$1\" -t work -c 'print(1)' python";
    let Some(output) = on_a_small_disk(&sandbox, "64k", script) else { return };
    let said = said(&output);
    assert!(
        said.contains("the background engine cannot be started") && said.contains("the disk is full"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(121));
}

/// Runs a shell script whose state folder, `$0`, is on a disk of its own of this size; `$1` is the program. `None` where that is
/// not possible; then the test is left out.
pub fn on_a_small_disk(sandbox: &Sandbox, size: &str, script: &str) -> Option<Output> {
    if !need("unshare") || !need("mount") {
        return None;
    }
    let state = sandbox.home().join(".local/state");
    std::fs::create_dir_all(&state).unwrap();
    let script = format!("mount -t tmpfs -o size={size} none \"$0\" || exit 77\n{script}");
    let mut command = sandbox.program("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(&state).arg(binary());
    let output = command.stdin(Stdio::null()).output().unwrap();
    if output.status.code() == Some(77) || said(&output).contains("unshare") {
        leave_out("the right to mount");
        return None;
    }
    Some(output)
}
