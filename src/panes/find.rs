//! Searching in what a view shows: the text that is searched for, and where it is next.

/// A search, which does not tell capital letters from small ones unless it has capital letters itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Find {
    text: String,
    exact: bool,
}

impl Find {
    pub(super) fn new(text: &str) -> Self {
        let exact = text.chars().any(char::is_uppercase);
        Self { text: text.to_owned(), exact }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether it is in `text`.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.first_in(text).is_some()
    }

    /// The bytes of `text` where it is first.
    pub(super) fn first_in(&self, text: &str) -> Option<std::ops::Range<usize>> {
        if self.text.is_empty() {
            return None;
        }
        if self.exact {
            return text.find(&self.text).map(|at| at..at + self.text.len());
        }
        // Small letters can be longer than their capitals, so that the place must be found in the text itself.
        text.char_indices().find_map(|(at, _)| {
            let rest = text.get(at..)?;
            let length = same_start(rest, &self.text)?;
            Some(at..at + length)
        })
    }

    /// The remark for the line below that it is not in `place`, such as `the table`.
    pub(super) fn not_in(&self, place: &str) -> Option<(String, bool)> {
        Some((format!("\"{}\" is not in {place}", self.text), true))
    }

    /// The next of `count` rows, from the one after `from` on and around the end, in which it is; backwards if `back`.
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

/// How many bytes of `text` are `wanted`, whatever the size of letters.
fn same_start(text: &str, wanted: &str) -> Option<usize> {
    let mut rest = text.chars();
    let mut length = 0;
    for wanted in wanted.chars() {
        let c = rest.next()?;
        if c != wanted && !c.to_lowercase().eq(wanted.to_lowercase()) {
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
    fn capitals_are_told_apart_when_they_are_searched_for() {
        assert_eq!(Find::new("err").first_in("An ERROR"), Some(3..6));
        assert_eq!(Find::new("Err").first_in("An ERROR"), None);
        assert_eq!(Find::new("é").first_in("CAFÉ"), Some(3..5));
        assert_eq!(Find::new("").first_in("x"), None);
        assert_eq!(Find::new("i").first_in("İi"), Some(2..3));
    }

    #[test]
    fn the_search_goes_around_the_end() {
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
