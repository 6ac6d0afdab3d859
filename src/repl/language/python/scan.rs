//! One pass over Python source: it finds the brackets and strings that are open at its end, and the logical lines. It knows
//! tokens, not grammar, and never fails, because it usually gets incomplete code.

/// What is open at a position; the innermost frame is the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Bracket {
        open: char,
        at: usize,
    },
    /// The text part of an f-string (or t-string).
    Template {
        quote: char,
        triple: bool,
        raw: bool,
    },
    /// A replacement field of the f-string below it.
    Field {
        at: usize,
    },
    /// The format specification of the field below it.
    Spec,
}

/// A logical line: a statement, or the head of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logical<'t> {
    /// Its indentation, as typed.
    pub(super) indent: &'t str,
    /// Its first word, or its first character if that is not part of a word. `async` is skipped.
    pub(super) first: &'t str,
    /// Whether it has the colon of a compound statement.
    pub(super) colon: bool,
    /// Whether more than a comment follows that colon.
    pub(super) body: bool,
}

impl Logical<'_> {
    /// Whether it ends with the colon that opens a block.
    pub(super) fn opens_block(&self) -> bool {
        self.is_compound() && self.colon && !self.body
    }

    /// Whether it begins with a word that can open a block.
    pub(super) fn is_compound(&self) -> bool {
        const HEADS: &[&str] = &[
            "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class",
            "match", "case",
        ];
        HEADS.contains(&self.first)
    }
}

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct Scan<'t> {
    /// Logical lines in order, without comments and blank lines.
    pub(super) lines: Vec<Logical<'t>>,
    /// Pairs of brackets in code, as byte positions.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Position of the innermost open bracket.
    pub(super) open_bracket: Option<usize>,
    /// Whether the text ends inside a triple-quoted string.
    pub(super) in_triple: bool,
    /// Whether the text ends with a backslash that continues the line.
    pub(super) continued: bool,
    /// Whether there is an error that no further line can correct: a string that does not end on its line, or a closing bracket
    /// without an opening one.
    pub(super) broken: bool,
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    frames: Vec<Frame>,
    found: Scan<'t>,
    line: Option<Logical<'t>>,
    /// The depth of each `lambda` of the current line whose colon is still missing.
    lambdas: Vec<usize>,
}

