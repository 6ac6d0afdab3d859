//! What a user probably meant by a word that is not a command: one of nearly the same letters, or one that other programs
//! call so. The command line and the prompt share the rule.

use super::commands::COMMANDS;
use super::hints::FrontEnd;
use bai_protocol::language;

/// The subcommands of the command line. A test compares them with its table.
pub(crate) const SUBCOMMANDS: &[&str] = &[
    "attach",
    "run",
    "create",
    "pty",
    "ls",
    "info",
    "rm",
    "restart",
    "rename",
    "interrupt",
    "logs",
    "events",
    "watch",
    "status-history",
    "graph",
    "abuse-report",
    "task-logs",
    "set-priority",
    "commit",
    "convert-to-image",
    "upload",
    "download",
    "files",
    "vfolder",
    "apps",
    "app",
    "ssh",
    "scp",
    "tunnel",
    "images",
    "sessions",
    "themes",
    "login",
    "logout",
    "whoami",
    "config",
    "serve",
    "runner",
    "completions",
];

/// Names that other programs have for commands, and ours.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("attach", &["connect", "open", "join", "switch"]),
    ("run", &["exec", "execute", "batch"]),
    ("pty", &["ssh", "shell", "terminal", "term"]),
    ("ls", &["list", "ps", "top"]),
    ("info", &["show", "describe", "status", "stat", "inspect"]),
    ("rm", &["kill", "destroy", "delete", "del", "remove", "terminate", "stop"]),
    ("restart", &["reboot"]),
    ("rename", &["mv"]),
    ("interrupt", &["cancel"]),
    ("logs", &["tail"]),
    ("watch", &["wait", "follow"]),
    ("upload", &["put", "push", "send", "copy", "cp"]),
    ("download", &["get", "pull", "fetch"]),
    ("files", &["dir"]),
    ("vfolder", &["folder", "folders", "vfolders", "volume", "volumes"]),
    ("apps", &["services"]),
    ("app", &["forward", "tunnel"]),
    ("create", &["start", "new"]),
    ("new", &["create"]),
    ("ssh", &["sftp", "rsync"]),
    ("status-history", &["history"]),
    ("set-priority", &["priority"]),
    ("doc", &["man"]),
    ("login", &["signin", "auth"]),
    ("logout", &["signout"]),
    ("config", &["settings", "conf"]),
    ("set", &["config", "settings", "option"]),
    ("serve", &["server", "daemon", "engine"]),
    ("completions", &["completion", "autocomplete"]),
];

/// The command that a word probably stands for, without the sign or program in front of it.
pub(crate) fn meant(word: &str, front_end: FrontEnd) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    let known: Vec<&'static str> = match front_end {
        FrontEnd::CommandLine => SUBCOMMANDS.to_vec(),
        FrontEnd::Prompt => COMMANDS.iter().map(|entry| entry.word).collect(),
    };
    let synonym =
        SYNONYMS.iter().filter(|(_, others)| others.contains(&word.as_str())).map(|(name, _)| *name);
    let near = || {
        let distances = known.iter().map(|name| (strsim::osa_distance(&word, name), *name));
        let typos = |name: &str| if name.len() <= 4 { 1 } else { 2 };
        distances.filter(|(distance, name)| *distance <= typos(name)).min_by_key(|(distance, _)| *distance)
    };
    synonym.into_iter().find(|name| known.contains(name)).or_else(|| near().map(|(_, name)| name))
}

/// The subcommand that a user probably meant who named an image that does not exist. A name with a tag or a folder, and that
/// of a language, is meant as an image.
pub(crate) fn meant_subcommand(image: &str) -> Option<&'static str> {
    let is_word = !image.contains([':', '/']) && language::of_image(image).is_none();
    is_word.then(|| meant(image, FrontEnd::CommandLine)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_and_a_synonym_give_the_command() {
        for (word, subcommand) in [
            ("lss", Some("ls")),
            ("list", Some("ls")),
            ("ps", Some("ls")),
            ("LS", Some("ls")),
            ("kill", Some("rm")),
            ("destroy", Some("rm")),
            ("ssh", Some("pty")),
            ("exec", Some("run")),
            ("dowload", Some("download")),
            ("image", Some("images")),
            ("r", None),
            ("java", None),
            ("ls:1", None),
            ("cr/ls", None),
            ("nosuch", None),
            ("tensorflow", None),
        ] {
            assert_eq!(meant_subcommand(word), subcommand, "{word}");
        }
        for (word, command) in [
            ("histroy", Some("history")),
            ("ps", Some("ls")),
            ("kill", None),
            ("nope", None),
            ("RUN", Some("run")),
        ] {
            assert_eq!(meant(word, FrontEnd::Prompt), command, "{word}");
        }
    }

    #[test]
    fn each_synonym_names_a_command() {
        for (name, others) in SYNONYMS {
            let is_ours =
                |word: &&str| SUBCOMMANDS.contains(word) || COMMANDS.iter().any(|entry| entry.word == *word);
            assert!(is_ours(name), "{name}");
            assert!(!others.is_empty());
        }
    }
}
