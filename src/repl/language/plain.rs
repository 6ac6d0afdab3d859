//! The languages that are a row of a table: what strings and comments look like, which words open and close blocks. A cell is
//! complete when its brackets, strings and blocks are closed; blank lines end what the table does not know.

use super::scan::{Lexis, scan};
use super::{Completeness, Language, leading_space};
use bai_protocol::language;

/// A language known by a row of the table below, or by nothing but its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    name: String,
    row: &'static Row,
}

/// One language.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    /// As [`language::of_name`] tells it, which is the word in the prompt too.
    name: &'static str,
    syntax: &'static str,
    extension: &'static str,
    lexis: Lexis,
}

const C: Lexis = Lexis { line_comment: "//", block_comment: Some(("/*", "*/")), ..Lexis::PLAIN };
const JAVASCRIPT: Lexis = Lexis { quotes: "\"'", long_quotes: "`", regex: true, ..C };
const BASH: Lexis = Lexis {
    quotes: "",
    long_quotes: "\"'`",
    here_documents: true,
    openers: &["do", "if", "case"],
    closers: &["done", "fi", "esac"],
    continues: &["\\", "&&", "||", "|"],
    ..Lexis::PLAIN
};
const RUBY: Lexis = Lexis {
    quotes: "",
    long_quotes: "\"'`",
    regex: true,
    text_marks: &["<<~", "<<-"],
    openers: &["do"],
    starters: &["def", "class", "module", "if", "unless", "case", "while", "until", "for", "begin"],
    closers: &["end"],
    continues: &["\\", "&&", "||", ",", "."],
    ..Lexis::PLAIN
};
const PERL: Lexis = Lexis {
    quotes: "",
    long_quotes: "\"'`",
    regex: true,
    text_marks: &["<<~", "<<"],
    quote_words: &["q", "qq", "qw", "qr", "m", "s", "tr", "y"],
    ..Lexis::PLAIN
};
const PHP: Lexis = Lexis { quotes: "", long_quotes: "\"'`", text_marks: &["<<<"], ..C };
const LUA: Lexis = Lexis {
    quotes: "\"'",
    line_comment: "--",
    block_comment: Some(("--[[", "]]")),
    openers: &["function", "do", "then", "repeat"],
    closers: &["end", "until", "elseif"],
    ..Lexis::PLAIN
};
const JULIA: Lexis = Lexis {
    quotes: "",
    long_quotes: "\"",
    block_comment: Some(("#=", "=#")),
    openers: &["do"],
    starters: &[
        "function", "macro", "struct", "module", "if", "while", "for", "begin", "let", "try", "quote",
        "mutable",
    ],
    closers: &["end"],
    ..Lexis::PLAIN
};
const OCTAVE: Lexis = Lexis {
    quotes: "\"'",
    line_comment: "%",
    other_comment: Some("#"),
    block_comment: Some(("%{", "%}")),
    transposes: true,
    starters: &["function", "if", "while", "for", "switch", "do", "try", "unwind_protect"],
    closers: &[
        "end",
        "endfunction",
        "endif",
        "endwhile",
        "endfor",
        "endswitch",
        "until",
        "end_try_catch",
        "end_unwind_protect",
    ],
    continues: &["...", "\\"],
    ..Lexis::PLAIN
};
const R: Lexis = Lexis {
    long_quotes: "\"'`",
    quotes: "",
    continues: &["+", "-", "*", "/", "^", "%", "<", ">", "<-", "=", "~", "|", "&", ",", "$", "@", "else"],
    ..Lexis::PLAIN
};
const FORTRAN: Lexis = Lexis {
    quotes: "\"'",
    line_comment: "!",
    openers: &["then"],
    starters: &["do", "program", "module", "subroutine", "function", "select", "interface"],
    closers: &["end", "enddo", "endif"],
    continues: &["&"],
    ..Lexis::PLAIN
};
const OCAML: Lexis = Lexis {
    quotes: "",
    long_quotes: "\"",
    block_comment: Some(("(*", "*)")),
    openers: &["begin", "struct", "sig", "object", "do"],
    closers: &["end", "done"],
    continues: &["=", "in", "->", "then", "else", "|", "with", "of"],
    ..Lexis::PLAIN
};
const SQL: Lexis = Lexis { quotes: "", long_quotes: "'\"", line_comment: "--", ends: Some((";", ".")), ..C };

