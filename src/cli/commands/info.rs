//! `bai-repl info`: shows facts about one session. The values of its environment are not among them: they may be secrets.

use crate::cli::args::Subject;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::table;
use crate::repl::session_facts;
use serde_json::{Value, json};

/// Shows the facts. The JSON object has all fields of the server's answer, of the environment only the names, and `name`, `id` and the current usage as
/// `liveStat`.
pub(in crate::cli) async fn run(context: &CommandContext, subject: &Subject) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, subject).await?;
    let facts = session.facts().await?;
    let mut json = serde_json::to_value(&facts.info).unwrap_or_default();
    if let Value::Object(json) = &mut json {
        json.insert("name".to_owned(), json!(facts.name));
        json.insert("id".to_owned(), json!(facts.id));
        json.insert("liveStat".to_owned(), json!(facts.usage));
        if json.get("environ").is_some_and(|environ| !environ.is_null()) {
            let names = facts.info.environ().map(|environ| environ.into_keys().collect::<Vec<_>>());
            json.insert("environ".to_owned(), json!(names));
        }
    }
    table::print_facts(context, &json, &session_facts(&facts))
}
