//! The Python environment with pictures, tables and Jupyter kernels, in which some tests run.

use super::leave_out;
use std::process::Command;
use std::sync::OnceLock;

/// Its folder; the script beside this file makes it where it is not there yet. `None` where that cannot be done, for example
/// without a network: then the test that asks has to return, and is left out.
#[track_caller]
pub fn furnished() -> Option<&'static str> {
    static FURNISHED: OnceLock<Option<String>> = OnceLock::new();
    let folder = FURNISHED.get_or_init(|| furnished_with(&[]));
    if folder.is_none() {
        leave_out("Python's matplotlib, pandas, jedi, ipykernel and bash_kernel");
    }
    folder.as_deref()
}

/// The same with more packages, for the benches. `None` where it cannot be made.
pub fn furnished_with(packages: &[&str]) -> Option<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/furnish");
    let output =
        Command::new(script).args(packages).output().unwrap_or_else(|error| panic!("{script}: {error}"));
    if !output.status.success() {
        println!("{script}: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
}
