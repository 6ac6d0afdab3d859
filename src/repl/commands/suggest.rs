//! What Tab suggests in a command: its name, files on this machine, settings, or names from the session or its server.

use std::path::{Path, PathBuf};

use super::{Argument, COMMANDS, split};
use crate::repl::completion::{RemoteNameKind, Suggestions, continues};
use crate::repl::settings::SETTINGS;
use crate::repl::shell_words;
use crate::repl::shell_words::file;

/// The suggestions for a command.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::repl) enum Suggestion {
    /// Suggestions that need no request.
    Local(Suggestions),
    /// Names to request from the session or its server.
    Remote(RemoteCompletion),
}

/// A request for names, and where they go in the line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::repl) struct RemoteCompletion {
    pub(in crate::repl) names: RemoteNameKind,
    /// The typed beginning of the name.
    pub(in crate::repl) typed: String,
    /// The typed folder before the name.
    folder: String,
    /// Byte position in the line where the replaced text starts; it ends at the cursor.
    start: usize,
    /// The name is one of several words, so it needs escapes.
    escaped: bool,
}

impl RemoteCompletion {
    fn of(names: RemoteNameKind, typed: &str, start: usize) -> Suggestion {
        let typed = typed.to_owned();
        Suggestion::Remote(RemoteCompletion { names, typed, folder: String::new(), start, escaped: false })
    }

    fn files(path: &str, start: usize, escaped: bool) -> Suggestion {
        let (folder, typed) = split_folder(path);
        let (folder, typed) = (folder.to_owned(), typed.to_owned());
        Suggestion::Remote(RemoteCompletion {
            names: RemoteNameKind::Files(bai_client::expand_session_tilde(&folder).to_owned()),
            typed,
            folder,
            start,
            escaped,
        })
    }

    /// The suggestions for these names.
    pub(in crate::repl) fn suggestions(&self, names: Vec<String>) -> Suggestions {
        let whole = |name: String| format!("{}{name}", self.folder);
        let items = names.into_iter().map(whole);
        let items = if self.escaped { escaped(items) } else { items.collect() };
        Suggestions { start: self.start, items }
    }
}

fn escaped(items: impl IntoIterator<Item = String>) -> Vec<String> {
    items.into_iter().map(|item| shell_words::escape(&item)).collect()
}

/// Completes the name or the argument of a command.
pub(in crate::repl) fn suggest(line: &str, position: usize) -> Suggestion {
    let before = line.get(..position).unwrap_or_default().trim_start();
    let local = |start, items| Suggestion::Local(Suggestions { start, items });
    let Some((word, rest)) = split(before) else { return local(0, Vec::new()) };
    if rest.is_empty() {
        let words = COMMANDS.iter().filter(|entry| entry.word.starts_with(word));
        let items = words.map(|entry| format!(":{}", entry.word)).collect();
        return local(position.saturating_sub(word.len() + 1), items);
    }
    let rest = rest.strip_prefix('!').unwrap_or(rest);
    let whole = rest.trim_start();
    let all = position.saturating_sub(whole.len());
    let (at, last) = shell_words::last(rest);
    let last_at = position.saturating_sub(rest.len()) + at;
    match COMMANDS.iter().find(|entry| entry.word == word).map(|entry| entry.argument) {
        Some(Argument::File | Argument::MaybeFile) => local(all, files(whole)),
        Some(Argument::Words | Argument::MaybeWords) => local(last_at, escaped(files(&last))),
        Some(Argument::Setting) => {
            let earlier = rest.split_whitespace().next().filter(|earlier| *earlier != last);
            local(last_at, settings(earlier, &last))
        }
        Some(Argument::RemoteWords | Argument::MaybeRemoteWords) => {
            RemoteCompletion::files(&last, last_at, true)
        }
        Some(Argument::Session) => RemoteCompletion::of(RemoteNameKind::Sessions, whole, all),
        Some(Argument::MaybeImage) => RemoteCompletion::of(RemoteNameKind::Images, whole, all),
        Some(Argument::App) => RemoteCompletion::of(RemoteNameKind::Apps, &last, last_at),
        _ => local(0, Vec::new()),
    }
}

/// Splits a path into its folder, with the slash, and the rest.
fn split_folder(path: &str) -> (&str, &str) {
    path.rfind('/').and_then(|slash| path.split_at_checked(slash + 1)).unwrap_or(("", path))
}

