//! The list of sessions, through GraphQL, with filters and pages (`docs/wire` §2.5).

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::graphql::{field, since};
use super::session::ComputeSession;
use bai_protocol::capability::Capability;
use bai_protocol::status::SessionStatus;
use bai_protocol::summary::SessionSummary;
use bai_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::{Value, json};

const WHAT: &str = "list the sessions";
/// Sessions on one page, which is the servers' limit.
const PAGE: u64 = 100;
/// The largest number of sessions in one list.
const MOST: u64 = 5000;

/// A query for sessions. The default is all sessions of this user, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// Only those in one of these statuses; all when empty.
    pub statuses: Vec<SessionStatus>,
    /// Only those whose name contains this text, in any case. Letters, digits, `_`, `.` and `-`.
    pub name: Option<String>,
    /// A filter in the server's own language, such as `type == "batch"`. From 21.09 on.
    pub filter: Option<String>,
    /// Fields to sort by, `-` before one for descending, commas between. From 21.09 on.
    pub order: Option<String>,
    /// Only those of this access key; admins may name any.
    pub access_key: Option<String>,
    /// Only those of this project, by UUID.
    pub group_id: Option<String>,
    /// The number of sessions to skip.
    pub offset: u64,
    /// The number of sessions to return, at most 5000.
    pub limit: Option<u64>,
}

/// A part of the list.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions.
    pub items: Vec<SessionSummary>,
    /// The total number of sessions.
    pub total: u64,
}

impl SessionPage {
    /// Keeps the sessions whose name contains this text. Servers before 21.09 have no filters, and in the patterns of newer
    /// ones `_` stands for any character.
    fn keep_named(&mut self, name: &str) {
        let (name, before) = (name.to_lowercase(), self.items.len());
        self.items
            .retain(|item| item.name.as_ref().is_some_and(|found| found.to_lowercase().contains(&name)));
        self.total = self.total.saturating_sub((before - self.items.len()) as u64);
    }
}

#[derive(Deserialize)]
struct List {
    items: Vec<SessionSummary>,
    #[serde(default)]
    total_count: Option<u64>,
}

impl Api {
    /// The sessions of this user in the server's order, at most 5000. With `statuses`, only those in one of them.
    ///
    /// # Errors
    /// As [`Api::search_sessions`].
    pub async fn sessions(&self, statuses: &[SessionStatus]) -> Result<Vec<SessionSummary>, ClientError> {
        let query = SessionQuery { statuses: statuses.to_vec(), ..SessionQuery::default() };
        Ok(self.search_sessions(&query).await?.items)
    }

    /// The live sessions of this user. If the server can, it leaves out those that are over.
    ///
    /// # Errors
    /// As [`Api::search_sessions`].
    pub async fn live_sessions(&self) -> Result<Vec<SessionSummary>, ClientError> {
        self.sessions_that_count(SessionStatus::alive().collect()).await
    }

    /// The live sessions of this user, and those that are lost while their files are kept.
    ///
    /// # Errors
    /// As [`Api::search_sessions`].
    pub async fn live_and_lost_sessions(&self) -> Result<Vec<SessionSummary>, ClientError> {
        let lost = self.has(Capability::LostSessions).await.then_some(SessionStatus::Lost);
        self.sessions_that_count(SessionStatus::alive().chain(lost).collect()).await
    }

    async fn sessions_that_count(
        &self,
        statuses: Vec<SessionStatus>,
    ) -> Result<Vec<SessionSummary>, ClientError> {
        let sessions = match self.sessions(&statuses).await {
            // Servers of another age do not know all statuses, and report that in many ways.
            Err(error)
                if matches!(error.kind(), ErrorKind::Refused | ErrorKind::BadRequest | ErrorKind::Server) =>
            {
                tracing::debug!(%error, "requesting all sessions instead");
                self.sessions(&[]).await?
            }
            listed => listed?,
        };
        let counts = |status: &SessionStatus| !status.is_dead() || statuses.contains(status);
        Ok(sessions.into_iter().filter(|session| counts(&session.status)).collect())
    }

