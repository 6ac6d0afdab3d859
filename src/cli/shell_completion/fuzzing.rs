//! Names that a shell completes, and words that are typed, from arbitrary text.

use super::words::{can_be_shown, escaped, is_plain, meaning};

/// A name, which is also a typed word. Escaped, it is one word of the shell that means the name.
pub fn names(bytes: &[u8]) {
    let name = String::from_utf8_lossy(bytes);
    assert!(meaning(&name).len() <= name.len());
    let word = escaped(&name);
    assert_eq!(meaning(&word), name);
    assert_eq!(word == name, is_plain(&name));
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        let means_itself = c.is_alphanumeric() || "_-./:,@%+=".contains(c);
        assert!(means_itself || (c == '\\' && chars.next().is_some()));
    }
    if can_be_shown(&name) {
        assert!(!name.contains(char::is_control));
    }
}
