//! How each shell asks for candidates, and how they are written for it. The scripts are those of `clap_complete`; the answers
//! are ours. bash puts them into the command line as they are, so they are escaped here. zsh and fish escape what they insert.
//! Other shells get only words that no shell gives a meaning.

use super::words::{can_be_shown, escaped, is_plain, meaning};
use clap_complete::engine::{CompletionCandidate, complete};
use clap_complete::env::{Bash, Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

/// A shell of `clap_complete` with answers of ours.
struct Shell {
    library: &'static dyn EnvCompleter,
    form: Form,
}

/// The form of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Escaped words, between the separators that the script names.
    Bash,
    /// `word:help`, on lines.
    Zsh,
    /// Word, tabulator, help, on lines.
    Fish,
    /// As for fish, but only plain words.
    Plain,
}

/// All shells.
pub(super) const SHELLS: Shells<'static> = Shells(&[
    &Shell { library: &Bash, form: Form::Bash },
    &Shell { library: &Zsh, form: Form::Zsh },
    &Shell { library: &Fish, form: Form::Fish },
    &Shell { library: &Elvish, form: Form::Plain },
    &Shell { library: &Powershell, form: Form::Plain },
]);

/// A candidate as it is written.
struct Answer {
    word: String,
    help: Option<String>,
}

impl EnvCompleter for Shell {
    fn name(&self) -> &'static str {
        self.library.name()
    }

    fn is(&self, name: &str) -> bool {
        self.library.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.library.write_registration(variable, name, program, completer, out)
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        typed: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let mut words = meanings(typed);
        let index =
            asked_index().filter(|_| self.form != Form::Fish).unwrap_or(words.len().saturating_sub(1));
        // zsh leaves out an empty word at the end.
        words.resize(words.len().max(index + 1), OsString::new());
        let current = words.get(index).cloned().unwrap_or_default();
        let answers = complete(command, words, index, folder)?
            .into_iter()
            .filter_map(|candidate| answer(&candidate, &current.to_string_lossy()));
        self.form.write(answers, out)
    }
}

impl Form {
    fn write(self, answers: impl Iterator<Item = Answer>, out: &mut dyn Write) -> io::Result<()> {
        let separator = std::env::var("_CLAP_IFS").ok();
        let separator = separator.as_deref().filter(|_| self == Form::Bash).unwrap_or("\n");
        for (number, Answer { word, help }) in
            answers.filter(|answer| self != Form::Plain || is_plain(&answer.word)).enumerate()
        {
            if number > 0 {
                out.write_all(separator.as_bytes())?;
            }
            let (word, before_help) = match self {
                Form::Bash => (escaped(&word), None),
                Form::Zsh => (word.replace('\\', "\\\\").replace(':', "\\:"), Some(':')),
                Form::Fish | Form::Plain => (word, Some('\t')),
            };
            write!(out, "{word}")?;
            if let (Some(before), Some(help)) = (before_help, help) {
                let help = if self == Form::Zsh { help.replace('\\', "\\\\") } else { help };
                write!(out, "{before}{help}")?;
            }
        }
        Ok(())
    }
}

/// The meanings of words that are typed. The shells pass them with their quotes.
pub(super) fn meanings(typed: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let read = |word: OsString| match word.into_string() {
        Ok(word) => meaning(&word).into(),
        Err(word) => word,
    };
    typed.into_iter().map(read).collect()
}

/// The index of the word that the script asks about.
fn asked_index() -> Option<usize> {
    std::env::var("_CLAP_COMPLETE_INDEX").ok()?.parse().ok()
}

/// A candidate for the word that is typed so far; `None` if it must not be offered.
fn answer(candidate: &CompletionCandidate, current: &str) -> Option<Answer> {
    let word = candidate.get_value().to_str()?;
    // Only the library's own candidates for flags have an id.
    let is_flag = candidate.get_id().is_some();
    if !can_be_shown(word) || (word.starts_with('-') && !is_flag && !continues_flag(word, current)) {
        return None;
    }
    let help =
        candidate.get_help().map(|help| help.to_string().lines().next().unwrap_or_default().to_owned());
    Some(Answer { word: word.to_owned(), help })
}

/// Whether a candidate is a value behind the flag that the user has typed, as in `--name=va` and `-tva`.
fn continues_flag(word: &str, current: &str) -> bool {
    match (current.strip_prefix("--"), current.split_once('=')) {
        (Some(_), Some((flag, _))) => word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('=')),
        (Some(_), None) => false,
        (None, _) => {
            let flag: String = current.chars().take(2).collect();
            flag.len() > 1 && word.starts_with(&flag)
        }
    }
}
