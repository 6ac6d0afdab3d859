//! The `:commands` of the prompt: the parser of a line. Only known words are commands; all other lines are for the kernel.

mod suggest;
mod table;

use super::hints::FrontEnd;
use super::language::Language;
use super::meant::meant;

pub(super) use suggest::{Suggestion, suggest};
pub(super) use table::{Argument, COMMANDS, CommandSpec, ImageUse, PromptCommand};

/// Splits a line into the command's name and the rest.
fn split(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix(':')?;
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    rest.split_at_checked(end)
}

/// Parses a line. `None` if it is not a command; an error is a sentence about the command's usage.
pub(super) fn parse(line: &str) -> Option<Result<PromptCommand, String>> {
    let (word, rest) = split(line.trim())?;
    if matches!(word, "q" | "exit") && rest.trim().is_empty() {
        return Some(Ok(PromptCommand::Quit));
    }
    let entry = COMMANDS.iter().find(|entry| entry.word == word)?;
    let (overwrite, rest) = match rest.strip_prefix('!') {
        Some(rest) if entry.word == "save" => (true, rest),
        _ => (false, rest),
    };
    // `:run.x` and `:info(` are not commands.
    if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
        return None;
    }
    let argument = rest.trim();
    if argument == "--help" {
        return Some(Ok(PromptCommand::Help(Some(entry.word.to_owned()))));
    }
    if let Some(flag) = unknown_flag(entry, argument) {
        return Some(Err(format!(
            ":{} has no flag {flag}; quote a name that begins with a hyphen",
            entry.word
        )));
    }
    let usage = || Some(Err(format!("usage: :{} {}", entry.word, entry.shown).trim_end().to_owned()));
    match entry.argument {
        Argument::None if !argument.is_empty() => return usage(),
        Argument::File
        | Argument::Text
        | Argument::Code
        | Argument::Words
        | Argument::RemoteWords
        | Argument::Session
        | Argument::App
            if argument.is_empty() =>
        {
            return usage();
        }
        // An image is one word, and there are no flags.
        Argument::MaybeImage if argument.starts_with('-') || argument.contains(char::is_whitespace) => {
            return usage();
        }
        _ => {}
    }
    Some(Ok(match (entry.make)(argument) {
        PromptCommand::Save { path, .. } => PromptCommand::Save { path, overwrite },
        other => other,
    }))
}

/// The word in a line that is only `:word…` and no command. `None` if the line may be code in this language.
pub(super) fn unknown_command<'l>(line: &'l str, language: &dyn Language) -> Option<&'l str> {
    let line = line.trim();
    let rest = line.strip_prefix(':')?;
    let may_be_code = language.takes_colon_words() || line.contains('\n');
    let is_word =
        !may_be_code && rest.starts_with(|c: char| c.is_ascii_alphabetic()) && parse(line).is_none();
    rest.split_whitespace().next().filter(|_| is_word)
}

/// The hint about a word that is not a command.
pub(super) fn hint_about(word: &str) -> String {
    let name = word.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
    let meant = meant(name, FrontEnd::Prompt).map(|name| format!("did you mean :{name}? "));
    format!("{}:help lists the commands", meant.unwrap_or_default())
}

/// The code in a cell: that of a command which takes code, nothing of another command, else the whole cell.
pub(super) fn code_in<'c>(cell: &'c str, language: &dyn Language) -> &'c str {
    if parse(cell).is_some() || unknown_command(cell, language).is_some() {
        return code_of(cell).unwrap_or_default();
    }
    cell
}

/// A word outside quotes that looks like a flag, where the command takes a name and no flags.
fn unknown_flag(entry: &CommandSpec, argument: &str) -> Option<String> {
    let takes_a_name = matches!(
        entry.argument,
        Argument::File | Argument::MaybeFile | Argument::Session | Argument::MaybeImage | Argument::Picture
    );
    let mut quote = None;
    let outside_quotes = |letter: char| match quote {
        Some(open) => {
            quote = quote.filter(|_| letter != open);
            'x'
        }
        None => {
            quote = Some(letter).filter(|letter| matches!(letter, '"' | '\''));
            letter
        }
    };
    let unquoted: String = argument.chars().map(outside_quotes).collect();
    let flag = unquoted.split_whitespace().find(|word| word.len() > 1 && word.starts_with('-'));
    flag.filter(|_| takes_a_name).map(str::to_owned)
}

