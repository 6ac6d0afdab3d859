//! What the program makes for itself is closed to other users, whatever the umask.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox, binary, need};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A sandbox with a temporary folder of its own, and a command for the binary under the umask that protects least.
fn open_to_all(sandbox: &mut Sandbox, arguments: &[&str]) -> Command {
    let temporary = sandbox.home().join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    sandbox.set("TMPDIR", temporary.to_str().unwrap());
    let mut command = sandbox.program("sh");
    command.args(["-c", "umask 000; exec \"$0\" \"$@\"", binary()]).args(arguments);
    command
}

fn stdout(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// All files and folders below a folder that other users can access by their own modes.
fn open_below(folder: &Path) -> Vec<PathBuf> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let metadata = entry.metadata().unwrap();
        if metadata.permissions().mode() & 0o077 != 0 {
            open.push(entry.path());
        } else if metadata.is_dir() {
            open.extend(open_below(&entry.path()));
        }
    }
    open
}

/// Whether these are the modes of closed folders.
fn is_closed(modes: &str) -> bool {
    !modes.is_empty() && modes.lines().all(|line| line.starts_with("700 "))
}

#[test]
fn scratch_folders_are_closed() {
    let mut sandbox = Sandbox::new();
    sandbox.write("main.py", "");
    let modes = "stat -c '%a %n' \"$TMPDIR\"/*";
    let shown = stdout(open_to_all(&mut sandbox, &["-q", "run", "python", "main.py", "--exec", modes]));
    assert!(is_closed(&shown), "{shown}");
    if !need("gcc") {
        return;
    }
    let code = "#include <stdlib.h>\nint main(void) { return system(\"stat -c '%a %n' $TMPDIR/*\"); }";
    let shown = stdout(open_to_all(&mut sandbox, &["-q", "-c", code, "gcc"]));
    assert!(is_closed(&shown), "{shown}");
}

#[test]
fn state_and_caches_are_closed() {
    let mut sandbox = Sandbox::new();
    // A prompt leaves the history and the terminal's answers.
    let script = "umask 000; exec \"$0\" python";
    let terminal = FakeTerminal::start_command(sandbox.in_terminal(&["sh", "-c", script, binary()]), 24, 80);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("1");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
    for arguments in [&["-v", "-q", "-t", "work", "-c", "1", "python"][..], &["ls"], &["images"]] {
        stdout(open_to_all(&mut sandbox, arguments));
    }
    assert!(sandbox.home().join(".cache/bai-repl/terminals").exists());
    for folder in [".local/state", ".cache"] {
        let folder = sandbox.home().join(folder);
        assert!(folder.join("bai-repl").is_dir());
        assert_eq!(open_below(&folder), [] as [PathBuf; 0]);
    }
}
