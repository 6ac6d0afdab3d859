//! Scripts in a kernel that is a shell: code that runs one in such a kernel without waiting for input that nobody can give there, and
//! whose last output is a mark with the exit code. Kernels tell only whether it is 0, and a shell that the script has ended is
//! replaced by a new one in silence.

use super::prelude::{KernelScript, new_mark};
use super::run::Cell;
use bai_protocol::byte_text;
use bai_protocol::execute::Script;
use bai_protocol::shell_word;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest line of the script's text. A kernel types it into a terminal, of which some take 4096 bytes.
const LINE: usize = 1000;

/// The cell that runs this script in a kernel of Bash. The last script of a session is a program of its own. Any other runs in the
/// kernel's own shell, so that its variables stay.
///
/// `code` is in the form of [`byte_text`].
pub fn shell_script(code: &str, script: &Script) -> Cell {
    let mark = new_mark();
    let text = STANDARD.encode(byte_text::bytes(code));
    let lines: Vec<&str> =
        text.as_bytes().chunks(LINE).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let source = format!("\"$(base64 -d <<'.'\n{}\n.\n)\"", lines.join("\n"));
    let words = |first: &[&str]| {
        let words = first.iter().copied().chain(script.args.iter().map(String::as_str));
        words.map(|word| format!(" {}", shell_word::quoted(word))).collect::<String>()
    };
    let (before, run, after) = match script.last {
        true => (String::new(), format!("bash -c {source}{}", words(&[&script.name])), String::new()),
        false => {
            // A shell with a terminal says that it ends.
            let exit = "exit() { builtin exit \"$@\" 2>/dev/null; }";
            let before = format!("set --{}; {exit}; trap 'printf \"%s=%s.\" {mark:?} $?' EXIT; ", words(&[]));
            (before, format!("eval {source}"), "; trap - EXIT; unset -f exit".to_owned())
        }
    };
    let code = format!("{before}{run} </dev/null; printf '%s=%s.' '{mark}' $?{after}");
    Cell::Kernel(KernelScript { code, mark, last: script.last, asks: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What a shell prints that reads these scripts one after the other, with `MARK` for the mark.
    fn printed(scripts: &[(&str, bool)]) -> String {
        let mut shell = Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = shell.stdin.take().unwrap();
        let mut marks = Vec::new();
        for (code, last) in scripts {
            let script = Script {
                name: "s.sh".into(),
                args: vec!["it's".into(), "b".into()],
                last: *last,
                ..Default::default()
            };
            let Cell::Kernel(script) = shell_script(code, &script) else { panic!("a cell for a kernel") };
            writeln!(input, "{}\necho", script.code).unwrap();
            marks.push(script.mark);
        }
        drop(input);
        let text = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
        marks.iter().fold(text, |text, mark| text.replace(mark, "MARK"))
    }

    #[test]
    fn the_exit_code_of_a_script_and_the_end_of_its_input_arrive() {
        let long = format!("# {}\necho \"$1 $#\"; (exit 3)", "x".repeat(5000));
        for last in [false, true] {
            let scripts = [("cat; exit 4", last), (&*long, last)];
            let all = scripts.map(|script| printed(&[script]).trim_end().to_owned());
            assert_eq!(all, ["MARK=4.", "it's 2\nMARK=3."], "{last}");
        }
        assert_eq!(printed(&[("x=5", false), ("echo $x; false", false)]), "MARK=0.\n5\nMARK=1.\n");
        assert_eq!(printed(&[("echo $0", true)]), "s.sh\nMARK=0.\n");
    }
}
