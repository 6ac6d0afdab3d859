//! A scan over a cell of any language in the table: it finds what is open at the end of the cell. It is made for cells that users
//! type, not for every possible program. In doubt the cell counts as complete, and the kernel reports errors.

use bai_protocol::language::Syntax;

/// The result of a scan.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Byte positions of matching brackets.
    pub(super) pairs: Vec<(usize, usize)>,
    /// Open brackets and words, with their byte positions.
    open: Vec<(Opener, usize)>,
    /// Whether the cell ends inside a string, a comment or a text.
    pub(super) in_text: bool,
    /// Whether the last line continues on the next.
    continues: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opener {
    Bracket(char),
    Word,
    /// A word of a loop, after which `do` on the same line does not open another block.
    Loop,
}

/// Words of loops, which may have a `do` before their body.
const LOOPS: [&str; 3] = ["while", "until", "for"];

fn is_word(opener: Opener) -> bool {
    matches!(opener, Opener::Word | Opener::Loop)
}

/// Whether a definition is complete on one line, as in `def twice(x) = 2 * x`.
fn is_endless(definition: &str) -> bool {
    let line = definition.lines().next().unwrap_or_default();
    let name = line.trim_start_matches("def").trim_start();
    let after = name.trim_start_matches(|c: char| c.is_alphanumeric() || "_.?!".contains(c)).trim_start();
    let after = match after.strip_prefix('(') {
        Some(parameters) => parameters.split_once(')').map_or("", |(_, after)| after).trim_start(),
        None => after,
    };
    after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=~")
}

/// The closing character for `open`.
fn closing(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other => other,
    }
}

impl Scan {
    pub(super) fn is_complete(&self) -> bool {
        self.open.is_empty() && !self.in_text && !self.continues
    }

    /// Whether something is still open that was opened at or after this byte position.
    pub(super) fn opened_after(&self, position: usize) -> bool {
        !self.in_text && self.open.iter().any(|&(_, at)| at >= position)
    }
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
    syntax: &'t Syntax,
    found: Scan,
    /// The last character of code that is not a space. A newline counts, and is the initial value.
    before: char,
    /// Ends of here-documents that begin with the next line.
    documents: Vec<String>,
}

/// Scans a whole cell.
pub(super) fn scan(text: &str, syntax: &Syntax) -> Scan {
    let mut scanner =
        Scanner { text, at: 0, syntax, found: Scan::default(), before: '\n', documents: Vec::new() };
    while scanner.step() {}
    let mut found = scanner.found;
    found.in_text |= !scanner.documents.is_empty();
    let end = text.trim_end_matches([' ', '\t']);
    found.continues = syntax.continues.iter().any(|sign| ends_with(end, sign));
    if let Some((ending, beginning)) = syntax.ends {
        let body = text.trim();
        let last = body.rsplit('\n').next().unwrap_or_default();
        found.continues = !(body.is_empty() || body.ends_with(ending) || last.starts_with(beginning));
    }
    found
}

/// Whether a text ends with a sign or a whole word.
fn ends_with(text: &str, sign: &str) -> bool {
    let is_name = |c: char| c == '_' || c.is_alphanumeric();
    text.strip_suffix(sign).is_some_and(|rest| !(sign.starts_with(is_name) && rest.ends_with(is_name)))
}

