//! All languages, and the choice of one for an image name on this machine. A language does not know this module.

use super::error::StartError;
use super::image::ImageName;
use super::jupyter::{self, Jupyter};
use super::language::{FoundImage, KernelInfo, Language, Resolved};
use super::python::Python;
use super::search_paths::{SearchPaths, is_executable};
use super::sqlite::Sqlite;
use super::{app, compiled, scripted, tool};
use bai_protocol::language as table;
use std::path::Path;

/// The languages, in the order in which they are asked whether they accept an image.
pub(super) fn all() -> impl Iterator<Item = &'static dyn Language> {
    let scripted = scripted::ALL.iter().map(|row| row as &dyn Language);
    let compiled = compiled::ALL.iter().map(|row| row as &dyn Language);
    let others: [&dyn Language; 4] = [&Sqlite, &Python, &app::App, &Jupyter];
    scripted.chain(compiled).chain(others)
}

/// A language without a driver of ours: only its Jupyter kernel runs it.
struct ByJupyterOnly {
    row: &'static table::Language,
    /// The name of the missing kernel in errors.
    title: &'static str,
    install: &'static str,
}

/// Those languages.
static BY_JUPYTER_ONLY: &[ByJupyterOnly] = &[ByJupyterOnly {
    row: &table::JULIA,
    title: "the Jupyter kernel of Julia",
    install: "install Julia, and IJulia in it with `using Pkg; Pkg.add(\"IJulia\")`; the image is then jupyter:julia-…",
}];

/// The interpreter that a kernel of this image would use, or why there is none. It reads files and may run interpreters
/// to ask for their version, so call it where blocking for some milliseconds is allowed.
///
/// # Errors
/// When no language accepts the image, or its interpreter is missing.
pub fn resolve(image: &str) -> Result<Resolved, StartError> {
    resolve_image(&ImageName::parse(image), &SearchPaths::of_this_process())
}

pub(super) fn resolve_image(image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError> {
    let found = language_of(image, search_paths).and_then(|language| language.find(image, search_paths));
    found.map_err(|missing| match tool::limit() {
        // Without being able to run a program, a search finds none.
        Some(limit) if matches!(missing, StartError::NoInterpreter { .. }) => StartError::Limit { limit },
        _ => or_jupyter(missing, image, search_paths),
    })
}

/// Adds a hint to a Jupyter kernel of the language, if one is installed.
fn or_jupyter(missing: StartError, image: &ImageName, search_paths: &SearchPaths) -> StartError {
    if matches!(missing, StartError::NoSuchVersion { .. }) {
        return missing;
    }
    let kernel = image.language().and_then(|language| jupyter::of_language(language, search_paths));
    let Some(kernel) = kernel else { return missing };
    let named = jupyter::image_of(&kernel);
    let hint = match &missing {
        StartError::NoInterpreter { install, .. } => {
            format!("use the Jupyter kernel {:?} as {named}, or {install}", kernel.title())
        }
        _ => format!("use the Jupyter kernel {:?} as {named}", kernel.title()),
    };
    StartError::JupyterInstead { missing: Box::new(missing), hint }
}

fn language_of(image: &ImageName, search_paths: &SearchPaths) -> Result<&'static dyn Language, StartError> {
    let only = BY_JUPYTER_ONLY.iter().find(|only| image.language() == Some(only.row.name));
    let unknown = || match only {
        Some(only) => StartError::NoInterpreter {
            image: image.to_string(),
            language: only.title,
            looked: "the folders of Jupyter".to_owned(),
            install: only.install,
        },
        None => StartError::UnknownImage { image: image.to_string(), known: what_is_known(search_paths) },
    };
    all().find(|language| language.answers_to(image)).ok_or_else(unknown)
}

/// An interpreter that the caller has chosen. It is not asked for its version.
pub(super) fn given(image: &ImageName, executable: &Path) -> Result<Resolved, StartError> {
    let language = language_of(image, &SearchPaths::of_this_process())?;
    let (executable, version, note) = (executable.to_owned(), String::new(), None);
    Ok(Resolved {
        language,
        info: KernelInfo { language: language.name(), version, executable, shell: None, note },
    })
}

fn what_is_known(search_paths: &SearchPaths) -> String {
    let names: Vec<String> = find_all(search_paths).into_iter().map(|found| found.name).collect();
    if names.is_empty() {
        let languages: Vec<&str> = all().map(|language| language.name()).collect();
        return format!("it could run {}, but no interpreter was found", languages.join(", "));
    }
    format!("here are {}", names.join(", "))
}

fn find_all(search_paths: &SearchPaths) -> Vec<FoundImage> {
    // Each interpreter is run to ask for its version, and some are slow.
    std::thread::scope(|scope| {
        let ask = |language: &'static dyn Language| {
            let thread = std::thread::Builder::new();
            (language, thread.spawn_scoped(scope, move || language.find_all(search_paths)))
        };
        let asked: Vec<_> = all().map(ask).collect();
        let answers = asked.into_iter().flat_map(|(language, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_default(),
            // There are too many threads, so this one asks.
            Err(_) => language.find_all(search_paths),
        });
        answers.collect()
    })
}

/// Names of languages whose program is in `PATH`. They are also image names. No program is run, so the answer takes
/// milliseconds where [`images`] takes seconds; an interpreter outside `PATH` is not found.
pub fn languages_in_path() -> Vec<&'static str> {
    in_path(&SearchPaths::of_this_process())
}

fn in_path(search_paths: &SearchPaths) -> Vec<&'static str> {
    let folders = search_paths.path();
    let is_there = |program: &&str| folders.iter().any(|folder| is_executable(&folder.join(program)));
    let found = table::ALL.iter().filter(|row| row.programs.iter().any(&is_there));
    found.map(|row| row.name).collect()
}

/// Every image name that this machine can run, newest version first in each language.
pub async fn images() -> Vec<FoundImage> {
    tokio::task::spawn_blocking(|| find_all(&SearchPaths::of_this_process())).await.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_by_its_program_without_running_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for (name, mode) in [("python3", 0o755), ("node", 0o644)] {
            let file = folder.path().join(name);
            std::fs::write(&file, "not a program").unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let search_paths = SearchPaths::of(&[("PATH", folder.path().to_str().unwrap())]);
        assert_eq!(in_path(&search_paths), ["python"]);
    }

    #[test]
    fn every_language_of_the_table_has_a_way_to_run() {
        for row in table::ALL {
            let ours = all().filter(|language| language.name() == row.name).count();
            let only = BY_JUPYTER_ONLY.iter().filter(|only| only.row.name == row.name).count();
            assert_eq!(ours + only, 1, "{}: a row in scripted.rs, compiled.rs or BY_JUPYTER_ONLY", row.name);
        }
        let beside = ["app", "jupyter"];
        for language in all().filter(|language| !beside.contains(&language.name())) {
            let known = table::ALL.iter().any(|row| row.name == language.name());
            assert!(known, "{}: a row in the table of bai-protocol, and in its ALL", language.name());
        }
    }
}
