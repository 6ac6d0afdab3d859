//! The Python environment with pictures, tables and Jupyter kernels, in which some tests run.

use std::process::Command;
use std::sync::OnceLock;

/// Its folder; the script beside this file makes it where it is not there yet.
pub fn furnished() -> &'static str {
    static FURNISHED: OnceLock<String> = OnceLock::new();
    FURNISHED.get_or_init(|| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/furnish");
        let output = Command::new(script).output().unwrap_or_else(|error| panic!("{script}: {error}"));
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    })
}
