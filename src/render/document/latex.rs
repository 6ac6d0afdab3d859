//! Formulas as Unicode text on a line: Greek letters, signs, powers, fractions and roots. If a formula needs more than
//! that, its source is shown, which is more reliable than a guess.

use super::symbols::{ACCENTS, DOUBLE, FUNCTIONS, LOWERED, RAISED, SIGNS};
use super::{Block, cut};
use crate::render::sanitize;

/// The longest formula that is converted to Unicode.
const MAX_FORMULA: usize = 16 * 1024;
/// The deepest nesting of groups.
const MAX_DEPTH: usize = 32;

/// Reads LaTeX: formulas between `$`, `$$`, `\(` and `\[` in text, or one formula.
pub(in crate::render) fn read_latex(text: &str) -> Vec<Block> {
    let (text, remark) = cut(text, "LaTeX");
    let text = sanitize::text(text.trim());
    let mut blocks = Vec::new();
    let whole =
        [("$$", "$$"), ("\\[", "\\]"), ("$", "$"), ("\\(", "\\)")].iter().find_map(|(open, close)| {
            let inside = text.strip_prefix(open)?.strip_suffix(close)?;
            (!inside.is_empty() && !inside.contains('$')).then_some(inside)
        });
    match whole {
        Some(formula) => blocks.push(Block::Formula(formula.to_owned())),
        None if text.contains('$') => blocks.extend(super::read_markdown(&text)),
        None => blocks.push(Block::Formula(text)),
    }
    blocks.extend(remark);
    blocks
}

/// Converts a formula to Unicode, in one line or several. `None` if a part of it has no such form.
pub(super) fn to_unicode(source: &str) -> Option<String> {
    if source.len() > MAX_FORMULA {
        return None;
    }
    let mut reader = Reader { rest: source.trim(), depth: 0 };
    let text = reader.sequence(End::Source)?;
    let lines = text
        .lines()
        .map(|line| line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "));
    let text = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    Some(text)
}

/// The end of a sequence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Brace,
    Environment,
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = self.rest.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }

    fn skip_spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn sequence(&mut self, end: End) -> Option<String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let mut out = String::new();
        loop {
            let Some(c) = self.next() else {
                self.depth -= 1;
                return (end == End::Source).then_some(out);
            };
            match c {
                '}' => {
                    self.depth -= 1;
                    return (end == End::Brace).then_some(out);
                }
                '{' => out.push_str(&self.sequence(End::Brace)?),
                '^' => out.push_str(&script(&self.argument()?, RAISED, '^')),
                '_' => out.push_str(&script(&self.argument()?, LOWERED, '_')),
                '&' => out.push(' '),
                '~' => out.push(' '),
                '\'' => out.push('′'),
                '\n' | '\t' => out.push(' '),
                '%' | '#' | '$' => return None,
                '\\' => {
                    if self.command(&mut out)? {
                        self.depth -= 1;
                        return (end == End::Environment).then_some(out);
                    }
                }
                c => out.push(c),
            }
        }
    }

    /// Reads the argument of `^`, `\sqrt` and similar commands: a group, a command, or one character.
    fn argument(&mut self) -> Option<String> {
        self.skip_spaces();
        match self.next()? {
            '{' => self.sequence(End::Brace),
            '\\' => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return None;
                }
                let mut out = String::new();
                let before = self.rest;
                let ended = self.command(&mut out)?;
                self.depth -= 1;
                // LaTeX ignores the space that ends a command's name. Between letters users read it as a space, so it
                // is kept.
                let taken = before.len() - self.rest.len();
                if before.get(..taken).is_some_and(|taken| taken.ends_with(' ')) {
                    self.rest = before.get(taken - 1..).unwrap_or(self.rest);
                }
                (!ended).then(|| out.trim().to_owned())
            }
            c => Some(c.to_string()),
        }
    }

    /// Reads the name of a command: letters, or one other character.
    fn name(&mut self) -> Option<&'a str> {
        let rest = self.rest;
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let end = if letters > 0 { letters } else { rest.chars().next()?.len_utf8() };
        self.rest = rest.get(end..).unwrap_or_default();
        rest.get(..end)
    }

    /// Reads a command after its backslash. Returns true if it ends an environment.
    fn command(&mut self, out: &mut String) -> Option<bool> {
        let name = self.name()?;
        if let Some((_, sign)) = SIGNS.iter().find(|(known, _)| *known == name) {
            out.push_str(sign);
            if matches!(name, "left" | "right" | "middle") {
                self.skip_spaces();
                // In `\left.` and `\right.` the dot means that there is no bracket.
                self.rest = self.rest.strip_prefix('.').unwrap_or(self.rest);
            } else {
                self.skip_spaces();
                if sign.chars().next().is_some_and(is_relation) {
                    space_around(out, sign);
                }
            }
            return Some(false);
        }
        if FUNCTIONS.contains(&name) {
            if out.chars().next_back().is_some_and(char::is_alphanumeric) {
                out.push(' ');
            }
            out.push_str(name);
            self.skip_spaces();
            if self.rest.starts_with(|c: char| c.is_alphanumeric() || c == '\\') {
                out.push(' ');
            }
            return Some(false);
        }
        if let Some((_, accent)) = ACCENTS.iter().find(|(known, _)| *known == name) {
            for c in self.argument()?.chars() {
                out.push(c);
                if !c.is_whitespace() {
                    out.push(*accent);
                }
            }
            return Some(false);
        }
        match name {
            "," | ":" | ";" | " " | ">" => out.push(' '),
            "!" => {}
            "{" | "}" | "$" | "%" | "#" | "&" | "_" | "|" => {
                out.push_str(if name == "|" { "‖" } else { name })
            }
            "\\" => {
                self.skip_spaces();
                out.push('\n');
            }
            "frac" | "dfrac" | "tfrac" | "cfrac" => {
                let (above, below) = (self.argument()?, self.argument()?);
                out.push_str(&format!("{}/{}", grouped(&above), grouped(&below)));
            }
            "binom" => {
                let (above, below) = (self.argument()?, self.argument()?);
                out.push_str(&format!("C({above}, {below})"));
            }
            "sqrt" => {
                self.skip_spaces();
                let mut sign = "√".to_owned();
                if let Some(rest) = self.rest.strip_prefix('[') {
                    let (degree, rest) = rest.split_once(']')?;
                    self.rest = rest;
                    sign = match degree.trim() {
                        "3" => "∛".to_owned(),
                        "4" => "∜".to_owned(),
                        degree => format!("{}√", script(degree, RAISED, '^')),
                    };
                }
                let under = self.argument()?;
                out.push_str(&format!("{sign}{}", grouped(&under)));
            }
            "mathbb" => {
                let letters = self.argument()?;
                out.extend(letters.chars().map(|c| mapped(DOUBLE, c).unwrap_or(c)));
            }
            "text" | "textrm" | "mathrm" | "operatorname" | "mathbf" | "boldsymbol" | "bm" | "mathit"
            | "mathcal" | "mathsf" | "mathtt" | "textbf" | "textit" | "mbox" | "mathscr" | "mathfrak"
            | "boxed" | "overrightarrow" => {
                out.push_str(&self.argument()?);
            }
            "overset" | "underset" | "stackrel" => {
                let (with, what) = (self.argument()?, self.argument()?);
                out.push_str(&format!(
                    "{what}{}",
                    script(&with, if name == "underset" { LOWERED } else { RAISED }, '^')
                ));
            }
            "begin" => {
                let environment = self.argument()?;
                out.push_str(&self.environment(&environment)?);
            }
            "end" => {
                self.argument()?;
                return Some(true);
            }
            _ => return None,
        }
        Some(false)
    }

    fn environment(&mut self, name: &str) -> Option<String> {
        let inside = self.sequence(End::Environment)?;
        let rows = || inside.lines().map(str::trim).filter(|row| !row.is_empty()).collect::<Vec<_>>();
        Some(match name.trim_end_matches('*') {
            "align" | "aligned" | "equation" | "gather" | "gathered" | "split" | "multline" => inside,
            "matrix" | "smallmatrix" => rows().join("; "),
            "pmatrix" => format!("({})", rows().join("; ")),
            "bmatrix" => format!("[{}]", rows().join("; ")),
            "vmatrix" => format!("|{}|", rows().join("; ")),
            "cases" => format!("{{ {}", rows().join("; ")),
            _ => return None,
        })
    }
}

