//! Following a log of which a server sends only the whole text.

/// The number of last bytes by which a log is recognised after the server has dropped its beginning.
const OVERLAP: usize = 4096;

/// The text that was added to `before` to give `now`.
pub fn new_log_text<'t>(before: &str, now: &'t str) -> &'t str {
    if let Some(more) = now.strip_prefix(before) {
        return more;
    }
    let mut start = before.len().saturating_sub(OVERLAP);
    while !before.is_char_boundary(start) {
        start += 1;
    }
    let end = before.get(start..).unwrap_or_default();
    now.rfind(end).and_then(|at| now.get(at + end.len()..)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::new_log_text as news;

    #[test]
    fn new_text_is_returned_once() {
        assert_eq!(news("", "a\n"), "a\n");
        assert_eq!(news("a\n", "a\nb\n"), "b\n");
        assert_eq!(news("a\n", "a\n"), "");
        let long: String = (0..9_000).map(|i| format!("{i}\n")).collect();
        let (_, turned) = long.split_once("\n800\n").unwrap();
        assert_eq!(news(&long, &format!("{turned}new\n")), "new\n", "the server dropped the beginning");
        assert_eq!(news(&"한".repeat(5_000), "another"), "another");
    }
}
