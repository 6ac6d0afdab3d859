//! The facts about one session, in one call. This is only data: a program chooses which facts it shows, and in which
//! words.

use crate::error::ClientError;
use crate::session::ComputeSession;
use bai_protocol::info::SessionInfo;
use bai_protocol::live_stat::LiveStat;
use std::time::Duration;

/// The facts about a session. Texts of the server are untrusted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SessionFacts {
    /// Its name, as [`ComputeSession::name`].
    pub name: String,
    /// Its UUID, as [`ComputeSession::id`].
    pub id: Option<String>,
    /// The endpoint of the server.
    pub endpoint: String,
    /// The server's information.
    pub info: SessionInfo,
    /// The name of its project; the id, if the server does not tell the name.
    pub project: Option<String>,
    /// Its current use of resources; empty if the server does not know it.
    pub usage: LiveStat,
}

impl SessionFacts {
    /// The time since the session was created.
    pub fn age(&self) -> Option<Duration> {
        let seconds = self.info.age? / 1000.0;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

impl ComputeSession {
    /// Reads the facts about the session.
    ///
    /// # Errors
    /// As [`ComputeSession::info`]. It is not an error if the server does not know the use of resources.
    pub async fn facts(&self) -> Result<SessionFacts, ClientError> {
        let info = self.info().await?;
        let (usage, project) = tokio::join!(self.live_stat(), self.project(info.group_id.as_deref()));
        Ok(SessionFacts {
            name: self.name().to_owned(),
            id: self.id().map(str::to_owned),
            endpoint: self.api().endpoint().to_owned(),
            info,
            project,
            usage: usage.unwrap_or_default(),
        })
    }

    /// The name of the project with this id, which is the session's.
    async fn project(&self, id: Option<&str>) -> Option<String> {
        let id = id?;
        let named = self.summary().await.ok().and_then(|summary| summary.group);
        Some(named.filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_owned()))
    }
}
