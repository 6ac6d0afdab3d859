//! The facts about a session as text, for `bai-repl info` and `:info`.

use crate::format;
use crate::render::sanitize;
use bai_client::SessionFacts;

/// Maximum width of a value.
const VALUE_WIDTH: usize = 800;

/// The names and values of the facts, in the order in which they are shown, each value as one harmless line. Facts that the
/// server left out are missing.
pub(crate) fn rows(facts: &SessionFacts) -> Vec<(&'static str, String)> {
    let info = &facts.info;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let rows = [
        ("name", Some(facts.name.clone())),
        ("id", facts.id.clone()),
        ("endpoint", Some(facts.endpoint.clone())),
        ("status", info.status.as_ref().map(ToString::to_string)),
        ("reason", info.status_info.clone()),
        ("image", owned(info.image())),
        ("interpreter", info.interpreter.clone()),
        ("note", info.note.clone()),
        ("architecture", info.architecture.clone()),
        ("age", facts.age().map(format::age)),
        ("created", info.creation_time.as_deref().map(format::time)),
        ("ended", info.termination_time.as_deref().map(format::time)),
        ("cells", info.cells().map(|count| count.to_string())),
        ("run", info.current_run_id.clone()),
        ("left run", info.left_run_id.clone()),
        ("resources", info.resources()),
        ("uses", format::usage(&facts.usage)),
        ("project", facts.project.clone()),
        ("domain", info.domain_name.clone()),
        ("tag", info.tag.clone()),
    ];
    let is_known = |value: &String| !matches!(value.as_str(), "" | "{}" | "None");
    rows.into_iter()
        .filter_map(|(name, value)| Some((name, sanitize::title(&value.filter(is_known)?, VALUE_WIDTH))))
        .collect()
}
