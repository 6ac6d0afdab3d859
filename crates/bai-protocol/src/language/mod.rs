//! The table of languages. The runner uses it to find an interpreter, the prompt to colour code and to judge cells, the
//! client to bring a prelude and to find programs. Facts that only one of them can know stay there, keyed by a row of
//! this table: how an interpreter is started, for example. The name of the image determines the language.

mod arguments;
mod batch;
mod syntax;
mod table;

pub use arguments::Arguments;
pub use batch::{Needs, Rule, Word};
pub use syntax::Syntax;
pub use table::*;

/// One language.
#[derive(Debug, PartialEq, Eq)]
pub struct Language {
    /// Its name: in image names, in the prompt, in the name of its history file.
    pub name: &'static str,
    /// Other words for it in image names. A word matches alone, before a hyphen (`r` and `r-base`), and before a
    /// version (`lua` and `lua5.4`).
    pub aliases: &'static [&'static str],
    /// Parts of image names that suggest the language, when no word names it.
    pub hints: &'static [&'static str],
    /// The interpreter or compiler: names of the program, the preferred one first.
    pub programs: &'static [&'static str],
    /// Extensions of source files, without the dot. The first one is that of a new file.
    pub extensions: &'static [&'static str],
    /// The grammar that colours it, by the name that the highlighter has for it; [`Language::PLAIN_TEXT`] if it has none.
    pub grammar: &'static str,
    /// The syntax of comments, strings and blocks.
    pub syntax: Syntax,
    /// Code that prints the documentation of the name `{}`. `None` if the language has no such code, or if a front end
    /// knows more.
    pub documentation: Option<&'static str>,
    /// What a user types to leave the language's own prompt, without a semicolon at its end: it leaves ours too. Each is a
    /// whole cell.
    pub leave: &'static [&'static str],
    /// Whether a cluster's kernel of this language takes the prelude of the client.
    pub takes_prelude: bool,
    /// How a script that a live interpreter runs gets its arguments. `None` if it cannot, or if each script is a program.
    pub arguments: Option<Arguments>,
    /// Whether a script may be a folder.
    pub runs_folders: bool,
    /// Whether a program has to be built before it can run.
    pub is_compiled: bool,
    /// How `build *` builds a program when there is no `Makefile`.
    pub build: &'static [Rule],
    /// How `exec *` runs a program.
    pub execute: &'static [Rule],
}

impl Language {
    /// The grammar of a language that the highlighter cannot colour. A row names it explicitly.
    pub const PLAIN_TEXT: &'static str = "Plain Text";

    /// An unknown language, and the defaults of a row.
    pub const UNKNOWN: Self = Language {
        name: "",
        aliases: &[],
        hints: &[],
        programs: &[],
        extensions: &["txt"],
        grammar: "",
        syntax: Syntax::PLAIN,
        documentation: None,
        leave: &["exit", "quit"],
        takes_prelude: false,
        arguments: None,
        runs_folders: false,
        is_compiled: false,
        build: &[],
        execute: &[],
    };

    /// The extension of a new source file, without the dot.
    pub fn extension(&self) -> &'static str {
        self.extensions.first().copied().unwrap_or_default()
    }

    /// Whether this cell asks to leave the prompt.
    pub fn leaves(&self, cell: &str) -> bool {
        self.leave.contains(&cell.trim().trim_end_matches(';').trim_end())
    }

    /// Whether a word, such as the bare name of an image, names this language.
    fn is_called(&self, word: &str) -> bool {
        let fits = |known: &&str| {
            let rest = word.strip_prefix(known)?;
            let version = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            (version.is_empty() || version.starts_with('-')).then_some(())
        };
        std::iter::once(&self.name).chain(self.aliases).any(|known| fits(known).is_some())
    }
}

/// The language of an image's bare name, in lower case and without registry, path and tag: `r-base` is R. `None` if the
/// name does not determine it.
pub fn of_name(name: &str) -> Option<&'static Language> {
    let name = name.strip_prefix("kernel-").unwrap_or(name);
    ALL.iter().copied().find(|language| language.is_called(name))
}

