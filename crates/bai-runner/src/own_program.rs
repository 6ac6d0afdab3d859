//! Scripts that run as their language's own program runs them: `node FILE a b`. This is the rule for a session that was made
//! for one script. In others the interpreter under our driver runs scripts, since the session's variables count there.

use super::language::{Invocation, Plan};
use bai_private::TemporaryFolder;
use bai_protocol::byte_text;
use bai_protocol::execute::Script;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How the program of a language takes a script. `{file}`, `{code}` and `{folder}` in the words stand for the script's file, its code,
/// and the scratch folder. The arguments of the script follow the words.
#[derive(Debug)]
pub(super) struct OwnProgram {
    /// Words before all others.
    pub(super) options: &'static [&'static str],
    /// Words that let a prompt be seen before its answer is typed, where the program keeps it back on a pipe.
    pub(super) prompts: &'static [&'static str],
    /// A file in the scratch folder that those words name, and its text.
    pub(super) prompts_file: Option<(&'static str, &'static str)>,
    /// The words for a file.
    pub(super) file: &'static [&'static str],
    /// The words for code of a command line. Without them it becomes a file.
    pub(super) code: &'static [&'static str],
    /// The words for code from standard input. Without them it becomes a file.
    pub(super) input: &'static [&'static str],
    /// What begins a file. Code of a command line must not begin with it, and code from standard input must.
    pub(super) tag: &'static str,
    /// Variables that are set unless the user has set them.
    pub(super) default_env: &'static [(&'static str, &'static str)],
}

impl OwnProgram {
    /// The defaults of a row.
    pub(super) const DEFAULT: Self = OwnProgram {
        options: &[],
        prompts: &[],
        prompts_file: None,
        file: &["{file}"],
        code: &[],
        input: &[],
        tag: "",
        default_env: &[],
    };

    /// The plan that runs a script in the folder `workdir`.
    pub(super) fn plan(
        &self,
        executable: &Path,
        (code, script): (&str, &Script),
        workdir: &Path,
        scratch: &Scratch,
    ) -> io::Result<Plan> {
        let mut plan = Plan::default();
        let mut words = self.options.to_vec();
        if script.terminal && script.pty.is_none() {
            words.extend(self.prompts);
            if let Some((name, text)) = self.prompts_file {
                plan.files.push((scratch.path()?.join(name), text.as_bytes().to_vec()));
            }
        }
        let bytes = byte_text::bytes(code);
        let mut file = PathBuf::new();
        match self.form(script, code) {
            Form::Code => words.extend(self.code),
            Form::Input => {
                plan.input = Some(bytes.into_owned());
                if !script.name.is_empty() {
                    words.extend(self.input);
                }
            }
            Form::File => {
                words.extend(self.file);
                let path = script.path.as_deref().and_then(|path| here(path, &script.name, &bytes, workdir));
                file = match path {
                    Some(path) => path,
                    None => {
                        let file = scratch.path()?.join(file_name(script));
                        plan.files.push((file.clone(), bytes.into_owned()));
                        file
                    }
                };
            }
        }
        let fill = |word: &&str| match *word {
            "{code}" => Ok(OsString::from_vec(byte_text::bytes(code).into_owned())),
            word => {
                let mut filled = replaced(word.as_bytes(), b"{file}", file.as_os_str().as_bytes());
                if word.contains("{folder}") {
                    filled = replaced(&filled, b"{folder}", scratch.path()?.as_os_str().as_bytes());
                }
                Ok(OsString::from_vec(filled))
            }
        };
        let mut args: Vec<OsString> = words.iter().map(fill).collect::<io::Result<_>>()?;
        args.extend(arguments(script));
        plan.commands.push(Invocation::new(executable, &args));
        Ok(plan)
    }

    fn form(&self, script: &Script, code: &str) -> Form {
        let begins = code.trim_start().starts_with(self.tag);
        match script.path {
            Some(_) => Form::File,
            None if !self.tag.is_empty() && !begins => Form::Code,
            None if script.name == "-c" && self.tag.is_empty() && !self.code.is_empty() => Form::Code,
            None if script.name != "-c" && !self.input.is_empty() => Form::Input,
            None => Form::File,
        }
    }
}

/// A folder for the files of one program. It is made when the first file needs it.
#[derive(Debug, Default)]
pub(super) struct Scratch(OnceLock<TemporaryFolder>);

impl Scratch {
    /// The folder.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn path(&self) -> io::Result<&Path> {
        if let Some(folder) = self.0.get() {
            return Ok(folder.path());
        }
        let new = TemporaryFolder::new()?;
        Ok(self.0.get_or_init(|| new).path())
    }
}

/// A script that the language's own program runs, with the driver as its guest.
#[derive(Debug)]
pub(super) struct OwnScript {
    pub(super) code: String,
    pub(super) script: Script,
    pub(super) scratch: Scratch,
    /// What the program reads first, if this is not the user's input.
    pub(super) input: Option<Vec<u8>>,
}

impl OwnScript {
    pub(super) fn new(code: String, script: Script) -> Self {
        OwnScript { code, script, scratch: Scratch::default(), input: None }
    }

    /// Whether the program that was started for it can run this script. What the driver learns with the script may differ.
    pub(super) fn is(&self, code: &str, script: Option<&Script>) -> bool {
        script.is_some_and(|script| {
            *code == *self.code && *script == Script { tty: script.tty, ..self.script.clone() }
        })
    }
}

/// The arguments of a script.
pub(super) fn arguments(script: &Script) -> Vec<OsString> {
    script.args.iter().map(|argument| OsString::from_vec(byte_text::bytes(argument).into_owned())).collect()
}

/// What a script is for the program.
enum Form {
    File,
    Code,
    Input,
}

/// The script's file as the program is to see it: as it was typed, if that leads to it. `None` if a file of this content is not on
/// this machine.
fn here(path: &str, name: &str, bytes: &[u8], workdir: &Path) -> Option<PathBuf> {
    let [path, name] =
        [path, name].map(|text| PathBuf::from(OsString::from_vec(byte_text::bytes(text).into_owned())));
    let metadata = std::fs::metadata(&path).ok()?;
    if !metadata.is_dir() {
        // A pipe has been read already.
        let content = metadata.is_file().then(|| std::fs::read(&path).ok()).flatten()?;
        // The mark at the beginning is no part of the code.
        let content = content.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&content);
        if content != bytes {
            return None;
        }
    }
    let leads_to_it = workdir.join(&name).canonicalize().ok()? == path.canonicalize().ok()?;
    let is_option = name.as_os_str().as_bytes().starts_with(b"-");
    Some(if leads_to_it && !is_option { name } else { path })
}

/// The name of a new file for a script.
fn file_name(script: &Script) -> OsString {
    let name = byte_text::bytes(script.path.as_deref().unwrap_or_default()).into_owned();
    let name = PathBuf::from(OsString::from_vec(name));
    name.file_name().map_or_else(|| "script".into(), OsString::from)
}

fn replaced(text: &[u8], what: &[u8], by: &[u8]) -> Vec<u8> {
    match text.windows(what.len()).position(|part| part == what) {
        Some(at) => {
            let (before, rest) = text.split_at(at);
            [before, by, rest.get(what.len()..).unwrap_or_default()].concat()
        }
        None => text.to_vec(),
    }
}
