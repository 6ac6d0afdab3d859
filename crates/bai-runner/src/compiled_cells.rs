//! Cells as programs. A cell that is a complete program is unchanged. Bare statements get the code that the language
//! needs around them, and the compiler gets the line number of the cell's first line.

use std::borrow::Cow;
use std::fmt::Write;

/// Names and texts.
pub(super) type Files = Vec<(Cow<'static, str>, String)>;

/// Makes C show a prompt before it waits for the answer: on a pipe it would buffer text without a newline.
const INPUT_C: &str = "#include <stdio.h>\n__attribute__((constructor)) static void prepare(void) {\n    \
                       setvbuf(stdin, NULL, _IONBF, 0);\n    setvbuf(stdout, NULL, _IOLBF, 1 << 16);\n}\n";
const HEADERS_C: &str = "#include <ctype.h>\n#include <errno.h>\n#include <math.h>\n#include <stdbool.h>\n#include <stdint.h>\n\
                         #include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n#include <unistd.h>\n";
const HEADERS_CPP: &str = "#include <algorithm>\n#include <cmath>\n#include <cstdint>\n#include <cstdio>\n#include <cstdlib>\n\
                           #include <functional>\n#include <iostream>\n#include <map>\n#include <memory>\n#include <set>\n\
                           #include <sstream>\n#include <string>\n#include <utility>\n#include <vector>\nusing namespace std;\n";
/// Packages of Go that are imported when a cell names them.
const PACKAGES_GO: &[&str] =
    &["bufio", "errors", "fmt", "math", "os", "sort", "strconv", "strings", "sync", "time"];

pub(super) fn c(code: &str, _folder: &str) -> Files {
    vec![
        ("cell.c".into(), c_program(code, HEADERS_C, "int main(void) {")),
        ("input.c".into(), INPUT_C.to_owned()),
    ]
}

pub(super) fn cpp(code: &str, _folder: &str) -> Files {
    vec![
        ("cell.cpp".into(), c_program(code, HEADERS_CPP, "int main() {")),
        ("input.cpp".into(), INPUT_C.to_owned()),
    ]
}

fn c_program(code: &str, headers: &str, opening: &str) -> String {
    if calls(code, "main") {
        return format!("#line 1 \"cell\"\n{code}\n");
    }
    let (directives, rest) = hoist(code, |line| line.trim_start().starts_with('#'));
    format!(
        "{headers}#line 1 \"cell\"\n{directives}{opening}\n#line 1 \"cell\"\n{rest}\n#line 1 \"end of the cell\"\n;return 0; }}\n"
    )
}

pub(super) fn rust(code: &str, _folder: &str) -> Files {
    let text = if calls(code, "main") {
        code.to_owned()
    } else if ends_in_value(code) {
        format!("fn main() {{ let value = {{ {code}\n}}; println!(\"{{value:?}}\"); }}\n")
    } else {
        format!("fn main() {{ {code}\n}}\n")
    };
    vec![("cell.rs".into(), text)]
}

fn ends_in_value(code: &str) -> bool {
    let last = code.lines().map(str::trim).rfind(|line| !line.is_empty() && !line.starts_with("//"));
    last.is_some_and(|line| !line.ends_with([';', '}']))
}

pub(super) fn go(code: &str, _folder: &str) -> Files {
    let text = if code.lines().any(|line| line.starts_with("package ")) {
        format!("//line cell:1:1\n{code}\n")
    } else if calls(code, "main") {
        format!("package main\n//line cell:1:1\n{code}\n")
    } else {
        let (imports, rest) = hoist(code, |line| line.starts_with("import "));
        let mut text = "package main\n".to_owned();
        for package in PACKAGES_GO {
            if names_package(code, package) && !imports.contains(&format!("\"{package}\"")) {
                let _ = writeln!(text, "import \"{package}\"");
            }
        }
        format!("{text}//line cell:1:1\n{imports}func main() {{\n//line cell:1:1\n{rest}\n}}\n")
    };
    vec![("cell.go".into(), text)]
}

fn names_package(code: &str, package: &str) -> bool {
    code.match_indices(package).any(|(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code.get(at + package.len()..).unwrap_or_default();
        after.starts_with('.') && !before.is_some_and(|c| c.is_alphanumeric() || "_.\"/".contains(c))
    })
}

pub(super) fn java(code: &str, folder: &str) -> Files {
    let is_whole = code.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.any(|word| matches!(word, "class" | "record" | "enum" | "interface")) && line.contains('{')
    }) && calls(code, "main");
    let (class, text) = if is_whole {
        (main_class(code), code.to_owned())
    } else {
        let (imports, rest) = hoist(code, |line| line.starts_with("import "));
        let text = format!(
            "import java.util.*; {imports}public class Cell {{ public static void main(String[] args) throws Exception {{\n\
             {rest}\n}} }}\n"
        );
        ("Cell".to_owned(), text)
    };
    // The compiler requires a public class to be in a file of its name.
    vec![
        (format!("{class}.java").into(), text),
        ("files".into(), format!("{class}.java\n")),
        ("run".into(), format!("-cp\n\"{folder}/classes\"\n{class}\n")),
    ]
}

