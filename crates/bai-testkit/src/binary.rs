//! Where the binary under test is.

use std::path::PathBuf;
use std::sync::LazyLock;

/// The path of `bai-repl`, as text. Cargo tells it to the tests and benches of the package that makes it; a test program that was
/// started by hand finds it in the folder above its own.
pub fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        let path = std::env::var_os("CARGO_BIN_EXE_bai-repl").map_or_else(beside_the_test, PathBuf::from);
        assert!(path.is_file(), "{} is not there: build it first", path.display());
        path.into_os_string().into_string().unwrap()
    });
    &BINARY
}

/// Test programs are in `target/<profile>/deps`.
fn beside_the_test() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().with_file_name("bai-repl")
}
