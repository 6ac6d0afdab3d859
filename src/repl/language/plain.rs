//! Languages that are fully described by a row of the table: the syntax of strings and comments, and the words that open and
//! close blocks. A cell is complete when its brackets, strings and blocks are closed. In a language that is not in the table, a
//! blank line also ends a cell.

use super::scan::scan;
use super::{Completeness, Language, leading_space};
use bai_protocol::language::{self, Language as Row};

/// A language with its row, or an unknown one with only a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plain {
    name: String,
    row: &'static Row,
}

static UNKNOWN: Row = Row::UNKNOWN;

impl Plain {
    /// The language of a row.
    pub fn of(row: &'static Row) -> Self {
        Plain { name: row.name.to_owned(), row }
    }

    /// The language of a name, or an unknown one with this name.
    pub fn named(name: &str) -> Self {
        if let Some(row) = language::of_name(name) {
            return Self::of(row);
        }
        let shown: String =
            name.chars().filter(|c| c.is_alphanumeric() || "-_.+".contains(*c)).take(24).collect();
        Plain { name: if shown.is_empty() { "code".to_owned() } else { shown }, row: &UNKNOWN }
    }

    fn is_known(&self) -> bool {
        !self.row.name.is_empty()
    }
}

impl Language for Plain {
    fn name(&self) -> &str {
        &self.name
    }

    fn grammar(&self) -> &str {
        self.row.grammar
    }

    fn completeness(&self, cell: &str) -> Completeness {
        if self.leaves(cell) {
            return Completeness::Complete;
        }
        let scan = scan(cell, &self.row.syntax);
        let blank = cell.rsplit('\n').take_while(|line| line.trim().is_empty()).count();
        // One blank line can be part of a function. Two mean that the user wants to end the cell.
        let enough = if self.is_known() { 2 } else { 1 };
        let is_ended = blank >= enough && !scan.in_text && cell.contains('\n');
        if scan.is_complete() || is_ended {
            return Completeness::Complete;
        }
        Completeness::more(if scan.in_text { String::new() } else { self.indent_after(cell) })
    }

    fn indent_after(&self, before: &str) -> String {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let mut indent = leading_space(line).to_owned();
        if scan(before, &self.row.syntax).opened_after(before.len() - line.len()) {
            indent.push_str(self.indent_unit());
        }
        indent
    }

    fn matching_bracket(&self, cell: &str, position: usize) -> Option<usize> {
        scan(cell, &self.row.syntax).pairs.into_iter().find_map(|(open, close)| match position {
            _ if position == open => Some(close),
            _ if position == close => Some(open),
            _ => None,
        })
    }

    fn leaves(&self, cell: &str) -> bool {
        self.row.leaves(cell)
    }

    fn extension(&self) -> &str {
        self.row.extension()
    }

    fn documentation(&self, name: &str) -> Option<String> {
        let code = self.row.documentation?;
        let is_name = |c: char| c.is_alphanumeric() || "_$@%&:.#>-!?=".contains(c);
        let begins = name.starts_with(|c: char| c == '_' || c.is_alphabetic() || "$@%".contains(c));
        // An operator is not a name, although a method name may end with the same characters.
        let is_whole = begins
            && name.chars().all(is_name)
            && !name.contains("==")
            && !name.ends_with(['.', ':', '>', '-']);
        is_whole.then(|| code.replace("{}", name))
    }

    fn asks_with_one_sign(&self, name: &str) -> bool {
        // `list.empty?` is a call in Ruby; `String?` is not.
        let last = name.rsplit(['.', ':', '#']).next().unwrap_or_default();
        !self.row.syntax.question_mark_in_names || last.starts_with(char::is_uppercase)
    }

    fn takes_colon_words(&self) -> bool {
        !self.is_known() || self.row.syntax.colon_words
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
    fn a_function_may_contain_a_blank_line() {
        let node = Plain::named("nodejs");
        assert_eq!(node.completeness("function f() {\n  a();\n"), Completeness::more(""));
        assert_eq!(node.completeness("function f() {\n  a();\n\n"), Completeness::Complete);
        assert_eq!(Plain::named("bash").indent_after("if true; then"), "    ");
    }

    #[test]
    fn only_names_have_documentation() {
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
    fn questions_about_names_are_recognised() {
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
