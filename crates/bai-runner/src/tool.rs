//! Interpreters and compilers of this machine, with their versions. They are run to print their version, with a time
//! limit. The answer is remembered until the file changes.

use super::image::WantedVersion;
use super::search_paths::{SearchPaths, children, is_executable};
use super::{dispositions, known_answers, process};
use bai_protocol::language::Language;
use bai_protocol::machine_limit::MachineLimit;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a program may take to print its version: much longer than needed on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// The search for the programs of a language, and the question for their version. A version may follow their names, as in
/// `gcc-12` and `lua5.4`.
#[derive(Debug)]
pub(super) struct Tool {
    /// The arguments that make it print its version, which can be code that prints one. A program that prints no number to
    /// standard output counts as not installed.
    pub(super) ask: &'static [&'static str],
    /// Folders below the home folder that need not be in `PATH`; a star stands for any one folder.
    pub(super) homes: &'static [&'static str],
}

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundTool {
    pub(super) executable: PathBuf,
    pub(super) version: Version,
    pub(super) origin: &'static str,
}

/// A version in a program's output: `5.2.15`, `20.20.2`, `21`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) text: String,
    pub(super) major: u32,
    pub(super) minor: Option<u32>,
}

impl Version {
    /// The first number with a dot in a text, else the first number: `gcc-12 (Debian 12.2.0-14)` is 12.2.0.
    fn find(text: &str) -> Option<Self> {
        let numbers = || {
            let words =
                text.split(|c: char| !c.is_ascii_digit() && c != '.').map(|word| word.trim_matches('.'));
            words.filter(|word| !word.is_empty())
        };
        let text = numbers().find(|word| word.contains('.')).or_else(|| numbers().next())?;
        let mut parts = text.split('.').map(|part| part.parse().ok());
        Some(Version { text: text.to_owned(), major: parts.next()??, minor: parts.next().flatten() })
    }

    fn distance(&self, wanted: WantedVersion) -> Option<u32> {
        wanted.distance(self.major, self.minor)
    }
}

impl FoundTool {
    /// Runs a program with `args` to ask for its version.
    pub(super) fn probe(executable: PathBuf, origin: &'static str, args: &[&str]) -> Option<Self> {
        if !is_executable(&executable) {
            return None;
        }
        let version = Version::find(&ask(&executable, args)?)?;
        Some(FoundTool { executable, version, origin })
    }

    /// Whether its version is the wanted one.
    pub(super) fn fits(&self, wanted: Option<WantedVersion>) -> bool {
        wanted.is_none_or(|wanted| self.version.distance(wanted) == Some(0))
    }
}

/// The program to use: the first of the wanted version, else the nearest that can take its place.
///
/// # Errors
/// All that was found, if none of it can.
pub(super) fn best(
    mut found: impl Iterator<Item = FoundTool>,
    wanted: Option<WantedVersion>,
) -> Result<FoundTool, Vec<FoundTool>> {
    let Some(wanted) = wanted else { return found.next().ok_or_else(Vec::new) };
    let mut others = Vec::new();
    for found in found {
        if found.fits(Some(wanted)) {
            return Ok(found);
        }
        others.push(found);
    }
    let distances =
        others.iter().enumerate().filter_map(|(at, found)| Some((found.version.distance(wanted)?, at)));
    match distances.min() {
        Some((_, nearest)) => Ok(others.swap_remove(nearest)),
        None => Err(others),
    }
}

/// All programs, one for each version, newest first.
pub(super) fn all(found: impl Iterator<Item = FoundTool>) -> Vec<FoundTool> {
    let mut all: Vec<FoundTool> = Vec::new();
    for found in found {
        if !all.iter().any(|known| known.version == found.version) {
            all.push(found);
        }
    }
    all.sort_by_key(|found| std::cmp::Reverse((found.version.major, found.version.minor)));
    all
}

impl Tool {
    /// The programs in the order of preference. Each is asked only when it is its turn.
    pub(super) fn found(
        &self,
        language: &Language,
        search_paths: &SearchPaths,
    ) -> impl Iterator<Item = FoundTool> {
        self.leads(language.programs, search_paths)
            .filter_map(|(executable, origin)| FoundTool::probe(executable, origin, self.ask))
    }

    /// The leads. A place is looked at only when it is its turn.
    fn leads(
        &self,
        names: &'static [&'static str],
        search_paths: &SearchPaths,
    ) -> impl Iterator<Item = (PathBuf, &'static str)> {
        let path = search_paths.path();
        let plain: Vec<_> =
            names.iter().flat_map(|name| path.iter().map(move |folder| folder.join(name))).collect();
        let is_versioned = |file: &PathBuf| {
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            names.iter().any(|known| name.strip_prefix(known).is_some_and(is_version_suffix))
        };
        let versioned = path.into_iter().flat_map(|folder| children(&folder)).filter(is_versioned);
        let in_path = plain.into_iter().chain(versioned).map(|executable| (executable, "PATH"));
        let homes = self.homes.iter().flat_map(|home| folders(search_paths, home));
        let in_homes =
            homes.flat_map(|folder| names.iter().map(move |name| (folder.join(name), "home folder")));
        in_path.chain(in_homes)
    }
}