/// The code in a command that takes code. It can have several lines, like a cell.
pub(super) fn code_of(line: &str) -> Option<&str> {
    let (word, rest) = split(line.trim())?;
    COMMANDS
        .iter()
        .any(|entry| entry.word == word && entry.argument == Argument::Code)
        .then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> PromptCommand {
        parse(line).unwrap().unwrap()
    }

    #[test]
    fn known_words_are_commands() {
        assert_eq!(command(":help"), PromptCommand::Help(None));
        assert_eq!(command("  :help time "), PromptCommand::Help(Some("time".into())));
        assert_eq!(command(":q"), PromptCommand::Quit);
        assert_eq!(command(":exit"), PromptCommand::Quit);
        assert_eq!(command(":new"), PromptCommand::New(None));
        assert_eq!(command(":new python:3.6"), PromptCommand::New(Some("python:3.6".into())));
        assert_eq!(command(":time f(1)"), PromptCommand::Time("f(1)".into()));
        assert_eq!(
            command(":save! 'a b.py'"),
            PromptCommand::Save { path: "a b.py".into(), overwrite: true }
        );
        assert_eq!(command(":save x"), PromptCommand::Save { path: "x".into(), overwrite: false });
        assert_eq!(command(":edit"), PromptCommand::Edit(None));
        assert_eq!(command(":image"), PromptCommand::Image(ImageUse::Show));
        assert_eq!(command(":image open"), PromptCommand::Image(ImageUse::Open));
        assert_eq!(command(":image save 'a b.png'"), PromptCommand::Image(ImageUse::Save("a b.png".into())));
        assert_eq!(command(":image save"), PromptCommand::Image(ImageUse::Unknown));
        assert_eq!(command(":time x\ny"), PromptCommand::Time("x\ny".into()));
    }

    #[test]
    fn other_lines_are_for_the_kernel() {
        for line in
            ["", ":", ":x", ":helpme", "help", "x :help", ":info()", ":run.x", ":help!", ":quit!", "::help"]
        {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn an_unknown_word_is_code_only_where_code_can_look_so() {
        use crate::repl::language::{Jupyter, for_image};
        for image in ["python", "bash", "c", "r"] {
            let language = for_image(image);
            let unknown = |line| unknown_command(line, &*language);
            for (line, word) in [(":nope", "nope"), (" :rm x ", "rm"), (":info()", "info()"), (":LS", "LS")] {
                assert_eq!(unknown(line), Some(word), "{image}");
                assert_eq!(code_in(line, &*language), "");
            }
            for line in [":ls", ":", "::x", ": x", ":(){ :|:& };:", ":x\ny", "x :y"] {
                assert_eq!(unknown(line), None, "{image}: {line}");
            }
        }
        for image in ["ruby", "julia", "scheme", "whatever:1"] {
            assert_eq!(unknown_command(":nope", &*for_image(image)), None, "{image}");
        }
        assert_eq!(unknown_command(":nope", &Jupyter::of("python")), None);
        assert_eq!(hint_about("LS"), "did you mean :ls? :help lists the commands");
        assert_eq!(hint_about("nope"), ":help lists the commands");
    }

    #[test]
    fn a_wrong_use_is_explained() {
        for (line, usage) in
            [(":load", "usage: :load FILE"), (":quit now", "usage: :quit"), (":doc ", "usage: :doc NAME")]
        {
            assert_eq!(parse(line), Some(Err(usage.into())));
        }
    }

    #[test]
    fn every_command_takes_help_and_no_name_is_a_flag() {
        for entry in COMMANDS {
            assert_eq!(
                command(&format!(":{} --help", entry.word)),
                PromptCommand::Help(Some(entry.word.to_owned()))
            );
        }
        for (line, flag) in [
            (":save ~/c.py --force", "--force"),
            (":save 'a b.py' -f", "-f"),
            (":edit --nonsense", "--nonsense"),
            (":image save --force ~/q.png", "--force"),
            (":attach -x", "-x"),
        ] {
            let sentence = parse(line).unwrap().unwrap_err();
            assert!(sentence.contains(&format!("has no flag {flag};")), "{line}: {sentence}");
        }
        assert_eq!(
            command(":save 'a --b.py'"),
            PromptCommand::Save { path: "a --b.py".into(), overwrite: false }
        );
    }

    #[test]
    fn the_code_of_time_is_found() {
        assert_eq!(code_of(":time for x in y:"), Some("for x in y:"));
        assert_eq!(code_of(":load x"), None);
        assert_eq!(code_of("x"), None);
    }
}
