//! The syntax of a language, as far as a prompt needs it: comments, strings and blocks. Only data is here. The prompt's
//! scanner reads it.

/// The syntax of a language. [`Syntax::PLAIN`] has the default of each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Syntax {
    /// Signs around strings that end with their line.
    pub quotes: &'static str,
    /// Signs around strings that may have several lines.
    pub long_quotes: &'static str,
    /// The sign of a comment that ends with its line.
    pub line_comment: &'static str,
    /// A second sign of such a comment, if the language has two.
    pub other_comment: Option<&'static str>,
    /// The signs around a comment that may have several lines.
    pub block_comment: Option<(&'static str, &'static str)>,
    /// Whether an apostrophe right behind a value is an operator.
    pub transposes: bool,
    /// Whether a slash where an operand could stand begins a regular expression.
    pub regex: bool,
    /// Whether the language is a shell: `<<WORD` begins a text that ends with a line of that word, and words of the
    /// language count only at the beginning of a command.
    pub here_documents: bool,
    /// Other signs that begin such a text when a word follows. Its end may be indented, and code may follow it.
    pub text_marks: &'static [&'static str],
    /// Words before a text between any two signs, as in Perl. After `s`, `tr` and `y` there are two texts.
    pub quote_words: &'static [&'static str],
    /// Words that open a block in any position.
    pub openers: &'static [&'static str],
    /// Words that open a block as the first word of a statement.
    pub starters: &'static [&'static str],
    /// Words that close a block.
    pub closers: &'static [&'static str],
    /// Signs at the end of a line that continues on the next one.
    pub continues: &'static [&'static str],
    /// The end of a complete cell, and the beginning of a last line that needs no such end.
    pub ends: Option<(&'static str, &'static str)>,
    /// Whether code may end with `?`, so that `name?` is a call, or an operator as in Rust, and not a question.
    pub question_mark_in_names: bool,
    /// Whether code may begin with a colon and a letter, as the symbol `:x` of Ruby does.
    pub colon_words: bool,
}

impl Syntax {
    /// Strings in double quotes, and comments after `#`.
    pub const PLAIN: Self = Syntax {
        quotes: "\"",
        long_quotes: "",
        line_comment: "#",
        other_comment: None,
        block_comment: None,
        transposes: false,
        regex: false,
        here_documents: false,
        text_marks: &[],
        quote_words: &[],
        openers: &[],
        starters: &[],
        closers: &[],
        continues: &[],
        ends: None,
        question_mark_in_names: false,
        colon_words: false,
    };

    /// Strings in single or double quotes, and the comments of C.
    pub const C_LIKE: Self =
        Syntax { quotes: "\"'", line_comment: "//", block_comment: Some(("/*", "*/")), ..Self::PLAIN };
}
