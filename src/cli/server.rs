//! The server of sessions: a configured cluster, the background engine, or an engine in this process.

use super::context::CommandContext;
use super::daemon::{self, Report, print_wait};
use super::error::CliError;
use super::exit_status::ExitStatus;
use super::paths::user_paths;
use crate::config::{
    Cluster, Environment, FileConfig, Identity, Keyring, KnownLogins, Logins, Origin, Paths,
    StoredCredentials, Target, endpoint_of, origin as origin_of, resolve,
};
use bai_client::{Api, ApiOptions, ComputeSession, Credentials, DestroyOptions, ErrorKind, Renewal};
use bai_engine::{Engine, EngineOptions, Expectation, Keypair, SocketFolder, Workdirs};
use bai_private::TemporaryFolder;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::path::Path;

const EMBEDDED: &str = "embedded engine";
const BACKGROUND: &str = "background engine";

/// A server of sessions. If it owns an engine, the engine ends with it.
#[derive(Debug)]
pub(super) struct Server {
    /// The client of the server.
    pub(super) api: Api,
    engine: Option<Engine>,
    /// The folder with the working folders of its sessions, if they have their own.
    folder: Option<TemporaryFolder>,
}

impl Server {
    /// Opens the server of the flags, the environment or the configuration. The default is an engine: the background
    /// engine for sessions that outlive this program, otherwise one in this process.
    pub(super) async fn open(context: &CommandContext, outlive: bool) -> Result<Self, CliError> {
        Self::open_reporting(context, outlive, &print_wait).await
    }

    /// The same for a client that asks for this next. An engine in this process begins with it before it listens.
    pub(super) async fn open_expecting(
        context: &CommandContext,
        outlive: bool,
        expectation: Expectation<'_>,
    ) -> Result<Self, CliError> {
        Self::open_for(context, outlive, &print_wait, Some(expectation)).await
    }

    /// As [`Server::open`]; `report` tells the user about a long wait.
    pub(super) async fn open_reporting(
        context: &CommandContext,
        outlive: bool,
        report: Report<'_>,
    ) -> Result<Self, CliError> {
        Self::open_for(context, outlive, report, None).await
    }

    async fn open_for(
        context: &CommandContext,
        outlive: bool,
        report: Report<'_>,
        expectation: Option<Expectation<'_>>,
    ) -> Result<Self, CliError> {
        match target(context)? {
            Target::Cluster(cluster) => Self::cluster(cluster, context.global.insecure, &context.config),
            Target::Embedded if outlive => {
                let daemon = daemon::find_or_start(&user_paths()?, report).await?;
                Self::engine_at(&daemon.socket, &daemon.endpoint, &daemon.keypair)
            }
            Target::Embedded => Self::embedded(expectation).await,
        }
    }

    /// Opens the server for sessions to which files are uploaded. In an engine in this process each session has its own
    /// working folder.
    pub(super) async fn open_for_uploads(context: &CommandContext, outlive: bool) -> Result<Self, CliError> {
        match target(context)? {
            Target::Embedded if !outlive => {
                let failed = |error| {
                    CliError::new(ExitStatus::Failed, format!("cannot create a folder for files: {error}"))
                };
                let folder = TemporaryFolder::new().map_err(failed)?;
                let mut server = Self::engine_in(Workdirs::Claimed(folder.path().to_owned()), None).await?;
                server.folder = Some(folder);
                Ok(server)
            }
            _ => Self::open(context, outlive).await,
        }
    }

    /// Opens a server that can have existing sessions: a cluster, or the background engine.
    ///
    /// # Errors
    /// [`ExitStatus::NotFound`] if no background engine runs.
    pub(super) async fn find(context: &CommandContext) -> Result<Self, CliError> {
        Self::find_reporting(context, &print_wait).await
    }

    /// The same; `report` tells the user about a long wait.
    pub(super) async fn find_reporting(
        context: &CommandContext,
        report: Report<'_>,
    ) -> Result<Self, CliError> {
        Self::find_running(context, report).await?.ok_or_else(|| {
            CliError::new(ExitStatus::NotFound, "no background engine is running, so there are no sessions")
                .hint("bai-repl -t NAME python starts one, and a session that is kept")
        })
    }

