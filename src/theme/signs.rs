//! The signs of the user interface, in one set for UTF-8 terminals and one for all others.

/// The signs of one character set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Ends the prompt.
    pub prompt: &'static str,
    /// Ends the prompt of continuation lines.
    pub continuation: &'static str,
    /// Before the footer of a cell that succeeded.
    pub ok: &'static str,
    /// Before the footer of a cell that failed.
    pub fail: &'static str,
    /// Separates parts of a line.
    pub dot: &'static str,
    /// Replaces text that was cut off.
    pub ellipsis: &'static str,
    /// Stands for lines that are not shown; one cell wide.
    pub more: &'static str,
    /// Separates a width and a height.
    pub times: &'static str,
    /// The frames of the spinner.
    pub spinner: &'static [&'static str],
}

impl Signs {
    /// The set for UTF-8 locales (`unicode`), or for ASCII.
    pub const fn new(unicode: bool) -> Self {
        if unicode {
            Self {
                prompt: "❯",
                continuation: "…",
                ok: "✓",
                fail: "✗",
                dot: "·",
                ellipsis: "…",
                more: "⋮",
                times: "×",
                spinner: &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
            }
        } else {
            Self {
                prompt: ">",
                continuation: "..",
                ok: "ok",
                fail: "x",
                dot: "-",
                ellipsis: "...",
                more: ":",
                times: "x",
                spinner: &["|", "/", "-", "\\"],
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ascii_set_is_ascii() {
        let signs = Signs::new(false);
        let all = [
            signs.prompt,
            signs.continuation,
            signs.ok,
            signs.fail,
            signs.dot,
            signs.ellipsis,
            signs.more,
            signs.times,
        ];
        assert!(all.iter().chain(signs.spinner).all(|sign| sign.is_ascii()));
    }

    #[test]
    fn every_frame_of_a_spinner_and_a_mark_are_one_cell_wide() {
        use unicode_width::UnicodeWidthStr;
        for unicode in [true, false] {
            let signs = Signs::new(unicode);
            assert!(signs.spinner.iter().all(|frame| frame.width() == 1) && signs.more.width() == 1);
        }
    }
}