/// The class to run: the public one, else the first.
fn main_class(code: &str) -> String {
    let words: Vec<&str> =
        code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect();
    let after = |first: &str, second: &str| {
        words.windows(3).find_map(|three| match three {
            [a, b, name] if *a == first && *b == second => Some((*name).to_owned()),
            _ => None,
        })
    };
    let any = || {
        words.windows(2).find_map(|two| match two {
            ["class", name] => Some((*name).to_owned()),
            _ => None,
        })
    };
    after("public", "class").or_else(any).unwrap_or_else(|| "Main".to_owned())
}

pub(super) fn haskell(code: &str, _folder: &str) -> Files {
    let is_program = code.lines().any(|line| line.starts_with("main ") || line.starts_with("module "));
    let text = if is_program {
        format!("{{-# LINE 1 \"cell\" #-}}\n{code}\n")
    } else {
        let (imports, rest) = hoist(code, |line| line.starts_with("import "));
        let body: String = rest.lines().map(|line| format!("  {line}\n")).collect();
        format!(
            "import System.IO\n{imports}main = do\n  hSetBuffering stdout NoBuffering\n{{-# LINE 1 \"cell\" #-}}\n{body}"
        )
    };
    vec![("cell.hs".into(), text)]
}

pub(super) fn scheme(code: &str, _folder: &str) -> Files {
    vec![("cell.scm".into(), format!("(setvbuf (current-output-port) 'line)\n{code}\n"))]
}

pub(super) fn fortran(code: &str, _folder: &str) -> Files {
    let is_program = code.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next().is_some_and(|word| word.eq_ignore_ascii_case("program"))
    });
    let text = if is_program {
        format!("# 1 \"cell\"\n{code}\n")
    } else {
        format!("program cell\n# 1 \"cell\"\n{code}\nend program\n")
    };
    vec![("cell.f90".into(), text)]
}

pub(super) fn ocaml(code: &str, _folder: &str) -> Files {
    vec![("cell.ml".into(), format!("# 1 \"cell\"\n{code}\n"))]
}

/// Whether a function of this name is defined or called: the whole name followed by a parenthesis.
fn calls(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code.get(..at).and_then(|text| text.chars().next_back());
        let after = code.get(at + name.len()..).unwrap_or_default();
        after.trim_start().starts_with('(')
            && !before.is_some_and(|c| c.is_alphanumeric() || "_.".contains(c))
    })
}

/// Splits off the lines that have to come first. The rest has empty lines in their place.
fn hoist(code: &str, is_first: impl Fn(&str) -> bool) -> (String, String) {
    let (mut first, mut rest) = (String::new(), String::new());
    let mut goes_on = false;
    for line in code.lines() {
        if goes_on || is_first(line) {
            goes_on = line.ends_with('\\');
            first.push_str(line);
            first.push('\n');
        } else {
            rest.push_str(line);
        }
        rest.push('\n');
    }
    (first, rest)
}