    /// The sessions that a query finds, read page by page.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before 19.09, and for a filter or an order before 21.09; [`ErrorKind::BadRequest`] for
    /// a name that no session has; else what the server says.
    pub async fn search_sessions(&self, query: &SessionQuery) -> Result<SessionPage, ClientError> {
        let version = self.version().await.map_err(|error| error.with_what(WHAT))?;
        let text = query_text(query, version)?;
        let wanted = query.limit.unwrap_or(MOST).min(MOST);
        let mut page = SessionPage::default();
        while (page.items.len() as u64) < wanted {
            let have = page.items.len() as u64;
            let limit = PAGE.min(wanted - have);
            let mut data =
                self.graphql(WHAT, &text, variables(query, limit, query.offset + have, version)).await?;
            let list: List = field(WHAT, &mut data, "compute_session_list")?;
            let got = list.items.len() as u64;
            page.items.extend(list.items);
            page.total = list.total_count.unwrap_or(query.offset + have + got);
            if got < limit || query.offset + have + got >= page.total {
                break;
            }
        }
        if let Some(name) = &query.name {
            page.keep_named(name);
        }
        Ok(page)
    }
}

impl ComputeSession {
    /// The session's entry in the list. Also for a session that is over, if the handle knows its UUID.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`]; [`ErrorKind::Unsupported`] before 20.03; else what the server says.
    pub async fn summary(&self) -> Result<SessionSummary, ClientError> {
        let what = "read the session's state";
        let version = self.api().version().await.map_err(|error| error.with_what(what))?;
        let Some(id) = self.id() else {
            return Err(ClientError::new(ErrorKind::Unsupported, what, "the server gives sessions no id"));
        };
        let found = if version >= since("v6.20210815") && uuid::Uuid::parse_str(id).is_ok() {
            // Not `compute_session`: 26.9.6 gives only the first letter of the project's name there.
            let query = SessionQuery { filter: Some(format!("id == \"{id}\"")), ..SessionQuery::default() };
            let page = self.api().search_sessions(&query).await.map_err(|error| error.with_what(what))?;
            page.items.into_iter().find(|item| item.id == id)
        } else {
            let text = format!("query($id: UUID!) {{ compute_session(id: $id) {{ {} }} }}", fields(version));
            let mut data = self.api().graphql(what, &text, json!({"id": id})).await?;
            field(what, &mut data, "compute_session")?
        };
        found.ok_or_else(|| {
            ClientError::new(ErrorKind::NotFound, what, format!("there is no session {}", self.name()))
        })
    }
}

/// The fields that a server of this age has. The others are missing in the summary.
fn fields(version: ApiVersion) -> String {
    let mut fields = String::from(if version.major() <= 4 {
        "session_id: sess_id name: sess_id type: sess_type"
    } else {
        "session_id name type"
    });
    fields.push_str(
        " image status status_info created_at terminated_at result tag group_name domain_name access_key \
         scaling_group startup_command mounts resource_opts service_ports occupied_slots",
    );
    if version >= since("v6.20200815") {
        fields.push_str(" cluster_mode cluster_size");
    }
    if version >= since("v6.20220315") {
        fields.push_str(" architecture");
    }
    if version >= since("v6.20230315") {
        fields.push_str(" requested_slots");
    }
    if version >= since("v8.20240915") {
        fields.push_str(" priority");
    }
    fields
}

/// The text of the query. It declares only the used arguments, since older servers do not know all.
fn query_text(query: &SessionQuery, version: ApiVersion) -> Result<String, ClientError> {
    let is_plain = |c: char| c.is_alphanumeric() || "_.-".contains(c);
    if query.name.as_deref().is_some_and(|name| name.is_empty() || !name.chars().all(is_plain)) {
        let why = "names of sessions have letters, digits, _, . and - only";
        return Err(ClientError::new(ErrorKind::BadRequest, WHAT, why));
    }
    let new = version >= since("v6.20210815");
    if !new && (query.filter.is_some() || query.order.is_some()) {
        let why = "the server is older than 21.09 and has neither filters nor orders";
        return Err(ClientError::new(ErrorKind::Unsupported, WHAT, why));
    }
    let optional = [
        ("status", "String", !query.statuses.is_empty()),
        ("filter", "String", filter(query, version).is_some()),
        ("order", "String", query.order.is_some()),
        ("access_key", "String", query.access_key.is_some()),
        ("group_id", if version.major() <= 4 { "String" } else { "UUID" }, query.group_id.is_some()),
    ];
    let mut declared = String::from("$limit: Int!, $offset: Int!");
    let mut given = String::from("limit: $limit, offset: $offset");
    for (name, kind, _) in optional.iter().filter(|(_, _, used)| *used) {
        declared.push_str(&format!(", ${name}: {kind}"));
        given.push_str(&format!(", {name}: ${name}"));
    }
    let fields = fields(version);
    Ok(format!(
        "query({declared}) {{ compute_session_list({given}) {{ items {{ {fields} }} total_count }} }}"
    ))
}

