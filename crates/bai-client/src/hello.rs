//! What a server says about itself: its version, and what it can do beyond the common API.

use super::api::Api;
use super::error::{ClientError, ErrorKind, looks_like_html};
use super::login::ServerKind;
use bai_protocol::capability::{Capabilities, Capability};
use bai_protocol::version::{ApiVersion, Hello};
use reqwest::Method;

/// The largest answer that is read, in bytes.
const HELLO_LIMIT: usize = 64 << 10;

impl Api {
    /// The API version that both sides speak; negotiated once (`docs/wire` §1.1).
    ///
    /// # Errors
    /// The reason why the server does not answer; [`ErrorKind::NotABackend`] if another kind of server answers.
    pub async fn version(&self) -> Result<ApiVersion, ClientError> {
        Ok(self.hello_and_version().await?.1)
    }

    /// The server's answer to `GET /`; requested once.
    ///
    /// # Errors
    /// As [`Api::version`].
    pub async fn hello(&self) -> Result<&Hello, ClientError> {
        Ok(&self.hello_and_version().await?.0)
    }

    /// The server's capabilities beyond the common API; empty if the server does not answer.
    pub async fn capabilities(&self) -> Capabilities {
        self.hello().await.map(|hello| hello.capabilities.clone()).unwrap_or_default()
    }

    /// Whether the server announces this capability. False if the server does not answer.
    pub async fn has(&self, capability: Capability) -> bool {
        self.hello().await.is_ok_and(|hello| hello.capabilities.has(capability))
    }

    async fn hello_and_version(&self) -> Result<&(Hello, ApiVersion), ClientError> {
        self.server().get_or_try_init(|| self.negotiate()).await
    }

    async fn negotiate(&self) -> Result<(Hello, ApiVersion), ClientError> {
        let what = "ask the server which version it speaks";
        let reply = self.request(what, Method::GET, "/").unsigned().limit(HELLO_LIMIT).send().await?;
        let Ok(hello) = serde_json::from_slice::<Hello>(&reply.body) else {
            if self.server_kind().await.is_ok_and(|kind| kind == ServerKind::WebServer) {
                let why =
                    format!("{} is a web server, which needs a login with a user name", self.endpoint());
                return Err(ClientError::new(ErrorKind::NotABackend, what, why)
                    .with_hint("log in to it, or use the address of its manager"));
            }
            let text = String::from_utf8_lossy(&reply.body);
            let why = if looks_like_html(&text) {
                format!("{} answers with a web page", self.endpoint())
            } else {
                format!("{} answers something else", self.endpoint())
            };
            return Err(ClientError::new(ErrorKind::NotABackend, what, why));
        };
        let theirs = hello.version.parse::<ApiVersion>().map_err(|error| {
            ClientError::new(ErrorKind::NotABackend, what, error.to_string()).with_source(error)
        })?;
        let version = ApiVersion::negotiate(theirs).ok_or_else(|| {
            let why = format!("it speaks {theirs}, which is older than all versions that this program knows");
            ClientError::new(ErrorKind::Unsupported, what, why)
        })?;
        tracing::info!(server = %theirs, used = %version, manager = hello.manager.as_deref(), "version");
        Ok((hello, version))
    }
}
