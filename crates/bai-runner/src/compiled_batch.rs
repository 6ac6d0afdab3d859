//! What `build *` and `exec *` do in compiled languages (`protocol.md` §9.5).

use super::language::{Heuristic, Invocation};
use super::search_paths::{children, is_executable};
use std::path::{Path, PathBuf};

/// Folders deeper than this are not looked through for sources.
const DEPTH: usize = 16;

pub(super) fn build_c(tool: &Path, workdir: &Path) -> Heuristic {
    build(tool, workdir, "main.c", &["c"], &["-Wall", "-o", "main"], &["-lrt", "-lm", "-pthread", "-ldl"])
}

pub(super) fn build_cpp(tool: &Path, workdir: &Path) -> Heuristic {
    let after = ["-lrt", "-lm", "-pthread", "-ldl"];
    build(tool, workdir, "main.cpp", &["cpp", "cc", "cxx"], &["-Wall", "-o", "main"], &after)
}

pub(super) fn build_fortran(tool: &Path, workdir: &Path) -> Heuristic {
    build(tool, workdir, "main.f90", &["f90", "f95", "f03", "f08", "f"], &["-o", "main"], &[])
}

pub(super) fn build_ocaml(tool: &Path, workdir: &Path) -> Heuristic {
    if workdir.join("dune-project").exists() {
        return Heuristic::Run(Invocation::new("dune", &["build"]));
    }
    if workdir.join("main.ml").exists() {
        let compiler = tool.with_file_name("ocamlopt");
        return Heuristic::Run(Invocation::new(compiler, &["-o", "main", "main.ml"]));
    }
    missing("build", "no Makefile, dune-project or main.ml")
}

pub(super) fn build_go(tool: &Path, workdir: &Path) -> Heuristic {
    if workdir.join("go.mod").exists() {
        return Heuristic::Run(Invocation::new(tool, &["build", "-o", "main", "."]));
    }
    build(tool, workdir, "main.go", &["go"], &["build", "-o", "main"], &[])
}

pub(super) fn build_haskell(tool: &Path, workdir: &Path) -> Heuristic {
    build(&tool.with_file_name("ghc"), workdir, "main.hs", &["hs"], &["--make", "-v0", "-o", "main"], &[])
}

pub(super) fn build_java(tool: &Path, workdir: &Path) -> Heuristic {
    let sources = sources(workdir, &["java"]);
    if sources.is_empty() {
        return missing("build", "no Makefile and no .java file");
    }
    let mut args: Vec<PathBuf> = vec!["-encoding".into(), "UTF-8".into(), "-d".into(), ".".into()];
    args.extend(sources);
    Heuristic::Run(Invocation::new(tool, &args))
}

pub(super) fn build_rust(tool: &Path, workdir: &Path) -> Heuristic {
    if workdir.join("Cargo.toml").exists() {
        return Heuristic::Run(Invocation::new("cargo", &["build"]));
    }
    if workdir.join("main.rs").exists() {
        return Heuristic::Run(Invocation::new(tool, &["-o", "main", "main.rs"]));
    }
    missing("build", "no Makefile, Cargo.toml or main.rs")
}

pub(super) fn build_nothing(_tool: &Path, _workdir: &Path) -> Heuristic {
    Heuristic::Done(Some("nothing to build: no Makefile".to_owned()), 0)
}

pub(super) fn execute_main(_tool: &Path, workdir: &Path) -> Heuristic {
    let program =
        ["main", "a.out"].into_iter().map(|name| workdir.join(name)).find(|path| is_executable(path));
    match program {
        Some(program) => Heuristic::Run(Invocation::new(program, &[] as &[&str])),
        None => missing("run", "there is no ./main or ./a.out"),
    }
}

pub(super) fn execute_rust(tool: &Path, workdir: &Path) -> Heuristic {
    let folders = ["target/debug", "target/release"].map(|folder| children(&workdir.join(folder)));
    match folders.into_iter().flatten().find(|path| is_executable(path)) {
        Some(program) => Heuristic::Run(Invocation::new(program, &[] as &[&str])),
        None => execute_main(tool, workdir),
    }
}

pub(super) fn execute_java(tool: &Path, workdir: &Path) -> Heuristic {
    let class = if workdir.join("main/Main.class").exists() { "main.Main" } else { "Main" };
    if class == "Main" && !workdir.join("Main.class").exists() {
        return missing("run", "there is no Main.class");
    }
    Heuristic::Run(Invocation::new(tool.with_file_name("java"), &[class]))
}

pub(super) fn execute_scheme(tool: &Path, workdir: &Path) -> Heuristic {
    if workdir.join("main.scm").exists() {
        return Heuristic::Run(Invocation::new(tool, &["--no-auto-compile", "-s", "main.scm"]));
    }
    missing("run", "there is no main.scm")
}

/// One compiler over all sources of the folder.
fn build(
    tool: &Path,
    workdir: &Path,
    main: &str,
    extensions: &[&str],
    before: &[&str],
    after: &[&str],
) -> Heuristic {
    if !workdir.join(main).exists() {
        return missing("build", &format!("no Makefile and no {main}"));
    }
    let mut args: Vec<PathBuf> = before.iter().map(PathBuf::from).collect();
    args.extend(sources(workdir, extensions));
    args.extend(after.iter().map(PathBuf::from));
    Heuristic::Run(Invocation::new(tool, &args))
}

fn missing(verb: &str, why: &str) -> Heuristic {
    Heuristic::Done(Some(format!("nothing to {verb}: {why}")), 127)
}

/// Files below the folder with one of these extensions, relative to it; hidden folders and links to folders are left out.
fn sources(workdir: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![(workdir.to_owned(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        for path in children(&folder) {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !path.is_symlink() && !name.starts_with('.') && depth < DEPTH {
                todo.push((path, depth + 1));
            } else if path.extension().is_some_and(|end| extensions.iter().any(|known| end == *known)) {
                found.extend(path.strip_prefix(workdir).map(Path::to_owned));
            }
        }
    }
    found.sort();
    found
}
