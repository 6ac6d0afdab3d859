//! The arguments of a script that a live interpreter runs: code before the script's own sets them.

use crate::shell_word;

/// How a language sets the arguments of a script.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The code before the first argument.
    pub(super) before: &'static str,
    /// The code between two arguments.
    pub(super) between: &'static str,
    /// The code after the last one. The script follows on the same line, so that its lines keep their numbers.
    pub(super) after: &'static str,
    /// How a text is written.
    pub(super) quotes: Quotes,
    /// Whether the name of the script is the first of them.
    pub(super) has_name: bool,
    /// What a file begins with; the code comes after it.
    pub(super) tag: &'static str,
}

/// How a language writes a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Quotes {
    /// Between apostrophes, in which nothing has a meaning of its own, as shells do.
    Shell,
    /// Between apostrophes; a backslash precedes an apostrophe and a backslash.
    Single,
    /// Between quotation marks; a backslash precedes a quotation mark, a backslash, and these characters.
    Double(&'static str),
}

impl Quotes {
    fn quote(&self, text: &str) -> String {
        match self {
            Quotes::Shell => shell_word::quoted(text),
            Quotes::Single => format!("'{}'", escape(text, "'\\")),
            Quotes::Double(others) => {
                // The code stays on one line.
                let text = escape(text, &format!("\"\\{others}"));
                format!("\"{}\"", text.replace('\n', "\\n").replace('\r', "\\r"))
            }
        }
    }
}

fn escape(text: &str, special: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl Arguments {
    /// The script with these arguments.
    pub fn give(&self, code: &str, name: &str, args: &[String]) -> String {
        let name = self.has_name.then_some(name);
        let words: Vec<String> = name
            .into_iter()
            .chain(args.iter().map(String::as_str))
            .map(|word| self.quotes.quote(word))
            .collect();
        let words = words.join(self.between);
        let (tag, rest) = match code.strip_prefix(self.tag) {
            Some(rest) => (self.tag, rest),
            None => ("", code),
        };
        let space = if tag.is_empty() { "" } else { " " };
        format!("{tag}{space}{}{words}{}{rest}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use crate::language::*;

    #[test]
    fn arguments_come_before_the_first_line() {
        let args = ["a b", "it's", "$x \"\\", "1\n2"].map(str::to_owned);
        for (language, code, wanted) in [
            (&BASH, "echo", "set -- 'a b' 'it'\\''s' '$x \"\\' '1\n2'; echo"),
            (&PERL, "1", "@ARGV = ('a b', 'it\\'s', '$x \"\\\\', '1\n2'); 1"),
            (&LUA, "1", "arg = {[0] = \"s\", \"a b\", \"it's\", \"$x \\\"\\\\\", \"1\\n2\"} 1"),
            (&JULIA, "1", "append!(empty!(ARGS), [\"a b\", \"it's\", \"\\$x \\\"\\\\\", \"1\\n2\"]); 1"),
            (
                &PHP,
                "<?php\n1;",
                "<?php $argv = ['s', 'a b', 'it\\'s', '$x \"\\\\', '1\n2']; $argc = count($argv); \n1;",
            ),
        ] {
            let given = language.arguments.as_ref().map(|arguments| arguments.give(code, "s", &args));
            assert_eq!(given.as_deref(), Some(wanted), "{}", language.name);
        }
    }
}
