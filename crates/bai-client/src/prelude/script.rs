//! Scripts in an IPython kernel: the cell that runs one (`process.py`, `script.py`), and the pieces of its standard input.

use super::{MARK, Prelude, PreludeState, sides};
use crate::run::{Cell, Rest};
use bai_protocol::byte_text;
use bai_protocol::execute::{RunId, Script, Window};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;
use zeroize::Zeroizing;

/// What is around the random number of a mark, and how many digits that has.
const MARK_BEGIN: &str = "[bai-repl:";
const MARK_END: &str = "]";
const MARK_DIGITS: usize = 32;
const PROGRAM: &str = concat!(
    include_str!("reading.py"),
    "\n\n",
    include_str!("process.py"),
    "\n\n",
    include_str!("script.py")
);
/// The beginning of a question that is a script.
const SCRIPT: &str = "script ";
/// What a kernel without the prelude runs after the comment that the question is for it.
const REFUSAL: &str = "raise SystemError('the kernel has been restarted; run the script again')";
/// The largest part of the input in one answer, in bytes. In Base64 it is less than what genuine servers accept in one call.
const LARGEST_PIECE: usize = 512 * 1024;

/// The cell that runs a script in a kernel; [`Prelude::script`] and [`crate::shell_script()`] make it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelScript {
    pub(crate) code: String,
    /// The prompt of the questions for pieces of the input. Followed by `=`, the exit code and a full stop it is the end of the
    /// output.
    pub(crate) mark: String,
    /// Whether the session ends with it.
    pub(crate) last: bool,
    /// Whether it asks for its input.
    pub(crate) asks: bool,
}

impl Prelude {
    /// The cell that runs this script in the kernel as a program of its language. `file` is its path below the kernel's working
    /// folder, if it has one: modules beside that place are found. `window` is the one in which a person sees the output. `None` if
    /// the prelude is not installed.
    ///
    /// `code` is in the form of [`byte_text`].
    pub fn script(
        &self,
        code: &str,
        script: &Script,
        file: Option<&str>,
        window: Option<Window>,
    ) -> Option<Cell> {
        let is_present = self.state() == PreludeState::Present;
        is_present.then(|| Cell::Kernel(KernelScript::new(code, script, file, window)))
    }
}

/// The mark of a new script.
pub(crate) fn new_mark() -> String {
    format!("{MARK_BEGIN}{}{MARK_END}", RunId::random())
}

/// The mark of a script in what it prints.
pub(crate) fn script_mark(text: &str) -> Option<&str> {
    let begin = text.find(MARK_BEGIN)?;
    let (_, from) = text.split_at_checked(begin)?;
    let (mark, _) = from.split_at_checked(from.find(MARK_END)? + MARK_END.len())?;
    let id = mark.strip_prefix(MARK_BEGIN)?.strip_suffix(MARK_END)?;
    (id.len() == MARK_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit())).then_some(mark)
}

impl KernelScript {
    pub(super) fn new(code: &str, script: &Script, file: Option<&str>, window: Option<Window>) -> Self {
        let mark = new_mark();
        let [columns, lines] = sides(window);
        let question = json!({
            "program": PROGRAM,
            "source": STANDARD.encode(byte_text::bytes(code)),
            "name": script.name,
            "args": script.args,
            "file": file,
            "terminal": script.terminal,
            "last": script.last,
            "window": {"COLUMNS": columns, "LINES": lines},
            "colors": window.is_some_and(|window| window.colors),
            "mark": mark,
        });
        KernelScript {
            code: format!("{MARK}{SCRIPT}{question}\n{REFUSAL}"),
            mark,
            last: script.last,
            asks: true,
        }
    }

    /// Whether the program gets input. That of a shell has none.
    pub fn gets_input(&self) -> bool {
        self.asks
    }
}

/// A part of the input on its way to a script, which asks for it in answers of limited size.
#[derive(Debug)]
pub(crate) struct PieceForKernel {
    bytes: Bytes,
    sent: usize,
    rest: Rest,
}

impl PieceForKernel {
    pub(crate) fn new(bytes: Bytes, rest: Rest) -> Self {
        PieceForKernel { bytes, sent: 0, rest }
    }

    /// The next answer, and whether more follow.
    pub(crate) fn next(&mut self) -> (Zeroizing<String>, bool) {
        let left = self.bytes.get(self.sent..).unwrap_or_default();
        let part = left.get(..LARGEST_PIECE).unwrap_or(left);
        let has_more = part.len() < left.len();
        self.sent += part.len();
        let sign = if self.rest == Rest::None && !has_more { '.' } else { '+' };
        let mut line = Zeroizing::new(String::with_capacity(1 + part.len().div_ceil(3) * 4));
        line.push(sign);
        STANDARD.encode_string(part, &mut line);
        (line, has_more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_sent_in_parts_and_the_last_one_says_that_the_input_ends() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2 * LARGEST_PIECE + 1).collect();
        for (rest, sign) in [(Rest::None, '.'), (Rest::AtHand, '+')] {
            let mut piece = PieceForKernel::new(bytes.clone().into(), rest);
            let (mut came, mut signs) = (Vec::new(), String::new());
            loop {
                let (line, has_more) = piece.next();
                assert!(line.len() < 1_000_000);
                signs.push(line.chars().next().unwrap());
                came.extend(STANDARD.decode(&line[1..]).unwrap());
                if !has_more {
                    break;
                }
            }
            assert_eq!((came, signs), (bytes.clone(), format!("++{sign}")));
        }
        let mut end = PieceForKernel::new(Bytes::new(), Rest::None);
        assert_eq!(end.next(), (".".to_owned().into(), false));
    }
}
