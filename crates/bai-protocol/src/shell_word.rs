//! Texts as words of a shell, in which nothing has a meaning of its own.

/// The text between apostrophes.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The text as a person would type it: between apostrophes only if it needs them. It may look like an option.
pub fn typed(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "._-/@:+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn only_what_needs_it_is_quoted() {
        for (text, word) in [
            ("a.b", "a.b"),
            ("a b", "'a b'"),
            ("ä:1", "ä:1"),
            ("it's", "'it'\\''s'"),
            ("~", "'~'"),
            ("", "''"),
        ] {
            assert_eq!(typed(text), word);
        }
    }
}
