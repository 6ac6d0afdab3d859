//! Kernelspecs: Jupyter's descriptions of its kernels, and the command that starts each. This module reads files and runs
//! no programs.

use crate::search_paths::{SearchPaths, children, is_executable};
use bai_protocol::language;
use jupyter_protocol::JupyterKernelspec;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The file that describes a kernel, in a folder of the kernel's name.
const FILE: &str = "kernel.json";

/// An installed kernel.
#[derive(Debug, Clone)]
pub(crate) struct Kernelspec {
    /// The name of its folder, which is its name for Jupyter.
    pub(crate) name: String,
    /// Its `kernel.json`.
    pub(crate) file: PathBuf,
    spec: JupyterKernelspec,
}

impl Kernelspec {
    /// Reads a `kernel.json`. `None` when it cannot be read, is malformed, or does not say how to start the kernel.
    pub(crate) fn read(file: &Path) -> Option<Self> {
        let name = file.parent()?.file_name()?.to_str()?.to_owned();
        let spec: JupyterKernelspec = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
        (!spec.argv.is_empty()).then(|| Kernelspec { name, file: file.to_owned(), spec })
    }

    /// Its title in Jupyter's menus: `Python 3 (ipykernel)`.
    pub(crate) fn title(&self) -> &str {
        &self.spec.display_name
    }

    /// Jupyter's name of the language, in lower case: `python`, `r`, `javascript`.
    pub(crate) fn language(&self) -> String {
        self.spec.language.to_lowercase()
    }

    /// Whether the kernel is interrupted by a message instead of a signal.
    pub(super) fn interrupted_by_message(&self) -> bool {
        self.spec.interrupt_mode.as_deref() == Some("message")
    }

    /// The program and its arguments, with the connection file `connection`.
    pub(super) fn command(&self, connection: &Path) -> (PathBuf, Vec<OsString>) {
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        let fill = |argument: &String| {
            let filled = argument.replace("{connection_file}", &connection.to_string_lossy());
            filled.replace("{resource_dir}", &folder.to_string_lossy())
        };
        let mut words = self.spec.argv.iter().map(fill);
        let program = PathBuf::from(words.next().unwrap_or_default());
        (self.beside(&program).unwrap_or(program), words.map(OsString::from).collect())
    }

    /// A bare name such as `python` means the program of the environment that the kernel was installed in.
    fn beside(&self, program: &Path) -> Option<PathBuf> {
        let is_bare = program.components().count() == 1;
        // PREFIX/share/jupyter/kernels/NAME/kernel.json
        let prefix = self.file.ancestors().nth(5).filter(|_| is_bare)?;
        Some(prefix.join("bin").join(program)).filter(|path| is_executable(path))
    }

    /// The variables that it sets, with `${NAME}` filled in by `known`.
    pub(super) fn variables(&self, known: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
        let own = self.spec.env.iter().flatten();
        own.map(|(name, value)| (name.clone(), fill_in(value, &known))).collect()
    }
}

/// Replaces `${NAME}` by the value from `known`. An unknown name is unchanged.
fn fill_in(text: &str, known: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        filled.push_str(before);
        match after.split_once('}') {
            Some((name, after)) => {
                filled.push_str(&known(name).unwrap_or_else(|| format!("${{{name}}}")));
                rest = after;
            }
            None => {
                filled.push_str("${");
                rest = after;
            }
        }
    }
    filled + rest
}

/// The folders in which Jupyter looks for kernels, the first before the others. As Jupyter does in an environment, its
/// kernels come before the user's own.
pub(super) fn folders(search_paths: &SearchPaths) -> Vec<PathBuf> {
    let path = search_paths.var("JUPYTER_PATH").map(|path| std::env::split_paths(path).collect::<Vec<_>>());
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].map(|variable| search_paths.folder(variable));
    let shares = environments.into_iter().flatten().map(|prefix| prefix.join("share/jupyter"));
    let user = search_paths
        .folder("JUPYTER_DATA_DIR")
        .or_else(|| Some(search_paths.folder("XDG_DATA_HOME")?.join("jupyter")))
        .or_else(|| search_paths.home(".local/share/jupyter"));
    let system = ["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from);
    let all = path.into_iter().flatten().chain(shares).chain(user).chain(system);
    all.filter(|folder| folder.is_absolute()).map(|folder| folder.join("kernels")).collect()
}

/// All kernels; for each name only the first.
pub(crate) fn all(search_paths: &SearchPaths) -> Vec<Kernelspec> {
    let mut all: Vec<Kernelspec> = Vec::new();
    for kernel in folders(search_paths).iter().flat_map(|folder| children(folder)) {
        if let Some(found) = Kernelspec::read(&kernel.join(FILE))
            && !all.iter().any(|known| known.name.eq_ignore_ascii_case(&found.name))
        {
            all.push(found);
        }
    }
    all
}

