//! The search for CPython: the active environment, `PATH`, pyenv, uv, conda. Versions are read from the names of version
//! managers' folders. Only the other interpreters are run, with a time limit, and the result is remembered.

use super::image::WantedVersion;
use super::search_paths::{SearchPaths, children, is_executable};
use super::tool;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};

/// The interpreter of the installation in the folder `prefix`.
fn interpreter_in(prefix: &Path) -> PathBuf {
    prefix.join("bin").join("python")
}

/// An interpreter that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) executable: PathBuf,
    pub(super) version: Version,
    pub(super) origin: &'static str,
}

impl Candidate {
    pub(super) fn is(&self, wanted: WantedVersion) -> bool {
        self.version.distance(wanted) == Some(0)
    }
}

/// A version of CPython.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) patch: u32,
}

impl Version {
    /// `3.6.15`, `3.13.0rc1`, `3.14`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.').map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok()
        });
        let (major, minor) = (parts.next()??, parts.next()??);
        Some(Version { major, minor, patch: parts.next().flatten().unwrap_or(0) })
    }

    fn distance(self, wanted: WantedVersion) -> Option<u32> {
        wanted.distance(self.major, Some(self.minor))
    }

    /// Whether our driver runs on it.
    fn is_supported(self) -> bool {
        self.major == 3 && self.minor >= 6
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A place where an interpreter may be.
#[derive(Debug, Clone)]
struct Lead {
    executable: PathBuf,
    origin: &'static str,
    /// The version in the name of a folder.
    version: Option<Version>,
}

/// One search for interpreters.
pub(super) struct Search<'a> {
    search_paths: &'a SearchPaths,
    path: OnceCell<Vec<PathBuf>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(search_paths: &'a SearchPaths) -> Self {
        Search { search_paths, path: OnceCell::new() }
    }

    /// The interpreter to use: one of the wanted version if there is any, the user's default before others; else, of those that
    /// can take its place, that of the active environment, or the nearest.
    ///
    /// # Errors
    /// All that was found, if none of it can be used.
    pub(super) fn best(&self, wanted: Option<WantedVersion>) -> Result<Candidate, Vec<Candidate>> {
        if let Some(exact) = self.first(wanted) {
            return Ok(exact);
        }
        let Some(wanted) = wanted else { return Err(Vec::new()) };
        let distance = |found: &Candidate| found.version.distance(wanted);
        let active = self.active().into_iter().find_map(|lead| probe(&lead));
        if let Some(active) = active.filter(|found| distance(found).is_some()) {
            return Ok(active);
        }
        let mut all = self.all();
        let distances = all.iter().enumerate().filter_map(|(at, found)| Some((distance(found)?, at)));
        match distances.min() {
            Some((_, nearest)) => Ok(all.swap_remove(nearest)),
            None => Err(all),
        }
    }

    /// The first interpreter of the wanted version, in the order of preference. Leads with another known version are not
    /// run.
    fn first(&self, wanted: Option<WantedVersion>) -> Option<Candidate> {
        let fits = |found: &Candidate| wanted.is_none_or(|wanted| found.is(wanted));
        let could_fit = |lead: &Lead| match (lead.version, wanted) {
            (Some(version), Some(wanted)) => version.distance(wanted) == Some(0),
            _ => true,
        };
        self.leads(wanted).filter(could_fit).filter_map(|lead| probe(&lead)).find(fits)
    }

    /// All interpreters, newest first: one for each minor version, and the user's default of that version before others.
    pub(super) fn all(&self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = Vec::new();
        for candidate in self.leads(None).filter_map(|lead| probe(&lead)) {
            let same = |known: &Candidate| known.version.minor == candidate.version.minor;
            if !found.iter().any(same) {
                found.push(candidate);
            }
        }
        found.sort_by_key(|candidate| std::cmp::Reverse(candidate.version));
        found
    }

    /// The leads in the order of preference. A place is looked at only when it is its turn: folders of programs have
    /// thousands of entries.
    fn leads(&self, wanted: Option<WantedVersion>) -> impl Iterator<Item = Lead> {
        // A minor version is looked up by its name. Only without one are the names of all programs read.
        let names_all = wanted.is_none_or(|wanted| wanted.minor.is_none());
        let versioned: Option<fn(&Self) -> Vec<Lead>> = names_all.then_some(Self::versioned_on_path);
        let managers: [fn(&Self) -> Vec<Lead>; 3] = [Self::pyenv, Self::uv, Self::conda];
        let others = versioned.into_iter().chain(managers).flat_map(move |place| place(self));
        self.active().into_iter().chain(self.on_path(wanted)).chain(others)
    }

    fn active(&self) -> Vec<Lead> {
        let lead = |variable, origin| {
            let executable = interpreter_in(&self.search_paths.folder(variable)?);
            Some(Lead { executable, origin, version: None })
        };
        let environments = [lead("VIRTUAL_ENV", "virtual environment"), lead("CONDA_PREFIX", "conda")];
        environments.into_iter().flatten().collect()
    }

    fn on_path(&self, wanted: Option<WantedVersion>) -> Vec<Lead> {
        let mut names: Vec<String> = Vec::new();
        if let Some(WantedVersion { major, minor: Some(minor) }) = wanted {
            names.push(format!("python{major}.{minor}"));
        }
        names.extend(["python3".to_owned(), "python".to_owned()]);
        let shims = self.pyenv_root().map(|root| root.join("shims"));
        let mut leads = Vec::new();
        for name in names {
            for folder in self.path() {
                // A shim only selects one of pyenv's own installations, which are searched directly.
                if Some(folder) == shims.as_ref() {
                    leads.extend(self.pyenv_default());
                } else {
                    leads.push(Lead { executable: folder.join(&name), origin: "PATH", version: None });
                }
            }
        }
        leads
    }

    fn versioned_on_path(&self) -> Vec<Lead> {
        let shims = self.pyenv_root().map(|root| root.join("shims"));
        let folders = self.path().iter().filter(|folder| Some(*folder) != shims.as_ref());
        folders.flat_map(|folder| versioned_names(folder)).collect()
    }

    fn path(&self) -> &[PathBuf] {
        self.path.get_or_init(|| self.search_paths.path())
    }

    fn pyenv_root(&self) -> Option<PathBuf> {
        self.search_paths.folder("PYENV_ROOT").or_else(|| self.search_paths.home(".pyenv"))
    }

    /// The installation that pyenv's shims select.
    fn pyenv_default(&self) -> Vec<Lead> {
        let Some(root) = self.pyenv_root() else { return Vec::new() };
        let named =
            self.search_paths.var("PYENV_VERSION").and_then(|names| names.to_str().map(str::to_owned));
        let names = named.or_else(|| std::fs::read_to_string(root.join("version")).ok()).unwrap_or_default();
        let names = names.split([':', '\n', ' ']).filter(|name| !name.is_empty());
        names.map(|name| pyenv_lead(&root.join("versions").join(name))).collect()
    }

    fn pyenv(&self) -> Vec<Lead> {
        let Some(root) = self.pyenv_root() else { return Vec::new() };
        newest_first(children(&root.join("versions")).iter().map(|prefix| pyenv_lead(prefix)))
    }

    fn uv(&self) -> Vec<Lead> {
        let root = self.search_paths.folder("UV_PYTHON_INSTALL_DIR");
        let root = root.or_else(|| Some(self.search_paths.folder("XDG_DATA_HOME")?.join("uv/python")));
        let Some(root) = root.or_else(|| self.search_paths.home(".local/share/uv/python")) else {
            return Vec::new();
        };
        let lead = |prefix: &PathBuf| {
            let name = prefix.file_name()?.to_str()?;
            let version = Version::parse(name.strip_prefix("cpython-")?)?;
            Some(Lead { executable: interpreter_in(prefix), origin: "uv", version: Some(version) })
        };
        newest_first(children(&root).iter().filter_map(lead))
    }

    fn conda(&self) -> Vec<Lead> {
        let mut roots: Vec<PathBuf> = ["miniconda3", "anaconda3", "miniforge3", "mambaforge", ".conda"]
            .iter()
            .filter_map(|name| self.search_paths.home(name))
            .collect();
        roots.push("/opt/conda".into());
        roots.extend(self.search_paths.folder("MAMBA_ROOT_PREFIX"));
        let mut prefixes: Vec<PathBuf> = Vec::new();
        for root in roots {
            prefixes.extend(children(&root.join("envs")));
            prefixes.push(root);
        }
        let lead =
            |prefix: &PathBuf| Lead { executable: interpreter_in(prefix), origin: "conda", version: None };
        prefixes.iter().map(lead).collect()
    }
}

