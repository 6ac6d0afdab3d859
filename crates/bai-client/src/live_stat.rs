//! The current use of resources (`protocol::live_stat`), through GraphQL, always in a query of its own: a server whose
//! store of metrics is down answers it with an error, which must not break a list or a session's facts.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::graphql::{field, since};
use super::session::ComputeSession;
use bai_protocol::live_stat::LiveStat;
use bai_protocol::status::SessionStatus;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const WHAT: &str = "ask what sessions use";
/// The number of sessions in one query: the servers' page size.
const MOST: u64 = 100;

#[derive(Deserialize)]
struct Session {
    #[serde(default)]
    session_id: String,
    #[serde(default)]
    containers: Option<Vec<Option<Container>>>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    live_stat: Value,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Session>,
}

impl Session {
    /// The use by all its containers.
    fn sum(&self) -> LiveStat {
        let mut sum = LiveStat::default();
        for container in self.containers.iter().flatten().flatten() {
            sum.add(&LiveStat::of(&container.live_stat));
        }
        sum
    }
}

impl Api {
    /// The current use of resources by this user's running sessions, the newest hundred, by their ids. Sessions without
    /// known metrics are left out.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before 20.03; else what the server says.
    pub async fn live_stats(&self) -> Result<BTreeMap<String, LiveStat>, ClientError> {
        self.tells_use(WHAT).await?;
        let query = "query($limit: Int!, $offset: Int!, $status: String) { \
                     compute_session_list(limit: $limit, offset: $offset, status: $status) { \
                     items { session_id containers { live_stat } } } }";
        let variables = json!({"limit": MOST, "offset": 0, "status": SessionStatus::Running.name()});
        let mut data = self.graphql(WHAT, query, variables).await?;
        let list: List = field(WHAT, &mut data, "compute_session_list")?;
        let stats = list.items.into_iter().map(|session| (session.sum(), session.session_id));
        Ok(stats.filter(|(stat, _)| !stat.is_empty()).map(|(stat, id)| (id, stat)).collect())
    }

    async fn tells_use(&self, what: &str) -> Result<(), ClientError> {
        let version = self.version().await.map_err(|error| error.with_what(what))?;
        if version >= since("v5.20191215") {
            return Ok(());
        }
        Err(ClientError::new(ErrorKind::Unsupported, what, "the server is older than 20.03"))
    }
}

impl ComputeSession {
    /// The session's current use of resources; empty if the server does not know it.
    ///
    /// # Errors
    /// As [`Api::live_stats`].
    pub async fn live_stat(&self) -> Result<LiveStat, ClientError> {
        let what = "ask what the session uses";
        self.api().tells_use(what).await?;
        let Some(id) = self.id() else { return Ok(LiveStat::default()) };
        let query = "query($id: UUID!) { compute_session(id: $id) { containers { live_stat } } }";
        let mut data = self.api().graphql(what, query, json!({"id": id})).await?;
        let session: Option<Session> = field(what, &mut data, "compute_session")?;
        Ok(session.map(|session| session.sum()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_several_containers_or_none_are_read() {
        let stat = "{\"mem\": {\"current\": \"10\", \"capacity\": \"100\", \"pct\": \"10.00\", \"unit_hint\": \"bytes\"}}";
        let list: List = serde_json::from_value(json!({"items": [
            {"session_id": "a", "containers": [{"live_stat": stat}, null, {"live_stat": null}, {"live_stat": stat}]},
            {"session_id": "b", "containers": null},
            {"session_id": "c"},
        ]}))
        .unwrap();
        let used: Vec<_> =
            list.items.iter().map(|session| session.sum().memory().map(|memory| memory.used)).collect();
        assert_eq!(used, [Some(20), None, None]);
    }
}