pub(super) fn scan(text: &str) -> Scan<'_> {
    let mut scanner =
        Scanner { text, at: 0, frames: Vec::new(), found: Scan::default(), line: None, lambdas: Vec::new() };
    while let Some(c) = scanner.peek() {
        match scanner.frames.last().copied() {
            Some(Frame::Template { quote, triple, raw }) => scanner.template(c, quote, triple, raw),
            Some(Frame::Spec) => scanner.spec(c),
            _ => scanner.code(c),
        }
    }
    scanner.finish()
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
    }

    fn finish(mut self) -> Scan<'t> {
        self.end_line();
        for frame in &self.frames {
            match *frame {
                Frame::Bracket { at, .. } | Frame::Field { at } => self.found.open_bracket = Some(at),
                Frame::Template { triple: true, .. } => self.found.in_triple = true,
                Frame::Template { .. } | Frame::Spec => {}
            }
        }
        if matches!(self.frames.last(), Some(Frame::Template { triple: false, .. })) {
            self.found.broken = true;
        }
        self.found
    }

    fn end_line(&mut self) {
        self.lambdas.clear();
        if let Some(line) = self.line.take() {
            self.found.lines.push(line);
        }
    }

    /// Notes a token of the current logical line; `word` is its text.
    fn token(&mut self, word: &'t str) {
        match &mut self.line {
            Some(line) if line.first == "async" => line.first = word,
            Some(line) => line.body |= line.colon,
            None => {
                let before = self.text.get(..self.at).unwrap_or_default();
                let start = before.rfind('\n').map_or(0, |newline| newline + 1);
                let indent = super::leading_space(self.text.get(start..).unwrap_or_default());
                self.line = Some(Logical { indent, first: word, colon: false, body: false });
            }
        }
    }

    fn code(&mut self, c: char) {
        match c {
            '\n' => {
                self.bump(c);
                if self.frames.is_empty() {
                    self.end_line();
                }
            }
            ' ' | '\t' | '\r' | '\u{c}' => self.bump(c),
            '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
            '\\' => self.backslash(),
            '"' | '\'' => {
                self.token("\"");
                self.string("");
            }
            '(' | '[' | '{' => {
                self.token("(");
                self.frames.push(Frame::Bracket { open: c, at: self.at });
                self.bump(c);
            }
            ')' | ']' | '}' => self.close(c),
            ':' => self.colon(),
            '!' | '%' if self.begins_command() => self.command(),
            c if c == '_' || c.is_alphanumeric() => self.word(),
            c => {
                let end = self.at + c.len_utf8();
                self.token(self.text.get(self.at..end).unwrap_or_default());
                self.bump(c);
            }
        }
    }

    /// Whether `!` or `%` begins a command of IPython here: at the beginning of a line, or as the value of an assignment.
    fn begins_command(&self) -> bool {
        let before = self.text.get(..self.at).unwrap_or_default().trim_end_matches([' ', '\t']);
        self.frames.is_empty() && (self.line.is_none() || (before.ends_with('=') && !before.ends_with("==")))
    }

    /// Skips a command. It ends with the line, whatever quotes and brackets it has; a backslash continues it.
    fn command(&mut self) {
        self.token("!");
        loop {
            let end = self.rest().find('\n').unwrap_or(self.rest().len());
            let line = self.rest().get(..end).unwrap_or_default();
            let goes_on = line.ends_with('\\');
            self.at += end;
            if !goes_on || self.peek().is_none() {
                self.found.continued = goes_on;
                return;
            }
            self.bump('\n');
            if self.rest().is_empty() {
                self.found.continued = true;
                return;
            }
        }
    }

    fn backslash(&mut self) {
        self.token("\\");
        self.bump('\\');
        match self.peek() {
            None => self.found.continued = true,
            Some('\n') => {
                self.bump('\n');
                // If the newline is the last character, the next line is still missing.
                self.found.continued = self.rest().is_empty();
            }
            Some(_) => self.found.broken = true,
        }
    }

    fn word(&mut self) {
        let rest = self.rest();
        let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let quoted = rest.get(end..).is_some_and(|after| after.starts_with(['"', '\'']));
        if quoted && is_prefix(word) {
            self.token("\"");
            self.at += end;
            self.string(word);
            return;
        }
        self.token(word);
        if word == "lambda" {
            self.lambdas.push(self.frames.len());
        }
        self.at += end;
    }

    fn colon(&mut self) {
        let depth = self.frames.len();
        self.bump(':');
        if self.peek() == Some('=') && !matches!(self.frames.last(), Some(Frame::Field { .. })) {
            self.bump('=');
            return;
        }
        if self.lambdas.last() == Some(&depth) {
            self.lambdas.pop();
            self.token(":");
        } else if matches!(self.frames.last(), Some(Frame::Field { .. })) {
            self.frames.push(Frame::Spec);
        } else if depth == 0 {
            match &mut self.line {
                Some(line) if !line.colon => line.colon = true,
                Some(line) => line.body = true,
                None => self.token(":"),
            }
        }
    }

    fn close(&mut self, c: char) {
        self.token(")");
        match (self.frames.last().copied(), c) {
            (Some(Frame::Bracket { open: '(', at }), ')')
            | (Some(Frame::Bracket { open: '[', at }), ']')
            | (Some(Frame::Bracket { open: '{', at } | Frame::Field { at }), '}') => {
                self.frames.pop();
                self.found.pairs.push((at, self.at));
            }
            _ => self.found.broken = true,
        }
        self.bump(c);
    }

    /// Reads a string from its opening quote, after `prefix`.
    fn string(&mut self, prefix: &str) {
        let Some(quote) = self.peek() else { return };
        let triple = self.rest().chars().take(3).filter(|&c| c == quote).count() == 3;
        self.at += if triple { 3 } else { 1 };
        let has = |letters: [char; 2]| prefix.contains(letters);
        if has(['f', 'F']) || has(['t', 'T']) {
            self.frames.push(Frame::Template { quote, triple, raw: has(['r', 'R']) });
            return;
        }
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.bump(c);
                    if let Some(escaped) = self.peek() {
                        self.bump(escaped);
                    }
                }
                '\n' if !triple => {
                    self.found.broken = true;
                    return;
                }
                c if c == quote && self.closes(quote, triple) => {
                    self.at += if triple { 3 } else { 1 };
                    return;
                }
                c => self.bump(c),
            }
        }
        if triple {
            self.found.in_triple = true;
        } else if !self.text.ends_with('\\') || self.text.ends_with("\\\\") {
            self.found.broken = true;
        } else {
            self.found.continued = true;
        }
    }

    fn closes(&self, quote: char, triple: bool) -> bool {
        !triple || self.rest().chars().take(3).filter(|&c| c == quote).count() == 3
    }

    /// Reads a character in the text of an f-string.
    fn template(&mut self, c: char, quote: char, triple: bool, raw: bool) {
        match c {
            '\\' => {
                self.bump(c);
                let rest = self.rest();
                match rest.chars().next() {
                    // The braces of a named character are not a field.
                    Some('N') if !raw && rest.starts_with("N{") => {
                        self.at += rest.find(['}', '\n']).map_or(rest.len(), |end| end + 1);
                    }
                    Some('{' | '}') | None => {}
                    Some(escaped) => self.bump(escaped),
                }
            }
            '\n' if !triple => {
                self.found.broken = true;
                self.frames.pop();
            }
            '{' if self.rest().starts_with("{{") => self.at += 2,
            '{' => {
                self.frames.push(Frame::Field { at: self.at });
                self.bump(c);
            }
            c if c == quote && self.closes(quote, triple) => {
                self.at += if triple { 3 } else { 1 };
                self.frames.pop();
            }
            c => self.bump(c),
        }
    }

    /// Reads a character in the format specification of a field, which ends with the brace of the field.
    fn spec(&mut self, c: char) {
        match c {
            '}' => {
                self.frames.pop();
                self.close(c);
                return;
            }
            '{' => self.frames.push(Frame::Field { at: self.at }),
            '\n' => {
                let single = self.frames.iter().any(|f| matches!(f, Frame::Template { triple: false, .. }));
                self.found.broken |= single;
            }
            _ => {}
        }
        self.bump(c);
    }
}

fn is_prefix(word: &str) -> bool {
    const PREFIXES: &[&str] = &["r", "u", "b", "f", "t", "br", "rb", "fr", "rf", "tr", "rt"];
    word.len() <= 2 && PREFIXES.contains(&word.to_ascii_lowercase().as_str())
}