/// The bare name and the tag in an image name, without registry, path, digest and architecture:
/// `cr.example:5000/stable/Python:3.6@x86_64` is `Python` and `3.6`. The tag may be empty.
pub fn name_and_tag(image: &str) -> (&str, &str) {
    let without_digest = image.split_once('@').map_or(image, |(name, _)| name);
    // A colon before the last slash belongs to the registry's port.
    let last = without_digest.rsplit('/').next().unwrap_or_default();
    last.split_once(':').unwrap_or((last, ""))
}

/// The language that the name of an image states. Images of frameworks state their version of Python: a part like `py36` or
/// `py3.10` of the tag or of the name.
pub fn of_image(image: &str) -> Option<&'static Language> {
    let (name, tag) = name_and_tag(image.trim());
    let name = name.to_ascii_lowercase();
    let is_version = |part: &str| {
        let version = part.strip_prefix("python").or_else(|| part.strip_prefix("py")).unwrap_or_default();
        version.starts_with(|c: char| c.is_ascii_digit())
            && version.chars().all(|c| c.is_ascii_digit() || c == '.')
    };
    let marked = || tag.split('-').chain(name.split('-')).any(is_version);
    of_name(&name).or_else(|| marked().then_some(&PYTHON))
}

/// The probable language of a cluster's image: the stated one, or the one that a part of its name suggests. `pytorch:2.1`
/// states no language and suggests Python.
pub fn likely_of_image(image: &str) -> Option<&'static Language> {
    let (name, tag) = name_and_tag(image.trim());
    let (name, tag) = (name.to_ascii_lowercase(), tag.to_ascii_lowercase());
    let suggests = |hint: &&str| name.contains(hint) || tag.contains(hint);
    of_image(image).or_else(|| ALL.iter().copied().find(|language| language.hints.iter().any(suggests)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(language: Option<&'static Language>) -> Option<&'static str> {
        language.map(|language| language.name)
    }

    #[test]
    fn an_image_in_every_spelling_gives_its_language() {
        for (image, name, tag, language) in [
            ("python-tensorflow:2.1-py36", "python-tensorflow", "2.1-py36", Some("python")),
            ("lablup/kernel-nodejs:20", "kernel-nodejs", "20", Some("nodejs")),
            ("cr.example:443/stable/R-base:4.2@x86_64", "R-base", "4.2", Some("r")),
            ("localhost:5000/gcc", "gcc", "", Some("c")),
            ("[::1]:5000/python:3.6", "python", "3.6", Some("python")),
            ("python@sha256:abcdef", "python", "", Some("python")),
            ("cr.example/python:3.6@sha256:abcdef", "python", "3.6", Some("python")),
            ("ngc-pytorch:23.05-py310-cuda12.1", "ngc-pytorch", "23.05-py310-cuda12.1", Some("python")),
            ("ngc-tensorflow:20.03-tf2-py3", "ngc-tensorflow", "20.03-tf2-py3", Some("python")),
            ("x/y:1-py3.10@aarch64", "y", "1-py3.10", Some("python")),
            ("pytorch:2.1", "pytorch", "2.1", None),
            ("redis:7-pypy", "redis", "7-pypy", None),
            ("", "", "", None),
        ] {
            assert_eq!(name_and_tag(image), (name, tag), "{image}");
            assert_eq!(name_of(of_image(image)), language, "{image}");
        }
    }

    #[test]
    fn image_names_give_the_language() {
        for (name, language) in [
            ("python", Some("python")),
            ("python3", Some("python")),
            ("python-tensorflow", Some("python")),
            ("kernel-nodejs", Some("nodejs")),
            ("r-base", Some("r")),
            ("rust", Some("rust")),
            ("ruby", Some("ruby")),
            ("gcc", Some("c")),
            ("g++", Some("cpp")),
            ("c++", Some("cpp")),
            ("cpp", Some("cpp")),
            ("lua5.4", Some("lua")),
            ("sqlite3", Some("sqlite")),
            ("julia-gpu", Some("julia")),
            ("golang", Some("golang")),
            ("pytorch", None),
            ("ngc-pytorch", None),
            ("redis", None),
            ("", None),
        ] {
            assert_eq!(name_of(of_name(name)), language, "{name}");
        }
    }

    #[test]
    fn images_suggest_a_language_by_a_part_of_their_name() {
        for (image, language) in [
            ("pytorch:2.1", Some("python")),
            ("cr.example/stable/python-ff:20.01", Some("python")),
            ("ngc-pytorch:23", Some("python")),
            ("mypython:1", Some("python")),
            ("lablup/jupyter-notebook", Some("python")),
            ("x/y:1-py3.10@aarch64", Some("python")),
            ("base:tensorflow-2.1", Some("python")),
            ("r-base:4.3-jupyter", Some("r")),
            ("cr.example/python/r-base:4.3", Some("r")),
            ("bash:5.2", Some("bash")),
            ("redis:7-pypy", None),
            ("", None),
        ] {
            assert_eq!(name_of(likely_of_image(image)), language, "{image}");
        }
    }

    #[test]
    fn each_row_is_complete() {
        let mut seen: Vec<&str> = Vec::new();
        let mut extensions: Vec<&str> = Vec::new();
        for language in ALL {
            let name = language.name;
            for extension in language.extensions {
                assert!(
                    !extensions.contains(extension),
                    "{name}: .{extension} belongs to another language, too"
                );
                extensions.push(extension);
            }
            for word in std::iter::once(&name).chain(language.aliases) {
                assert!(!seen.contains(word), "{word} names one language");
                seen.push(word);
                assert_eq!(name_of(of_name(word)), Some(name), "{word}");
                assert_eq!(word.to_ascii_lowercase(), **word, "image names are compared in lower case");
            }
            assert!(!language.programs.is_empty(), "{name}: which program runs it?");
            let is_coloured = language.grammar != Language::UNKNOWN.grammar;
            assert!(is_coloured, "{name}: which grammar colours it? Language::PLAIN_TEXT, if there is none");
            assert!(
                language.extensions != Language::UNKNOWN.extensions,
                "{name}: what do its files end with?"
            );
            assert!(!language.execute.is_empty(), "{name}: what does `exec *` run?");
            assert!(!language.is_compiled || !language.build.is_empty(), "{name}: how is it built?");
            assert!(!language.leave.is_empty(), "{name}: how does one leave?");
            assert!(language.leave.iter().all(|text| language.leaves(text)), "{name}: {:?}", language.leave);
            assert!(language.documentation.is_none_or(|code| code.contains("{}")), "{name}");
        }
    }

    #[test]
    fn only_a_whole_cell_leaves() {
        for (language, leaves, stays) in [
            (&PYTHON, "exit()", "exit(3)"),
            (&PYTHON, " quit() ", "x = 1; exit()"),
            (&BASH, "exit", "exit 3"),
            (&R, "q()", "q"),
            (&NODEJS, ".exit", "exit()"),
            (&PHP, "exit;", "exit; print 1;"),
            (&SQLITE, ".quit", "SELECT exit;"),
            (&C, "exit", "exit(0);"),
        ] {
            assert!(language.leaves(leaves), "{}: {leaves}", language.name);
            assert!(!language.leaves(stays), "{}: {stays}", language.name);
        }
    }

    #[test]
    fn each_rule_uses_known_words() {
        for language in ALL {
            for rule in language.build.iter().chain(language.execute) {
                for word in rule.words() {
                    let Word::Text(text) = word else { continue };
                    assert!(!text.is_empty() && !text.contains(['{', '}']), "{}: {rule:?}", language.name);
                }
                let runs_found = rule.words().any(|word| word == Word::Program);
                assert_eq!(
                    runs_found,
                    matches!(rule.needs, Needs::Program(_)),
                    "{}: {rule:?}",
                    language.name
                );
            }
        }
    }
}
