//! Python, 3.6 to 3.14: when a cell is complete, and how the next line is indented.
//!
//! The rules are those of interactive Python: a blank line ends a block, the end of the line ends a statement, and an error that
//! no further line can correct is submitted at once.

mod scan;

use super::{Completeness, Language, leading_space};
use bai_protocol::language::PYTHON;
use scan::{Logical, Scan, scan};

/// Python.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Python;

const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
    "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "match", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield",
];

impl Language for Python {
    fn name(&self) -> &str {
        PYTHON.name
    }

    fn grammar(&self) -> &str {
        PYTHON.grammar
    }

    fn leaves(&self, cell: &str) -> bool {
        PYTHON.leaves(cell)
    }

    fn completeness(&self, cell: &str) -> Completeness {
        if cell.trim_start().starts_with("%%") {
            return completeness_of_magic(cell);
        }
        let found = scan(cell);
        if found.broken {
            return Completeness::Invalid;
        }
        if found.in_triple {
            return Completeness::more("");
        }
        if found.open_bracket.is_some() || found.continued {
            return Completeness::more(self.indent_after(cell));
        }
        let Some(last) = found.lines.last() else { return Completeness::Complete };
        let blank = blank_lines_at_end(cell);
        if blank >= 2 {
            return Completeness::Complete;
        }
        if last.opens_block() || last.first == "@" {
            return Completeness::more(indent_after_line(&found, self.indent_unit()));
        }
        if last.is_compound() && !last.colon && !matches!(last.first, "match" | "case") {
            return Completeness::Invalid;
        }
        if let Some(indent) = open_try(&found.lines)
            && (blank == 1 || last.indent.len() <= indent.len())
        {
            return Completeness::more(indent);
        }
        let base = found.lines.first().map_or("", |first| first.indent);
        if last.indent.len() > base.len() && blank == 0 {
            return Completeness::more(indent_after_line(&found, self.indent_unit()));
        }
        Completeness::Complete
    }

    fn may_continue(&self, cell: &str) -> bool {
        let is_block = scan(cell).lines.last().is_some_and(Logical::is_compound);
        is_block && blank_lines_at_end(cell) == 0 && !cell.trim_start().starts_with("%%")
    }

    fn indent_after(&self, before: &str) -> String {
        let found = scan(before);
        if found.in_triple {
            return String::new();
        }
        let Some(open) = found.open_bracket else {
            let line = before.rsplit('\n').next().unwrap_or_default();
            if found.continued || line.trim().is_empty() || line.trim_start().starts_with('#') {
                return leading_space(line).to_owned();
            }
            return indent_after_line(&found, self.indent_unit());
        };
        let head = before.get(..open).unwrap_or_default();
        let start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let mut indent = leading_space(before.get(start..).unwrap_or_default()).to_owned();
        indent.push_str(unit(&found.lines, self.indent_unit()));
        indent
    }

    fn dedent(&self, before: &str) -> Option<String> {
        let found = scan(before);
        if found.in_triple || found.open_bracket.is_some() {
            return None;
        }
        let (head, earlier) = found.lines.split_last()?;
        let openers: &[&str] = match head.first {
            "elif" => &["if", "elif"],
            "else" => &["if", "elif", "for", "while", "except"],
            "except" => &["try", "except"],
            "finally" => &["try", "except", "else"],
            _ => return None,
        };
        if !head.opens_block() {
            return None;
        }
        // Search outwards through the blocks that are still open here.
        let mut outer = usize::MAX;
        for line in earlier.iter().rev().filter(|line| line.indent.len() <= head.indent.len()) {
            if line.indent.len() >= outer {
                continue;
            }
            outer = line.indent.len();
            if line.colon && openers.contains(&line.first) {
                return (outer < head.indent.len()).then(|| line.indent.to_owned());
            }
        }
        None
    }

    fn matching_bracket(&self, cell: &str, position: usize) -> Option<usize> {
        scan(cell).pairs.into_iter().find_map(|(open, close)| match position {
            _ if position == open => Some(close),
            _ if position == close => Some(open),
            _ => None,
        })
    }

    fn keywords(&self) -> &[&str] {
        KEYWORDS
    }

    fn asks_for_code(&self, question: &str) -> bool {
        ["(Pdb) ", "(Pdb)) ", "ipdb> "].iter().any(|prompt| question.ends_with(prompt))
    }

    fn takes_colon_words(&self) -> bool {
        false
    }

    fn extension(&self) -> &str {
        PYTHON.extension()
    }

    fn documentation(&self, name: &str) -> Option<String> {
        let is_name = |part: &str| {
            let mut chars = part.chars();
            chars.next().is_some_and(|c| self.starts_name(c)) && chars.all(|c| self.continues_name(c))
        };
        if !name.split('.').all(is_name) {
            return None;
        }
        // A keyword or a module that is not imported has no value yet, but `help` finds it by its name.
        let named = KEYWORDS.contains(&name);
        let subject = if named { format!("'{name}'") } else { name.to_owned() };
        Some(format!("help({subject})"))
    }
}

/// A magic of a whole cell, such as `%%bash`, ends at two blank lines: the text in it may be of any language, and have one.
fn completeness_of_magic(cell: &str) -> Completeness {
    if blank_lines_at_end(cell) > 1 {
        return Completeness::Complete;
    }
    Completeness::more(leading_space(cell.rsplit('\n').next().unwrap_or_default()))
}

fn blank_lines_at_end(cell: &str) -> usize {
    // The first line is not counted: a blank cell has no block to end.
    cell.rsplit('\n').take(cell.matches('\n').count()).take_while(|line| line.trim().is_empty()).count()
}

/// The indentation step of this cell, taken from its first indented block.
fn unit<'a>(lines: &[Logical<'a>], otherwise: &'a str) -> &'a str {
    lines
        .iter()
        .zip(lines.iter().skip(1))
        .filter(|(head, _)| head.opens_block())
        .find_map(|(head, body)| body.indent.strip_prefix(head.indent).filter(|step| !step.is_empty()))
        .unwrap_or(otherwise)
}

/// The indentation of the line after the last logical line.
fn indent_after_line(found: &Scan<'_>, otherwise: &str) -> String {
    let Some(last) = found.lines.last() else { return String::new() };
    if last.opens_block() {
        return format!("{}{}", last.indent, unit(&found.lines, otherwise));
    }
    if matches!(last.first, "return" | "pass" | "break" | "continue" | "raise") {
        let outer = found.lines.iter().rev().find(|line| line.indent.len() < last.indent.len());
        return outer.map_or(String::new(), |line| line.indent.to_owned());
    }
    last.indent.to_owned()
}

/// The indentation of the innermost `try` that still needs an `except` or a `finally`.
fn open_try<'a>(lines: &[Logical<'a>]) -> Option<&'a str> {
    let mut open: Vec<&str> = Vec::new();
    for line in lines {
        match line.first {
            "try" if line.colon => open.push(line.indent),
            "except" | "finally" => {
                // This also ends all blocks that are further in.
                open.retain(|indent| indent.len() < line.indent.len());
            }
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests;
