//! `bai-repl files`: the files of a session, as a list or full screen.

use crate::cli::args::{Files, FilesFlags};
use crate::cli::context::CommandContext;
use crate::cli::display;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::json_lines;
use crate::cli::table::{self, Column, Row};
use crate::format;
use crate::terminal::Screen;
use bai_client::ComputeSession;
use bai_protocol::files::FileEntry;
use jiff::Timestamp;
use serde_json::Map;
use tokio::runtime::Runtime;

/// Shows the files of the session that the command line names: full screen in a terminal; as text with a folder, with
/// `--json`, and if the terminal cannot show full screens.
pub(in crate::cli) fn run(
    runtime: &Runtime,
    context: &CommandContext,
    command: &Files,
) -> Result<ExitStatus, CliError> {
    let screen = Screen::detect();
    let full_screen = screen.interactive() && !screen.dumb && !context.global.json;
    let (_server, session) = runtime.block_on(super::session(context, &command.subject))?;
    if command.flags.path.is_some() || !full_screen {
        return runtime.block_on(list_files(context, &session, &command.flags));
    }
    let appearance = display::for_views(context)?;
    crate::panes::show_files(runtime.handle(), session, ".", &appearance, false)
        .map_err(|error| CliError::new(ExitStatus::Failed, format!("cannot use the terminal: {error}")))?;
    Ok(ExitStatus::Ok)
}

/// Lists the files in a folder of this session, sorted by name.
pub(in crate::cli) async fn list_files(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &FilesFlags,
) -> Result<ExitStatus, CliError> {
    let mut entries = session.list_files(flags.path.as_deref().unwrap_or(".")).await?;
    entries.sort_by(|a, b| a.filename.cmp(&b.filename));
    let columns = [Column::of("mode"), Column::number("size"), Column::of("modified"), Column::of("name")];
    table::print(context, &columns, &entries.iter().map(row).collect::<Vec<_>>())
}

pub(super) fn row(entry: &FileEntry) -> Row {
    // Only whole seconds are shown; a time out of range is left out.
    #[allow(clippy::cast_possible_truncation)]
    let modified =
        Timestamp::from_second(entry.mtime as i64).map(|time| time.to_string()).unwrap_or_default();
    let is_folder = entry.is_dir();
    let name = if is_folder { format!("{}/", entry.filename) } else { entry.filename.clone() };
    let mut object = Map::new();
    json_lines::add_name(&mut object, "name", &entry.filename);
    object.insert("mode".to_owned(), entry.mode.clone().into());
    object.insert("size".to_owned(), entry.size.into());
    object.insert("modified".to_owned(), modified.clone().into());
    object.insert("folder".to_owned(), is_folder.into());
    Row {
        json: object.into(),
        cells: vec![
            entry.mode.clone(),
            if is_folder { String::new() } else { format::size(entry.size) },
            format::ago(&modified, Timestamp::now()),
            name,
        ],
    }
}
