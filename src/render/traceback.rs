//! Error messages: finds the parts of a line of standard error that name the error and its location.
//!
//! Only whole lines without escape sequences are highlighted. Colours that a program has set are kept.

use std::ops::Range;
use std::sync::OnceLock;

use regex_lite::Regex;

use crate::theme::Role;

/// A longer line is not an error message.
const MAX_LINE: usize = 1_000;

/// A part of a line with its own style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The position in the line.
    pub(super) range: Range<usize>,
    pub(super) role: Role,
    /// The file and line number, if the part names one.
    pub(super) file: Option<(String, u32)>,
}

/// Returns the parts to highlight, in order. An ordinary line has none. `line` does not include the line end.
pub(super) fn parts(line: &str) -> Vec<Part> {
    if line.len() > MAX_LINE || line.bytes().any(|byte| byte < 0x20 && byte != b'\t') {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(exception) = exception(line) {
        found.push(exception);
    }
    for location in locations(line) {
        if found.iter().all(|part: &Part| {
            part.range.end <= location.range.start || location.range.end <= part.range.start
        }) {
            found.push(location);
        }
    }
    found.sort_by_key(|part| part.range.start);
    found
}

fn regex(cell: &'static OnceLock<Option<Regex>>, pattern: &str) -> Option<&'static Regex> {
    cell.get_or_init(|| Regex::new(pattern).ok()).as_ref()
}

/// Finds the name of the error: at the start of a line for Python, Node.js, Java and Ruby, `error:` of compilers, and
/// the forms of Go, Rust and R.
fn exception(line: &str) -> Option<Part> {
    static NAME: OnceLock<Option<Regex>> = OnceLock::new();
    static WORD: OnceLock<Option<Regex>> = OnceLock::new();
    let name = regex(
        &NAME,
        r"^(?:Uncaught |Exception in thread \S+ |Caused by: )?((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Warning|Interrupt|Exit|Group|Iteration))(?::|$| \[)",
    )?;
    let word = regex(
        &WORD,
        r"(?:^|: |\d\s)(fatal error|internal compiler error|error(?:\[E\d+\])?|panic|Error in)(?::| )",
    )?;
    let captures = name.captures(line).or_else(|| word.captures(line))?;
    let name = captures.get(1)?;
    Some(Part { range: name.start()..name.end(), role: Role::Exception, file: None })
}

/// Finds files and line numbers: `File "x", line 3` of Python, and `x.c:3:7` of nearly all other programs.
fn locations(line: &str) -> Vec<Part> {
    static PYTHON: OnceLock<Option<Regex>> = OnceLock::new();
    static OTHERS: OnceLock<Option<Regex>> = OnceLock::new();
    let part = |captures: &regex_lite::Captures<'_>| {
        let (all, file, line) = (captures.get(1)?, captures.get(2)?, captures.get(3)?);
        let file = Some((file.as_str().to_owned(), line.as_str().parse().ok()?));
        Some(Part { range: all.start()..all.end(), role: Role::Location, file })
    };
    if let Some(python) = regex(&PYTHON, r#"^\s*(?:\| )*File ("([^"]+)", line (\d+))"#)
        && let Some(captures) = python.captures(line)
    {
        return part(&captures).into_iter().collect();
    }
    let Some(others) = regex(
        &OTHERS,
        r"(?:^|[\s(])(?:file://)?(([\w./@~+-]*[\w-]\.[A-Za-z]\w{0,4}):(\d+)(?::\d+)?)(?:[\s:),]|$)",
    ) else {
        return Vec::new();
    };
    others.captures_iter(line).take(4).filter_map(|captures| part(&captures)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks the parts of a line: `<…>` around the error, `[…]` around the location.
    fn marked(line: &str) -> String {
        let mut out = String::new();
        let mut at = 0;
        for part in parts(line) {
            let (open, close) = if part.role == Role::Exception { ('<', '>') } else { ('[', ']') };
            out.push_str(&line[at..part.range.start]);
            out.push(open);
            out.push_str(&line[part.range.clone()]);
            out.push(close);
            at = part.range.end;
        }
        out + &line[at..]
    }

    #[test]
    fn messages_of_many_languages_show_what_happened_and_where() {
        for (line, shown) in [
            ("  File \"<cell 4>\", line 1, in <module>", "  File [\"<cell 4>\", line 1], in <module>"),
            ("  File \"/a/b c.py\", line 12, in f", "  File [\"/a/b c.py\", line 12], in f"),
            ("ValueError: x: 3", "<ValueError>: x: 3"),
            ("KeyboardInterrupt", "<KeyboardInterrupt>"),
            ("numpy.linalg.LinAlgError: Singular matrix", "<numpy.linalg.LinAlgError>: Singular matrix"),
            ("/x/y.py:7: DeprecationWarning: old", "[/x/y.py:7]: DeprecationWarning: old"),
            ("Uncaught TypeError: f is not a function", "Uncaught <TypeError>: f is not a function"),
            ("    at f (/srv/app.js:10:5)", "    at f ([/srv/app.js:10:5])"),
            ("    at file:///srv/app.mjs:3:1", "    at file://[/srv/app.mjs:3:1]"),
            ("main.c:3:5: error: expected ';'", "[main.c:3:5]: <error>: expected ';'"),
            ("error[E0308]: mismatched types", "<error[E0308]>: mismatched types"),
            (" --> src/main.rs:3:5", " --> [src/main.rs:3:5]"),
            ("panic: runtime error: index out of range", "<panic>: runtime error: index out of range"),
            ("\t/go/src/main.go:12 +0x1d", "\t[/go/src/main.go:12] +0x1d"),
            ("\tat Main.main(Main.java:5)", "\tat Main.main([Main.java:5])"),
            (
                "Exception in thread \"main\" java.lang.RuntimeException: no",
                "Exception in thread \"main\" <java.lang.RuntimeException>: no",
            ),
            ("Error in f(1) : no", "<Error in> f(1) : no"),
        ] {
            assert_eq!(marked(line), shown);
        }
    }

    #[test]
    fn ordinary_lines_are_left_alone() {
        for line in [
            "",
            "progress 50% 12:30:45",
            "no error here",
            "http://example.com:8080/x",
            "\x1b[31mValueError: coloured\x1b[0m",
            "50%|#####     |\r",
            "see Error handling",
            "INFO:root:started at 10:22",
        ] {
            assert_eq!(parts(line), [], "{line:?}");
        }
        assert_eq!(parts(&format!("ValueError: {}", "x".repeat(2_000))), []);
    }
}
