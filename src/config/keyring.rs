//! The keyring of the user's desktop, if there is one: the Secret Service, over the D-Bus of the session. It stores the
//! secrets of logins, one for each endpoint. The caller decides what the secrets are, and what to do without a keyring.

use super::Environment;
use secrecy::{ExposeSecret, SecretString};
use secret_service::{EncryptionType, Error, Item, SecretService};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// Limit for an answer that needs no action of the user.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Limit for the user to unlock the keyring.
const UNLOCK_LIMIT: Duration = Duration::from_secs(60);

/// The keyring of this session. A value of this type does not mean that the keyring answers.
#[derive(Debug, Clone, Copy)]
pub struct Keyring(());

impl Keyring {
    /// The keyring, if the environment says where its bus may be. Does no I/O, and never starts a bus.
    pub fn of_session(env: &Environment) -> Option<Self> {
        let named =
            ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"].iter().any(|name| env.get(name).is_some());
        named.then_some(Keyring(()))
    }

    /// Stores the secret of an endpoint and replaces an older one. Returns whether it succeeded: on many machines no keyring
    /// answers.
    pub(super) fn keep(self, endpoint: &str, who: &str, secret: &SecretString) -> bool {
        let kept = wait(async {
            let service = connect().await?;
            let collection = answered(service.get_default_collection()).await?;
            if answered(collection.is_locked()).await? {
                unlocked(collection.unlock()).await?;
            }
            let label = format!("bai-repl: {who} at {endpoint}");
            let secret = secret.expose_secret().as_bytes();
            answered(collection.create_item(&label, attributes(endpoint), secret, true, "text/plain"))
                .await?;
            Ok(())
        });
        log_error(kept).is_some()
    }

    /// The secret of an endpoint; `None` if there is none, or if the keyring stays locked or does not answer.
    pub(super) fn find(self, endpoint: &str) -> Option<SecretString> {
        let found = wait(async {
            let service = connect().await?;
            let item = item(&service, endpoint).await?;
            answered(item.get_secret()).await
        });
        String::from_utf8(log_error(found)?).ok().map(SecretString::from)
    }

    /// Deletes the secret of an endpoint.
    pub(super) fn forget(self, endpoint: &str) {
        log_error(wait(async {
            let service = connect().await?;
            item(&service, endpoint).await?.delete().await
        }));
    }
}

fn attributes(endpoint: &str) -> HashMap<&str, &str> {
    HashMap::from([("application", "bai-repl"), ("endpoint", endpoint)])
}

async fn connect() -> Result<SecretService<'static>, Error> {
    answered(SecretService::connect(EncryptionType::Dh)).await
}

/// The item of an endpoint. Asks the user to unlock it if necessary.
async fn item<'a>(service: &'a SecretService<'_>, endpoint: &'a str) -> Result<Item<'a>, Error> {
    let mut found = answered(service.search_items(attributes(endpoint))).await?;
    if let Some(item) = found.unlocked.pop() {
        return Ok(item);
    }
    let item = found.locked.pop().ok_or(Error::NoResult)?;
    unlocked(item.unlock()).await?;
    Ok(item)
}

async fn answered<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(ANSWER_LIMIT, call).await.unwrap_or(Err(Error::Unavailable))
}

async fn unlocked(call: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    timeout(UNLOCK_LIMIT, call).await.unwrap_or(Err(Error::Prompt))
}

/// Waits for a request to the keyring on a separate thread: the caller may be inside a runtime, which cannot block on
/// another runtime.
fn wait<T: Send>(request: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|_| Error::Unavailable)?.block_on(request)
    };
    std::thread::scope(|scope| scope.spawn(run).join().unwrap_or(Err(Error::Unavailable)))
}

/// Logs an error. An unusable keyring is not reported to the user.
fn log_error<T>(answer: Result<T, Error>) -> Option<T> {
    answer.inspect_err(|error| tracing::debug!(%error, "the keyring")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_bus_no_keyring_is_available() {
        assert!(Keyring::of_session(&Environment::of(&[("HOME", "/home/ann")])).is_none());
        assert!(Keyring::of_session(&Environment::of(&[("XDG_RUNTIME_DIR", "/run/user/1")])).is_some());
    }
}
