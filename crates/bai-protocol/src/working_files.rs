//! What a client makes in a session while it moves a large file, and the names by which it is known again. Every client and
//! server may remove what is left of a transfer that was killed, and a server may hide it.

/// The folder of parts and answers, below the home folder.
pub const FOLDER: &str = ".bai-repl";

/// The name of a file that is being put together beside its target. `id` is 32 hexadecimal digits.
pub fn unfinished(id: &str) -> String {
    format!("{FOLDER}-{id}.part")
}

/// Whether a file of this name is, or was, being put together.
pub fn is_unfinished(name: &str) -> bool {
    let id = name.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('-'));
    id.and_then(|rest| rest.strip_suffix(".part")).is_some_and(|id| is_hex(id, 32))
}

/// Whether an entry of [`FOLDER`] belongs to a transfer: the parts of a file, or the answer of a command.
pub fn is_of_transfer(name: &str) -> bool {
    let kinds = ["up-", "down-", "answer-"];
    kinds.iter().find_map(|kind| name.strip_prefix(kind)).is_some_and(|id| is_hex(id, 16))
}

fn is_hex(id: &str, length: usize) -> bool {
    id.len() == length && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_known() {
        assert!(is_unfinished(&unfinished(&"a1".repeat(16))));
        for name in [".bai-repl", ".bai-repl-.part", ".bai-repl-mine.part", ".bai-repl-0123456789abcdef.part"]
        {
            assert!(!is_unfinished(name), "{name}");
        }
        assert!(is_of_transfer("up-0123456789abcdef") && is_of_transfer("answer-0123456789abcdef"));
        for name in ["up-", "up-old", "mine", "side-0123456789abcdef"] {
            assert!(!is_of_transfer(name), "{name}");
        }
    }
}
