//! `bai-repl info`: what is known about one session.

use crate::cli::args::Subject;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use crate::format;
use bai_client::ComputeSession;
use bai_protocol::info::SessionInfo;
use bai_protocol::live_stat::LiveStat;
use serde_json::{Value, json};
use std::time::Duration;

/// Shows it. Programs get all that the server says, under the server's names, with `name`, `id` and, as `liveStat`, what the
/// session uses now beside it.
pub(in crate::cli) async fn run(context: &CommandContext, subject: &Subject) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    let info = session.info().await?;
    // A server that does not tell has nothing to be told about.
    let stat = session.live_stat().await.unwrap_or_default();
    let mut json = serde_json::to_value(&info).unwrap_or_default();
    if let Value::Object(json) = &mut json {
        json.insert("name".to_owned(), json!(session.name()));
        json.insert("id".to_owned(), json!(session.id()));
        json.insert("liveStat".to_owned(), json!(stat));
    }
    table::print_facts(context, &json, &facts(&session, &info, &stat))
}

/// What a person wants to know; what the server left out is left out.
fn facts(session: &ComputeSession, info: &SessionInfo, stat: &LiveStat) -> Vec<(&'static str, String)> {
    let server = |key: &str| info.rest.get(key).and_then(Value::as_str).map(str::to_owned);
    // A whole number of milliseconds that is not negative.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let age = info.age.filter(|age| *age >= 0.0).map(|age| format::age(Duration::from_millis(age as u64)));
    let facts = [
        ("name", Some(session.name().to_owned())),
        ("id", session.id().map(str::to_owned)),
        ("status", info.status.as_ref().map(ToString::to_string)),
        ("reason", info.status_info.clone()),
        ("image", info.image().map(str::to_owned)),
        ("interpreter", info.interpreter.clone()),
        ("note", info.note.clone()),
        ("architecture", info.architecture.clone()),
        ("age", age),
        ("created", info.creation_time.clone()),
        ("ended", info.termination_time.clone()),
        ("cells", info.cells().map(|count| count.to_string())),
        ("run", server("currentRunId")),
        ("resources", info.resources()),
        ("uses", format::usage(stat)),
        ("project", server("groupId")),
        ("domain", server("domainName")),
        ("tag", info.tag.clone()),
    ];
    let told = |value: &String| !matches!(value.as_str(), "" | "{}" | "None");
    facts.into_iter().filter_map(|(name, value)| Some((name, value.filter(told)?))).collect()
}
