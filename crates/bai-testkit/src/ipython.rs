//! Python environments with an old and with the current IPython.

use super::leave_out;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// CPython, and what is installed in its environment.
const OLD: (&str, &[&str]) = ("3.6", &["ipykernel==5.5.6", "ipython==7.16.3"]);
const NEW: (&str, &[&str]) = ("3.13", &["ipykernel"]);
/// Any other version, where the current one is missing.
const ANY: (&str, &[&str]) = ("3", &["ipykernel"]);

/// The folders of the environments: IPython 7 on CPython 3.6, and the current one. They are made under `target` where they are not
/// there yet. One whose CPython is missing, or cannot get its packages, is left out.
#[track_caller]
pub fn ipython_environments() -> Vec<PathBuf> {
    let new = if interpreter(NEW.0).is_some() { NEW } else { ANY };
    [OLD, new].into_iter().filter_map(environment).collect()
}

#[track_caller]
fn environment((version, packages): (&str, &[&str])) -> Option<PathBuf> {
    let Some(python) = interpreter(version) else {
        leave_out(&format!("CPython {version}"));
        return None;
    };
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target").canonicalize().unwrap();
    // Other test processes may want it at the same time.
    let lock = std::fs::File::create(target.join(format!("test-ipython-{version}.lock"))).unwrap();
    lock.lock().unwrap();
    let venv = target.join(format!("test-ipython-{version}"));
    let inside = venv.join("bin/python");
    let has_all = Command::new(&inside).args(["-c", "import ipykernel"]).stderr(Stdio::null()).status();
    if !has_all.is_ok_and(|status| status.success()) {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        let is_made = succeeds(Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv))
            && succeeds(Command::new(&inside).args(pip).args(packages));
        if !is_made {
            leave_out(&format!("IPython for CPython {version}"));
            return None;
        }
    }
    Some(venv)
}

/// CPython of this version, in `PATH` or among pyenv's.
fn interpreter(version: &str) -> Option<PathBuf> {
    let name = format!("python{version}");
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let of_pyenv = pyenv.map(|folder| folder.path().join("bin").join(&name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(&name)).collect::<Vec<_>>();
    of_pyenv.chain(in_path).find(|python| {
        let asked = Command::new(python).args(["-c", "import venv"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    })
}

fn succeeds(command: &mut Command) -> bool {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    print!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}
