//! Reading GraphQL queries: the subset that clients of this API send. One operation, fields with aliases, arguments and
//! selections, variables; no fragments, no directives.

use super::limits::{self, Budget};
use serde_json::{Map, Value};
use std::iter::Peekable;
use std::str::Chars;

/// A requested field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// The key of the answer.
    pub(super) alias: String,
    pub(super) name: String,
    pub(super) arguments: Map<String, Value>,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    Sign(char),
}

/// Reads a query, and replaces variables in its arguments by their values.
pub(super) fn parse(query: &str, variables: &Value) -> Result<Vec<Field>, String> {
    if query.len() > limits::QUERY_SIZE {
        return Err(limits::exceeded("size of a query in bytes", limits::QUERY_SIZE));
    }
    let mut parser = Parser {
        tokens: tokens(query)?.into_iter().peekable(),
        variables,
        fields: Budget::of_fields(),
        used: Budget::of_variables(),
    };
    match parser.tokens.peek() {
        Some(Token::Word(word)) if word == "query" => {
            while !matches!(parser.tokens.peek(), Some(Token::Sign('{')) | None) {
                parser.tokens.next();
            }
        }
        Some(Token::Word(word)) => return Err(format!("{word} is not supported here")),
        _ => {}
    }
    let fields = parser.selection(0)?;
    if fields.len() > limits::TOP_FIELDS {
        return Err(limits::exceeded("number of fields at the top of a query", limits::TOP_FIELDS));
    }
    match parser.tokens.next() {
        None => Ok(fields),
        Some(_) => Err("only one operation is supported".to_owned()),
    }
}

fn tokens(query: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = query.chars().peekable();
    while let Some(c) = chars.peek().copied() {
        if c.is_whitespace() || c == ',' || c == '\u{feff}' {
            chars.next();
        } else if c == '#' {
            while chars.next_if(|c| *c != '\n').is_some() {}
        } else if c.is_ascii_alphabetic() || c == '_' {
            tokens.push(Token::Word(run_of(&mut chars, |c| c.is_ascii_alphanumeric() || c == '_')));
        } else if c.is_ascii_digit() || c == '-' {
            tokens
                .push(Token::Number(run_of(&mut chars, |c| c.is_ascii_alphanumeric() || "+-.".contains(c))));
        } else if c == '"' {
            chars.next();
            tokens.push(Token::Text(text(&mut chars)?));
        } else if "{}()[]:$!=@|&.".contains(c) {
            chars.next();
            tokens.push(Token::Sign(c));
        } else {
            return Err(format!("Syntax Error: Unexpected character {c:?}."));
        }
    }
    Ok(tokens)
}

fn run_of(chars: &mut Peekable<Chars<'_>>, belongs: impl Fn(char) -> bool) -> String {
    let mut run = String::new();
    while let Some(c) = chars.next_if(|c| belongs(*c)) {
        run.push(c);
    }
    run
}

fn text(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    // The escapes are JSON's.
    let mut literal = String::from('"');
    while let Some(c) = chars.next() {
        literal.push(c);
        match c {
            '"' => {
                return serde_json::from_str(&literal)
                    .map_err(|_| "Syntax Error: Invalid string.".to_owned());
            }
            '\\' => literal.extend(chars.next()),
            _ => {}
        }
    }
    Err("Syntax Error: Unterminated string.".to_owned())
}

struct Parser<'a> {
    tokens: Peekable<std::vec::IntoIter<Token>>,
    variables: &'a Value,
    fields: Budget,
    /// The variables, as often as they are used.
    used: Budget,
}