fn pyenv_lead(prefix: &Path) -> Lead {
    // The names of folders of other implementations and of virtual environments are not versions.
    let version = prefix.file_name().and_then(|name| name.to_str()).and_then(Version::parse);
    Lead { executable: interpreter_in(prefix), origin: "pyenv", version }
}

/// `python3.6`, `python3.12` and so on in one folder.
fn versioned_names(folder: &Path) -> Vec<Lead> {
    let lead = |executable: PathBuf| {
        let minor: u32 = executable.file_name()?.to_str()?.strip_prefix("python3.")?.parse().ok()?;
        let version = Some(Version { major: 3, minor, patch: 0 });
        Some(Lead { executable, origin: "PATH", version })
    };
    newest_first(children(folder).into_iter().filter_map(lead))
}

/// Leads without a known version come last.
fn newest_first(leads: impl Iterator<Item = Lead>) -> Vec<Lead> {
    let mut leads: Vec<Lead> = leads.collect();
    leads.sort_by_key(|lead| std::cmp::Reverse(lead.version));
    leads
}

const QUESTION: &str = "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3])";

/// Checks that a lead is a usable CPython.
fn probe(lead: &Lead) -> Option<Candidate> {
    if !is_executable(&lead.executable) {
        return None;
    }
    let trusted = lead.version.filter(|_| lead.origin != "PATH");
    let version = match trusted {
        Some(version) => Some(version),
        None => ask(&lead.executable),
    };
    let version = version.filter(|version| version.is_supported())?;
    Some(Candidate { executable: lead.executable.clone(), version, origin: lead.origin })
}

/// Runs an executable to find out whether it is CPython, and its version. It loads no files of the user.
fn ask(executable: &Path) -> Option<Version> {
    let answer = tool::ask(executable, &["-I", "-S", "-c", QUESTION])?;
    Version::parse(answer.trim().strip_prefix("cpython ")?)
}

#[cfg(test)]
#[path = "python_search_tests.rs"]
mod tests;
