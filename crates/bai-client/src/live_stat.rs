//! What sessions use now (`protocol::live_stat`), through GraphQL. Always asked for by itself: a server whose store of metrics
//! is away answers such a query with an error, which must not take a list or a session's facts with it.

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
/// Sessions that are asked about at once: as many as servers give on a page.
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
    /// What all of its containers use together.
    fn sum(&self) -> LiveStat {
        let mut sum = LiveStat::default();
        for container in self.containers.iter().flatten().flatten() {
            sum.add(&LiveStat::of(&container.live_stat));
        }
        sum
    }
}

impl Api {
    /// What this user's running sessions use now, by the sessions' ids; the newest hundred of them. A session of which
    /// nothing is known is left out.
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
    /// What it uses now; empty when the server does not know.
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