fn variables(query: &SessionQuery, limit: u64, offset: u64, version: ApiVersion) -> Value {
    let statuses: Vec<_> = query.statuses.iter().map(SessionStatus::name).collect();
    let mut variables = json!({"limit": limit, "offset": offset});
    if let Some(map) = variables.as_object_mut() {
        let mut put = |key: &str, value: Option<&str>| {
            if let Some(value) = value {
                map.insert(key.to_owned(), json!(value));
            }
        };
        let statuses = statuses.join(",");
        put("status", (!statuses.is_empty()).then_some(&statuses));
        put("filter", filter(query, version).as_deref());
        put("order", query.order.as_deref());
        put("access_key", query.access_key.as_deref());
        put("group_id", query.group_id.as_deref());
    }
    variables
}

/// The filter in the server's language, with the wanted name.
fn filter(query: &SessionQuery, version: ApiVersion) -> Option<String> {
    let name = query.name.as_deref().filter(|_| version >= since("v6.20210815"));
    let name = name.map(|name| format!("name ilike \"%{name}%\""));
    match (name, query.filter.clone()) {
        (Some(name), Some(filter)) => Some(format!("({name}) & ({filter})")),
        (name, filter) => name.or(filter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bai_protocol::version::NEWEST;

    #[test]
    fn only_used_variables_are_declared() {
        let text = query_text(&SessionQuery::default(), NEWEST).unwrap();
        assert!(
            text.starts_with(
                "query($limit: Int!, $offset: Int!) { compute_session_list(limit: $limit, offset: $offset) {"
            ),
            "{text}"
        );
        let query = SessionQuery {
            name: Some("otter".into()),
            filter: Some("type == \"batch\"".into()),
            statuses: vec![SessionStatus::Running, SessionStatus::Error],
            ..SessionQuery::default()
        };
        let text = query_text(&query, NEWEST).unwrap();
        assert!(text.contains("$status: String, $filter: String) {"), "{text}");
        let given = json!({"limit": 5, "offset": 7, "status": "RUNNING,ERROR",
            "filter": "(name ilike \"%otter%\") & (type == \"batch\")"});
        assert_eq!(variables(&query, 5, 7, NEWEST), given);
    }

    #[test]
    fn old_servers_get_queries_with_their_own_names() {
        let v4 = since("v4.20190615");
        let text = query_text(&SessionQuery { name: Some("x".into()), ..Default::default() }, v4).unwrap();
        assert!(text.contains("name: sess_id type: sess_type") && !text.contains("filter"), "{text}");
        assert!(!text.contains("architecture") && !text.contains("cluster_size"), "{text}");
        let ordered = SessionQuery { order: Some("-created_at".into()), ..Default::default() };
        assert_eq!(query_text(&ordered, v4).unwrap_err().kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn an_underscore_in_a_name_is_not_a_wildcard() {
        let named = |name: &str| -> SessionSummary {
            serde_json::from_value(json!({"session_id": "1", "name": name, "status": "RUNNING"})).unwrap()
        };
        let mut page = SessionPage { items: vec![named("Train_1"), named("train-1")], total: 7 };
        page.keep_named("train_1");
        let names: Vec<_> = page.items.iter().map(|item| item.name.as_deref()).collect();
        assert_eq!((names, page.total), (vec![Some("Train_1")], 6));
    }

    #[test]
    fn a_name_cannot_break_out_of_the_filter() {
        for bad in ["a\" | name != \"", "%", "", "a b"] {
            let query = SessionQuery { name: Some(bad.into()), ..Default::default() };
            assert_eq!(query_text(&query, NEWEST).unwrap_err().kind(), ErrorKind::BadRequest, "{bad}");
        }
    }
}
