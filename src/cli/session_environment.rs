//! The environment of a session: the variables of `-e` and `--env-file`. A variable without a value is taken from the
//! environment of this program, so that a secret is not seen in the list of processes. No message names a value.

use super::args::SessionFlags;
use super::error::CliError;
use super::exit_status::ExitStatus;
use crate::config::read_named;
use bai_protocol::byte_text;
use bai_protocol::environment::is_of_login;
use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt;
use std::path::Path;

/// One variable of the command line. Debug shows no value.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum EnvFlag {
    /// `KEY=VALUE`.
    Given(String, String),
    /// `KEY`: the value is in the environment of this program.
    Inherited(String),
}

impl fmt::Debug for EnvFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (EnvFlag::Given(name, _) | EnvFlag::Inherited(name)) = self;
        f.write_str(name)
    }
}

impl EnvFlag {
    /// Reads `KEY=VALUE` or `KEY`.
    ///
    /// # Errors
    /// When the name is missing.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self::Given(name.to_owned(), value.to_owned())),
            None if !text.is_empty() => Ok(Self::Inherited(text.to_owned())),
            _ => Err("expected KEY=VALUE, or KEY for the value that it has here".to_owned()),
        }
    }

    /// The name and the value.
    fn resolve(self) -> Result<(String, String), String> {
        match self {
            Self::Given(name, value) => Ok((name, value)),
            Self::Inherited(name) => match std::env::var(&name) {
                Ok(value) => Ok((name, value)),
                Err(VarError::NotPresent) => {
                    Err(format!("the variable {} is not set here", byte_text::shown(&name)))
                }
                Err(VarError::NotUnicode(_)) => {
                    Err(format!("the value of {} is not UTF-8", byte_text::shown(&name)))
                }
            },
        }
    }
}

/// Variables that say where a program runs. A session has a folder of its own.
const OF_PLACE: [&str; 4] = ["PWD", "OLDPWD", "SHLVL", "_"];

/// The environment of this program, for a session of a background engine that another environment may have started. It is
/// without what says who the user is.
pub(super) fn of_this_process() -> BTreeMap<String, String> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.filter(|(name, _)| !is_of_login(name) && !OF_PLACE.contains(&name.as_str())).collect()
}

/// All variables of the flags. `-e` has precedence over `--env-file`, and a later one over an earlier one.
pub(super) fn variables(flags: &SessionFlags) -> Result<BTreeMap<String, String>, CliError> {
    let mut all = BTreeMap::new();
    for path in &flags.env_files {
        all.extend(read_file(path)?);
    }
    for flag in &flags.env {
        let found = flag
            .clone()
            .resolve()
            .map_err(|why| CliError::new(ExitStatus::Usage, why).hint("export it, or give -e KEY=VALUE"))?;
        all.extend([found]);
    }
    Ok(all)
}

/// The variables whose values are on the command line. Only these may mention the ranges of a sweep.
pub(super) fn given(flags: &SessionFlags) -> Vec<(String, String)> {
    let pair = |flag: &EnvFlag| match flag {
        EnvFlag::Given(name, value) => Some((name.clone(), value.clone())),
        EnvFlag::Inherited(_) => None,
    };
    flags.env.iter().filter_map(pair).collect()
}

/// Reads lines of `KEY=VALUE` or `KEY`, as containers get them: a value is everything up to the end of the line, quotes too. Empty
/// lines, and those that begin with `#`, are comments. Variables such as `PYTHONPATH` decide which code is run, so no other user may have
/// written them.
fn read_file(path: &Path) -> Result<Vec<(String, String)>, CliError> {
    let text = read_named(path)?;
    let lines = text.lines().map(str::trim_start).zip(1..);
    let lines = lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    let read = |(line, number): (&str, usize)| {
        let wrong = |why: String| {
            let place = format!("{}:{number}", byte_text::shown_path(path));
            CliError::new(ExitStatus::Usage, format!("{place}: {why}"))
        };
        let flag = EnvFlag::parse(line.trim_end_matches('\r')).map_err(wrong)?;
        let (EnvFlag::Given(name, _) | EnvFlag::Inherited(name)) = &flag;
        if name.contains(char::is_whitespace) {
            return Err(wrong("a name has no blanks; expected KEY=VALUE or KEY".to_owned()));
        }
        flag.resolve().map_err(wrong)
    };
    lines.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_containers_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_file(&path)
        };
        let pairs = read("\u{feff}# a comment\n\n  A=b # c \nB=\"q\"\r\nC=\nD=x=y\nPATH").unwrap();
        let path_here = std::env::var("PATH").unwrap();
        let expected =
            [("A", "b # c "), ("B", "\"q\""), ("C", ""), ("D", "x=y"), ("PATH", path_here.as_str())];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        for (text, words) in [
            ("A=hush\nB C=hush", ":2: a name has no blanks"),
            ("=hush", ":1: expected KEY=VALUE"),
            ("NO_SUCH_VARIABLE_HERE", ":1: the variable NO_SUCH_VARIABLE_HERE is not set here"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.sentence().contains(words) && !error.sentence().contains("hush"), "{error:?}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let flags = ["A=hush", "B"].map(|text| EnvFlag::parse(text).unwrap());
        assert_eq!(format!("{flags:?}"), "[A, B]");
    }
}
