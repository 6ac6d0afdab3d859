//! The list of sessions, through GraphQL (`protocol.md` §2.5).

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use crate::protocol::status::SessionStatus;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

const WHAT: &str = "list the sessions";
/// Sessions on one page; servers give no more.
const PAGE: usize = 100;
/// Pages, at most.
const PAGES: usize = 50;

const QUERY: &str = "query($limit: Int!, $offset: Int!, $status: String) { \
    compute_session_list(limit: $limit, offset: $offset, status: $status) { \
    items { session_id name image status status_info created_at terminated_at tag group_name } total_count } }";

/// One session in the list. What a server does not say is missing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SessionSummary {
    /// UUID.
    #[serde(rename = "session_id")]
    pub id: String,
    /// Name.
    #[serde(default)]
    pub name: Option<String>,
    /// Image reference.
    #[serde(default)]
    pub image: Option<String>,
    /// Where it is.
    pub status: SessionStatus,
    /// Why it is there.
    #[serde(default)]
    pub status_info: Option<String>,
    /// When it was created, ISO 8601.
    #[serde(default)]
    pub created_at: Option<String>,
    /// When it ended, ISO 8601.
    #[serde(default)]
    pub terminated_at: Option<String>,
    /// Free text of the creator.
    #[serde(default)]
    pub tag: Option<String>,
    /// Project.
    #[serde(default, rename = "group_name")]
    pub group: Option<String>,
}

impl Api {
    /// This user's sessions, the newest last as the server orders them; with `statuses`, only those in one of them.
    /// At most 5000.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before 20.03; else what the server says.
    pub async fn sessions(&self, statuses: &[SessionStatus]) -> Result<Vec<SessionSummary>, ClientError> {
        let version = self.version().await.map_err(|error| error.with_what(WHAT))?;
        if version.major() < 5 {
            return Err(ClientError::new(ErrorKind::Unsupported, WHAT, "the server is older than 20.03"));
        }
        let wrapped = "v6.20210815".parse().is_ok_and(|since| version >= since);
        let path = if wrapped { "/admin/gql" } else { "/admin/graphql" };
        let names: Vec<_> = statuses.iter().map(SessionStatus::name).collect();
        let status = if names.is_empty() { Value::Null } else { json!(names.join(",")) };
        let mut sessions = Vec::new();
        for page in 0..PAGES {
            let variables = json!({"limit": PAGE, "offset": page * PAGE, "status": status});
            let call = self
                .request(WHAT, Method::POST, path)
                .json(&json!({"query": QUERY, "variables": variables}))?;
            let items = items(call.send().await?.json()?)?;
            let last = items.len() < PAGE;
            sessions.extend(items);
            if last {
                break;
            }
        }
        Ok(sessions)
    }
}

/// Reads a page: wrapped in `data` by new servers, bare from old ones, with `errors` beside 200.
fn items(mut body: Value) -> Result<Vec<SessionSummary>, ClientError> {
    let said = body.pointer("/errors/0/message").and_then(Value::as_str);
    if let Some(said) = said {
        return Err(ClientError::new(ErrorKind::Refused, WHAT, said));
    }
    let list = ["/data/compute_session_list/items", "/compute_session_list/items"];
    let found = list.into_iter().find_map(|pointer| body.pointer_mut(pointer).map(Value::take));
    let items = found.ok_or_else(|| ClientError::new(ErrorKind::Server, WHAT, "the reply has no list"))?;
    serde_json::from_value(items).map_err(|error| {
        ClientError::new(ErrorKind::Server, WHAT, format!("the reply is not what was agreed: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_from_servers_of_every_age() {
        let list = json!({"compute_session_list": {"items": [{"session_id": "u", "status": "RUNNING", "name": null}]}});
        for body in [json!({"data": list, "errors": null}), list.clone()] {
            let sessions = items(body).unwrap();
            assert_eq!((sessions[0].id.as_str(), &sessions[0].status), ("u", &SessionStatus::Running));
        }
    }

    #[test]
    fn errors_beside_200_are_errors() {
        let body = json!({"data": null, "errors": [{"message": "no field x"}]});
        assert_eq!(items(body).unwrap_err().to_string(), "could not list the sessions: no field x");
        assert_eq!(items(json!([])).unwrap_err().kind(), ErrorKind::Server);
    }
}
