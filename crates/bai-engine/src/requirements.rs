//! The requirements of a new session that this engine cannot meet. They are refused, so that no session lacks what its
//! creator asked for.

use super::error::{ApiError, ApiResult};
use axum::http::StatusCode;
use bai_protocol::create::IncomingCreate;

/// The slots of a machine, each with its unit. Requests may name them, and sessions are not limited by them: programs
/// use what the machine has.
pub(super) const SLOTS: [(&str, &str); 2] = [("cpu", "count"), ("mem", "bytes")];

/// Refuses what cannot be met.
pub(super) fn check(request: &IncomingCreate) -> ApiResult<()> {
    let refuse = |why: String| Err(ApiError::invalid_params(why));
    if let Some(kind) =
        request.session_type.as_deref().filter(|kind| !kind.eq_ignore_ascii_case("interactive"))
    {
        return refuse(format!(
            "type: the embedded engine has interactive sessions, and none of type {kind}"
        ));
    }
    if let Some(size) = request.cluster_size.filter(|size| *size != 1) {
        return refuse(format!("clusterSize: a session of the embedded engine has 1 container, not {size}"));
    }
    if let Some(slot) = request.slots.iter().find(|slot| SLOTS.iter().all(|(name, _)| name != slot)) {
        let known = SLOTS.map(|(name, _)| name).join(", ");
        return refuse(format!("resources: this machine has no {slot}; it has {known}"));
    }
    if !request.mounts.is_empty() {
        let names: Vec<_> = request.mounts.iter().map(String::as_str).collect();
        let title = "No such virtual folder.";
        let why = format!("the embedded engine has no virtual folders: {}", names.join(", "));
        let code = "vfolder_read_not-found";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "object-not-found", title, code).because(why));
    }
    let others = [
        ("dependencies", !request.dependencies.is_empty(), "sessions that depend on others"),
        ("callback_url", request.callback_url.is_some(), "calls when the status changes"),
        ("agentList", !request.agents.is_empty(), "agents"),
        ("attach_network", request.network.is_some(), "networks"),
    ];
    match others.iter().find(|(_, is_asked_for, _)| *is_asked_for) {
        Some((key, _, what)) => refuse(format!("{key}: the embedded engine has no {what}")),
        None => Ok(()),
    }
}
