//! `bai-repl login` and `logout`: asks for credentials, has the server check them, and stores the login where only its owner
//! can read it.

use super::args::Login as Flags;
use super::context::CommandContext;
use super::error::CliError;
use super::exit_status::{ExitStatus, Interrupt};
use super::server::{api_options, label_of, logins, saved};
use crate::config::{
    ConfigError, Environment, Login, Logins, Profile, SecretPlace, StoredCredentials, endpoint_of, normal,
};
use crate::terminal::{SecretError, read_secret};
use bai_client::{Api, Credentials, LoginReply, ServerKind, WebLogin};
use secrecy::SecretString;
use std::io::{BufRead, IsTerminal, Write};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// Logs in to a web server, or stores a key pair for a manager, depending on which of them answers.
pub(super) fn login(
    runtime: &Runtime,
    flags: &Flags,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let env = &*context.environment;
    let endpoint = chosen_endpoint(flags.endpoint.as_deref(), context, env)?.ok_or_else(|| {
        CliError::new(ExitStatus::Usage, "no server was given")
            .hint("bai-repl login https://webui.example.com")
    })?;
    let attempt = LoginAttempt { flags, context, env, endpoint: normal(&endpoint) };
    let api = attempt.api(Credentials::Anonymous)?;
    let (credentials, until) = match runtime.block_on(api.server_kind())? {
        ServerKind::WebServer => attempt.web_session(runtime, &api)?,
        ServerKind::Manager => (attempt.keypair(runtime)?, None),
    };
    let who = credentials.who().to_owned();
    let login = Login { endpoint: attempt.endpoint.clone(), credentials, since: now(), until };
    let kept = logins(env, &context.config)?.keep(&login)?;
    if !context.global.quiet {
        let host = label_of(&attempt.endpoint);
        let storage = if kept == SecretPlace::Keyring { "; the system keyring keeps the secret" } else { "" };
        eprintln!("logged in to {host} as {}{storage}", crate::render::sanitize::name(&who, 200));
        match env.endpoint()?.filter(|other| normal(other) != attempt.endpoint) {
            Some(other) => eprintln!(
                "hint: BACKEND_ENDPOINT names {} and has precedence; --endpoint {} chooses this server",
                label_of(&other),
                attempt.endpoint
            ),
            None => {
                eprintln!("sessions are created there from now on; --endpoint local chooses this machine")
            }
        }
    }
    Ok(ExitStatus::Ok)
}

/// Logs out of a server, also on the server's side if it can be reached.
pub(super) fn logout(
    runtime: &Runtime,
    endpoint: Option<&str>,
    context: &CommandContext,
) -> Result<ExitStatus, CliError> {
    let env = &*context.environment;
    let saved = saved(env, &context.config)?;
    let not_logged_in = || {
        CliError::new(ExitStatus::NotFound, "you are not logged in anywhere")
            .hint("bai-repl login https://webui.example.com")
    };
    let endpoint = chosen_endpoint(endpoint, context, env)?.ok_or_else(not_logged_in)?;
    let login = match saved.logins.find(&endpoint) {
        // Without the secret from the keyring the server cannot end the login; it is still removed here.
        Err(error @ ConfigError::NotInKeyring { .. }) => {
            CliError::from(error).report();
            return forget(&saved.logins, &endpoint, context);
        }
        found => found?,
    };
    let Some(login) = login else {
        let known = match saved.logins.newest()? {
            Some(endpoint) => format!("the last login was at {endpoint}"),
            None => "there is no saved login".to_owned(),
        };
        let sentence = format!("you are not logged in to {}", normal(&endpoint));
        return Err(CliError::new(ExitStatus::NotFound, sentence).hint(known));
    };
    if let StoredCredentials::WebSession { session_id, .. } = &login.credentials {
        let (flags, endpoint) = (Flags::default(), login.endpoint.clone());
        let attempt = LoginAttempt { flags: &flags, context, env, endpoint };
        let api = attempt.api(Credentials::WebSession { session_id: session_id.clone() })?;
        if let Err(error) = runtime.block_on(api.web_logout()) {
            CliError::from(error)
                .hint("the login is removed on this machine; it expires on the server later")
                .report();
        }
    }
    forget(&saved.logins, &endpoint, context)
}

fn forget(logins: &Logins, endpoint: &str, context: &CommandContext) -> Result<ExitStatus, CliError> {
    logins.forget(endpoint)?;
    if !context.global.quiet {
        eprintln!("logged out of {}", label_of(endpoint));
    }
    Ok(ExitStatus::Ok)
}

/// The endpoint of the command line, or the one that sessions are created on.
fn chosen_endpoint(
    named: Option<&str>,
    context: &CommandContext,
    env: &Environment,
) -> Result<Option<String>, CliError> {
    let flag = named.or(context.global.endpoint.as_deref());
    Ok(endpoint_of(
        flag,
        context.global.profile.as_deref(),
        env,
        &context.config,
        &saved(env, &context.config)?,
    )?)
}

/// A login that is being made.
struct LoginAttempt<'a> {
    flags: &'a Flags,
    context: &'a CommandContext,
    env: &'a Environment,
    endpoint: String,
}