fn is_version_suffix(rest: &str) -> bool {
    let digits = rest.strip_prefix('-').unwrap_or(rest);
    digits.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// The folders that match a pattern below the home folder, in reverse order.
fn folders(search_paths: &SearchPaths, pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once("/*/") else {
        return search_paths.home(pattern).into_iter().collect();
    };
    let parents = search_paths.home(before).map(|folder| children(&folder)).unwrap_or_default();
    parents.into_iter().rev().map(|parent| parent.join(after)).collect()
}

/// The output of a program that is run with `args`, in an environment in which it loads no files of the user. `None` if
/// it cannot be run, has no output, or takes too long.
pub(super) fn ask(executable: &Path, args: &[&str]) -> Option<String> {
    if let Some(known) = known_answers::recall(executable, args) {
        return known;
    }
    // A program that took too long, or found too little of something, is asked again the next time: the machine may be
    // less busy then.
    let output = match ask_now(executable, args) {
        Ok(output) => Some(output).filter(|output| !output.trim().is_empty()),
        Err(error) if is_passing(&error) => return None,
        Err(_) => None,
    };
    known_answers::remember(executable, args, output.clone());
    output
}

fn is_passing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut || MachineLimit::of(error).is_some()
}

/// The limit of this machine that keeps programs from being run, if there is one now.
pub(super) fn limit() -> Option<MachineLimit> {
    MachineLimit::of(&ask_now(Path::new("/bin/sh"), &["-c", ":"]).err()?)
}

fn ask_now(executable: &Path, args: &[&str]) -> io::Result<String> {
    let mut command = Command::new(executable);
    command.env_clear().envs(process::environment(&[], &[], &[]));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    dispositions::by_default(&mut command);
    let mut child = command.spawn()?;
    let answer = child.stdout.take().map_or_else(|| Ok(String::new()), read_in_time);
    let _ = child.kill();
    let _ = child.wait();
    answer
}

fn read_in_time(mut output: ChildStdout) -> io::Result<String> {
    let (sender, answer) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        let _ = sender.send(read.map(|_| text));
    })?;
    answer.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> WantedVersion {
        super::super::image::ImageName::parse(&format!("x:{text}")).version().unwrap()
    }

    #[test]
    fn versions_are_found_in_the_output_of_programs() {
        for (output, version) in [
            ("GNU bash, version 5.2.15(1)-release (x86_64)", "5.2.15"),
            ("v20.20.2\n", "20.20.2"),
            ("javac 21", "21"),
            ("gcc-12 (Debian 12.2.0-14) 12.2.0", "12.2.0"),
            ("go version go1.22.2 linux/amd64", "1.22.2"),
        ] {
            assert_eq!(Version::find(output).unwrap().text, version);
        }
        assert_eq!(Version::find("nothing"), None);
    }

    #[test]
    fn the_requested_version_is_chosen_or_the_next_minor_one() {
        let folder = tempfile::tempdir().unwrap();
        for (name, version) in [
            ("gcc", "12.2.0"),
            ("gcc-9", "9.5.0"),
            ("gcc-14", "14.1.0"),
            ("gcc-x", "7.0.0"),
            ("gcc-8", "unknown"),
        ] {
            // Another process writes it: a child that our process forks in the meantime would hold it open for writing.
            let script = format!("printf '#!/bin/sh\necho gcc {version}\n' >{name}; chmod +x {name}");
            let made = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).status().unwrap();
            assert!(made.success());
        }
        let search_paths = SearchPaths::of(&[("PATH", folder.path().to_str().unwrap())]);
        let (tool, language) = (Tool { ask: &["--version"], homes: &[] }, &bai_protocol::language::C);
        let best = |wanted| best(tool.found(language, &search_paths), wanted);
        let text = |wanted| best(wanted).unwrap().version.text;
        assert_eq!(text(None), "12.2.0");
        assert_eq!(text(Some(wanted("9"))), "9.5.0");
        assert_eq!(text(Some(wanted("14.0"))), "14.1.0");
        assert_eq!(best(Some(wanted("15"))).unwrap_err().len(), 3);
        assert_eq!(best(Some(wanted("14.2"))).unwrap_err().len(), 3);
        let all: Vec<_> =
            all(tool.found(language, &search_paths)).into_iter().map(|found| found.version.major).collect();
        assert_eq!(all, [14, 12, 9]);
    }
}
