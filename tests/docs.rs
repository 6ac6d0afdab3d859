//! Checks of the wire reference in `docs/` and the comments that cite it: every cited section and row exists, every
//! link in the book and in the documents at the root has a target, and every path that they name exists.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use regex_lite::{Captures, Regex};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders whose comments may cite the book.
const CITING: [&str; 7] = ["src", "crates", "tests", "fuzz", "benches", "screenshots", "docs/src"];
/// The extensions of files with comments or text.
const TEXT: [&str; 7] = ["rs", "md", "py", "sh", "js", "toml", "R"];
const BOOK: &str = "docs/src";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the text files below a folder. Hidden folders and build output are left out.
fn texts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(texts(&path));
        } else if path.extension().is_some_and(|kind| TEXT.iter().any(|text| kind == *text)) {
            found.push(path);
        }
    }
    found
}

fn book() -> Vec<PathBuf> {
    texts(&root().join(BOOK))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn group<'text>(captures: &Captures<'text>, index: usize) -> &'text str {
    captures.get(index).map_or("", |group| group.as_str())
}

/// Returns the first group of each match of `pattern` in a text.
fn all(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    pattern.captures_iter(text).map(|captures| group(&captures, 1).to_owned()).collect()
}

/// Joins a text into one line without comment signs, so that wrapped citations are found.
fn unwrapped(text: &str) -> String {
    let words = |line: &str| line.trim().trim_start_matches(['/', '!', '#']).trim().to_owned();
    text.lines().map(words).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_section_and_row_that_is_cited_exists() {
    let headings: String = book().iter().map(|path| read(path)).collect();
    let sections = all(r"(?m)^#+ (\d+(?:\.\d+)?)\.? ", &headings);
    let rows = all(r"(?m)^\| (\d+) \|", &read(&root().join(BOOK).join("wire/traps.md")));
    let rows_cited = Regex::new(r"§10, rows? (\d+)(?: and (\d+))?").unwrap();
    let mut missing = Vec::new();
    for path in CITING.iter().flat_map(|folder| texts(&root().join(folder))) {
        let text = read(&path);
        if !text.contains('§') {
            continue;
        }
        let text = unwrapped(&text);
        let cited = all(r"§(\d+(?:\.\d+)?)", &text);
        missing.extend(cited.difference(&sections).map(|section| format!("{}: §{section}", path.display())));
        for captures in rows_cited.captures_iter(&text) {
            let cited = [group(&captures, 1), group(&captures, 2)];
            let unknown = cited.iter().filter(|row| !row.is_empty() && !rows.contains(**row));
            missing.extend(unknown.map(|row| format!("{}: row {row}", path.display())));
        }
    }
    assert!(missing.is_empty(), "cited, but not in {BOOK}: {missing:#?}");
}

#[test]
fn every_link_leads_somewhere() {
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
    let mut broken = Vec::new();
    for path in documents.iter().map(|name| root().join(name)).chain(book()) {
        for link in all(r"\]\(([^)\s]+)\)", &read(&path)) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let is_there = link.contains("://") || target.exists() && has_heading(&target, anchor);
            if !is_there {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere: {broken:#?}");
}

#[test]
fn every_path_that_a_document_names_exists() {
    let documents = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name));
    let tops = [".ci", "benches", "crates", "docs", "fuzz", "screenshots", "src", "tests", "themes"];
    let mut missing = Vec::new();
    for path in documents.into_iter().chain(book()) {
        for named in all(r"`([\w.\-]+/[\w./\-]*)`", &read(&path)) {
            let (top, below) = named.split_once('/').unwrap();
            let target = match top {
                // `bai-client/run` is short for `crates/bai-client/src/run`.
                _ if top.starts_with("bai-") => root().join("crates").join(top).join("src").join(below),
                // `docs/wire` is short for `docs/src/wire`.
                "docs" if below.starts_with("wire") => root().join(BOOK).join(below),
                // A folder of Backend.AI's own repository.
                "src" if below.starts_with("ai/") => continue,
                _ if tops.contains(&top) => root().join(&named),
                // Otherwise a path of a session, a server or another program.
                _ => continue,
            };
            if !target.exists() {
                missing.push(format!("{}: {named}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist: {missing:#?}");
}

/// Whether a document has the heading that an anchor names. An empty anchor is the document itself.
fn has_heading(path: &Path, anchor: &str) -> bool {
    let slug = |heading: &String| -> String {
        let kept = heading.to_lowercase().replace(' ', "-");
        kept.chars().filter(|char| char.is_alphanumeric() || "-_".contains(*char)).collect()
    };
    anchor.is_empty() || all(r"(?m)^#+ (.+)$", &read(path)).iter().any(|heading| slug(heading) == anchor)
}

#[test]
fn the_table_of_contents_names_every_chapter() {
    let summary = root().join(BOOK).join("SUMMARY.md");
    let listed = all(r"\]\(([^)\s]+)\)", &read(&summary));
    let chapters = book().into_iter().filter(|path| *path != summary);
    let chapters: BTreeSet<_> = chapters
        .map(|path| path.strip_prefix(root().join(BOOK)).unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(listed, chapters);
}

/// Libraries state facts. The front end adds the names of its commands and flags (`src/repl/hints.rs`).
#[test]
fn texts_of_the_libraries_name_no_command_of_the_program() {
    // `<bai-repl NAME>` is the place of a driver's code in tracebacks.
    let command = "(?:^|[^<])(bai-repl [a-z]+|[ `(]:(?:interrupt|restart|replay|files|upload|download|apps?)\\b|-b HOST:PORT)";
    for library in ["bai-protocol", "bai-client", "bai-runner", "bai-engine"] {
        for path in texts(&root().join("crates").join(library).join("src")) {
            let text = read(&path);
            for line in text.lines().filter(|line| !line.trim().starts_with("//")) {
                let mut found = all(command, line);
                found.remove("bai-repl driver");
                assert!(found.is_empty(), "{} names {found:?}", path.display());
            }
        }
    }
}
