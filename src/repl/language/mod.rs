//! What the prompt needs to know about each language: when a cell is complete, how the next line is indented, which
//! brackets match, what a name is. This module does not draw, does not know the kernel, and does no I/O.

mod jupyter;
mod plain;
mod python;
mod scan;

use bai_protocol::language;
pub use jupyter::Jupyter;
pub use plain::Plain;
pub use python::Python;

/// What Enter should do with a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// Ready to be run.
    Complete,
    /// More lines are expected.
    Incomplete {
        /// The indentation of the next line.
        indent: String,
    },
    /// No further line can make it valid: it is run, so that the kernel reports the error.
    Invalid,
}

impl Completeness {
    /// More lines are expected, and the next one has the indentation `indent`.
    pub fn more(indent: impl Into<String>) -> Self {
        Completeness::Incomplete { indent: indent.into() }
    }
}

/// A language as the prompt sees it.
pub trait Language: Send + Sync {
    /// The word in the prompt and in the name of the history file: lower case, no spaces.
    fn name(&self) -> &str;

    /// Name of the grammar in the highlighter's set. Code of an unknown grammar has no colours.
    fn grammar(&self) -> &str;

    /// Whether a whole cell is complete, with the cursor at its end.
    fn completeness(&self, cell: &str) -> Completeness;

    /// Whether a further line can continue a cell that is complete, as `else` does a block on one line. Where lines cannot be edited
    /// together, an empty line ends such a cell.
    fn may_continue(&self, _cell: &str) -> bool {
        false
    }

    /// The indentation of a new line after `before`, in any state of the cell.
    fn indent_after(&self, before: &str) -> String;

    /// The smaller indentation for the last line of `before`, if its last character shows that it belongs to an outer block.
    /// `None` if its indentation stays.
    fn dedent(&self, _before: &str) -> Option<String> {
        None
    }

    /// One step of indentation.
    fn indent_unit(&self) -> &str {
        "    "
    }

    /// Byte position of the bracket that matches the one at byte `position`. Brackets in strings and comments are ignored.
    fn matching_bracket(&self, cell: &str, position: usize) -> Option<usize>;

    /// Keywords, which are suggested if the kernel has no answer.
    fn keywords(&self) -> &[&str] {
        &[]
    }

    /// Extension of source files, without the dot.
    fn extension(&self) -> &str;

    /// Code that prints the documentation of `name`. `None` if this is not a valid name, or if the language has no such code.
    fn documentation(&self, _name: &str) -> Option<String> {
        None
    }

    /// Whether `name?` asks for documentation, as in IPython. In some languages it is a call; `name??` asks in all of them.
    fn asks_with_one_sign(&self, _name: &str) -> bool {
        true
    }

    /// Whether this cell asks to leave the prompt, as `exit()` does in Python.
    fn leaves(&self, _cell: &str) -> bool {
        false
    }

    /// Whether a program that asks with these words wants code: a debugger. Then Tab completes the answer.
    fn asks_for_code(&self, _question: &str) -> bool {
        false
    }

    /// Whether code can begin with a colon and a letter, so that an unknown `:word` is code. In a language that is not known
    /// it can.
    fn takes_colon_words(&self) -> bool {
        true
    }

    /// Whether a name can begin with `c`.
    fn starts_name(&self, c: char) -> bool {
        c == '_' || c.is_alphabetic()
    }

    /// Whether a name can contain `c` after its beginning.
    fn continues_name(&self, c: char) -> bool {
        c == '_' || c.is_alphanumeric()
    }

    /// The names in a text, in order and with repetitions. Names with one character are left out.
    fn names<'t>(&self, text: &'t str) -> Vec<&'t str> {
        text.split(|c| !self.continues_name(c))
            .filter(|word| word.chars().nth(1).is_some())
            .filter(|word| word.chars().next().is_some_and(|c| self.starts_name(c)))
            .collect()
    }
}

/// The language of an image name (`python:3.6`, `cr.example/stable/r-base:4.3`) or of a bare language name.
pub fn for_image(image: &str) -> Box<dyn Language> {
    match language::likely_of_image(image) {
        Some(row) if row.name == Python.name() => Box::new(Python),
        Some(row) => Box::new(Plain::of(row)),
        None => Box::new(Plain::named(&language::name_and_tag(image).0.to_ascii_lowercase())),
    }
}

/// The indentation of a line.
fn leading_space(line: &str) -> &str {
    let rest = line.trim_start_matches([' ', '\t']);
    line.strip_suffix(rest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_determines_the_language() {
        assert_eq!(for_image("python:3.6").name(), "python");
        assert_eq!(for_image("cr.example:5000/stable/python:3.11-ubuntu").name(), "python");
        assert_eq!(for_image("cr.example/stable/r-base:4.3").name(), "r");
        assert_eq!(for_image("ngc-pytorch:23.05-py310-cuda12.1").name(), "python");
        assert_eq!(for_image("pytorch:2.1").name(), "python");
        assert_eq!(for_image("julia").name(), "julia");
        assert_eq!(for_image("whatever:1").name(), "whatever");
        assert_eq!(for_image("").name(), "code");
        assert_eq!(for_image("a\u{1b}[31mb:1").name(), "a31mb");
    }

    #[test]
    fn every_language_of_the_table_has_a_prompt_in_colours() {
        for row in language::ALL {
            let ours = for_image(row.name);
            assert_eq!((ours.name(), ours.extension()), (row.name, row.extension()));
            let grammar = crate::render::highlight::Grammar::named(ours.grammar());
            assert!(
                grammar.is_some(),
                "{}: no grammar is called {:?}; there are: {}",
                row.name,
                ours.grammar(),
                crate::render::highlight::grammar_names().join(", ")
            );
            assert_eq!(ours.grammar(), row.grammar);
        }
    }

    #[test]
    fn names_are_found_in_code() {
        assert_eq!(Python.names("größe = a1 + _x + 12ab; y"), ["größe", "a1", "_x"]);
    }
}
