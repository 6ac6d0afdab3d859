//! The few GraphQL queries by which clients list sessions and images (`docs/wire` §2.5). Fields that do not apply to
//! a single machine are null.

mod filter;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod limits;
mod parse;

use super::error::{ApiError, ApiResult};
use super::lifecycle::iso;
use super::live_stat::measure;
use super::request::{json_body, json_reply};
use super::session::Session;
use super::state::ServerState;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use filter::{Filter, Order};
use limits::Budget;
use parse::Field;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `POST /admin/gql`: errors come with status 200.
pub(super) async fn gql(State(server): State<Arc<ServerState>>, body: Body) -> ApiResult {
    let reply = match answer(&server, body).await? {
        Ok(data) => json!({"data": data, "errors": null}),
        Err(message) => json!({"data": null, "errors": [{"message": message}]}),
    };
    Ok(json_reply(StatusCode::OK, &reply))
}

/// `POST /admin/graphql`: the bare data. Errors are a problem.
pub(super) async fn graphql(State(server): State<Arc<ServerState>>, body: Body) -> ApiResult {
    match answer(&server, body).await? {
        Ok(data) => Ok(json_reply(StatusCode::OK, &data)),
        Err(message) => {
            let (title, code) = ("GraphQL-generated error.", "api_generic_graphql-error");
            let data = json!([{"message": message}]);
            Err(ApiError::new(StatusCode::BAD_REQUEST, "graphql-error", title, code).with_data(data))
        }
    }
}

async fn answer(server: &ServerState, body: Body) -> ApiResult<Result<Value, String>> {
    let body = json_body(body).await?;
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .ok_or_else(|| ApiError::invalid_params("query is missing"))?;
    let variables = body.get("variables").cloned().unwrap_or_default();
    let fields = match parse::parse(query, &variables) {
        Ok(fields) => fields,
        Err(message) => return Ok(Err(message)),
    };
    Ok(resolve_all(server, &fields).await)
}

async fn resolve_all(server: &ServerState, fields: &[Field]) -> Result<Value, String> {
    let mut data = Map::new();
    let mut budget = Budget::of_answer();
    for field in fields {
        let source = resolve(server, field).await?;
        data.insert(field.alias.clone(), project(&source, &field.fields, &mut budget)?);
    }
    Ok(Value::Object(data))
}

async fn resolve(server: &ServerState, field: &Field) -> Result<Value, String> {
    Ok(match field.name.as_str() {
        "compute_session_list" | "legacy_compute_session_list" => session_list(server, field).await?,
        "compute_session" | "compute_session_node" => {
            let id =
                ["id", "sess_id", "session_id"].iter().find_map(|key| field.arguments.get(*key)?.as_str());
            let id = id.map(local_id).unwrap_or_default();
            let found: Vec<_> = server.sessions.find(&id).into_iter().collect();
            describe_all(&found, field).await.pop().unwrap_or_default()
        }
        "images" => images().await,
        "__typename" => json!("Query"),
        name => return Err(format!("Cannot query field '{name}' on type 'Query'.")),
    })
}

/// A node's global id is `type:id` in base64; others are ids themselves.
fn local_id(id: &str) -> String {
    let decoded = base64::engine::general_purpose::STANDARD.decode(id).ok();
    let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let local = decoded.as_deref().and_then(|text| text.split_once(':')).map(|(_, local)| local);
    local.unwrap_or(id).to_owned()
}

/// The arguments of the list that the engine obeys.
const LIST_ARGUMENTS: [&str; 6] = ["limit", "offset", "status", "filter", "order", "access_key"];

/// An argument that the engine does not know is an error: without it the list would hold more than was asked for.
async fn session_list(server: &ServerState, field: &Field) -> Result<Value, String> {
    let unknown =
        |(key, value): &(&String, &Value)| !value.is_null() && !LIST_ARGUMENTS.contains(&key.as_str());
    if let Some((key, _)) = field.arguments.iter().find(unknown) {
        return Err(format!("the engine does not know the argument {key:?} of a list of sessions"));
    }
    let number =
        |key: &str| field.arguments.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    let text = |key: &str| field.arguments.get(key).and_then(Value::as_str);
    let filter = text("filter").map(Filter::parse).transpose()?;
    let order = text("order").map(Order::parse).transpose()?;
    let is_of_key = text("access_key").is_none_or(|key| key == server.keypair.access_key());
    let has_status = |session: &Arc<Session>| {
        let status = session.status();
        let is_named =
            |list: &str| list.split(',').any(|name| name.trim().eq_ignore_ascii_case(status.name()));
        text("status").is_none_or(is_named)
    };
    let mut sessions = server.sessions.all();
    // Newest first, as on the genuine server by default.
    sessions.reverse();
    sessions.retain(|session| {
        is_of_key && has_status(session) && filter.as_ref().is_none_or(|filter| filter.matches(session))
    });
    if let Some(order) = order {
        sessions.sort_by(|one, other| order.compare(one, other));
    }
    let total = sessions.len();
    let page = sessions.into_iter().skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(100));
    let page: Vec<_> = page.collect();
    Ok(json!({"items": describe_all(&page, field).await, "total_count": total}))
}

/// Whether a field is requested, at any depth.
fn asks_for(field: &Field, name: &str) -> bool {
    field.fields.iter().any(|inner| inner.name == name || asks_for(inner, name))
}

