//! SQLite as a language of the runner. The persistent process is a Python with our driver, not the `sqlite3` program.
//! That program takes its commands from standard input; it answers no request while a query runs, and it does not
//! report the end of a query. The module `sqlite3` of Python's standard library is on nearly every machine, and it can
//! stop a query from another thread. To link the library into our own binary would need a C compiler in every build.

use super::batch;
use super::drivers;
use super::error::StartError;
use super::image::ImageName;
use super::language::{FoundImage, Heuristic, Invocation, Language, Launch, Resolved};
use super::python_search::{Search, Version};
use super::scripted::{find, find_all};
use super::search_paths::SearchPaths;
use super::tool::FoundTool;
use super::wire::Dialect;
use bai_protocol::language as table;
use std::ffi::OsString;
use std::path::Path;

/// SQLite 3.
pub(super) struct Sqlite;

/// Prints the version of the library, not of Python.
const ASK: &[&str] = &["-I", "-c", "import sqlite3; print(sqlite3.sqlite_version)"];
/// The oldest Python on which the driver runs.
const OLDEST: Version = Version { major: 3, minor: 7, patch: 0 };

/// The library of each Python, the user's default first. Each Python is asked when it is its turn.
fn found(search_paths: &SearchPaths) -> impl Iterator<Item = FoundTool> {
    let search = Search::new(search_paths);
    let default = search.best(None).ok();
    let pythons = default.into_iter().chain(std::iter::once_with(move || search.all()).flatten());
    let fitting = pythons.filter(|python| python.version >= OLDEST);
    fitting.filter_map(|python| FoundTool::probe(python.executable, python.origin, ASK))
}

/// Reads the driver up to a NUL from the control pipe, as Python's own loader does.
pub(super) const LOADER: &str = "import os,sys
d=b''
while d[-1:]!=b'\\0':
 c=os.read(int(sys.argv[1]),65536)
 if not c: os._exit(1)
 d+=c
exec(compile(d[:-1].decode(),'<bai-repl driver>','exec'))";

impl Language for Sqlite {
    fn name(&self) -> &'static str {
        table::SQLITE.name
    }

    fn find(&'static self, image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError> {
        let install = "install one, for example with `apt install python3`";
        let title = "a Python 3.7 or later with its module sqlite3";
        Ok(Resolved { language: self, info: find(self.name(), title, install, found(search_paths), image)? })
    }

    fn find_all(&self, search_paths: &SearchPaths) -> Vec<FoundImage> {
        find_all(self.name(), found(search_paths))
    }

    fn init(&self, _executable: &Path, pipes: [i32; 3]) -> Option<Launch> {
        let mut args: Vec<OsString> = ["-I", "-c", LOADER].map(OsString::from).into();
        args.extend(pipes.iter().map(|number| number.to_string().into()));
        Some(Launch {
            args,
            default_env: &[],
            first_in: Vec::new(),
            remove_env: &[],
            source: drivers::SQLITE.to_owned(),
            dialect: Dialect::Json,
            stdin: true,
            wake: None,
        })
    }

    fn build_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        batch::build(&table::SQLITE, executable, workdir)
    }

    /// Our driver runs the program, where the rule has `sqlite3`.
    fn execute_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        if workdir.join("main.sql").exists() {
            return Heuristic::Run(Invocation::new(executable, &["-I", "-c", drivers::SQLITE, "main.sql"]));
        }
        batch::execute(&table::SQLITE, executable, workdir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_pythons_of_pyenv_are_found_without_its_shims() {
        let home = tempfile::tempdir().unwrap();
        let python = super::super::resolve("python").unwrap().info().executable.clone();
        // Another process writes the shim: a child that our process forks in the meantime would hold it open for
        // writing.
        let script = "mkdir -p .pyenv/shims .pyenv/versions/3.99.0/bin; ln -s $0 .pyenv/versions/3.99.0/bin/python\n\
                      cd .pyenv/shims; printf '#!/bin/sh\\ntouch $0.asked\\n' >python3; chmod +x python3; ln python3 python3.99";
        let made =
            Command::new("sh").args(["-c", script]).arg(python).current_dir(home.path()).status().unwrap();
        assert!(made.success());
        let shims = home.path().join(".pyenv/shims");
        let search_paths =
            SearchPaths::of(&[("HOME", home.path().to_str().unwrap()), ("PATH", shims.to_str().unwrap())]);
        let all = Sqlite.find_all(&search_paths);
        assert!(matches!(&all[..], [one] if one.name.starts_with("sqlite:3.")), "{all:?}");
        assert_eq!(std::fs::read_dir(shims).unwrap().count(), 2, "no shim was run");
    }
}
