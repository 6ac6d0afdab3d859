//! `:batch`: runs the steps of a batch in the session.

use super::cell::CellOptions;
use super::command_actions::CommandResult;
use super::shell_words;
use super::state::Repl;
use bai_client::Cell;
use bai_protocol::execute::BatchOptions;

impl Repl {
    /// Runs the steps of a batch in the session. A step without a command depends on the files in the session.
    pub(super) fn batch(&mut self, argument: &str) -> CommandResult {
        match shell_words::split(argument).and_then(steps) {
            Ok(steps) => {
                let options = CellOptions { outlives: self.outlives, ours: true, ..Default::default() };
                self.run_work(Cell::Batch(steps).into(), options).map(|(_, then)| then)
            }
            Err(sentence) => {
                self.fail(sentence, Some("usage: :batch [--clean CMD] [--build CMD] [--exec CMD]"))
            }
        }
    }
}

/// Parses the commands of the steps.
fn steps(words: Vec<String>) -> Result<BatchOptions, String> {
    let [mut clean, mut build, mut exec] = ["*"; 3].map(str::to_owned);
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let step = match flag.as_str() {
            "--clean" => &mut clean,
            "--build" => &mut build,
            "--exec" => &mut exec,
            _ => return Err(format!("\"{flag}\" is not a step")),
        };
        *step = value.or_else(|| words.next()).ok_or_else(|| format!("{flag} needs a command"))?;
    }
    Ok(BatchOptions { clean, build, exec, end: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_without_a_command_depends_on_the_files() {
        let read = |line: &str| shell_words::split(line).and_then(steps).map(|s| (s.clean, s.build, s.exec));
        let strings = |[a, b, c]: [&str; 3]| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(read("").unwrap(), strings(["*"; 3]));
        assert_eq!(read("--build make --exec='./x 1' --clean ''").unwrap(), strings(["", "make", "./x 1"]));
        assert!(read("--exec").is_err() && read("make").is_err());
    }
}
