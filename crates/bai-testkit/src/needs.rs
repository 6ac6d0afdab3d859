//! What a test needs and not every machine has. A test whose program is missing does not fail: it is left out, and the last test
//! target of the run (`tests/left_out.rs` beside) says so in one line. With `BAI_TEST_REQUIRE_ALL` in the environment it fails.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The variable that makes whatever is missing a failure.
const REQUIRE_ALL: &str = "BAI_TEST_REQUIRE_ALL";

/// Whether this program is on `PATH`. Without it the test that asks has to return: it is left out.
#[track_caller]
#[must_use]
pub fn need(program: &str) -> bool {
    let is_here = is_installed(program);
    if is_here {
        // An earlier run may have missed it.
        let _ = std::fs::remove_file(note(program));
    } else {
        leave_out(program);
    }
    is_here
}

/// Notes that something is missing which is no program on `PATH`, such as a package or a version.
#[track_caller]
pub fn leave_out(what: &str) {
    assert!(std::env::var_os(REQUIRE_ALL).is_none(), "{what} is missing, and {REQUIRE_ALL} is set");
    let note = note(what);
    std::fs::create_dir_all(note.parent().unwrap()).unwrap();
    std::fs::write(note, "").unwrap();
}

/// What the tests of this run left out, sorted; and forgets it.
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

/// One file for each thing that is missing: test programs run one after the other, their tests side by side.
fn note(what: &str) -> PathBuf {
    folder().join(what.replace('/', "-"))
}

/// Beside the test programs, `target/<profile>/left-out`.
fn folder() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().with_file_name("left-out")
}
