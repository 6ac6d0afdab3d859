//! A language whose cells a Jupyter kernel runs. It differs from the language itself in one point: the kernel describes names.

use super::{Completeness, Language};

/// The language of a Jupyter kernel.
pub struct Jupyter(Box<dyn Language>);

impl Jupyter {
    /// The language with Jupyter's name for it: `python`, `r`, `javascript`.
    pub fn of(language: &str) -> Self {
        Jupyter(super::for_image(language))
    }
}

impl Language for Jupyter {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn grammar(&self) -> &str {
        self.0.grammar()
    }

    fn completeness(&self, cell: &str) -> Completeness {
        self.0.completeness(cell)
    }

    fn may_continue(&self, cell: &str) -> bool {
        self.0.may_continue(cell)
    }

    fn indent_after(&self, before: &str) -> String {
        self.0.indent_after(before)
    }

    fn dedent(&self, before: &str) -> Option<String> {
        self.0.dedent(before)
    }

    fn indent_unit(&self) -> &str {
        self.0.indent_unit()
    }

    fn matching_bracket(&self, cell: &str, position: usize) -> Option<usize> {
        self.0.matching_bracket(cell, position)
    }

    fn keywords(&self) -> &[&str] {
        self.0.keywords()
    }

    fn leaves(&self, cell: &str) -> bool {
        self.0.leaves(cell)
    }

    fn extension(&self) -> &str {
        self.0.extension()
    }

    /// The runner asks the kernel about a cell of this form.
    fn documentation(&self, name: &str) -> Option<String> {
        let fits = !name.is_empty() && !name.contains([' ', '\t', '\n', '?', '(', '"', '\'']);
        fits.then(|| format!("?{name}"))
    }

    fn asks_with_one_sign(&self, name: &str) -> bool {
        self.0.asks_with_one_sign(name)
    }

    fn starts_name(&self, c: char) -> bool {
        self.0.starts_name(c)
    }

    fn continues_name(&self, c: char) -> bool {
        self.0.continues_name(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jupyter_kernel_determines_its_language_and_completeness() {
        let r = Jupyter::of("r");
        assert_eq!((r.name(), r.extension()), ("r", "R"));
        assert_eq!(r.documentation("base::print").as_deref(), Some("?base::print"));
        assert_eq!(r.documentation("a b"), None);
        assert!(!Jupyter::of("ruby").asks_with_one_sign("list.empty"), "it is a call");
        assert!(r.asks_with_one_sign("print") && Jupyter::of("ruby").asks_with_one_sign("File"));
        assert_eq!(Jupyter::of("python").name(), "python");
        assert_eq!(Jupyter::of("made-up").name(), "made-up");
    }
}
