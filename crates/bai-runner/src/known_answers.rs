//! What programs of this machine have answered to a question for their version. An answer holds until the file of the program
//! changes. Some answers are kept for later processes; which programs are asked, and what, does not belong here.

use super::cache;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// The name of the file.
const FILE: &str = "versions.json";
/// Maximum bytes that are read.
const FILE_LIMIT: u64 = 1 << 20;

/// An answer, and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Known {
    /// Device, number, size and time of the last change of the file, beyond all links.
    file: (u64, u64, u64, i64, i64),
    /// Whether later processes may use it.
    #[serde(skip, default = "yes")]
    is_kept: bool,
    /// `None` if it has no answer.
    answer: Option<String>,
}

fn yes() -> bool {
    true
}

type Answers = HashMap<String, Known>;
static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(|| Mutex::new(read().unwrap_or_default()));

fn lock() -> MutexGuard<'static, Answers> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read() -> Option<Answers> {
    let mut text = String::new();
    bai_private::open_file(&cache::file(FILE)?).ok()?.take(FILE_LIMIT).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn key(executable: &Path, args: &[&str]) -> String {
    format!("{}\n{}", executable.display(), args.join("\n"))
}

fn state_of(executable: &Path) -> Option<(u64, u64, u64, i64, i64)> {
    let meta = executable.metadata().ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()))
}

/// The answer of a program to these arguments, if it is known. The inner `None` is that of a program without an answer.
pub(super) fn recall(executable: &Path, args: &[&str]) -> Option<Option<String>> {
    let file = state_of(executable)?;
    lock().get(&key(executable, args)).filter(|known| known.file == file).map(|known| known.answer.clone())
}

/// Remembers an answer.
pub(super) fn remember(executable: &Path, args: &[&str], answer: Option<String>) {
    let Some(file) = state_of(executable) else { return };
    // A program without an answer may have one tomorrow: what it lacks need not be in its file.
    let is_kept = answer.is_some() && answers_for_itself(executable);
    let mut answers = lock();
    answers.insert(key(executable, args), Known { file, is_kept, answer });
    if !is_kept {
        return;
    }
    let kept: HashMap<_, _> = answers.iter().filter(|(_, known)| known.is_kept).collect();
    if let (Some(path), Ok(text)) = (cache::file(FILE), serde_json::to_vec(&kept))
        && let Err(error) = bai_private::replace_cache(&path, &text)
    {
        tracing::debug!(%error, "the versions could not be cached");
    }
}

/// Whether the answer is a matter of this file alone. Scripts, and programs under the name of another one, start what the
/// user's settings say: a shim of a version manager does.
fn answers_for_itself(executable: &Path) -> bool {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    let wanted = name(executable);
    let wanted = wanted.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let Ok(real) = executable.canonicalize() else { return false };
    let mut magic = [0; 4];
    let is_binary = std::fs::File::open(&real)
        .and_then(|mut file| file.read_exact(&mut magic))
        .is_ok_and(|()| !magic.starts_with(b"#!"));
    is_binary && name(&real).contains(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn an_answer_holds_until_the_file_changes_whatever_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let [one, other, link] = ["one", "other", "link"].map(|name| folder.path().join(name));
        std::fs::write(&one, "1").unwrap();
        std::fs::write(&other, "2").unwrap();
        symlink(&one, &link).unwrap();
        assert_eq!(recall(&link, &["-v"]), None);
        remember(&link, &["-v"], Some("1".into()));
        assert_eq!(recall(&link, &["-v"]), Some(Some("1".into())));
        assert_eq!(recall(&link, &["-V"]), None);
        std::fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        assert_eq!(recall(&link, &["-v"]), None);
    }

    #[test]
    fn scripts_and_shims_do_not_answer_for_themselves() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("tool3.1"), b"\x7fELF").unwrap();
        std::fs::write(at("manager"), b"\x7fELF").unwrap();
        std::fs::write(at("script"), b"#!/bin/sh\n").unwrap();
        symlink(at("tool3.1"), at("tool")).unwrap();
        symlink(at("manager"), at("rusty")).unwrap();
        let judged = ["tool", "tool3.1", "manager", "rusty", "script", "missing"]
            .map(|name| answers_for_itself(&at(name)));
        assert_eq!(judged, [true, true, true, false, false, false]);
    }
}
