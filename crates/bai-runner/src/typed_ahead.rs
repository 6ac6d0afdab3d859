//! Input in pieces, for a driver that asks for lines.

use bai_protocol::execute::END_OF_INPUT;

/// Bytes that came and were not asked for yet.
#[derive(Debug, Default)]
pub(super) struct TypedAhead {
    bytes: Vec<u8>,
    ended: bool,
}

impl TypedAhead {
    pub(super) fn push(&mut self, bytes: &[u8], end: bool) {
        self.bytes.extend_from_slice(bytes);
        self.ended |= end;
    }

    /// The next line without its newline, or the end of the input. `None` if the line is not complete.
    pub(super) fn line(&mut self) -> Option<String> {
        let newline = self.bytes.iter().position(|byte| *byte == b'\n');
        if newline.is_none() && !self.ended {
            return None;
        }
        if self.bytes.is_empty() {
            return Some(END_OF_INPUT.to_owned());
        }
        let rest = newline.map_or_else(Vec::new, |at| self.bytes.split_off(at + 1));
        let line = std::mem::replace(&mut self.bytes, rest);
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(String::from_utf8_lossy(line).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines_and_an_end() {
        let mut typed = TypedAhead::default();
        assert_eq!(typed.line(), None);
        typed.push(b"a\nb", false);
        assert_eq!(typed.line().as_deref(), Some("a"));
        assert_eq!(typed.line(), None);
        typed.push(b"c\r\n\nlast", true);
        for expected in ["bc", "", "last", END_OF_INPUT, END_OF_INPUT] {
            assert_eq!(typed.line().as_deref(), Some(expected));
        }
    }
}
