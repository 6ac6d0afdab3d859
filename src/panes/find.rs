//! Searching in the rows of a view.

/// A search text. It ignores case unless it has capital letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Find {
    text: String,
    case_sensitive: bool,
}

impl Find {
    pub(super) fn new(text: &str) -> Self {
        let case_sensitive = text.chars().any(char::is_uppercase);
        Self { text: text.to_owned(), case_sensitive }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether `text` contains it.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.first_in(text).is_some()
    }

    /// The byte range of its first occurrence in `text`.
    pub(super) fn first_in(&self, text: &str) -> Option<std::ops::Range<usize>> {
        if self.text.is_empty() {
            return None;
        }
        if self.case_sensitive {
            return text.find(&self.text).map(|start| start..start + self.text.len());
        }
        // A lower-case letter can have more bytes than its capital, so the range must be found in the original text.
        text.char_indices().find_map(|(start, _)| {
            let rest = text.get(start..)?;
            let length = prefix_length(rest, &self.text)?;
            Some(start..start + length)
        })
    }

    /// The error message that it is not in `place`, such as `the table`.
    pub(super) fn not_in(&self, place: &str) -> Option<(String, bool)> {
        Some((format!("\"{}\" is not in {place}", self.text), true))
    }

    /// The next of `count` rows that contains it, starting after `from` and wrapping around; backwards if `back`.
    pub(super) fn next(
        &self,
        count: usize,
        from: usize,
        back: bool,
        is_in: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        (1..=count)
            .map(|step| if back { (from + count - step % count) % count } else { (from + step) % count })
            .find(|row| is_in(*row))
    }
}

/// The length in bytes of `prefix` at the start of `text`, ignoring case; `None` if `text` starts differently.
fn prefix_length(text: &str, prefix: &str) -> Option<usize> {
    let mut rest = text.chars();
    let mut length = 0;
    for expected in prefix.chars() {
        let c = rest.next()?;
        if c != expected && !c.to_lowercase().eq(expected.to_lowercase()) {
            return None;
        }
        length += c.len_utf8();
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_with_capitals_is_case_sensitive() {
        assert_eq!(Find::new("err").first_in("An ERROR"), Some(3..6));
        assert_eq!(Find::new("Err").first_in("An ERROR"), None);
        assert_eq!(Find::new("é").first_in("CAFÉ"), Some(3..5));
        assert_eq!(Find::new("").first_in("x"), None);
        assert_eq!(Find::new("i").first_in("İi"), Some(2..3));
    }

    #[test]
    fn the_search_wraps_around_the_end() {
        let rows = ["a", "b", "a", "c"];
        let find = Find::new("a");
        let is_in = |row: usize| find.is_in(rows[row]);
        assert_eq!(find.next(4, 0, false, is_in), Some(2));
        assert_eq!(find.next(4, 2, false, is_in), Some(0));
        assert_eq!(find.next(4, 0, true, is_in), Some(2));
        assert_eq!(Find::new("z").next(4, 0, false, |_| false), None);
        assert_eq!(find.next(0, 0, false, is_in), None);
    }
}
