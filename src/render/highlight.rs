//! Syntax highlighting: splits code into pieces and gives each its role in the theme.

use std::sync::OnceLock;

use bai_protocol::language;
use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use crate::theme::Role;

/// Longer code is shown without colours.
const MAX_LINES: usize = 400;
/// A longer line is shown without colours.
pub(crate) const MAX_LINE_BYTES: usize = 2_000;

/// The scopes of the grammars and their roles. The first match counts.
const ROLES: &[(&str, Option<Role>)] = &[
    ("comment", Some(Role::Comment)),
    ("invalid", Some(Role::Invalid)),
    // Code inside a string is highlighted as code.
    ("meta.interpolation", None),
    ("meta.string.interpolated", None),
    ("constant.numeric", Some(Role::Number)),
    ("constant.language", Some(Role::Constant)),
    ("constant.character", Some(Role::Constant)),
    ("constant.other", Some(Role::Constant)),
    ("string", Some(Role::String)),
    ("keyword.operator.logical", Some(Role::Keyword)),
    ("keyword.operator.word", Some(Role::Keyword)),
    ("keyword.operator", Some(Role::Operator)),
    ("keyword", Some(Role::Keyword)),
    ("storage", Some(Role::Keyword)),
    ("meta.annotation", Some(Role::Decorator)),
    ("support.function", Some(Role::Builtin)),
    ("support.type", Some(Role::Builtin)),
    ("support.class", Some(Role::Builtin)),
    ("support.constant", Some(Role::Builtin)),
    ("entity.name.function", Some(Role::Function)),
    ("variable.function", Some(Role::Function)),
    ("entity.name", Some(Role::Type)),
    ("entity.other.inherited-class", Some(Role::Type)),
    ("variable.parameter", Some(Role::Variable)),
    ("variable.language", Some(Role::Constant)),
];

/// All grammars, loaded once.
fn set() -> &'static SyntaxSet {
    static SET: OnceLock<SyntaxSet> = OnceLock::new();
    SET.get_or_init(two_face::syntax::extra_newlines)
}

/// The names of all grammars.
#[cfg(test)]
pub(crate) fn grammar_names() -> Vec<&'static str> {
    set().syntaxes().iter().map(|syntax| syntax.name.as_str()).collect()
}

/// The state of the parser and the scopes at a position in a text.
pub(crate) type Place = (ParseState, ScopeStack);

/// The spans of a line: byte lengths with their roles. Together they cover the line.
pub(crate) type Spans = Vec<(usize, Option<Role>)>;

/// A part of a line and its role.
pub(super) type Piece = (String, Option<Role>);

/// The grammar of one language.
pub(crate) struct Grammar {
    syntax: &'static SyntaxReference,
    roles: Vec<(Scope, Option<Role>)>,
}

impl Grammar {
    /// Returns the grammar with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        set().find_syntax_by_name(name).map(Self::of)
    }

    /// Returns the grammar for the name of a language behind a Markdown fence (`python`, `py`, `rs`), or for any name
    /// that the prompt accepts.
    pub(crate) fn for_token(token: &str) -> Option<Self> {
        let ours = || set().find_syntax_by_name(language::of_name(&token.to_ascii_lowercase())?.grammar);
        set().find_syntax_by_token(token).or_else(ours).map(Self::of)
    }

    fn of(syntax: &'static SyntaxReference) -> Self {
        let roles = ROLES.iter().filter_map(|&(name, role)| Some((Scope::new(name).ok()?, role))).collect();
        Self { syntax, roles }
    }

    /// The place before the first line.
    pub(crate) fn start(&self) -> Place {
        (ParseState::new(self.syntax), ScopeStack::new())
    }

    /// Parses one line with its line end, and moves `place` behind it. A line that is too long has no roles.
    pub(crate) fn parse(&self, text: &str, place: &mut Place) -> Spans {
        let (state, stack) = place;
        let mut spans = Vec::new();
        let operations = match text.len() {
            0..=MAX_LINE_BYTES => state.parse_line(text, set()).unwrap_or_default(),
            _ => Vec::new(),
        };
        let mut at = 0;
        for (position, operation) in operations {
            if position > at {
                push(&mut spans, position - at, self.role(stack));
                at = position;
            }
            // An operation that does not fit leaves the stack unchanged.
            let _ = stack.apply(&operation);
        }
        if text.len() > at {
            push(&mut spans, text.len() - at, self.role(stack));
        }
        spans
    }

    fn role(&self, stack: &ScopeStack) -> Option<Role> {
        let fits = |scope: &Scope| self.roles.iter().find(|(known, _)| known.is_prefix_of(*scope));
        stack.as_slice().iter().rev().find_map(fits).and_then(|&(_, role)| role)
    }
}

/// Adds a span, or extends the last span if it has the same role.
fn push(spans: &mut Spans, length: usize, role: Option<Role>) {
    match spans.last_mut() {
        Some((last, same)) if *same == role => *last += length,
        _ => spans.push((length, role)),
    }
}

/// Splits the lines of `text` into pieces with their roles. `None` if the language is unknown or the text is too long
/// to highlight.
pub(super) fn spans(language: &str, text: &str) -> Option<Vec<Vec<Piece>>> {
    if language.is_empty() || text.lines().nth(MAX_LINES).is_some() {
        return None;
    }
    let grammar = Grammar::for_token(language)?;
    let mut place = grammar.start();
    let line = |line: &str| {
        let mut rest = line;
        let mut pieces = Vec::new();
        for (length, role) in grammar.parse(&format!("{line}\n"), &mut place) {
            let (piece, tail) = rest.split_at_checked(length).unwrap_or((rest, ""));
            if !piece.is_empty() {
                pieces.push((piece.to_owned(), role));
            }
            rest = tail;
        }
        pieces
    };
    Some(text.lines().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_know_every_name_that_the_prompt_knows() {
        for row in language::ALL {
            for name in std::iter::once(&row.name).chain(row.aliases) {
                assert!(Grammar::for_token(name).is_some(), "{name}");
            }
        }
        assert!(Grammar::for_token("no-such-language").is_none());
    }
}
