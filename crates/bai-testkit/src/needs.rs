//! The requirements of tests that not every machine meets. A test whose program is missing does not fail but is left
//! out. The last test target of the run (`tests/left_out.rs`) reports it in one line. With `BAI_TEST_REQUIRE_ALL` in
//! the environment such a test fails.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The environment variable that turns a missing requirement into a failure.
const REQUIRE_ALL: &str = "BAI_TEST_REQUIRE_ALL";

/// Whether this program is on `PATH`. If not, the test must return; it is left out.
#[track_caller]
#[must_use]
pub fn need(program: &str) -> bool {
    need_one_of(program, &[program])
}

/// Whether one of several programs that can do something is installed; `what` names it in the line at the end.
#[track_caller]
#[must_use]
pub fn need_one_of(what: &str, programs: &[&str]) -> bool {
    let is_here = programs.iter().any(|program| is_installed(program));
    if is_here {
        // Removes the note of an earlier run.
        let _ = std::fs::remove_file(note(what));
    } else {
        leave_out(what);
    }
    is_here
}

/// A command that runs `program` as another user of this machine, `nobody` on most. `None` without the rights of root or
/// without setpriv; then the test must return and is left out.
#[track_caller]
#[must_use]
pub fn as_another_user(program: &str) -> Option<Command> {
    const NOBODY: &str = "65534";
    if !need("setpriv") {
        return None;
    }
    if !nix::unistd::geteuid().is_root() {
        leave_out("the rights of root");
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program]);
    Some(command)
}

/// Records a missing requirement that is not a program on `PATH`, such as a package or a version.
#[track_caller]
pub fn leave_out(what: &str) {
    assert!(std::env::var_os(REQUIRE_ALL).is_none(), "{what} is missing, and {REQUIRE_ALL} is set");
    let note = note(what);
    std::fs::create_dir_all(note.parent().unwrap()).unwrap();
    std::fs::write(note, "").unwrap();
}

/// Returns what the tests of this run have left out, sorted, and deletes the notes.
pub fn take_left_out() -> Vec<String> {
    let notes = std::fs::read_dir(folder()).into_iter().flatten().flatten();
    let mut missing: Vec<String> = notes
        .map(|note| {
            std::fs::remove_file(note.path()).unwrap();
            note.file_name().into_string().unwrap()
        })
        .collect();
    missing.sort();
    missing
}

fn is_installed(program: &str) -> bool {
    let is_executable = |path: &Path| {
        path.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| is_executable(&folder.join(program)))
}

/// The path of a note. There is one file for each missing requirement, because tests run in parallel and in several
/// processes.
fn note(what: &str) -> PathBuf {
    folder().join(what.replace('/', "-"))
}

/// The folder of the notes, next to the test programs: `target/<profile>/left-out`.
fn folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().with_file_name("left-out")
}
