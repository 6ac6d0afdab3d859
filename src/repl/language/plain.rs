//! The languages that have no rules of their own: a cell is complete when its brackets are closed, or when a
//! blank line says so.

use super::{Completeness, Language, leading_space};

/// A language known by a row of the table below, or by nothing but its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    name: String,
    syntax: &'static str,
    comment: &'static str,
    extension: &'static str,
}

/// Beginning of the image's name, name in the prompt, syntax, comment sign, extension.
const TABLE: &[(&str, &str, &str, &str, &str)] = &[
    ("r-", "r", "R", "#", "R"),
    ("julia", "julia", "Julia", "#", "jl"),
    ("ruby", "ruby", "Ruby", "#", "rb"),
    ("nodejs", "javascript", "JavaScript", "//", "js"),
    ("node", "javascript", "JavaScript", "//", "js"),
    ("javascript", "javascript", "JavaScript", "//", "js"),
    ("lua", "lua", "Lua", "--", "lua"),
    ("php", "php", "PHP", "//", "php"),
    ("octave", "octave", "MATLAB", "%", "m"),
    ("bash", "shell", "Bourne Again Shell (bash)", "#", "sh"),
    ("shell", "shell", "Bourne Again Shell (bash)", "#", "sh"),
    ("cpp", "c++", "C++", "//", "cpp"),
    ("c++", "c++", "C++", "//", "cpp"),
    ("gcc", "c", "C", "//", "c"),
    ("rust", "rust", "Rust", "//", "rs"),
    ("golang", "go", "Go", "//", "go"),
    ("go", "go", "Go", "//", "go"),
    ("java", "java", "Java", "//", "java"),
    ("haskell", "haskell", "Haskell", "--", "hs"),
    ("scala", "scala", "Scala", "//", "scala"),
];

impl Plain {
    /// The row that fits an image's name, or a language that is only a name.
    pub fn named(image: &str) -> Self {
        let exact = match image {
            "r" => Some(("r", "R", "#", "R")),
            "c" => Some(("c", "C", "//", "c")),
            _ => None,
        };
        let row = || {
            TABLE
                .iter()
                .find(|row| image.starts_with(row.0))
                .map(|&(_, name, syntax, comment, extension)| (name, syntax, comment, extension))
        };
        if let Some((name, syntax, comment, extension)) = exact.or_else(row) {
            return Plain { name: name.to_owned(), syntax, comment, extension };
        }
        let shown: String =
            image.chars().filter(|c| c.is_alphanumeric() || "-_.+".contains(*c)).take(24).collect();
        let name = if shown.is_empty() { "code".to_owned() } else { shown };
        Plain { name, syntax: "Plain Text", comment: "#", extension: "txt" }
    }
}

/// Bracket pairs outside of double-quoted strings that end on their line, and the brackets left open.
fn brackets(cell: &str) -> (Vec<(usize, usize)>, Vec<usize>) {
    let (mut pairs, mut open) = (Vec::new(), Vec::<(char, usize)>::new());
    let mut line_start = 0;
    for line in cell.split_inclusive('\n') {
        let mut chars = line.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let mut inside = chars.clone();
                    while let Some((_, c)) = inside.next() {
                        match c {
                            '\\' => _ = inside.next(),
                            '"' => {
                                chars = inside;
                                break;
                            }
                            _ => {}
                        }
                    }
                }
                '(' | '[' | '{' => open.push((c, line_start + at)),
                ')' | ']' | '}' => {
                    let opener = match c {
                        ')' => '(',
                        ']' => '[',
                        _ => '{',
                    };
                    if let Some(depth) = open.iter().rposition(|&(o, _)| o == opener) {
                        let (_, from) = open.swap_remove(depth);
                        open.truncate(depth);
                        pairs.push((from, line_start + at));
                    }
                }
                _ => {}
            }
        }
        line_start += line.len();
    }
    (pairs, open.into_iter().map(|(_, at)| at).collect())
}

impl Language for Plain {
    fn name(&self) -> &str {
        &self.name
    }

    fn syntax(&self) -> &str {
        self.syntax
    }

    fn completeness(&self, cell: &str) -> Completeness {
        let last = cell.rsplit('\n').next().unwrap_or_default();
        let blank_line_ends = last.trim().is_empty() && cell.contains('\n');
        if blank_line_ends || brackets(cell).1.is_empty() {
            return Completeness::Complete;
        }
        Completeness::more(self.indent_after(cell))
    }

    fn indent_after(&self, before: &str) -> String {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let line_start = before.len() - line.len();
        let mut indent = leading_space(line).to_owned();
        if brackets(before).1.iter().any(|&at| at >= line_start) {
            indent.push_str(self.indent_unit());
        }
        indent
    }

    fn matching_bracket(&self, cell: &str, position: usize) -> Option<usize> {
        brackets(cell).0.into_iter().find_map(|(open, close)| match position {
            _ if position == open => Some(close),
            _ if position == close => Some(open),
            _ => None,
        })
    }

    fn comment(&self) -> &str {
        self.comment
    }

    fn extension(&self) -> &str {
        self.extension
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_brackets_wait_for_more() {
        let c = Plain::named("c");
        assert_eq!(c.completeness("int main() {"), Completeness::more("    "));
        assert_eq!(c.completeness("int main() {\n    f(1,"), Completeness::more("        "));
        assert_eq!(c.completeness("int main() {\n    f(1);"), Completeness::more("    "));
        assert_eq!(c.completeness("int main() {}\n"), Completeness::Complete);
        assert_eq!(c.completeness("f(\")(\""), Completeness::more("    "));
        assert_eq!(c.completeness("it's ) done"), Completeness::Complete);
    }

    #[test]
    fn a_blank_line_ends_what_brackets_cannot() {
        assert_eq!(Plain::named("x").completeness("f(\n  "), Completeness::Complete);
    }

    #[test]
    fn brackets_know_their_partner() {
        let c = Plain::named("c");
        assert_eq!(c.matching_bracket("f(a[1])", 1), Some(6));
        assert_eq!(c.matching_bracket("f(a[1])", 5), Some(3));
        assert_eq!(c.matching_bracket("f(\")\")", 1), Some(5));
        assert_eq!(c.matching_bracket("f(", 1), None);
    }
}
