//! The definition of a service: its command, and the settings that a start may change, as in definition files
//! (`docs/wire` §7.7).

use super::template::{TemplateError, Variables, fill};
use bai_protocol::service::{ArgumentValue, ServiceParameters};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;

/// A definition. Unknown keys make a file invalid, as upstream.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Definition {
    pub(super) command: CommandLine,
    #[serde(default = "bash")]
    pub(super) shell: Option<String>,
    #[serde(default)]
    pub(super) noop: bool,
    #[serde(default)]
    pub(super) url_template: Option<String>,
    #[serde(default)]
    pub(super) prestart: Vec<PrestartAction>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) allowed_envs: Vec<String>,
    #[serde(default)]
    pub(super) allowed_arguments: Vec<String>,
    #[serde(default)]
    pub(super) default_arguments: BTreeMap<String, ArgumentValue>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum CommandLine {
    Words(Vec<String>),
    Line(String),
}

/// An action before the start.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PrestartAction {
    pub(super) action: String,
    #[serde(default)]
    pub(super) args: Map<String, Value>,
    #[serde(rename = "ref", default)]
    pub(super) name: Option<String>,
}

fn bash() -> Option<String> {
    Some("bash".to_owned())
}

/// A start with settings that are not allowed, or a definition that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StartRequestError {
    #[error("the option {0} may not be set for this service")]
    Argument(String),
    #[error("the variable {0} may not be set for this service")]
    Env(String),
    #[error("its definition is wrong: {0}")]
    Template(#[from] TemplateError),
    #[error("its definition is wrong: there is no command")]
    NoCommand,
}

impl Definition {
    /// Reads a definition from a file or from an agent.
    pub(in super::super) fn read(text: Value) -> Result<Definition, String> {
        serde_json::from_value(text).map_err(|error| format!("its definition is wrong: {error}"))
    }

    pub(super) fn of_words(words: &[&str]) -> Self {
        Definition {
            command: CommandLine::Words(words.iter().map(|&word| word.to_owned()).collect()),
            shell: None,
            noop: false,
            url_template: None,
            prestart: Vec::new(),
            env: BTreeMap::new(),
            allowed_envs: Vec::new(),
            allowed_arguments: Vec::new(),
            default_arguments: BTreeMap::new(),
        }
    }

    /// Checks that a start may set these options and variables.
    pub(super) fn check(
        &self,
        asked: &ServiceParameters,
        env: &[(OsString, OsString)],
    ) -> Result<(), StartRequestError> {
        if let Some(name) = asked.arguments.keys().find(|name| !self.allowed_arguments.contains(name)) {
            return Err(StartRequestError::Argument(name.clone()));
        }
        let taken = |name: &&String| {
            !self.allowed_envs.contains(name) || env.iter().any(|(known, _)| known.to_str() == Some(name))
        };
        match asked.envs.keys().find(taken) {
            Some(name) => Err(StartRequestError::Env(name.clone())),
            None => Ok(()),
        }
    }

    /// The words of the command: the definition's own, then its options with what the start changes.
    pub(super) fn words(
        &self,
        asked: &ServiceParameters,
        variables: &Variables,
    ) -> Result<Vec<String>, StartRequestError> {
        let filled = |text: &String| fill(text, variables);
        let mut words = match (&self.command, &self.shell) {
            (CommandLine::Words(words), _) => words.iter().map(filled).collect::<Result<Vec<_>, _>>()?,
            (CommandLine::Line(line), Some(shell)) => vec![shell.clone(), "-c".to_owned(), filled(line)?],
            (CommandLine::Line(line), None) => split(&filled(line)?),
        };
        if words.first().is_none_or(String::is_empty) {
            return Err(StartRequestError::NoCommand);
        }
        let mut options = self.default_arguments.clone();
        options.extend(asked.arguments.clone());
        for (name, value) in options {
            words.push(filled(&name)?);
            let values = match value {
                ArgumentValue::Bare => Vec::new(),
                ArgumentValue::One(value) => vec![value],
                ArgumentValue::Many(values) => values,
            };
            for value in values {
                words.push(filled(&value)?);
            }
        }
        Ok(words)
    }

    /// The variables of the definition and of the start.
    pub(super) fn environment(
        &self,
        asked: &ServiceParameters,
        variables: &Variables,
    ) -> Result<Vec<(String, String)>, StartRequestError> {
        let own = self.env.iter().map(|(name, value)| Ok((name.clone(), fill(value, variables)?)));
        let asked = asked.envs.iter().map(|(name, value)| Ok((name.clone(), value.clone())));
        own.chain(asked).collect::<Result<_, TemplateError>>().map_err(StartRequestError::from)
    }
}

/// Splits a line into words as a shell does: at blanks, except in quotes and after backslashes.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some('"') | None, '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(value: Value) -> Definition {
        serde_json::from_value(value).unwrap()
    }

    fn variables() -> Variables {
        [("ports".to_owned(), json!([8080])), ("cmd".to_owned(), json!({"out": "x"}))].into()
    }

    #[test]
    fn a_definition_with_everything_becomes_a_command() {
        let all = definition(json!({
            "command": ["serve", "--port={ports[0]}"], "url_template": "{protocol}://{host}:{port}/",
            "prestart": [{"action": "run_command", "args": {"command": ["echo"]}, "ref": "cmd"}],
            "env": {"OUT": "{cmd[out]}"}, "allowed_envs": ["A", "HOME"], "allowed_arguments": ["--title", "-v"],
            "default_arguments": {"--title": "a", "--all": ["{ports[0]}", "c"], "--bare": null},
        }));
        let mut asked = ServiceParameters::default();
        asked.add_argument("--title from here").unwrap();
        asked.add_env("A=1").unwrap();
        let home = [("HOME".into(), "/".into())];
        assert_eq!(all.check(&asked, &home), Ok(()));
        let words = all.words(&asked, &variables()).unwrap();
        assert_eq!(words, ["serve", "--port=8080", "--all", "8080", "c", "--bare", "--title", "from here"]);
        let env = all.environment(&asked, &variables()).unwrap();
        assert_eq!(env, [("OUT".to_owned(), "x".to_owned()), ("A".to_owned(), "1".to_owned())]);
        asked.add_env("HOME=/x").unwrap();
        assert_eq!(all.check(&asked, &home), Err(StartRequestError::Env("HOME".into())));
        let mut evil = ServiceParameters::default();
        evil.add_argument("--evil").unwrap();
        assert_eq!(all.check(&evil, &home), Err(StartRequestError::Argument("--evil".into())));
    }

    #[test]
    fn a_line_is_run_by_a_shell_or_split_as_a_shell_does() {
        let none = ServiceParameters::default();
        let with = definition(json!({"command": "a 'b c' | d"}));
        assert_eq!(with.words(&none, &variables()).unwrap(), ["bash", "-c", "a 'b c' | d"]);
        let without = definition(json!({"command": "a 'b \\ c' \"d \\\" e\" f\\ g ''", "shell": null}));
        assert_eq!(without.words(&none, &variables()).unwrap(), ["a", "b \\ c", "d \" e", "f g", ""]);
        let empty = definition(json!({"command": "", "shell": null}));
        assert_eq!(empty.words(&none, &variables()), Err(StartRequestError::NoCommand));
    }

    #[test]
    fn unknown_keys_make_a_file_invalid() {
        assert!(serde_json::from_value::<Definition>(json!({"command": "x", "new": 1})).is_err());
        assert!(serde_json::from_value::<Definition>(json!({"shell": "bash"})).is_err());
    }
}
