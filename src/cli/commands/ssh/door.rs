//! The way of ssh into a session: a tunnel of this program to its sshd, and the key. The tunnel leads to the session and nowhere else, as
//! the server vouches, so the key of the host is not asked for, and the user's list of hosts is left alone.

use super::key;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use bai_client::ComputeSession;
use bai_protocol::shell_word;
use std::path::PathBuf;

/// The app that ssh talks to.
const SSHD: &str = "sshd";
/// The user for whom a cluster makes the key of a session.
const USER: &str = "work";

/// What ssh needs for one session.
#[derive(Debug)]
pub(super) struct Door {
    /// The name of the session, or its id if the name could mean something else to ssh.
    host: String,
    /// The key that was made for the session. Without one, the user's own keys are used.
    key: Option<PathBuf>,
    /// The command that connects.
    proxy: Vec<String>,
}

impl Door {
    /// The way into this session.
    ///
    /// # Errors
    /// [`ExitStatus::NotFound`] if it has no sshd.
    pub(super) async fn of(context: &CommandContext, session: &ComputeSession) -> Result<Self, CliError> {
        let apps = session.apps().await?;
        if !apps.iter().any(|app| app.name == SSHD) {
            let sentence = format!("the session {} has no {SSHD}", session.name());
            let hint = format!("bai-repl pty {} opens a terminal in it", session.name());
            return Err(CliError::new(ExitStatus::NotFound, sentence).hint(hint));
        }
        let id = session.id().unwrap_or(session.name());
        let host = [session.name(), id]
            .into_iter()
            .find(|name| is_plain(name))
            .ok_or_else(|| CliError::new(ExitStatus::Failed, "ssh cannot take the name of this session"))?;
        let key = key::fetched(context, session).await?;
        Ok(Door { host: host.to_owned(), key, proxy: proxy(context, id)? })
    }

    /// The name of the session for ssh.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Options for the command line, each as `NAME=VALUE`.
    pub(super) fn options(&self) -> Result<Vec<String>, CliError> {
        let options = self.settings()?.into_iter();
        Ok(options.map(|(name, value)| format!("{name}={value}")).collect())
    }

    /// A section for `~/.ssh/config`.
    pub(super) fn section(&self) -> Result<String, CliError> {
        let lines = self.settings()?.into_iter().map(|(name, value)| format!("    {name} {value}\n"));
        Ok(format!("Host {}\n{}", self.host, lines.collect::<String>()))
    }

    fn settings(&self) -> Result<Vec<(&'static str, String)>, CliError> {
        let mut settings = vec![("ProxyCommand", command_line(&self.proxy)?)];
        if let Some(key) = &self.key {
            let path = key.to_str().ok_or_else(|| unusable("the name of the state folder"))?;
            settings.push(("User", USER.to_owned()));
            settings.push(("IdentityFile", quoted_path(path)?));
            settings.push(("IdentitiesOnly", "yes".to_owned()));
        }
        // It also keeps ssh from saying that it has learned a key.
        let fixed = [
            ("StrictHostKeyChecking", "no"),
            ("UserKnownHostsFile", "/dev/null"),
            ("GlobalKnownHostsFile", "/dev/null"),
            ("LogLevel", "ERROR"),
        ];
        settings.extend(fixed.map(|(name, value)| (name, value.to_owned())));
        Ok(settings)
    }
}

/// Whether ssh takes a word for the name of a host, and nothing else.
fn is_plain(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().next().is_some_and(is_word)
        && name.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
}

/// The words of the command that connects ssh: this program, at the same server.
fn proxy(context: &CommandContext, session: &str) -> Result<Vec<String>, CliError> {
    let program = std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok());
    let mut words = vec![program.ok_or_else(|| unusable("the path of bai-repl"))?];
    let global = &context.global;
    for (flag, value) in [("--endpoint", &global.endpoint), ("--profile", &global.profile)] {
        words.extend(value.iter().flat_map(|value| [flag.to_owned(), value.clone()]));
    }
    words.extend(global.insecure.then(|| "--insecure".to_owned()));
    words.extend(["tunnel", session, SSHD].map(str::to_owned));
    Ok(words)
}

/// The line for a shell, in which ssh replaces nothing.
fn command_line(words: &[String]) -> Result<String, CliError> {
    let words: Vec<_> = words.iter().map(|word| shell_word::typed(word)).collect();
    one_line(words.join(" ").replace('%', "%%"))
}

/// A path in a setting of ssh.
fn quoted_path(path: &str) -> Result<String, CliError> {
    one_line(format!("\"{}\"", path.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")))
}

fn one_line(value: String) -> Result<String, CliError> {
    if value.contains(['\n', '\r', '\0']) { Err(unusable("a path")) } else { Ok(value) }
}

fn unusable(what: &str) -> CliError {
    CliError::new(ExitStatus::Failed, format!("{what} has characters that ssh cannot take"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_be_an_option_is_no_host() {
        for name in ["work", "a.b-c_1", "_x", "0123-ab"] {
            assert!(is_plain(name), "{name}");
        }
        for name in ["-oProxyCommand=x", "", ".a", "a b", "a;b", "a@b", "a:b", "größe", "$(x)", "a%b", "[a]"]
        {
            assert!(!is_plain(name), "{name}");
        }
    }

    #[test]
    fn a_shell_and_ssh_read_the_words_as_they_are() {
        let line =
            |words: &[&str]| command_line(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert_eq!(line(&["/usr/bin/b", "tunnel", "a-1"]).unwrap(), "/usr/bin/b tunnel a-1");
        assert_eq!(line(&["/a b/it's", "100%"]).unwrap(), "'/a b/it'\\''s' '100%%'");
        assert!(line(&["a\nb"]).is_err());
        assert_eq!(quoted_path("/a \"b\"/%h").unwrap(), "\"/a \\\"b\\\"/%%h\"");
    }
}
