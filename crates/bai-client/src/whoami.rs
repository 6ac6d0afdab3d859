//! Who the server takes this user for, and how many sessions the user may have.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::graphql::field;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The user of this client, as the server knows it. Texts of the server are untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WhoAmI {
    /// E-mail address.
    pub email: String,
    /// Full name.
    pub full_name: Option<String>,
    /// Such as `user`, `admin` or `superadmin`.
    pub role: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// The names of the projects.
    pub projects: Vec<String>,
    /// The key pair in use, or that of a login.
    pub access_key: Option<String>,
    /// The policy that limits the key.
    pub policy: Option<String>,
    /// The running sessions of the key.
    pub sessions: Option<u64>,
    /// How many sessions of the key may run; `None` if unknown.
    pub max_sessions: Option<u64>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    email: String,
    #[serde(default)]
    full_name: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    domain_name: Option<String>,
    #[serde(default)]
    groups: Option<Vec<Group>>,
}

#[derive(Deserialize)]
struct Group {
    name: String,
}

#[derive(Deserialize)]
struct Keypair {
    #[serde(default)]
    access_key: Option<String>,
    #[serde(default)]
    resource_policy: Option<String>,
    #[serde(default)]
    concurrency_used: Option<u64>,
}

#[derive(Deserialize)]
struct Policy {
    #[serde(default)]
    max_concurrent_sessions: Option<u64>,
}

impl Api {
    /// Asks the server who this user is. What only some servers tell may be missing. From 19.09 on.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] from a server without users, such as the engine of bai-repl; [`ErrorKind::Auth`] for wrong keys; else what
    /// the server says.
    pub async fn who_am_i(&self) -> Result<WhoAmI, ClientError> {
        let what = "ask who you are";
        let query = "query { user { email full_name role domain_name groups { name } } }";
        let mut data = self.graphql(what, query, json!({})).await?;
        let user: Option<User> = field(what, &mut data, "user")?;
        let user = user.ok_or_else(|| ClientError::new(ErrorKind::Server, what, "it tells no user"))?;
        let query = "query { keypair { access_key resource_policy concurrency_used } }";
        let keypair: Option<Keypair> = match self.graphql(what, query, json!({})).await {
            Ok(mut data) => field(what, &mut data, "keypair").unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Refused => None,
            Err(error) => return Err(error),
        };
        let policy = keypair.as_ref().and_then(|keypair| keypair.resource_policy.clone());
        Ok(WhoAmI {
            email: user.email,
            full_name: user.full_name,
            role: user.role,
            domain: user.domain_name,
            projects: user.groups.into_iter().flatten().map(|group| group.name).collect(),
            max_sessions: match &policy {
                Some(policy) => self.max_sessions(what, policy).await,
                None => None,
            },
            policy,
            sessions: keypair.as_ref().and_then(|keypair| keypair.concurrency_used),
            access_key: keypair.and_then(|keypair| keypair.access_key),
        })
    }

    /// How many sessions a policy allows. Servers may keep that to themselves.
    async fn max_sessions(&self, what: &str, policy: &str) -> Option<u64> {
        let query =
            "query($name: String!) { keypair_resource_policy(name: $name) { max_concurrent_sessions } }";
        let mut data = self.graphql(what, query, json!({"name": policy})).await.ok()?;
        let policy: Option<Policy> = field(what, &mut data, "keypair_resource_policy").ok()?;
        policy?.max_concurrent_sessions
    }
}
