//! `build *` and `exec *` (`docs/wire` §9.5): the rules of the table of languages, applied to a folder of this machine.
//! Languages that are not in the table have their own answer.

use super::language::{Heuristic, Invocation, NOT_RUN};
use super::search_paths::{children, is_executable};
use bai_protocol::language::{Language, Needs, Rule, Word};
use std::path::{Path, PathBuf};

/// The depth to which folders are searched for sources.
const DEPTH: usize = 16;

/// The work of `build *` in a folder without a `Makefile`; `tool` is the interpreter or compiler.
pub(super) fn build(language: &Language, tool: &Path, workdir: &Path) -> Heuristic {
    first(language, language.build, tool, workdir).unwrap_or_else(|| {
        let missing: Vec<String> = std::iter::once("Makefile".to_owned())
            .chain(language.build.iter().map(|rule| describe(language, rule.needs)))
            .collect();
        let code = if language.is_compiled { NOT_RUN } else { 0 };
        Heuristic::Done(Some(format!("no program to build: there is no {}", either(&missing))), code)
    })
}

/// The work of `exec *`.
pub(super) fn execute(language: &Language, tool: &Path, workdir: &Path) -> Heuristic {
    first(language, language.execute, tool, workdir).unwrap_or_else(|| {
        let missing: Vec<String> =
            language.execute.iter().map(|rule| describe(language, rule.needs)).collect();
        Heuristic::Done(Some(format!("no program to run: there is no {}", either(&missing))), NOT_RUN)
    })
}

/// The command of the first rule whose condition is fulfilled.
fn first(language: &Language, rules: &[Rule], tool: &Path, workdir: &Path) -> Option<Heuristic> {
    rules.iter().find_map(|rule| {
        let program = match rule.needs {
            Needs::File(name) => workdir.join(name).exists().then(PathBuf::new)?,
            Needs::Sources => (!sources(workdir, language).is_empty()).then(PathBuf::new)?,
            Needs::Program(name) => program(workdir, name)?,
        };
        let mut words = rule.words().flat_map(|word| match word {
            Word::Tool => vec![tool.to_owned()],
            Word::Beside(name) => vec![tool.with_file_name(name)],
            Word::Sources => sources(workdir, language),
            Word::Program => vec![program.clone()],
            // On this machine the environment is the user's own.
            Word::User => Vec::new(),
            Word::Text(text) => vec![PathBuf::from(text)],
        });
        let executable = words.next()?;
        Some(Heuristic::Run(Invocation::new(executable, &words.collect::<Vec<_>>())))
    })
}

/// A program of this name. A last part of `*` stands for any name in that folder.
fn program(workdir: &Path, name: &str) -> Option<PathBuf> {
    match name.strip_suffix('*') {
        Some(folder) => children(&workdir.join(folder)).into_iter().find(|path| is_executable(path)),
        None => Some(workdir.join(name)).filter(|path| is_executable(path)),
    }
}

/// The condition of a rule, in words for the user.
fn describe(language: &Language, needs: Needs) -> String {
    match needs {
        Needs::File(name) => name.to_owned(),
        Needs::Sources => format!(".{} file", language.extension()),
        Needs::Program(name) => format!("./{name}"),
    }
}

/// `a, b or c`.
fn either(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [some @ .., last] => format!("{} or {last}", some.join(", ")),
    }
}

/// The source files below the folder, relative to it. Hidden folders and links to folders are left out.
fn sources(workdir: &Path, language: &Language) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![(workdir.to_owned(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        for path in children(&folder) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && depth < DEPTH {
                todo.push((path, depth + 1));
            } else if path
                .extension()
                .is_some_and(|end| language.extensions.iter().any(|known| end == *known))
            {
                found.extend(path.strip_prefix(workdir).map(Path::to_owned));
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use bai_protocol::language;

    #[test]
    fn missing_programs_and_sources_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        for (language, build_says, code, execute_says) in [
            (&language::BASH, "no Makefile", 0, "no main.sh"),
            (&language::PYTHON, "no Makefile, setup.py or pyproject.toml", 0, "no main.py"),
            (&language::C, "no Makefile or main.c", 127, "no ./main or ./a.out"),
            (&language::JAVA, "no Makefile or .java file", 127, "no main/Main.class or Main.class"),
        ] {
            let done = |text: String, code| Heuristic::Done(Some(text), code);
            let tool = Path::new("/tool");
            let (build, execute) =
                (build(language, tool, folder.path()), execute(language, tool, folder.path()));
            assert_eq!(build, done(format!("no program to build: there is {build_says}"), code));
            assert_eq!(execute, done(format!("no program to run: there is {execute_says}"), 127));
        }
    }

    #[test]
    fn programs_beside_the_tool_and_sources_below_the_folder_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("part/.hidden")).unwrap();
        for file in ["main.hs", "part/Other.hs", "part/.hidden/Not.hs"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        let built = build(&language::HASKELL, Path::new("/opt/bin/runghc"), folder.path());
        let args = ["--make", "-v0", "-o", "main", "main.hs", "part/Other.hs"];
        assert_eq!(built, Heuristic::Run(Invocation::new("/opt/bin/ghc", &args)));
    }
}