const TABLE: &[Row] = &[
    Row { name: "bash", syntax: "Bourne Again Shell (bash)", extension: "sh", lexis: BASH },
    Row { name: "nodejs", syntax: "JavaScript", extension: "js", lexis: JAVASCRIPT },
    Row { name: "ruby", syntax: "Ruby", extension: "rb", lexis: RUBY },
    Row { name: "perl", syntax: "Perl", extension: "pl", lexis: PERL },
    Row { name: "lua", syntax: "Lua", extension: "lua", lexis: LUA },
    Row { name: "php", syntax: "PHP Source", extension: "php", lexis: PHP },
    Row { name: "sqlite", syntax: "SQL", extension: "sql", lexis: SQL },
    Row { name: "r", syntax: "R", extension: "R", lexis: R },
    Row { name: "julia", syntax: "Julia", extension: "jl", lexis: JULIA },
    Row { name: "octave", syntax: "MATLAB", extension: "m", lexis: OCTAVE },
    Row { name: "c", syntax: "C", extension: "c", lexis: Lexis { quotes: "\"'", ..C } },
    Row { name: "cpp", syntax: "C++", extension: "cpp", lexis: Lexis { quotes: "\"'", ..C } },
    Row {
        name: "rust",
        syntax: "Rust",
        extension: "rs",
        lexis: Lexis { quotes: "", long_quotes: "\"", ..C },
    },
    Row {
        name: "golang",
        syntax: "Go",
        extension: "go",
        lexis: Lexis { long_quotes: "`", quotes: "\"'", ..C },
    },
    Row { name: "java", syntax: "Java", extension: "java", lexis: Lexis { quotes: "\"'", ..C } },
    Row {
        name: "haskell",
        syntax: "Haskell",
        extension: "hs",
        lexis: Lexis {
            line_comment: "--",
            block_comment: Some(("{-", "-}")),
            continues: &["do", "of", "where", "let", "->", "then", "else", "=", "$"],
            ..Lexis::PLAIN
        },
    },
    Row {
        name: "scheme",
        syntax: "Lisp",
        extension: "scm",
        lexis: Lexis { line_comment: ";", quotes: "", long_quotes: "\"", ..Lexis::PLAIN },
    },
    Row { name: "fortran", syntax: "Fortran (Modern)", extension: "f90", lexis: FORTRAN },
    Row { name: "ocaml", syntax: "OCaml", extension: "ml", lexis: OCAML },
];

/// A language that nothing is known of.
static UNKNOWN: Row =
    Row { name: "", syntax: "Plain Text", extension: "txt", lexis: Lexis { gives_up: true, ..Lexis::PLAIN } };

/// What prints the documentation of `{}`, by the driver of the engine where the language has nothing like it.
const DOCUMENTATION: &[(&str, &str)] = &[
    ("ruby", "defined?(_bai_doc) ? _bai_doc('{}') : puts('nothing is known of {} here')"),
    ("perl", "defined &main::_bai_doc ? main::_bai_doc('{}') : print \"nothing is known of that here\\n\""),
    ("php", "function_exists('_bai_doc') ? _bai_doc('{}') : print \"nothing is known of that here\\n\";"),
    ("lua", "(_bai_doc or print)('{}')"),
    ("r", "?{}"),
    ("octave", "help {}"),
    ("sqlite", ".schema {}"),
];

impl Plain {
    /// The row that fits an image's name, or a language that is only a name.
    pub fn named(image: &str) -> Self {
        let known = language::of_name(image);
        if let Some(row) = TABLE.iter().find(|row| Some(row.name) == known) {
            return Plain { name: row.name.to_owned(), row };
        }
        let shown: String =
            image.chars().filter(|c| c.is_alphanumeric() || "-_.+".contains(*c)).take(24).collect();
        let name = if shown.is_empty() { "code".to_owned() } else { shown };
        Plain { name, row: &UNKNOWN }
    }
}

impl Language for Plain {
    fn name(&self) -> &str {
        &self.name
    }

    fn syntax(&self) -> &str {
        self.row.syntax
    }