impl<'t> Scanner<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Reads the next token. False at the end of the text.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return false };
        let syntax = self.syntax;
        if c == '\n' && !self.documents.is_empty() {
            return self.here_documents();
        }
        if let Some((open, close)) = syntax.block_comment
            && rest.starts_with(open)
        {
            self.skip_to(open.len(), close);
        } else if rest.starts_with(syntax.line_comment) && self.may_comment()
            || syntax.other_comment.is_some_and(|sign| rest.starts_with(sign))
        {
            self.at += rest.find('\n').unwrap_or(rest.len());
        } else if syntax.transposes && c == '\'' && self.is_behind_value() {
            self.at += 1;
        } else if syntax.quotes.contains(c) || syntax.long_quotes.contains(c) {
            self.string(c, syntax.long_quotes.contains(c));
        } else if syntax.regex && c == '/' && "\n(,=:[!&|?{};+-*%~^<>".contains(self.before) {
            self.string('/', false);
        } else if syntax.here_documents && rest.starts_with("<<") {
            self.here_document_begins();
        } else if let Some(mark) = syntax.text_marks.iter().find(|mark| self.text_word(mark).is_some()) {
            self.text_begins(mark);
        } else if c == '_' || c.is_alphanumeric() {
            self.word();
        } else {
            self.sign(c);
        }
        true
    }

    /// Whether a comment can start here. In a shell a hash inside a word does not start one.
    fn may_comment(&self) -> bool {
        let last = self.text.get(..self.at).and_then(|text| text.chars().next_back());
        self.syntax.line_comment != "#" || last.is_none_or(|c| c.is_whitespace() || ";()|&".contains(c))
    }

    fn is_behind_value(&self) -> bool {
        let last = self.text.get(..self.at).and_then(|text| text.chars().next_back());
        last.is_some_and(|c| c.is_alphanumeric() || "_)]}.'".contains(c))
    }

    fn skip_to(&mut self, from: usize, end: &str) {
        match self.rest().get(from..).and_then(|text| text.find(end)) {
            Some(length) => self.at += from + length + end.len(),
            None => {
                self.found.in_text = true;
                self.at = self.text.len();
            }
        }
    }

    fn string(&mut self, quote: char, is_long: bool) {
        let rest = self.rest();
        let mut chars = rest.char_indices().skip(1);
        let escapes = !(quote == '\'' && self.syntax.here_documents);
        self.before = 'x';
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if escapes => _ = chars.next(),
                '\n' if !is_long => break,
                _ if c == quote => {
                    self.at += at + c.len_utf8();
                    return;
                }
                _ => {}
            }
        }
        // An unfinished string on one line is an apostrophe, or an error that the kernel explains.
        if is_long {
            self.found.in_text = true;
            self.at = self.text.len();
        } else {
            self.at += quote.len_utf8();
        }
    }

    fn word(&mut self) {
        let rest = self.rest();
        let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        if self.syntax.quote_words.contains(&word) && self.quoted(word, end) {
            return;
        }
        let first = "\n;|&(){=".contains(self.before) || self.syntax.here_documents && self.before == '!';
        // A member of an object and a variable are not words of the language. An argument of a shell command is not one either.
        let is_name = ".:$@-/".contains(self.before);
        let commands = ["do", "then", "else"];
        // Between the brackets of an index, `end` is the last element.
        let is_index = word == "end" && matches!(self.found.open.last(), Some((Opener::Bracket(_), _)));
        let counts = !is_name && !is_index && (first || !self.syntax.here_documents);
        if counts && self.syntax.closers.contains(&word) {
            if let Some(at) = self.found.open.iter().rposition(|&(opener, _)| is_word(opener)) {
                self.found.open.truncate(at);
            }
        } else if counts
            && self.syntax.openers.contains(&word)
            && !(word == "do" && self.loops_on_this_line())
        {
            self.found.open.push((Opener::Word, self.at));
        } else if first
            && !is_name
            && self.syntax.starters.contains(&word)
            && !(word == "def" && is_endless(rest))
        {
            let opener = if LOOPS.contains(&word) { Opener::Loop } else { Opener::Word };
            self.found.open.push((opener, self.at));
        }
        self.at += end;
        // After these words a new statement begins.
        self.before = if first && commands.contains(&word) { '\n' } else { 'x' };
    }

    fn sign(&mut self, c: char) {
        match c {
            '(' | '[' | '{' => self.found.open.push((Opener::Bracket(c), self.at)),
            ')' | ']' | '}' => {
                let opener = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                let fits = |&(known, _): &(Opener, usize)| known == Opener::Bracket(opener);
                // The patterns of a shell's `case` have closing brackets without opening ones.
                let top = self.found.open.iter().rposition(|&(known, _)| is_word(known));
                let depth = self.found.open.iter().rposition(fits);
                if let Some(depth) = depth
                    && !(self.syntax.here_documents && top.is_some_and(|top| top > depth))
                {
                    let from = self.found.open.get(depth).map_or(0, |&(_, at)| at);
                    self.found.open.truncate(depth);
                    self.found.pairs.push((from, self.at));
                }
            }
            '\\' => self.at += self.rest().chars().nth(1).map_or(0, char::len_utf8),
            // Variables that are named by a sign.
            '$' if !self.syntax.quote_words.is_empty() => {
                let next = self.rest().chars().nth(1);
                self.at += next.filter(|c| "'\"#`/".contains(*c)).map_or(0, char::len_utf8);
            }
            _ => {}
        }
        if c == '\n' || !c.is_whitespace() {
            self.before = c;
        }
        self.at += c.len_utf8();
    }

    /// Whether the word of a loop on this line was opened last.
    fn loops_on_this_line(&self) -> bool {
        let last = self.found.open.last();
        last.is_some_and(|&(opener, at)| {
            opener == Opener::Loop
                && self.text.get(at..self.at).is_some_and(|between| !between.contains('\n'))
        })
    }

    /// Skips the text after a quoting word that ends at `end`. False if the word is not a quote here.
    fn quoted(&mut self, word: &str, end: usize) -> bool {
        let after = self.rest().get(end..).unwrap_or_default();
        let space = after.len() - after.trim_start_matches(' ').len();
        let Some(sign) = after.chars().find(|c| *c != ' ') else { return false };
        let is_sign = !sign.is_alphanumeric() && !sign.is_whitespace() && !"_,;=)]}>".contains(sign);
        if !is_sign || "$@%&>-:.".contains(self.before) || (space > 0 && sign == '#') {
            return false;
        }
        let parts = if ["s", "tr", "y"].contains(&word) { 2 } else { 1 };
        self.before = 'x';
        self.at += end + space;
        for part in 0..parts {
            // A second part shares the sign in the middle, unless brackets are used.
            let shared = part > 0 && closing(sign) == sign;
            if part > 0 && !shared {
                self.at += self.rest().len() - self.rest().trim_start().len();
            }
            if !self.skip_quoted(if shared { 0 } else { sign.len_utf8() }, sign) {
                self.found.in_text = true;
                self.at = self.text.len();
                break;
            }
        }
        true
    }

    /// Skips a text that started with `open`. False if it does not end.
    fn skip_quoted(&mut self, from: usize, open: char) -> bool {
        let (close, mut depth) = (closing(open), 1);
        let start = self.at + from;
        let mut chars = self.text.get(start..).unwrap_or_default().char_indices();
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                chars.next();
            } else if c == close {
                depth -= 1;
                if depth == 0 {
                    self.at = start + at + c.len_utf8();
                    return true;
                }
            } else if c == open {
                depth += 1;
            }
        }
        false
    }

    /// The word that ends the text that starts here with `mark`.
    fn text_word(&self, mark: &str) -> Option<&'t str> {
        let rest = self.rest().strip_prefix(mark)?.trim_start_matches(['\'', '"']);
        let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
        rest.get(..end).filter(|word| word.starts_with(|c: char| c == '_' || c.is_uppercase()))
    }

    fn text_begins(&mut self, mark: &str) {
        self.documents.extend(self.text_word(mark).map(str::to_owned));
        self.at += mark.len();
        // The quotes around the word do not begin a string.
        let quote = self.rest().chars().next().filter(|c| "'\"".contains(*c));
        let length = quote.and_then(|quote| self.rest().get(1..)?.find(quote));
        self.at += length.map_or(0, |length| length + 2);
        self.before = 'x';
    }

    fn here_document_begins(&mut self) {
        let rest = self.rest().get(2..).unwrap_or_default();
        let word = rest.strip_prefix('-').unwrap_or(rest).trim_start_matches([' ', '\'', '"']);
        let end = word.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(word.len());
        let word = word.get(..end).unwrap_or_default();
        let is_text = !rest.starts_with('<') && word.starts_with(|c: char| c == '_' || c.is_alphabetic());
        if is_text && !self.found.pairs.iter().any(|&(_, close)| close > self.at) {
            self.documents.push(word.to_owned());
        }
        self.at += if rest.starts_with('<') { 3 } else { 2 };
        self.before = '<';
    }

    /// Skips the here-documents that start after this newline. False if the cell ends inside of one.
    fn here_documents(&mut self) -> bool {
        let mut lines = self.rest().split_inclusive('\n');
        self.at += lines.next().map_or(0, str::len);
        for line in lines {
            self.at += line.len();
            let ends = |end: &String| {
                let line = line.trim_end_matches('\n');
                if self.syntax.here_documents {
                    return line.trim_start_matches('\t') == end;
                }
                let rest = line.trim_start_matches([' ', '\t']).strip_prefix(end.as_str());
                rest.is_some_and(|rest| !rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()))
            };
            if self.documents.first().is_some_and(ends) {
                self.documents.remove(0);
                if self.documents.is_empty() {
                    self.before = '\n';
                    // The newline after the text belongs to the code.
                    return true;
                }
            }
        }
        false
    }
}