    /// Opens a server that can have existing sessions. `None` if no background engine runs and no sessions are lost. `report` tells the user about a
    /// long wait.
    pub(super) async fn find_running(
        context: &CommandContext,
        report: Report<'_>,
    ) -> Result<Option<Self>, CliError> {
        match target(context)? {
            Target::Cluster(cluster) => {
                Self::cluster(cluster, context.global.insecure, &context.config).map(Some)
            }
            Target::Embedded => {
                let daemon = daemon::find_or_start_for_lost(&user_paths()?, report).await?;
                daemon
                    .map(|found| Self::engine_at(&found.socket, &found.endpoint, &found.keypair))
                    .transpose()
            }
        }
    }

    /// Whether its sessions end when it is closed.
    pub(super) fn ends_its_sessions(&self) -> bool {
        self.engine.is_some()
    }

    /// Whether it is the background engine, which may have ended and been replaced since.
    pub(super) fn is_background(&self) -> bool {
        self.engine.is_none() && self.api.options().socket.is_some()
    }

    /// Whether its sessions work in the current folder.
    pub(super) fn is_in_current_folder(&self) -> bool {
        self.engine.is_some() && self.folder.is_none()
    }

    /// Shuts down the engine that it owns, if any, and waits until its kernels have ended.
    pub(super) async fn close(self) {
        if let Some(engine) = self.engine {
            engine.shutdown().await;
        }
        drop(self.folder);
    }

    fn cluster(cluster: Cluster, insecure: bool, config: &FileConfig) -> Result<Self, CliError> {
        bai_private::remove_abandoned();
        let label = label_of(&cluster.endpoint);
        let renewal = renewal(&cluster, config);
        let credentials = match cluster.identity {
            Identity::Keypair { access_key, secret_key } => Credentials::keypair(access_key, secret_key),
            Identity::WebSession { session_id } => Credentials::WebSession { session_id },
        };
        let mut options = api_options(cluster.endpoint, credentials);
        options.renewal = renewal;
        options.domain = Some(cluster.domain);
        options.group = Some(cluster.group);
        options.connect_timeout = cluster.connect_timeout;
        options.insecure = cluster.insecure || insecure;
        if let Some(limit) = cluster.read_timeout {
            options.read_timeout = limit;
        }
        if options.insecure {
            eprintln!(
                "bai-repl: warning: the certificate of {label} is not checked; others on the network can read and change everything"
            );
        }
        Ok(Server { api: Api::new(options)?, engine: None, folder: None })
    }

    async fn embedded(expectation: Option<Expectation<'_>>) -> Result<Self, CliError> {
        // One that was deleted has no name, and programs run in it all the same.
        let folder = std::env::current_dir().unwrap_or_else(|_| ".".into());
        Self::engine_in(Workdirs::Shared(folder), expectation).await
    }

    async fn engine_in(workdirs: Workdirs, expectation: Option<Expectation<'_>>) -> Result<Self, CliError> {
        let failed = |error: &dyn std::fmt::Display| CliError::new(ExitStatus::Failed, error);
        // A folder in which sockets of programs that were killed are found again.
        let folder = Paths::of_user().map(|paths| paths.engine_dir().join("prompts"));
        let folder = folder.map_or(SocketFolder::Temporary, SocketFolder::Shared);
        let options = EngineOptions::private(folder, workdirs);
        let engine = Engine::start_expecting(options, expectation).await.map_err(|error| failed(&error))?;
        let socket = engine.socket().ok_or_else(|| failed(&"the engine has no socket"))?;
        let mut server = Self::engine_at(socket, &engine.endpoint(), engine.keypair())?;
        server.engine = Some(engine);
        Ok(server)
    }

    fn engine_at(socket: &Path, endpoint: &str, keypair: &Keypair) -> Result<Self, CliError> {
        let secret = keypair.secret_key().expose_secret().to_owned();
        let mut options = api_options(endpoint, Credentials::keypair(keypair.access_key(), secret));
        options.socket = Some(socket.to_owned());
        Ok(Server { api: Api::new(options)?, engine: None, folder: None })
    }
}

/// Options in which the program names itself, not the client library.
pub(super) fn api_options(endpoint: impl Into<String>, credentials: Credentials) -> ApiOptions {
    let mut options = ApiOptions::new(endpoint).with_credentials(credentials);
    options.user_agent = concat!("bai-repl/", env!("CARGO_PKG_VERSION")).into();
    options
}

/// The name for people of the server that [`Server::open`] would open.
pub(super) fn target_label(context: &CommandContext, outlive: bool) -> Result<String, CliError> {
    let env = &context.environment;
    let saved = saved(env, &context.config)?;
    let flags = (context.global.endpoint.as_deref(), context.global.profile.as_deref());
    Ok(match endpoint_of(flags.0, flags.1, env, &context.config, &saved)? {
        Some(endpoint) => label_of(&endpoint),
        None if outlive => BACKGROUND.to_owned(),
        None => EMBEDDED.to_owned(),
    })
}

