//! JSON as lines: indented, with the keys in their original order. Long lists and deep levels are folded.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use unicode_width::UnicodeWidthStr;

use super::line::{Line, Piece};
use super::{Block, MAX_BYTES};
use crate::render::sanitize;
use crate::theme::Role;

/// A value that is not longer is written on one line.
const ONE_LINE: usize = 72;
/// A list with more items shows this many of the first items and a few of the last.
const MAX_ITEMS: usize = 100;
const SHOWN_FIRST: usize = 50;
const SHOWN_LAST: usize = 5;
/// A deeper value is shown only by its size.
const MAX_DEPTH: usize = 24;
/// The longest string that is shown in full, in cells.
const MAX_STRING: usize = 2_000;

/// Reads JSON. `None` if the text is not JSON.
pub(in crate::render) fn read_json(text: &str) -> Option<Vec<Block>> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let node: Node = serde_json::from_str(text).ok()?;
    let mut lines = vec![Line::default()];
    write(&node, 0, &mut lines);
    Some(vec![Block::Lines(lines)])
}

/// A value that keeps the order of its keys. Scalars are stored as formatted text.
#[derive(Debug)]
enum Node {
    Leaf(String, Role),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl<'de> Deserialize<'de> for Node {
    // Recursive up to the limit of serde_json, which is 128.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string(), Role::Constant))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string(), Role::Number))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Leaf(value.to_string(), Role::Number))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        let text = serde_json::Number::from_f64(value).map_or_else(|| value.to_string(), |n| n.to_string());
        Ok(Node::Leaf(text, Role::Number))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf("null".to_owned(), Role::Constant))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Leaf(quoted(value), Role::String))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Node>()? {
            entries.push((quoted(&key), value));
        }
        Ok(Node::Map(entries))
    }
}

/// Writes a string as JSON, harmless and limited in length.
fn quoted(text: &str) -> String {
    let text = serde_json::to_string(super::head(text, 4 * MAX_STRING)).unwrap_or_default();
    sanitize::line(&text, MAX_STRING)
}

fn write(node: &Node, depth: usize, lines: &mut Vec<Line>) {
    if let Some(short) = one_line(node) {
        add(lines, short);
        return;
    }
    let (open, close, count) = match node {
        Node::Leaf(text, role) => return add(lines, vec![Piece::of(*role, text.clone())]),
        Node::List(items) => ("[", "]", items.len()),
        Node::Map(entries) => ("{", "}", entries.len()),
    };
    if depth >= MAX_DEPTH {
        return add(
            lines,
            vec![Piece::plain(open), Piece::of(Role::Note, format!("… {count}")), Piece::plain(close)],
        );
    }
    add(lines, vec![Piece::plain(open)]);
    let indent = "  ".repeat(depth + 1);
    let hidden = if count > MAX_ITEMS { SHOWN_FIRST..count - SHOWN_LAST } else { count..count };
    for index in (0..hidden.start).chain(hidden.end..count) {
        if index == hidden.end && !hidden.is_empty() {
            let text = format!("{indent}… {} more", hidden.len());
            lines.push(Line(vec![Piece::of(Role::Note, text)]));
        }
        lines.push(Line(vec![Piece::plain(indent.clone())]));
        match node {
            Node::List(items) => {
                if let Some(item) = items.get(index) {
                    write(item, depth + 1, lines);
                }
            }
            Node::Map(entries) => {
                if let Some((key, value)) = entries.get(index) {
                    add(lines, vec![Piece::of(Role::Key, key.clone()), Piece::plain(": ")]);
                    write(value, depth + 1, lines);
                }
            }
            Node::Leaf(..) => {}
        }
        if index + 1 < count {
            add(lines, vec![Piece::plain(",")]);
        }
    }
    lines.push(Line(vec![Piece::plain(format!("{}{close}", "  ".repeat(depth)))]));
}

fn add(lines: &mut [Line], pieces: Vec<Piece>) {
    if let Some(last) = lines.last_mut() {
        last.0.extend(pieces);
    }
}

/// Returns the value on one line, if it is short and has at most one level of nesting.
fn one_line(node: &Node) -> Option<Vec<Piece>> {
    let leaf = |node: &Node| match node {
        Node::Leaf(text, role) => Some(Piece::of(*role, text.clone())),
        Node::List(items) if items.is_empty() => Some(Piece::plain("[]")),
        Node::Map(entries) if entries.is_empty() => Some(Piece::plain("{}")),
        _ => None,
    };
    let mut pieces = Vec::new();
    match node {
        Node::Leaf(..) => return leaf(node).map(|piece| vec![piece]),
        Node::List(items) if items.len() > ONE_LINE => return None,
        Node::Map(entries) if entries.len() > ONE_LINE => return None,
        Node::List(items) => {
            pieces.push(Piece::plain("["));
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    pieces.push(Piece::plain(", "));
                }
                pieces.push(leaf(item)?);
            }
            pieces.push(Piece::plain("]"));
        }
        Node::Map(entries) => {
            pieces.push(Piece::plain("{"));
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    pieces.push(Piece::plain(", "));
                }
                pieces.push(Piece::of(Role::Key, key.clone()));
                pieces.push(Piece::plain(": "));
                pieces.push(leaf(value)?);
            }
            pieces.push(Piece::plain("}"));
        }
    }
    (pieces.iter().map(|piece| piece.text.width()).sum::<usize>() <= ONE_LINE).then_some(pieces)
}
