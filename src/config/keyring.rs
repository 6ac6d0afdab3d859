//! The keyring of the user's desktop, where there is one: the Secret Service, reached over the D-Bus of the session. It
//! keeps the secrets of logins, one for each endpoint. What they are secrets of, and what is done without a keyring, is not
//! decided here.

use super::Environment;
use secrecy::{ExposeSecret, SecretString};
use secret_service::{EncryptionType, Error, Item, SecretService};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::timeout;

/// How long the keyring may take to answer what no person has a part in.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// How long a person may take to unlock it.
const PERSON_LIMIT: Duration = Duration::from_secs(60);

/// The keyring of this session. Having one of these does not mean that it answers.
#[derive(Debug, Clone, Copy)]
pub struct Keyring(());

impl Keyring {
    /// The keyring, if the environment says where its bus may be. No I/O; a bus is never started.
    pub fn of_session(env: &Environment) -> Option<Self> {
        let named =
            ["DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"].iter().any(|name| env.get(name).is_some());
        named.then_some(Keyring(()))
    }

    /// Keeps the secret of an endpoint, in place of an older one. Whether it did: no keyring answers on many machines.
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
        told(kept).is_some()
    }

    /// The secret of an endpoint; `None` when there is none, or the keyring stays locked or silent.
    pub(super) fn find(self, endpoint: &str) -> Option<SecretString> {
        let found = wait(async {
            let service = connect().await?;
            let item = item(&service, endpoint).await?;
            answered(item.get_secret()).await
        });
        String::from_utf8(told(found)?).ok().map(SecretString::from)
    }

    /// Forgets the secret of an endpoint.
    pub(super) fn forget(self, endpoint: &str) {
        told(wait(async {
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

/// The item of an endpoint, unlocked by the person if need be.
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
    timeout(PERSON_LIMIT, call).await.unwrap_or(Err(Error::Prompt))
}

/// Waits for a question to the keyring, on a thread of its own: the caller may stand in a runtime, where nothing may block
/// on another.
fn wait<T: Send>(question: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
    let asked = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|_| Error::Unavailable)?.block_on(question)
    };
    std::thread::scope(|scope| scope.spawn(asked).join().unwrap_or(Err(Error::Unavailable)))
}

/// A keyring that cannot be used is worth a line in the log, and no more.
fn told<T>(answer: Result<T, Error>) -> Option<T> {
    answer.inspect_err(|error| tracing::debug!(%error, "the keyring")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_bus_there_is_no_keyring() {
        assert!(Keyring::of_session(&Environment::of(&[("HOME", "/home/ann")])).is_none());
        assert!(Keyring::of_session(&Environment::of(&[("XDG_RUNTIME_DIR", "/run/user/1")])).is_some());
    }
}
