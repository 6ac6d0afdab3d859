//! Filters and orders of the list of sessions, in the language of the genuine server (`docs/wire` §2.5), as far as the
//! engine knows it: the comparisons `==`, `!=`, `like` and `ilike` with a text, `&`, `|` and parentheses. Anything
//! else is an error: a filter that is ignored would find every session.

use crate::session::Session;
use std::cmp::Ordering;

/// The deepest nesting of parentheses.
const MAX_DEPTH: usize = 16;

/// A condition on a session.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Compare { field: &'static str, operator: Operator, value: String },
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operator {
    Equal,
    NotEqual,
    /// `%` stands for any text; the flag says whether case counts.
    Like {
        ignore_case: bool,
    },
}

/// The fields that a filter or an order may name.
const FIELDS: [&str; 7] = ["id", "name", "type", "status", "image", "tag", "created_at"];

impl Filter {
    /// Reads a filter.
    pub(super) fn parse(text: &str) -> Result<Filter, String> {
        let mut parser = Parser { rest: text.trim_start() };
        let filter = parser.any(0)?;
        if parser.rest.is_empty() { Ok(filter) } else { Err(parser.unsupported()) }
    }

    /// Whether the session fulfils the condition.
    pub(super) fn matches(&self, session: &Session) -> bool {
        match self {
            Filter::All(all) => all.iter().all(|filter| filter.matches(session)),
            Filter::Any(any) => any.iter().any(|filter| filter.matches(session)),
            Filter::Compare { field, operator, value } => operator.holds(&value_of(session, field), value),
        }
    }
}

impl Operator {
    fn holds(self, found: &str, wanted: &str) -> bool {
        match self {
            Operator::Equal => found == wanted,
            Operator::NotEqual => found != wanted,
            Operator::Like { ignore_case: true } => is_like(&found.to_lowercase(), &wanted.to_lowercase()),
            Operator::Like { ignore_case: false } => is_like(found, wanted),
        }
    }
}

/// Whether a text has the form of a pattern, in which `%` stands for any text.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('%');
    let Some(rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    let mut rest = rest;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn value_of(session: &Session, field: &str) -> String {
    match field {
        "id" => session.id().to_string(),
        "name" => session.name(),
        "type" => "interactive".to_owned(),
        "status" => session.status().name().to_owned(),
        "image" => session.spec.image.clone(),
        "tag" => session.spec.tag.clone().unwrap_or_default(),
        _ => super::iso(session.spec.created),
    }
}

fn known_field(name: &str) -> Result<&'static str, String> {
    let name = if matches!(name, "row_id" | "session_id") { "id" } else { name };
    FIELDS
        .into_iter()
        .find(|field| *field == name)
        .ok_or_else(|| format!("sessions cannot be filtered or ordered by {name:?} here"))
}

/// The order of a list: fields separated by commas, `-` before one for descending.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order(Vec<(&'static str, bool)>);

impl Order {
    /// Reads an order.
    pub(super) fn parse(text: &str) -> Result<Order, String> {
        let key = |part: &str| {
            let part = part.trim();
            let name = part.strip_prefix(['-', '+']).unwrap_or(part);
            Ok((known_field(name)?, part.starts_with('-')))
        };
        text.split(',').map(key).collect::<Result<_, _>>().map(Order)
    }

    /// Compares two sessions.
    pub(super) fn compare(&self, one: &Session, other: &Session) -> Ordering {
        let by = |(field, descending): &(&'static str, bool)| {
            let order = value_of(one, field).cmp(&value_of(other, field));
            if *descending { order.reverse() } else { order }
        };
        self.0.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn unsupported(&self) -> String {
        format!("this part of the filter is not supported here: {}", self.rest)
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn any(&mut self, depth: usize) -> Result<Filter, String> {
        let mut any = vec![self.all(depth)?];
        while self.take("|") {
            any.push(self.all(depth)?);
        }
        Ok(Filter::Any(any))
    }

    fn all(&mut self, depth: usize) -> Result<Filter, String> {
        let mut all = vec![self.term(depth)?];
        while self.take("&") {
            all.push(self.term(depth)?);
        }
        Ok(Filter::All(all))
    }

    fn term(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > MAX_DEPTH {
            return Err("the filter is nested too deeply".to_owned());
        }
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            return if self.take(")") { Ok(inner) } else { Err(self.unsupported()) };
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let field = known_field(name)?;
        self.rest = rest.trim_start();
        let operators = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("ilike", Operator::Like { ignore_case: true }),
            ("like", Operator::Like { ignore_case: false }),
        ];
        let Some((_, operator)) = operators.into_iter().find(|(token, _)| self.take(token)) else {
            return Err(self.unsupported());
        };
        Ok(Filter::Compare { field, operator, value: self.text()? })
    }

    fn text(&mut self) -> Result<String, String> {
        let mut values = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let value = match values.next() {
            Some(Ok(value)) => value,
            _ => return Err(self.unsupported()),
        };
        let used = values.byte_offset();
        self.rest = self.rest.get(used..).unwrap_or_default().trim_start();
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_sql() {
        for (text, pattern, expected) in [
            ("otter", "otter", true),
            ("otters", "otter", false),
            ("sea-otter-1", "%otter%", true),
            ("otter", "%otter", true),
            ("aXbXc", "a%b%c", true),
            ("ab", "a%b%c", false),
            ("", "%", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }

    #[test]
    fn unknown_fields_and_operators_are_errors() {
        for bad in [
            "",
            "name",
            "name ==",
            "name == x",
            "nosuch == \"x\"",
            "name > \"x\"",
            "(name == \"x\"",
            "name == \"x\" y",
        ] {
            assert!(Filter::parse(bad).is_err(), "{bad}");
        }
        assert!(Filter::parse("(name ilike \"%x%\") & (type == \"batch\") | id != \"1\"").is_ok());
        assert!(Filter::parse(&"(".repeat(10_000)).is_err());
        assert!(Order::parse("-created_at,name").is_ok() && Order::parse("nosuch").is_err());
    }
}