fn is_relation(c: char) -> bool {
    matches!(
        c,
        '→' | '⇒'
            | '⇔'
            | '⟹'
            | '⟺'
            | '↦'
            | '←'
            | '≤'
            | '≥'
            | '≠'
            | '≈'
            | '≡'
            | '∈'
            | '∉'
            | '⊂'
            | '⊆'
            | '∼'
            | '∝'
            | '±'
            | '×'
    )
}

/// Puts spaces around the relation at the end of `out`.
fn space_around(out: &mut String, sign: &str) {
    let before = out.len() - sign.len();
    if before > 0 && !out.get(..before).is_some_and(|text| text.ends_with([' ', '\n'])) {
        out.insert(before, ' ');
    }
    out.push(' ');
}

fn mapped(table: &[(char, char)], c: char) -> Option<char> {
    table.iter().find(|(from, _)| *from == c).map(|(_, to)| *to)
}

/// Raises or lowers text if every character of it has such a form. Otherwise writes the text after `sign`.
fn script(text: &str, table: &[(char, char)], sign: char) -> String {
    let text = text.trim();
    let all: Option<String> = text.chars().map(|c| mapped(table, c)).collect();
    all.unwrap_or_else(|| match text.chars().count() {
        1 => format!("{sign}{text}"),
        _ => format!("{sign}({text})"),
    })
}

/// Puts brackets around a numerator, a denominator or the content of a root, unless it is a single item.
fn grouped(text: &str) -> String {
    let text = text.trim();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let simple = text.chars().all(|c| {
        c.is_alphanumeric()
            || matches!(c, '.' | '∂' | '′')
            || RAISED.iter().chain(LOWERED).any(|(_, to)| *to == c && c != ' ')
    });
    let digits = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    let one_letter = letters == 1 && text.starts_with(char::is_alphabetic);
    if simple && (digits || one_letter || (text.chars().all(char::is_alphabetic) && letters <= 8)) {
        text.to_owned()
    } else {
        format!("({text})")
    }
}
