//! The path of the binary under test.

use std::path::PathBuf;
use std::sync::LazyLock;

/// Returns the path of `bai-repl`. Cargo passes it to the tests and benchmarks of the package that builds it. A test
/// program that was started by hand finds it in the parent of its own folder.
pub fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        let path =
            std::env::var_os("CARGO_BIN_EXE_bai-repl").map_or_else(next_to_test_program, PathBuf::from);
        assert!(path.is_file(), "{} is not there: build it first", path.display());
        path.into_os_string().into_string().unwrap()
    });
    &BINARY
}

/// Test programs are in `target/<profile>/deps`.
fn next_to_test_program() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().with_file_name("bai-repl")
}
