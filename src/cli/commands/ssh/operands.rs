//! The words of scp that name files of a session: `SESSION:PATH`. Which words are files of another machine is scp's own rule.

use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The options of scp that have a value, which may be the next word.
const WITH_VALUE: &[u8] = b"cDFiJloPSX";

/// The only session that these words name.
pub(super) fn session(words: &[OsString]) -> Result<String, CliError> {
    let mut found: Option<&str> = None;
    let usage = |sentence: String| {
        CliError::new(ExitStatus::Usage, sentence).hint("an example: bai-repl scp work:results.csv .")
    };
    for word in files(words) {
        let Some((host, _)) = split(word) else { continue };
        let name = std::str::from_utf8(host).unwrap_or_default();
        if name.is_empty() {
            return Err(usage(format!("{} names no session", word.display())));
        }
        match found {
            Some(other) if other != name => {
                return Err(usage(format!("{other} and {name} are two sessions; scp reaches one at a time")));
            }
            _ => found = Some(name),
        }
    }
    found.map(str::to_owned).ok_or_else(|| usage("no word names a session, as SESSION:PATH does".to_owned()))
}

/// The word with `host` in the place of `session`.
pub(super) fn at_host(word: OsString, session: &str, host: &str) -> OsString {
    match split(&word) {
        Some((name, path)) if name == session.as_bytes() => {
            OsString::from_vec([host.as_bytes(), b":", path].concat())
        }
        _ => word,
    }
}

/// The words that are not options or their values.
fn files(words: &[OsString]) -> impl Iterator<Item = &OsStr> {
    let (mut is_value, mut options_ended) = (false, false);
    words.iter().map(OsString::as_os_str).filter(move |word| {
        let letters = word.as_bytes().strip_prefix(b"-").filter(|letters| !letters.is_empty());
        match letters {
            _ if is_value => {
                is_value = false;
                false
            }
            Some(b"-") if !options_ended => {
                options_ended = true;
                false
            }
            Some(letters) if !options_ended => {
                let first = letters.iter().position(|letter| WITH_VALUE.contains(letter));
                is_value = first.is_some_and(|place| place + 1 == letters.len());
                false
            }
            _ => true,
        }
    })
}

/// The machine and the path of a word, if it is a file of another machine: it has a colon, and no slash before it.
fn split(word: &OsStr) -> Option<(&[u8], &[u8])> {
    let bytes = word.as_bytes();
    let colon = bytes.iter().position(|byte| matches!(byte, b':' | b'/'))?;
    let (machine, rest) = bytes.split_at_checked(colon)?;
    let path = rest.strip_prefix(b":")?;
    // A name for the login is not needed, and does not count.
    let at = machine.iter().rposition(|byte| *byte == b'@').map_or(0, |place| place + 1);
    Some((machine.get(at..)?, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn the_session_is_found_among_options_and_local_files() {
        for line in [
            "work:a .",
            "-r work:a work:b .",
            "-i x:y ./a:b /c:d work:",
            "-rP 22 a work:b",
            "-l5 a work:/b",
            "-- -a work:b",
            "user@work:a .",
        ] {
            assert_eq!(session(&words(line)).unwrap(), "work", "{line}");
        }
        for (line, sentence) in [
            ("a b", "no word names a session"),
            ("-i work:a b", "no word names a session"),
            ("a:1 b:2", "a and b are two sessions"),
            (":a .", ":a names no session"),
        ] {
            let error = session(&words(line)).unwrap_err();
            assert!(error.sentence().contains(sentence), "{line}: {}", error.sentence());
            assert_eq!(error.exit(), ExitStatus::Usage);
        }
    }

    #[test]
    fn the_name_of_the_session_becomes_that_of_the_host() {
        let host = |word: &str| at_host(word.into(), "wo", "work");
        for (word, expected) in
            [("wo:a:b", "work:a:b"), ("x@wo:", "work:"), ("./wo:a", "./wo:a"), ("-r", "-r")]
        {
            assert_eq!(host(word), expected);
        }
    }
}