/// Identifies a server and its user, for caches.
pub(super) fn cache_key(context: &CommandContext) -> Result<String, CliError> {
    Ok(match target(context)? {
        Target::Cluster(Cluster { endpoint, identity: Identity::Keypair { access_key, .. }, .. }) => {
            format!("{endpoint} {access_key}")
        }
        // The login can change, but one machine has one user of a web server.
        Target::Cluster(cluster) => cluster.endpoint,
        Target::Embedded => BACKGROUND.to_owned(),
    })
}

/// The same as the name of a file.
pub(super) fn short_key(context: &CommandContext) -> Result<String, CliError> {
    let mut digest = hex::encode(Sha256::digest(cache_key(context)?.as_bytes()));
    digest.truncate(16);
    Ok(digest)
}

/// Whether a cluster is configured.
pub(super) fn is_cluster(context: &CommandContext) -> Result<bool, CliError> {
    Ok(matches!(target(context)?, Target::Cluster(_)))
}

/// What said which server is used, and as whom.
pub(super) fn origin(context: &CommandContext) -> Result<Origin, CliError> {
    let env = &context.environment;
    let saved = saved(env, &context.config)?;
    let flags = (context.global.endpoint.as_deref(), context.global.profile.as_deref());
    // The keyring can block.
    Ok(tokio::task::block_in_place(|| origin_of(flags.0, flags.1, env, &context.config, &saved))?)
}

/// The user name of the login at this endpoint, if this program has made it.
pub(super) fn login_name(context: &CommandContext, endpoint: &str) -> Result<String, CliError> {
    let logins = logins(&context.environment, &context.config)?;
    let login = tokio::task::block_in_place(|| logins.find(endpoint))?;
    Ok(login.map(|login| login.credentials.who().to_owned()).unwrap_or_default())
}

/// The server that is configured.
pub(super) fn target(context: &CommandContext) -> Result<Target, CliError> {
    let env = &context.environment;
    let saved = saved(env, &context.config)?;
    // The keyring can block.
    tokio::task::block_in_place(|| {
        Ok(resolve(
            context.global.endpoint.as_deref(),
            context.global.profile.as_deref(),
            env,
            &context.config,
            &saved,
        )?)
    })
}

/// The logins that are saved, those of the official client too.
pub(super) fn saved(env: &Environment, config: &FileConfig) -> Result<KnownLogins, CliError> {
    Ok(KnownLogins { logins: logins(env, config)?, official: user_paths()?.official(env) })
}

/// The logins that this program has saved.
pub(super) fn logins(env: &Environment, config: &FileConfig) -> Result<Logins, CliError> {
    let keyring = Keyring::of_session(env).filter(|_| config.keyring != Some(false));
    Ok(Logins::in_folder(user_paths()?.logins_dir()).with_keyring(keyring))
}

/// Finds a login that was made while this program runs, so that the program can continue after its cookie has expired.
fn renewal(cluster: &Cluster, config: &FileConfig) -> Option<Renewal> {
    let Identity::WebSession { .. } = cluster.identity else { return None };
    let logins = logins(&Environment::of_process(), config).ok()?;
    let endpoint = cluster.endpoint.clone();
    let find = move || tokio::task::block_in_place(|| logins.find(&endpoint));
    Some(Renewal::new(move || match find().ok()??.credentials {
        StoredCredentials::WebSession { session_id, .. } => Some(session_id),
        StoredCredentials::Keypair { .. } => None,
    }))
}

/// Host and port of the first endpoint, without parts of the URL that may be secret.
pub(super) fn label_of(endpoint: &str) -> String {
    let first = endpoint.split(',').next().unwrap_or_default().trim();
    let Ok(url) = url::Url::parse(first) else { return "cluster".to_owned() };
    let host = url.host_str().unwrap_or("cluster");
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Destroys the session. An error is reported, because the session may cost money.
pub(super) async fn destroy_session(api: &Api, name: &str) {
    let destroyed = async {
        let session = ComputeSession::attach(api, name).await?;
        session.destroy(DestroyOptions { forced: true, recursive: false }).await
    };
    if let Err(error) = destroyed.await
        && error.kind() != ErrorKind::NotFound
    {
        CliError::from(error).report();
    }
}