/// Descriptions of sessions. Their use is measured only on request, because that takes a moment.
async fn describe_all(sessions: &[Arc<Session>], field: &Field) -> Vec<Value> {
    let stats = match asks_for(field, "live_stat") || asks_for(field, "last_stat") {
        true => measure(sessions).await,
        false => vec![Value::Null; sessions.len()],
    };
    sessions.iter().zip(stats).map(|(session, stat)| describe(session, &stat)).collect()
}

fn describe(session: &Session, stat: &Value) -> Value {
    // A value of the type `JSONString`.
    let stat = if stat.is_null() { Value::Null } else { json!(stat.to_string()) };
    let spec = &session.spec;
    let changed = session.history().values().max().copied().map(iso);
    let info = session.status_info();
    let kernel = json!({
        "id": session.id(), "row_id": session.id(), "cluster_role": "main", "cluster_idx": 1,
        "cluster_hostname": "main1", "session_id": session.id(), "image": spec.image, "status": session.status(),
        "status_info": info, "status_changed": changed, "container_id": null, "occupied_slots": "{}",
        "resource_opts": "{}", "live_stat": stat, "last_stat": stat,
    });
    json!({
        "id": session.id(), "row_id": session.id(), "session_id": session.id(), "sess_id": session.name(),
        "name": session.name(), "type": "interactive", "sess_type": "interactive", "session_type": "interactive",
        "image": spec.image, "lang": spec.image, "image_references": [spec.image],
        "architecture": std::env::consts::ARCH, "registry": "local", "tag": spec.tag, "domain_name": "default",
        "group_name": "default", "cluster_mode": "single-node", "cluster_size": 1, "priority": 10,
        "status": session.status(), "status_info": info, "status_changed": changed,
        "created_at": iso(spec.created), "terminated_at": session.ended().map(iso), "result": "undefined",
        "service_ports": "[]", "occupying_slots": "{}", "occupied_slots": "{}", "requested_slots": "{}",
        "resource_opts": "{}", "vfolder_mounts": [], "mounts": [], "num_queries": session.queries(),
        "containers": [kernel.clone()], "kernel_nodes": {"edges": [{"node": kernel}], "count": 1},
    })
}

async fn images() -> Value {
    let found = bai_runner::images().await;
    let describe = |image: bai_runner::FoundImage| {
        let (name, tag) = image.name.split_once(':').unwrap_or((&image.name, "latest"));
        json!({
            "name": name, "humanized_name": name, "tag": tag, "registry": "local", "aliases": [image.name],
            "architecture": std::env::consts::ARCH, "installed": true, "digest": null, "size_bytes": null,
            "labels": [
                {"key": "ai.backend.runtime-type", "value": image.language},
                {"key": "ai.backend.runtime-path", "value": image.executable},
                {"key": "ai.backend.features", "value": "batch query uid-match user-input"},
            ],
            "supported_accelerators": [], "resource_limits": [],
        })
    };
    Value::Array(found.into_iter().map(describe).collect())
}

/// Selects the requested fields from each element of a list.
fn project(source: &Value, fields: &[Field], budget: &mut Budget) -> Result<Value, String> {
    match source {
        Value::Array(items) => {
            let items = items.iter().map(|item| project(item, fields, budget));
            Ok(Value::Array(items.collect::<Result<_, _>>()?))
        }
        Value::Object(object) if !fields.is_empty() => {
            let mut pick = |field: &Field| {
                budget.spend(field.alias.len())?;
                let value = object.get(&field.name).unwrap_or(&Value::Null);
                Ok((field.alias.clone(), project(value, &field.fields, budget)?))
            };
            Ok(Value::Object(fields.iter().map(&mut pick).collect::<Result<_, String>>()?))
        }
        other => {
            budget.spend(limits::size(other))?;
            Ok(other.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requested_fields_are_returned() {
        let fields = parse::parse("{ n: name items { id gone } }", &Value::Null).unwrap();
        let source = json!({"name": "x", "secret": 1, "items": [{"id": 1, "more": 2}, {"id": 2}]});
        let expected = json!({"n": "x", "items": [{"id": 1, "gone": null}, {"id": 2, "gone": null}]});
        assert_eq!(project(&source, &fields, &mut Budget::of_answer()), Ok(expected));
    }

    #[test]
    fn an_answer_that_would_be_too_large_is_an_error() {
        let aliases: String = (0..900).map(|n| format!("a{n}: name ")).collect();
        let fields = parse::parse(&format!("{{ items {{ {aliases} }} }}"), &Value::Null).unwrap();
        let source = |count: usize| json!({"items": vec![json!({"name": "x".repeat(100)}); count]});
        assert!(project(&source(50), &fields, &mut Budget::of_answer()).is_ok());
        let error = project(&source(100), &fields, &mut Budget::of_answer()).unwrap_err();
        assert!(error.contains("size of an answer"), "{error}");
    }

    #[test]
    fn global_ids_are_decoded() {
        assert_eq!(local_id("Y29tcHV0ZV9zZXNzaW9uX25vZGU6dS0x"), "u-1");
        assert_eq!(local_id("6a6eff4e-365e-4983-9e0f-d8996bc43202"), "6a6eff4e-365e-4983-9e0f-d8996bc43202");
        assert_eq!(local_id("work"), "work");
    }
}
