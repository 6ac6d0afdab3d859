//! The part of Python's notation that servers send in place of JSON (`docs/wire` §2.6): a dictionary of texts, and of
//! decimal numbers, which become their text.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Reads `{'A': '1', "it's": "x\n", 'cpu': Decimal('1')}`; `None` for any other text.
pub(super) fn dictionary(text: &str) -> Option<BTreeMap<String, String>> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut chars = inside.chars().peekable();
    let mut found = BTreeMap::new();
    loop {
        blank(&mut chars);
        if chars.peek().is_none() {
            return Some(found);
        }
        let key = string(&mut chars)?;
        blank(&mut chars);
        chars.next_if_eq(&':')?;
        blank(&mut chars);
        found.insert(key, value(&mut chars)?);
        blank(&mut chars);
        if chars.next_if_eq(&',').is_none() && chars.peek().is_some() {
            return None;
        }
    }
}

fn blank(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|c| c.is_whitespace()).is_some() {}
}

fn value(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    if chars.peek() != Some(&'D') {
        return string(chars);
    }
    for expected in "Decimal(".chars() {
        chars.next_if_eq(&expected)?;
    }
    let number = string(chars)?;
    chars.next_if_eq(&')')?;
    Some(number)
}

fn string(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let quote = chars.next_if(|c| *c == '\'' || *c == '"')?;
    let mut text = String::new();
    loop {
        match chars.next()? {
            c if c == quote => return Some(text),
            '\\' => text.push(escape(chars)?),
            c => text.push(c),
        }
    }
}

fn escape(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let digits = match chars.next()? {
        'n' => return Some('\n'),
        'r' => return Some('\r'),
        't' => return Some('\t'),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        c @ ('\\' | '\'' | '"') => return Some(c),
        _ => return None,
    };
    let code: String = chars.by_ref().take(digits).collect();
    char::from_u32(u32::from_str_radix(&code, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_of_texts_is_read() {
        let read = dictionary(r#"{'A': '1', "it's": 'a\n\x1b\u00fc\\', 'E': ''}"#).unwrap();
        let read: Vec<_> = read.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(read, [("A", "1"), ("E", ""), ("it's", "a\n\u{1b}ü\\")]);
        assert_eq!(dictionary("{}"), Some(BTreeMap::new()));
        let numbers = dictionary("{'cpu': Decimal('1.0'), 'mem': Decimal('2')}").unwrap();
        assert_eq!((numbers["cpu"].as_str(), numbers["mem"].as_str()), ("1.0", "2"));
    }

    #[test]
    fn anything_else_is_not() {
        for other in [
            "",
            "{",
            "{'a'}",
            "{'a': 1}",
            "{'a': 'b' 'c'}",
            "{'a': 'b",
            "{'a': '\\q'}",
            "{'a': '\\ud800'}",
            "{'a': Decimal(1)}",
        ] {
            assert_eq!(dictionary(other), None, "{other}");
        }
    }
}