    fn completeness(&self, cell: &str) -> Completeness {
        let scan = scan(cell, &self.row.lexis);
        let blank = cell.rsplit('\n').take_while(|line| line.trim().is_empty()).count();
        // One blank line may stand in the middle of a function; two are a person who wants out.
        let enough = if self.row.lexis.gives_up { 1 } else { 2 };
        let wants_out = blank >= enough && !scan.in_text && cell.contains('\n');
        if scan.is_complete() || wants_out {
            return Completeness::Complete;
        }
        Completeness::more(if scan.in_text { String::new() } else { self.indent_after(cell) })
    }

    fn indent_after(&self, before: &str) -> String {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let mut indent = leading_space(line).to_owned();
        if scan(before, &self.row.lexis).opened_after(before.len() - line.len()) {
            indent.push_str(self.indent_unit());
        }
        indent
    }

    fn matching_bracket(&self, cell: &str, position: usize) -> Option<usize> {
        scan(cell, &self.row.lexis).pairs.into_iter().find_map(|(open, close)| match position {
            _ if position == open => Some(close),
            _ if position == close => Some(open),
            _ => None,
        })
    }

    fn comment(&self) -> &str {
        self.row.lexis.line_comment
    }

    fn extension(&self) -> &str {
        self.row.extension
    }

    fn documentation(&self, name: &str) -> Option<String> {
        let &(_, code) = DOCUMENTATION.iter().find(|&&(language, _)| language == self.row.name)?;
        let is_name = |c: char| c.is_alphanumeric() || "_$@%&:.#>-!?=".contains(c);
        let begins = name.starts_with(|c: char| c == '_' || c.is_alphabetic() || "$@%".contains(c));
        // An operator is no name, but what ends a method's name may be one.
        let is_whole = begins
            && name.chars().all(is_name)
            && !name.contains("==")
            && !name.ends_with(['.', ':', '>', '-']);
        is_whole.then(|| code.replace("{}", name))
    }

    fn asks_with_one_sign(&self, name: &str) -> bool {
        // `list.empty?` is a call in Ruby; `String?` is none.
        let last = name.rsplit(['.', ':', '#']).next().unwrap_or_default();
        self.row.name != "ruby" || last.starts_with(char::is_uppercase)
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
        assert_eq!(c.completeness("// f("), Completeness::Complete);
        assert_eq!(c.completeness("/* f"), Completeness::more(""));
        assert_eq!(Plain::named("x").completeness("it's ) done"), Completeness::Complete);
    }