impl LoginAttempt<'_> {
    fn api(&self, credentials: Credentials) -> Result<Api, CliError> {
        let mut options = api_options(&self.endpoint, credentials);
        let of_profile = self.profile().is_some_and(|profile| profile.insecure);
        options.insecure =
            self.context.global.insecure || of_profile || self.env.backend_flag("SKIP_SSLCERT_VALIDATION");
        if options.insecure {
            let host = label_of(&self.endpoint);
            eprintln!(
                "bai-repl: warning: the certificate of {host} is not checked; others on the network can read the password"
            );
        }
        Ok(Api::new(options)?)
    }

    fn profile(&self) -> Option<&Profile> {
        let name = self.context.global.profile.as_deref().or(self.context.config.profile.as_deref())?;
        self.context.config.profiles.get(name).filter(|profile| normal(&profile.endpoint) == self.endpoint)
    }

    fn web_session(
        &self,
        runtime: &Runtime,
        api: &Api,
    ) -> Result<(StoredCredentials, Option<u64>), CliError> {
        self.warn_of_plain_http();
        let host = label_of(&self.endpoint);
        let user = self.flags.user.clone().or_else(|| self.profile()?.user.clone());
        let of_env = |name| self.env.backend_at(&self.endpoint, name);
        let user = match user.map_or_else(|| of_env("USER"), |user| Ok(Some(user)))? {
            Some(user) => user,
            None => ask(&format!("user name at {host}: "))?,
        };
        let password = match of_env("PASSWORD")? {
            Some(password) => SecretString::from(password),
            None => self.secret(&format!("password of {user} at {host}: "), "BACKEND_PASSWORD")?,
        };
        let mut login = WebLogin { username: user, password, otp: None, force: self.flags.force };
        let mut reply = runtime.block_on(api.web_login(&login))?;
        if let LoginReply::WantsOtp = reply {
            login.otp = Some(self.secret("one-time code: ", "no variable")?);
            reply = runtime.block_on(api.web_login(&login))?;
        }
        match reply {
            LoginReply::Done(done) => {
                let until = done.lives.map(|lives| now().saturating_add(lives.as_secs()));
                Ok((
                    StoredCredentials::WebSession { user: login.username, session_id: done.session_id },
                    until,
                ))
            }
            LoginReply::WantsOtp => Err(CliError::new(
                ExitStatus::Refused,
                "could not log in: the server did not accept the code",
            )),
        }
    }

    fn keypair(&self, runtime: &Runtime) -> Result<StoredCredentials, CliError> {
        let host = label_of(&self.endpoint);
        let known = self.flags.access_key.clone().or_else(|| self.profile()?.access_key.clone());
        let access_key = match known {
            Some(key) => key,
            None => ask(&format!("{host} is a manager, which needs a key pair\naccess key: "))?,
        };
        let secret_key = self.secret(&format!("secret key of {access_key}: "), "BACKEND_SECRET_KEY")?;
        let api = self
            .api(Credentials::Keypair { access_key: access_key.clone(), secret_key: secret_key.clone() })?;
        runtime.block_on(api.check_keypair())?;
        Ok(StoredCredentials::Keypair { access_key, secret_key })
    }

    /// Reads a secret from the keyboard, or from a line of standard input with `--password-stdin`.
    fn secret(&self, prompt: &str, variable: &str) -> Result<SecretString, CliError> {
        if self.flags.password_stdin {
            return line_of_stdin().map(SecretString::from);
        }
        let read = read_secret(|| say(prompt));
        if !matches!(read, Err(SecretError::NotATerminal)) {
            eprintln!();
        }
        read.map_err(|error| match error {
            SecretError::NotATerminal => {
                let hint = match variable {
                    "BACKEND_PASSWORD" => {
                        "set BACKEND_PASSWORD, or pass the password on standard input with --password-stdin"
                    }
                    _ => "--password-stdin reads it from a line of standard input",
                };
                CliError::new(ExitStatus::Usage, error).hint(hint)
            }
            SecretError::Interrupted => {
                CliError::new(ExitStatus::Interrupted(Interrupt::Signal), "interrupted")
            }
            other => CliError::new(ExitStatus::Failed, other),
        })
    }

    fn warn_of_plain_http(&self) {
        let plain = self.endpoint.split(',').filter_map(|part| url::Url::parse(part).ok()).any(|url| {
            let is_local = match url.host() {
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                Some(url::Host::Domain(name)) => name == "localhost",
                None => false,
            };
            url.scheme() == "http" && !is_local
        });
        if plain {
            let host = label_of(&self.endpoint);
            eprintln!(
                "bai-repl: warning: {host} does not use TLS; others on the network can read the password"
            );
        }
    }
}

/// Reads a word from the keyboard, with echo.
fn ask(prompt: &str) -> Result<String, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::new(ExitStatus::Usage, "cannot ask: standard input is not a terminal")
            .hint("--user sets the user name, --access-key sets the key"));
    }
    say(prompt);
    line_of_stdin()
}

fn say(prompt: &str) {
    eprint!("{}", crate::render::sanitize::sentences(prompt));
    // The answer is read even if the prompt cannot be shown.
    let _ = std::io::stderr().flush();
}

fn line_of_stdin() -> Result<String, CliError> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot read standard input: {error}")))?;
    let word = line.trim_end_matches(['\r', '\n']);
    if word.is_empty() {
        return Err(CliError::new(ExitStatus::Usage, "standard input ended before the answer"));
    }
    Ok(word.to_owned())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
