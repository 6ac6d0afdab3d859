//! Who answers at an endpoint of our own machine: checked before each connection, so that neither code nor signed headers
//! reach a program of another user that took the place of the server.
//!
//! A Unix socket must belong to our own user. A server whose secret key says that it proves itself must answer a random
//! challenge with that key (`docs/wire` §13.8). Other servers are checked by TLS alone.

use super::error::ErrorKind;
use super::reply::read_body;
use bai_protocol::sign;
use bai_protocol::version::Hello;
use bytes::Bytes;
use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::net::UnixStream;
use tower::{BoxError, Layer, Service};

/// The largest hello that is read, in bytes.
const HELLO_LIMIT: usize = 64 << 10;

/// The peer is not the one that it must be.
#[derive(Debug)]
pub(super) struct Untrusted(&'static str);

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Untrusted {}

/// What a peer has to show.
#[derive(Clone)]
pub(super) enum PeerCheck {
    /// The process that listens at this Unix socket belongs to our user.
    SameUser(PathBuf),
    /// The server at this URL knows the secret key.
    Proof {
        /// A client without this check.
        client: reqwest::Client,
        /// The URL of the hello. Its host must be the IP address at which the server listens: another program could
        /// listen at another address, and pass the proof on.
        hello: Url,
        /// The key.
        secret_key: SecretString,
    },
}

impl PeerCheck {
    async fn run(&self) -> Result<(), BoxError> {
        match self {
            PeerCheck::SameUser(path) => {
                let peer = UnixStream::connect(path).await?.peer_cred()?;
                if bai_private::is_own_user(peer.uid()) {
                    return Ok(());
                }
                Err(Untrusted("a program of another user listens there").into())
            }
            PeerCheck::Proof { client, hello, secret_key } => {
                let challenge = uuid::Uuid::new_v4().simple().to_string();
                let ask = || client.get(hello.clone()).header(sign::CHALLENGE, &challenge).send();
                let reply = match ask().await {
                    // The connection was cut before the answer: it may have had to make room for others.
                    Err(error) if !error.is_connect() && !error.is_timeout() => ask().await,
                    reply => reply,
                };
                let reply = reply.map_err(reqwest::Error::without_url)?;
                let host = hello.host_str().unwrap_or_default().trim_matches(['[', ']']);
                match proven_address(&read(reply).await?, &challenge, secret_key.expose_secret()) {
                    Some(address) if address == host => return Ok(()),
                    Some(_) => {
                        return Err(Untrusted("it listens at another address, so this one may lead to another program; the endpoint must have the address at which it listens, such as 127.0.0.1").into());
                    }
                    None => {}
                }
                Err(Untrusted(
                    "it does not prove that it knows the secret key; another program may have taken its port",
                )
                .into())
            }
        }
    }
}

async fn read(reply: reqwest::Response) -> Result<Bytes, BoxError> {
    read_body(reply, "check the server", HELLO_LIMIT, false).await.map_err(|error| match error.kind() {
        ErrorKind::Server => Untrusted("its answer is too long").into(),
        _ => error.into(),
    })
}

/// The IP address of the server, if it proves that it knows the key.
fn proven_address(hello: &[u8], challenge: &str, secret_key: &str) -> Option<String> {
    let Hello { proof, instance, address, .. } = serde_json::from_slice(hello).ok()?;
    let address = address?;
    sign::verify_proof(secret_key, challenge, &instance?, &address, &proof?).then_some(address)
}

/// Adds the check to the connections of a client.
#[derive(Clone)]
pub(super) struct PeerLayer(Arc<PeerCheck>);

impl PeerLayer {
    pub(super) fn new(check: PeerCheck) -> Self {
        PeerLayer(Arc::new(check))
    }
}

impl<S> Layer<S> for PeerLayer {
    type Service = Checked<S>;

    fn layer(&self, connect: S) -> Checked<S> {
        Checked { connect, check: self.0.clone() }
    }
}

/// A service that connects after the check.
#[derive(Clone)]
pub(super) struct Checked<S> {
    connect: S,
    check: Arc<PeerCheck>,
}

impl<S, R> Service<R> for Checked<S>
where
    S: Service<R, Error = BoxError> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connect.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        // The one that is ready is used, and a clone stays.
        let stays = self.connect.clone();
        let mut connect = std::mem::replace(&mut self.connect, stays);
        let check = self.check.clone();
        Box::pin(async move {
            check.run().await?;
            connect.call(request).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_answer_to_this_challenge_is_a_proof() {
        let hello = |proof: &str| {
            json!({"version": "v9.20250722", "instance": "i", "address": "::1", "proof": proof}).to_string()
        };
        let good = hello(&sign::proof("key", "challenge", "i", "::1"));
        let proven = |hello: &str, challenge, key| proven_address(hello.as_bytes(), challenge, key);
        assert_eq!(proven(&good, "challenge", "key").as_deref(), Some("::1"));
        assert_eq!(proven(&good, "another", "key"), None);
        assert_eq!(proven(&good, "challenge", "another"), None);
        let moved = good.replace("::1", "127.0.0.1");
        for bad in [&moved, &hello(""), r#"{"version": "v9.20250722"}"#, "<html>", ""] {
            assert_eq!(proven(bad, "challenge", "key"), None, "{bad}");
        }
    }
}