    #[test]
    fn each_language_knows_when_a_cell_is_complete() {
        for (image, open, complete) in [
            ("bash", "for i in 1 2; do", "for i in 1 2; do echo $i; done"),
            ("bash", "if true; then", "if true; then echo if; fi"),
            ("bash", "case $x in", "case $x in a) echo a;; *) echo b;; esac"),
            ("bash", "echo 'a", "echo 'a\nb'"),
            ("bash", "cat <<EOF\nhi 'there", "cat <<EOF\nhi 'there\nEOF"),
            ("bash", "echo a |", "echo a | cat"),
            ("bash", "echo a \\", "echo a \\\nb"),
            ("bash", "f() {", "f() { echo done; }"),
            ("bash", "echo ${#x", "echo ${#x} ${x#y}"),
            ("bash", "echo $(ls", "echo $((1 << 2)) # if it's"),
            ("nodejs", "function f() {", "function f() { return '}' }"),
            ("nodejs", "x = `a ${b", "x = `a ${b} '`"),
            ("nodejs", "/* ", "/* { */"),
            ("nodejs", "[1, 2", "x.replace(/[(\"]/g, '')"),
            ("nodejs", "if (a / b) {", "a / b / c"),
            ("ruby", "def f", "def f\n  1\nend"),
            ("ruby", "3.times do |i|", "puts 1 if true"),
            ("ruby", "def f(x)", "def f(x) = 2 * x"),
            ("ruby", "def ==(x)", "def self.f? = true"),
            ("ruby", "while x do", "while x do f end"),
            ("ruby", "while x\n  3.times do", "until x do\n  3.times do f end\nend"),
            ("ruby", "x = <<~TEXT\nit's", "x = <<~TEXT\nit's\n  TEXT"),
            ("ruby", "f(<<-A, 'x')\nif", "a << b; c <<1"),
            ("ruby", "if x =~ /[('\"]/", "x.gsub(/'/, '').end"),
            ("perl", "sub f {", "s/'/\"/g; tr{(}{)};"),
            ("perl", "my @a = qw(a", "my @a = qw(a ') ; y/(/)/; m{it's}x"),
            ("perl", "print <<'END';\n{", "print <<\"END\";\nit's {\nEND\n"),
            ("perl", "$x = q{a {b}", "$x{s}; $y->s(1); s => 1; $#a; $'; $x{y} = $m / 2"),
            ("perl", "f(<<~A\n  x\n  A\n", "f(<<~A)\n  x\n  A\n"),
            ("perl", "my %h = (", "$h{'a'} =~ s{x} {y}; 1 << 2"),
            ("php", "$x = <<<EOT\n it's", "$x = <<<EOT\n it's\n EOT;"),
            ("php", "class A {", "$x = <<<'E'\n\"\nE . \"{$y}\";"),
            ("lua", "for i = 1, 2 do", "for i = 1, 2 do print(i) end"),
            ("lua", "if a then", "if a then b() elseif c then d() end"),
            ("lua", "--[[ x", "--[[ x ]] f()"),
            ("julia", "function f()", "function f() 1 end"),
            ("octave", "if x", "if x, y = [1 2]', end"),
            ("octave", "for i = 1:3, x(end)", "for i = 1:3, x(end), end"),
            ("octave", "f('(',", "disp('( it''s'); x' # end ("),
            ("octave", "%{\n f(", "x.' * y' % f("),
            ("r", "x <-", "x <- function(a) a"),
            ("r", "f <- function(x) {", "f <- function(x) {\n  x # it's\n}"),
            ("r", "d |>", "`it's` <- 1"),
            ("r", "if (x) 1 else", "orelse"),
            ("haskell", "main = do", "print todo"),
            ("fortran", "do i = 1, 3", "do i = 1, 3\n  print *, 'do' ! it's\nend do"),
            ("fortran", "if (x) then", "if (x) print *, 1"),
            ("ocaml", "let f x =", "let f x = x + 1;;"),
            ("ocaml", "match x with", "print_int main"),
            ("sqlite", "select 1", "select 1;"),
            ("sqlite", "select ';", ".tables"),
            ("sqlite", ".print on\nselect 1", ".print on\nselect 1;"),
            ("php", "function f() {", "echo 'it\\'s {';"),
        ] {
            let language = Plain::named(image);
            assert!(
                matches!(language.completeness(open), Completeness::Incomplete { .. }),
                "{image}: {open}"
            );
            assert_eq!(language.completeness(complete), Completeness::Complete, "{image}: {complete}");
        }
    }

    #[test]
    fn a_blank_line_may_stand_in_a_function() {
        let node = Plain::named("nodejs");
        assert_eq!(node.completeness("function f() {\n  a();\n"), Completeness::more(""));
        assert_eq!(node.completeness("function f() {\n  a();\n\n"), Completeness::Complete);
        assert_eq!(Plain::named("bash").indent_after("if true; then"), "    ");
    }

    #[test]
    fn names_that_can_be_explained_are_no_code() {
        let explained = |image: &str, name: &str| Plain::named(image).documentation(name);
        assert_eq!(explained("r", "stats::median").as_deref(), Some("?stats::median"));
        assert_eq!(explained("octave", "numel").as_deref(), Some("help numel"));
        assert_eq!(explained("r", "f(x"), None);
        assert_eq!(explained("c", "printf"), None);
    }

    #[test]
    fn a_blank_line_ends_what_brackets_cannot() {
        assert_eq!(Plain::named("x").completeness("f(\n  "), Completeness::Complete);
    }

    #[test]
    fn names_are_asked_about() {
        for (image, name, asked) in [
            ("ruby", "String#upcase", true),
            ("ruby", "list.empty?", true),
            ("perl", "$x", true),
            ("perl", "List::Util::sum", true),
            ("php", "Foo::bar", true),
            ("php", "$x->name", true),
            ("lua", "string.format", true),
            ("lua", "print('", false),
            ("ruby", "a == b", false),
            ("perl", "1", false),
            ("c", "printf", false),
        ] {
            assert_eq!(Plain::named(image).documentation(name).is_some(), asked, "{image}: {name}");
        }
        let ruby = Plain::named("ruby");
        assert!(ruby.asks_with_one_sign("File") && ruby.asks_with_one_sign("File::Stat"));
        assert!(!ruby.asks_with_one_sign("list.empty"));
        assert!(Plain::named("php").asks_with_one_sign("strlen"));
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