impl Parser<'_> {
    fn sign(&mut self, wanted: char) -> bool {
        self.tokens.next_if_eq(&Token::Sign(wanted)).is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        if self.sign(wanted) { Ok(()) } else { Err(format!("Syntax Error: Expected {wanted:?}.")) }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.tokens.next() {
            Some(Token::Word(word)) => Ok(word),
            Some(Token::Sign('.')) => Err("fragments are not supported here".to_owned()),
            _ => Err("Syntax Error: Expected Name.".to_owned()),
        }
    }

    fn selection(&mut self, depth: usize) -> Result<Vec<Field>, String> {
        check_depth(depth)?;
        self.expect('{')?;
        let mut fields = Vec::new();
        while !self.sign('}') {
            self.fields.spend(1)?;
            let mut name = self.word()?;
            let alias = name.clone();
            if self.sign(':') {
                name = self.word()?;
            }
            let mut arguments = Map::new();
            if self.sign('(') {
                while !self.sign(')') {
                    let key = self.word()?;
                    self.expect(':')?;
                    let value = self.value(depth)?;
                    arguments.insert(key, value);
                }
            }
            let open = self.tokens.peek() == Some(&Token::Sign('{'));
            let fields_of_it = if open { self.selection(depth + 1)? } else { Vec::new() };
            fields.push(Field { alias, name, arguments, fields: fields_of_it });
        }
        Ok(fields)
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        check_depth(depth)?;
        match self.tokens.next() {
            Some(Token::Text(text)) => Ok(Value::String(text)),
            Some(Token::Number(number)) => {
                serde_json::from_str(&number).map_err(|_| format!("Syntax Error: Invalid number {number}."))
            }
            Some(Token::Word(word)) => Ok(match word.as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => Value::String(word),
            }),
            Some(Token::Sign('$')) => {
                let name = self.word()?;
                let value = self.variables.get(&name).unwrap_or(&Value::Null);
                self.used.spend(limits::size(value))?;
                Ok(value.clone())
            }
            Some(Token::Sign('[')) => {
                let mut items = Vec::new();
                while !self.sign(']') {
                    items.push(self.value(depth + 1)?);
                }
                Ok(Value::Array(items))
            }
            Some(Token::Sign('{')) => {
                let mut object = Map::new();
                while !self.sign('}') {
                    let key = self.word()?;
                    self.expect(':')?;
                    let value = self.value(depth + 1)?;
                    object.insert(key, value);
                }
                Ok(Value::Object(object))
            }
            _ => Err("Syntax Error: Expected a value.".to_owned()),
        }
    }
}

fn check_depth(depth: usize) -> Result<(), String> {
    if depth > limits::DEPTH { Err(limits::exceeded("depth of a query", limits::DEPTH)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_queries_of_clients_are_read() {
        let query = r#"query($limit: Int!, $status: String = "RUNNING") { # a list
            compute_session_list(limit: $limit, offset: 0, status: "A,\"B", deep: {a: [1 -2.5 true null X]}) {
                items { id: session_id name } total_count } }"#;
        let fields = parse(query, &json!({"limit": 10})).unwrap();
        assert_eq!(fields.len(), 1);
        let list = &fields[0];
        let arguments =
            json!({"limit": 10, "offset": 0, "status": "A,\"B", "deep": {"a": [1, -2.5, true, null, "X"]}});
        assert_eq!(
            (list.name.as_str(), Value::Object(list.arguments.clone())),
            ("compute_session_list", arguments)
        );
        let items: Vec<_> =
            list.fields[0].fields.iter().map(|f| (f.alias.as_str(), f.name.as_str())).collect();
        assert_eq!(items, [("id", "session_id"), ("name", "name")]);
        assert_eq!(parse("{ images { name } }", &Value::Null).unwrap()[0].name, "images");
    }

    #[test]
    fn a_query_that_would_cost_too_much_is_an_error() {
        let aliases = |count: usize| (0..count).map(|n| format!("a{n}: x ")).collect::<String>();
        let variable = json!({"v": "x".repeat(1000)});
        let uses = |count: usize| format!("{{ a(b: [{}]) }}", "$v ".repeat(count));
        for (query, what) in [
            (format!("{{ {} }}", aliases(17)), "fields at the top"),
            (format!("{{ a {{ {} }} }}", aliases(1000)), "number of fields"),
            (format!("{{ a(b: \"{}\") }}", "x".repeat(64 << 10)), "size of a query in bytes"),
            ("{a".repeat(34), "depth"),
            (uses(66), "variables"),
        ] {
            let error = parse(&query, &variable).unwrap_err();
            assert!(error.contains(what) && error.starts_with("Query limit exceeded"), "{error}");
        }
        assert!(parse(&format!("{{ {} b {{ {} }} }}", aliases(15), aliases(900)), &variable).is_ok());
        assert!(parse(&uses(60), &variable).is_ok());
    }

    #[test]
    fn an_invalid_query_is_an_error() {
        let deep = "{a".repeat(10_000);
        let deep_value = format!("{{a(b: {})}}", "[".repeat(10_000));
        for query in [
            "",
            "{",
            "}",
            "{a(",
            "{a(b)}",
            "{a(b:)}",
            "{\"a\"}",
            "{a} {b}",
            "mutation { a }",
            "{ ...F }",
            "{a(b: \"x)}",
            "{a(b: 1e)}",
            "ü",
            &deep,
            &deep_value,
        ] {
            assert!(parse(query, &Value::Null).is_err(), "{query:.40}");
        }
    }
}
