//! The Python environment with plotting, tables and Jupyter kernels that some tests need.

use super::leave_out;
use std::process::Command;
use std::sync::OnceLock;

/// Returns its folder. The script in this folder creates the environment if it is missing. `None` if that fails, for
/// example without a network; then the test must return and is left out.
#[track_caller]
pub fn test_venv() -> Option<&'static str> {
    static FOLDER: OnceLock<Option<String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| test_venv_with(&[]));
    if folder.is_none() {
        leave_out("Python's matplotlib, pandas, jedi, ipykernel and bash_kernel");
    }
    folder.as_deref()
}

/// Returns the folder of an environment with more packages, for benchmarks. `None` if it cannot be created.
pub fn test_venv_with(packages: &[&str]) -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/make-test-venv");
    let output =
        Command::new(script).args(packages).output().unwrap_or_else(|error| panic!("{script}: {error}"));
    if !output.status.success() {
        println!("{script}: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}