/// Names of settings, or values of the setting that was typed before.
fn settings(earlier: Option<&str>, typed: &str) -> Vec<String> {
    let words: Vec<&str> = match earlier {
        None => SETTINGS.iter().map(|setting| setting.name).collect(),
        Some(name) => SETTINGS
            .iter()
            .filter(|setting| setting.name == name)
            .flat_map(|setting| setting.words)
            .copied()
            .collect(),
    };
    words.into_iter().filter(|word| word.starts_with(typed)).map(str::to_owned).collect()
}

/// Files whose names begin as typed; folders end with a slash. Names with control characters are left out.
fn files(typed: &str) -> Vec<String> {
    let (folder, beginning) = split_folder(typed);
    let place = if folder.is_empty() { PathBuf::from(".") } else { file(folder) };
    let mut found: Vec<String> = std::fs::read_dir(place)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|item| {
            let name = item.file_name().into_string().ok()?;
            if !continues(&name, beginning) {
                return None;
            }
            let slash = if Path::is_dir(&item.path()) { "/" } else { "" };
            Some(format!("{folder}{name}{slash}"))
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// The local suggestions at the end of a line.
    fn known(line: &str) -> Suggestions {
        match suggest(line, line.len()) {
            Suggestion::Local(found) => found,
            Suggestion::Remote(_) => panic!("{line}: no request is needed"),
        }
    }

    #[test]
    fn words_and_files_are_completed() {
        let items = |line: &str| known(line).items;
        assert_eq!(items(":re"), [":restart", ":replay", ":reset"]);
        assert_eq!(known(" :q"), Suggestions { start: 1, items: vec![":quit".into()] });
        assert!(items(":info x").is_empty());
        assert_eq!(items(":apps"), [":apps"]);
        assert_eq!(items(":set output."), ["output.links", "output.max_lines"]);
        assert_eq!(
            known(":set output.links o"),
            Suggestions { start: 18, items: vec!["on".into(), "off".into()] }
        );

        let folder = tempfile::tempdir().unwrap();
        for name in ["one.py", "one more.py", ".one", "o\u{1b}x"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("oven")).unwrap();
        let line = format!(":load {}/o", folder.path().display());
        let found = known(&line);
        let names = &found.items;
        assert_eq!(found.start, 6);
        let upload = format!(":upload x {}/one", folder.path().display());
        let second = known(&upload);
        assert_eq!((second.start, second.items.len()), (10, 2), "{second:?}");
        assert_eq!(names.len(), 3);
        assert!(
            names[0].ends_with("/one more.py")
                && names[1].ends_with("/one.py")
                && names[2].ends_with("/oven/")
        );
    }

    #[test]
    fn a_name_with_spaces_is_escaped_to_one_word() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one more.py"), "").unwrap();
        let path = folder.path().display();
        for (line, start) in [
            (format!(":upload x {path}/one\\ m"), 10),
            (format!(":upload x '{path}/one m"), 10),
            (format!(":upload {path}/"), 8),
        ] {
            let whole = format!("{path}/one\\ more.py");
            assert_eq!(known(&line), Suggestions { start, items: vec![whole] }, "{line}");
        }
        let line = format!(":load {path}/one m");
        assert_eq!(known(&line).items, [format!("{path}/one more.py")], "the rest of the line is one name");
    }

    #[test]
    fn names_of_the_server_are_requested() {
        let files = |folder: &str| RemoteNameKind::Files(folder.to_owned());
        for (line, names, typed, answer, put_in) in [
            (":download da", files(""), "da", "data/", ":download data/"),
            (":download --force x data/a", files("data/"), "a", "a b", ":download --force x data/a\\ b"),
            (":download 'my data/a", files("my data/"), "a", "ab", ":download my\\ data/ab"),
            (":files ", files(""), "", "in", ":files in"),
            (":files my\\ data/", files("my data/"), "", "a b", ":files my\\ data/a\\ b"),
            (":attach my s", RemoteNameKind::Sessions, "my s", "my session", ":attach my session"),
            (":new pyth", RemoteNameKind::Images, "pyth", "python", ":new python"),
            ("  :app tty", RemoteNameKind::Apps, "tty", "ttyd", "  :app ttyd"),
        ] {
            let Suggestion::Remote(asked) = suggest(line, line.len()) else { panic!("{line}") };
            assert_eq!((&asked.names, asked.typed.as_str()), (&names, typed), "{line}");
            let Suggestions { start, items } = asked.suggestions(vec![answer.to_owned()]);
            assert_eq!(format!("{}{}", &line[..start], items[0]), put_in);
        }
        assert_eq!(parse(":attach"), Some(Err("usage: :attach SESSION".into())));
    }
}