/// The kernel of a name: the name of its folder, in any case, or its title.
pub(super) fn find(name: &str, search_paths: &SearchPaths) -> Option<Kernelspec> {
    let all = all(search_paths);
    let named = |kernel: &&Kernelspec| kernel.name == name;
    let alike = |kernel: &&Kernelspec| kernel.name.eq_ignore_ascii_case(name);
    let titled = |kernel: &&Kernelspec| kernel.title().eq_ignore_ascii_case(name);
    let found = all.iter().find(named).or_else(|| all.iter().find(alike));
    found.or_else(|| all.iter().find(titled)).cloned()
}

/// A kernel for one of our languages.
pub(crate) fn of_language(wanted: &str, search_paths: &SearchPaths) -> Option<Kernelspec> {
    let is_wanted = |kernel: &Kernelspec| {
        language::of_name(&kernel.language()).is_some_and(|language| language.name == wanted)
    };
    all(search_paths).into_iter().find(is_wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(folder: &Path, name: &str, text: &str) {
        let kernel = folder.join("kernels").join(name);
        std::fs::create_dir_all(&kernel).unwrap();
        std::fs::write(kernel.join(FILE), text).unwrap();
    }

    fn spec(title: &str, language: &str) -> String {
        let argv = ["python", "-m", "x", "-f", "{connection_file}", "{resource_dir}/x"];
        serde_json::json!({"argv": argv, "display_name": title, "language": language}).to_string()
    }

    #[test]
    fn kernels_are_found_where_jupyter_looks() {
        let folder = tempfile::tempdir().unwrap();
        let (first, venv, data) =
            (folder.path().join("first"), folder.path().join("venv"), folder.path().join("data"));
        install(&first, "Mine", &spec("Mine first", "R"));
        install(&venv.join("share/jupyter"), "python3", &spec("Python of the environment", "python"));
        install(&data.join("jupyter"), "python3", &spec("Python of the person", "python"));
        install(&data.join("jupyter"), "my kernel", &spec("With spaces", "C++17"));
        install(&data.join("jupyter"), "broken", "{");
        install(&data.join("jupyter"), "empty", r#"{"argv": [], "display_name": "E", "language": "e"}"#);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (first, venv, data) = (text(&first), text(&venv), text(&data));
        let search_paths =
            SearchPaths::of(&[("JUPYTER_PATH", &first), ("VIRTUAL_ENV", &venv), ("XDG_DATA_HOME", &data)]);
        let ours: Vec<_> =
            all(&search_paths).into_iter().filter(|kernel| kernel.file.starts_with(folder.path())).collect();
        let names: Vec<_> = ours.iter().map(|kernel| kernel.name.as_str()).collect();
        assert_eq!(names, ["Mine", "python3", "my kernel"]);
        for (name, title) in [
            ("python3", "Python of the environment"),
            ("mine", "Mine first"),
            ("MINE", "Mine first"),
            ("my kernel", "With spaces"),
            ("with Spaces", "With spaces"),
        ] {
            assert_eq!(find(name, &search_paths).unwrap().title(), title, "{name}");
        }
        assert!(find("broken", &search_paths).is_none());
        assert_eq!(of_language("cpp", &search_paths).unwrap().name, "my kernel");
        assert_eq!(of_language("r", &search_paths).unwrap().name, "Mine");
    }

    #[test]
    fn a_program_without_a_path_is_that_of_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let share = folder.path().join("share/jupyter");
        install(&share, "k", &spec("K", "python"));
        let kernel = Kernelspec::read(&share.join("kernels/k/kernel.json")).unwrap();
        let connection = Path::new("/tmp/c.json");
        let (program, args) = kernel.command(connection);
        assert_eq!(program, Path::new("python"), "there is none beside it");
        assert_eq!(args[..4], ["-m", "x", "-f", "/tmp/c.json"]);
        assert_eq!(args[4], share.join("kernels/k/x").as_os_str());
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.path().join("bin/python")).unwrap();
        assert_eq!(kernel.command(connection).0, folder.path().join("bin/python"));
    }

    #[test]
    fn variables_are_filled_in() {
        let known = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
        for (text, filled) in
            [("${HOME}/x${NO}", "/home/ann/x${NO}"), ("$HOME ${", "$HOME ${"), ("", ""), ("${HOME", "${HOME")]
        {
            assert_eq!(fill_in(text, known), filled);
        }
    }
}
