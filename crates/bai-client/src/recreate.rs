//! Replacing a session by a new one: for servers that cannot restart (`docs/wire` §10, row 38), and for sessions that
//! accept no more code.

use super::create::Created;
use super::error::ClientError;
use super::session::ComputeSession;
use bai_protocol::create::CreateRequest;
use bai_protocol::status::SessionStatus;
use serde_json::Value;
use std::collections::BTreeMap;

impl ComputeSession {
    /// Destroys the session and creates one of the same name. **Everything in it is lost**: variables, processes, and
    /// all files that are not in a virtual folder. Call it only when the user has agreed to that.
    ///
    /// `request` is the request of the old session, or [`ComputeSession::blueprint`]. Its name is replaced by this
    /// session's name, and an existing session of that name is never reused. `on_status` gets each status of the new
    /// session.
    ///
    /// # Errors
    /// As [`ComputeSession::destroy`] and [`ComputeSession::create`]; [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) when the
    /// old session does not end within 90 s.
    pub async fn recreate(
        &self,
        request: CreateRequest,
        on_status: impl FnMut(&SessionStatus) + Send,
    ) -> Result<(ComputeSession, Created), ClientError> {
        self.end().await?;
        let request = CreateRequest { name: self.name().to_owned(), reuse: false, ..request };
        ComputeSession::create(self.api(), request, on_status).await
    }

    /// A request for a session like this one, from the server's information: image, type, resources, project,
    /// virtual folders, environment, preopen ports. The server does not report the bootstrap script, dependencies,
    /// agents, and where and how virtual folders are mounted.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) before 20.03; else what the server says.
    pub async fn blueprint(&self) -> Result<CreateRequest, ClientError> {
        let summary = self.summary().await?;
        let info = self.info().await?;
        let preopen = summary.service_ports.iter().filter(|port| port.protocol == "preopen");
        let slots = if summary.requested_slots.is_empty() {
            &summary.occupied_slots
        } else {
            &summary.requested_slots
        };
        // The server writes a `Decimal`; zero means not requested.
        let slots = slots.iter().filter(|(_, amount)| amount.parse::<f64>() != Ok(0.0));
        Ok(CreateRequest {
            name: self.name().to_owned(),
            session_type: summary.session_type(),
            image: summary.image.or_else(|| info.image().map(str::to_owned)).unwrap_or_default(),
            architecture: summary.architecture,
            group: summary.group,
            domain: summary.domain,
            cluster_size: summary.cluster_size,
            cluster_mode: summary.cluster_mode.map(|mode| mode.to_ascii_lowercase().replace('_', "-")),
            tag: summary.tag.filter(|tag| !tag.is_empty()),
            priority: summary.priority,
            startup_command: summary.startup_command,
            environ: info.environ().unwrap_or_default(),
            mounts: summary.mounts,
            resources: slots.map(|(key, amount)| (key.clone(), whole(amount))).collect(),
            resource_opts: shared_memory(&summary.resource_opts).into_iter().collect(),
            scaling_group: summary.scaling_group,
            preopen_ports: preopen.flat_map(|port| port.ports.clone()).collect(),
            ..CreateRequest::default()
        })
    }
}

/// The shared memory among the options. Newer servers have it for each container; that of the first one is used. Other
/// options are the server's own.
fn shared_memory(options: &BTreeMap<String, String>) -> Option<(String, String)> {
    let nested = |text: &String| serde_json::from_str::<Value>(text).ok()?.get("shmem").cloned();
    let found =
        options.get("shmem").cloned().map(Value::from).or_else(|| options.values().find_map(nested))?;
    let amount = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    Some(("shmem".to_owned(), amount))
}

/// An amount without zeros after its decimal point, which requests for bytes must not have.
fn whole(amount: &str) -> String {
    match amount.split_once('.') {
        Some((whole, part)) if part.bytes().all(|b| b == b'0') => whole.to_owned(),
        _ => amount.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_is_read_from_the_key_of_each_server() {
        let of = |key: &str, value: &str| shared_memory(&[(key.to_owned(), value.to_owned())].into());
        assert_eq!(of("shmem", "64m"), Some(("shmem".into(), "64m".into())));
        assert_eq!(of("main1", r#"{"shmem":134217728}"#), Some(("shmem".into(), "134217728".into())));
        assert_eq!(of("main1", "{}"), None);
    }

    #[test]
    fn amounts_lose_only_trailing_zeros() {
        assert_eq!(["1.000000", "536870912", "0.5"].map(whole), ["1", "536870912", "0.5"]);
    }
}
