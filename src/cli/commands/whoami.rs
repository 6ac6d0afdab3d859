//! `bai-repl whoami` and `config show`: which server is used and as whom, what said so, and what the server says about the user: projects,
//! limits, and what is in use. `config show` asks no server.

use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::server::{self, Server};
use crate::cli::table;
use crate::config::{Cluster, Identity, Paths, Target};
use crate::format;
use bai_client::{ClientError, ErrorKind, PresetCheck, WhoAmI};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Facts for people, and for programs.
#[derive(Default)]
struct Facts {
    lines: Vec<(String, String)>,
    json: Map<String, Value>,
}

impl Facts {
    fn add(&mut self, name: &str, text: impl Into<String>, key: &str, json: Value) {
        self.json.insert(key.to_owned(), json);
        let text = text.into();
        if !text.is_empty() {
            self.lines.push((name.to_owned(), text));
        }
    }

    fn print(&self, context: &CommandContext) -> Result<ExitStatus, CliError> {
        let lines: Vec<_> = self.lines.iter().map(|(name, text)| (name.as_str(), text.clone())).collect();
        table::print_facts(context, &Value::Object(self.json.clone()), &lines)
    }
}

/// Shows what is configured.
pub(in crate::cli) fn show(context: &CommandContext) -> Result<ExitStatus, CliError> {
    configured(context)?.0.print(context)
}

/// Shows what is configured, and what the server says about the user.
pub(in crate::cli) async fn run(context: &CommandContext) -> Result<ExitStatus, CliError> {
    let (mut facts, cluster) = configured(context)?;
    let Some(cluster) = cluster else { return facts.print(context) };
    let server = Server::find(context).await?;
    let unknown = |error: ClientError| {
        CliError::from(error).hint("bai-repl config show tells which server is used, and as whom")
    };
    let user = optional(server.api.who_am_i().await).map_err(unknown)?.unwrap_or_default();
    add_user(&mut facts, &user);
    let groups = optional(server.api.scaling_groups(Some(&cluster.group)).await)?.unwrap_or_default();
    facts.add("resource groups", groups.join(", "), "resource_groups", json!(groups));
    if let Some(check) = optional(server.api.check_presets(Some(&cluster.group), None).await)? {
        add_resources(&mut facts, &check);
    }
    facts.print(context)
}

/// What an answer says, unless the server does not give it.
fn optional<T>(answer: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error)
            if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported | ErrorKind::Refused) =>
        {
            tracing::debug!(%error, "the server does not tell");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The server and the identity, and what said so.
fn configured(context: &CommandContext) -> Result<(Facts, Option<Cluster>), CliError> {
    let origin = server::origin(context)?;
    let mut facts = Facts::default();
    let target = server::target(context)?;
    let endpoint = match &target {
        Target::Cluster(cluster) => cluster.endpoint.clone(),
        Target::Embedded => "this machine: the engine in this program".to_owned(),
    };
    facts.add(
        "endpoint",
        endpoint,
        "endpoint",
        match &target {
            Target::Cluster(cluster) => json!(cluster.endpoint),
            Target::Embedded => json!("local"),
        },
    );
    facts.add("  said by", origin.endpoint.to_string(), "endpoint_from", json!(origin.endpoint.to_string()));
    if let Target::Cluster(cluster) = &target {
        match &cluster.identity {
            Identity::Keypair { access_key, .. } => {
                facts.add("access key", access_key.clone(), "access_key", json!(access_key));
            }
            Identity::WebSession { .. } => {
                facts.add(
                    "login",
                    server::login_name(context, &cluster.endpoint)?,
                    "access_key",
                    Value::Null,
                );
            }
        }
        let from = origin.identity.map(|source| source.to_string());
        facts.add("  said by", from.clone().unwrap_or_default(), "identity_from", json!(from));
        facts.add("domain", cluster.domain.clone(), "domain", json!(cluster.domain));
        facts.add("project", cluster.group.clone(), "project", json!(cluster.group));
        if cluster.insecure {
            facts.add("certificates", "are not checked", "insecure", json!(true));
        }
    }
    if let Some(paths) = Paths::of_user() {
        let file = paths.config_file();
        let text = bai_protocol::byte_text::shown_path(&file);
        let text = if file.exists() { text } else { format!("{text} (does not exist)") };
        facts.add("configuration", text, "configuration", json!(file.to_string_lossy()));
    }
    let cluster = match target {
        Target::Cluster(cluster) => Some(cluster),
        Target::Embedded => None,
    };
    Ok((facts, cluster))
}

fn add_user(facts: &mut Facts, user: &WhoAmI) {
    let details: Vec<_> = user.full_name.iter().chain(&user.role).map(String::as_str).collect();
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
    let shown = if user.email.is_empty() { String::new() } else { format!("{}{details}", user.email) };
    facts.add("user", shown, "user", json!(user));
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            facts.lines.push((name.to_owned(), text));
        }
    };
    line("projects", user.projects.join(", "));
    let sessions = user.sessions.map(|used| match user.max_sessions {
        Some(most) => format!("{used} of {most}"),
        None => used.to_string(),
    });
    let policy = user.policy.as_ref().map(|policy| format!(" (policy {policy})")).unwrap_or_default();
    line("sessions", sessions.map(|sessions| format!("{sessions}{policy}")).unwrap_or_default());
}

/// Adds a line for each resource that there is.
fn add_resources(facts: &mut Facts, check: &PresetCheck) {
    let mut resources = Map::new();
    for slot in check.keypair_using.keys().chain(check.scaling_group_remaining.keys()) {
        // What is not a number is no limit.
        let of = |amounts: &BTreeMap<String, String>| {
            amounts.get(slot)?.parse::<f64>().ok().filter(|amount| amount.is_finite())
        };
        let used = of(&check.keypair_using).unwrap_or(0.0);
        let free = of(&check.scaling_group_remaining);
        if resources.contains_key(slot) || used == 0.0 && free.unwrap_or(0.0) == 0.0 {
            continue;
        }
        let [key, project] = [of(&check.keypair_limits), of(&check.group_limits)];
        let amount = |amount: f64| format::amount(slot, amount);
        let limits = [("the key", key), ("the project", project)];
        let limits =
            limits.into_iter().filter_map(|(whose, limit)| Some(format!("{} for {whose}", amount(limit?))));
        let limits: Vec<_> = limits.collect();
        let limits =
            if limits.is_empty() { "no limit".to_owned() } else { format!("limit {}", limits.join(", ")) };
        let free_text = free.map(|free| format!(", {} free", amount(free))).unwrap_or_default();
        facts.lines.push((slot.clone(), format!("{} in use, {limits}{free_text}", amount(used))));
        let json = json!({"used": used, "key_limit": key, "project_limit": project, "free": free});
        resources.insert(slot.clone(), json);
    }
    facts.json.insert("resources".to_owned(), Value::Object(resources));
}
