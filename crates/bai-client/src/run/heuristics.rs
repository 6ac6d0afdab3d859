//! The meaning of `*` in a batch run on servers whose own result would be lost or is missing (`docs/wire` §3.7, §9.5): small
//! shell scripts that look at the files of the session. The rules are in the table of languages; here they become text.

use bai_protocol::language::{self, Language, Needs, Rule, Word};

/// The script that builds a program: with `make` first, then by the rules.
pub(super) fn build() -> String {
    let make = "if [ -f Makefile ] || [ -f makefile ]; then exec make; fi\n";
    make.to_owned() + &script(|language| language.build, |_| true)
}

/// The script that runs a program.
pub(super) fn execute() -> String {
    let missing = "echo \"no program was found to execute: neither ./main nor main.py, main.js, main.R or the like is here\" >&2\n\
                   exit 127";
    script(|language| language.execute, |name| name.starts_with("main.")) + missing
}

/// One branch for each rule: `./main` first, then files that tell the language, then those that projects in another language
/// have too, then any other program.
fn script(rules: fn(&Language) -> &'static [Rule], tells: fn(&str) -> bool) -> String {
    let mut all: Vec<(&Language, &Rule)> = Vec::new();
    for &language in language::ALL {
        all.extend(rules(language).iter().map(|rule| (language, rule)));
    }
    all.sort_by_key(|(_, rule)| match rule.needs {
        Needs::Program("main") => 0,
        Needs::File(name) if tells(name) => 1,
        Needs::File(_) => 2,
        Needs::Program(_) | Needs::Sources => 3,
    });
    let mut branches: Vec<String> = Vec::new();
    for (language, rule) in all {
        let branch = branch(language, rule);
        // Many languages have the same names for the output of a compiler.
        if !branches.contains(&branch) {
            branches.push(branch);
        }
    }
    branches.concat()
}

/// The branch of one rule: the shell becomes its command, if the folder fulfils its condition.
fn branch(language: &Language, rule: &Rule) -> String {
    let command: Vec<String> = rule.words().map(|word| in_shell(language, word)).collect();
    let exec = format!("exec {}", command.join(" "));
    // Names of sources may contain spaces.
    let exec = if rule.words().any(|word| word == Word::Sources) {
        format!("IFS='\n'; set -f; {exec}")
    } else {
        exec
    };
    match rule.needs {
        Needs::File(name) => format!("if [ -f {name} ]; then {exec}; fi\n"),
        Needs::Sources => format!("if [ -n \"{}\" ]; then {exec}; fi\n", sources(language)),
        Needs::Program(name) => {
            format!(
                "for program in {name}; do if [ -f \"$program\" ] && [ -x \"$program\" ]; then {exec}; fi; done\n"
            )
        }
    }
}

fn in_shell(language: &Language, word: Word) -> String {
    match word {
        Word::Tool => match language.programs {
            [] => String::new(),
            [only] => (*only).to_owned(),
            [first, ..] => {
                let looks: Vec<String> =
                    language.programs.iter().map(|name| format!("command -v {name}")).collect();
                format!("\"$({} || echo {first})\"", looks.join(" || "))
            }
        },
        Word::Beside(name) | Word::Text(name) => name.to_owned(),
        Word::Sources => sources(language),
        Word::Program => "\"./$program\"".to_owned(),
        Word::User => "--user".to_owned(),
    }
}

fn sources(language: &Language) -> String {
    let names: Vec<String> = language.extensions.iter().map(|end| format!("-name '*.{end}'")).collect();
    format!("$(find . -type f ! -path '*/.*' '(' {} ')')", names.join(" -o "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    #[track_caller]
    fn run(script: &str, folder: &Path) -> (Option<i32>, String) {
        let ended = Command::new("sh").arg("-c").arg(script).current_dir(folder).output().unwrap();
        let text = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        (ended.status.code(), text.into_owned())
    }

    #[test]
    fn the_files_determine_the_steps() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(run(&build(), folder.path()), (Some(0), String::new()));
        let (code, said) = run(&execute(), folder.path());
        assert_eq!((code, said.contains("main.py")), (Some(127), true));
        std::fs::write(at("main.sh"), "echo from the shell; exit 4").unwrap();
        assert_eq!(run(&execute(), folder.path()), (Some(4), "from the shell\n".into()));
        std::fs::write(at("main.c"), "int seven(void); int main(void) { return seven(); }").unwrap();
        std::fs::create_dir(at("a folder")).unwrap();
        std::fs::write(at("a folder/seven *.c"), "int seven(void) { return 7; }").unwrap();
        assert_eq!(run(&build(), folder.path()), (Some(0), String::new()));
        assert_eq!(run(&execute(), folder.path()), (Some(7), String::new()));
        if !bai_testkit::need("make") {
            return;
        }
        std::fs::write(at("Makefile"), "all:\n\t@echo made; exit 3\n").unwrap();
        let (code, said) = run(&build(), folder.path());
        assert_eq!((code, said.starts_with("made\n")), (Some(2), true), "{said}");
    }

    /// The words of the command that a script runs where a rule's files are, with programs that only tell how they were
    /// called.
    #[track_caller]
    fn chosen(script: &str, needs: Needs, language: &Language) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = match needs {
            Needs::File(name) | Needs::Program(name) => name.replace('*', "any"),
            Needs::Sources => format!("Any.{}", language.extension()),
        };
        // Another process writes programs: one that is forked from ours meanwhile would hold them open for writing.
        let setup = "mkdir -p tools \"$(dirname \"$0\")\"; printf '#!/bin/sh\\necho \"${0##*/}\" \"$@\"\\n' >\"$0\"; chmod +x \"$0\"\n\
                     for tool; do cp \"$0\" tools/$tool; done";
        let beside = language.build.iter().chain(language.execute).flat_map(Rule::words);
        let beside = beside.filter_map(|word| match word {
            Word::Beside(name) | Word::Text(name) => Some(name),
            _ => None,
        });
        let is_name = |name: &&str| name.starts_with(char::is_alphabetic) && !name.contains('.');
        let tools = language.programs.iter().copied().chain(beside.filter(is_name));
        let made =
            Command::new("sh").args(["-c", setup, &file]).args(tools).current_dir(folder.path()).status();
        assert!(made.unwrap().success());
        let script = format!("PATH={}:$PATH\n{script}", folder.path().join("tools").display());
        let (code, said) = run(&script, folder.path());
        assert_eq!(code, Some(0), "{}: {said}", language.name);
        said
    }

    #[test]
    fn every_language_is_built_and_run_by_its_rules() {
        let (build, execute) = (build(), execute());
        for language in language::ALL {
            for (script, rules) in [(&build, language.build), (&execute, language.execute)] {
                for rule in rules {
                    let said = chosen(script, rule.needs, language);
                    let expected = rule.words().next().map(|word| match (word, rule.needs) {
                        (Word::Tool, _) => language.programs[0].to_owned(),
                        (Word::Beside(name) | Word::Text(name), _) => name.to_owned(),
                        (_, Needs::Program(name)) => name.rsplit('/').next().unwrap().replace('*', "any"),
                        _ => unreachable!("a command begins with a program"),
                    });
                    assert_eq!(
                        said.split_whitespace().next(),
                        expected.as_deref(),
                        "{}: {rule:?}",
                        language.name
                    );
                }
            }
        }
    }
}
