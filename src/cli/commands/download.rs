//! `bai-repl download`: files and folders of a session to this machine. The names that a server gives its files are checked
//! before a path is made from them.

use super::transfer::{self, TransferEnd};
use crate::cli::args::{Download as DownloadCommand, DownloadFlags};
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::progress::TransferProgress;
use crate::cli::table;
use crate::format;
use crate::render::sanitize;
use crate::terminal::Screen;
use bai_client::{
    ClientError, ComputeSession, DownloadOptions, LINK_LEFT_OUT, Progress, SPECIAL_LEFT_OUT, SymbolicLink,
    create_local_link,
};
use bai_protocol::byte_text;
use bai_protocol::files::{DOWNLOAD_LIMIT, FileEntry, MAX_DOWNLOAD_FILES};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file to download.
#[derive(Debug, Clone)]
struct PlannedFile {
    /// Its path in the session.
    from: String,
    /// Its folder on this machine, below the target.
    folder: PathBuf,
    name: String,
    bytes: u64,
}

/// The files to download, and those left out, each with the reason.
#[derive(Debug, Default)]
struct DownloadPlan {
    files: Vec<PlannedFile>,
    folders: Vec<PathBuf>,
    links: Vec<PlannedFile>,
    left_out: Vec<String>,
}

/// Copies files from the session that the command line names.
pub(in crate::cli) async fn run(
    context: &CommandContext,
    command: &DownloadCommand,
) -> Result<ExitStatus, CliError> {
    let (_server, session) = super::session(context, &command.subject).await?;
    download(context, &session, &command.flags).await
}

/// Copies files from this session. A file of this machine is replaced only with `--force`.
pub(in crate::cli) async fn download(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &DownloadFlags,
) -> Result<ExitStatus, CliError> {
    if flags.to == Path::new("-") {
        return download_to_stdout(session, &flags.paths).await;
    }
    let plan = plan_download(context, session, &flags.paths).await?;
    check_targets(&plan, flags)?;
    let total: u64 = plan.files.iter().map(|file| file.bytes).sum();
    let bar = TransferProgress::start(context, total);
    let mut arrived = Downloaded::default();
    let mut left_out = Vec::new();
    let ended = transfer::until_ctrl_c(async {
        download_files(session, &plan, flags, &bar, &mut arrived).await?;
        make_links(session, &plan.links, flags, &mut left_out).await
    });
    let ended = ended.await;
    left_out.extend(plan.left_out);
    left_out.iter().for_each(|why| bar.print(why));
    drop(bar);
    for (from, to, bytes) in arrived.files.iter().filter(|_| context.global.json) {
        let to = to.display().to_string();
        let event = json!({"event": "downloaded", "from": from, "to": to, "bytes": bytes});
        table::put_json(&event)?;
    }
    if ended? == TransferEnd::Interrupted {
        return Ok(ExitStatus::Remote(130));
    }
    if !context.global.json {
        let count = arrived.files.len();
        let noun = if count == 1 { "file" } else { "files" };
        let bytes = arrived.files.iter().map(|(_, _, bytes)| bytes).sum();
        let sentence = format!("{count} {noun}, {} to {}", format::size(bytes), flags.to.display());
        table::report(context, &json!({}), &sentence)?;
    }
    Ok(if arrived.missing { ExitStatus::Failed } else { transfer::exit_status(&left_out) })
}

/// Writes one file to standard output: byte for byte, but to a terminal without control characters.
async fn download_to_stdout(session: &ComputeSession, paths: &[String]) -> Result<ExitStatus, CliError> {
    let [path] = paths else {
        return Err(CliError::new(ExitStatus::Usage, "only one file can be written to standard output"));
    };
    let content = match session.read_file(path).await {
        Ok(content) => content,
        Err(_) if session.list_files(path).await.is_ok() => {
            let why = format!(
                "{} is a folder; only a single file can go to standard output",
                byte_text::shown(path)
            );
            return Err(CliError::new(ExitStatus::Usage, why));
        }
        Err(error) => return Err(error.into()),
    };
    let written = if Screen::detect().stdout_tty {
        table::write(&sanitize::text(&String::from_utf8_lossy(&content)))
    } else {
        table::write_bytes(&content)
    };
    written.map(|_| ExitStatus::Ok)
}

/// The files that have arrived: path in the session, path here, size in bytes.
#[derive(Debug, Default)]
struct Downloaded {
    files: Vec<(String, PathBuf, u64)>,
    bytes: u64,
    missing: bool,
}

async fn download_files(
    session: &ComputeSession,
    plan: &DownloadPlan,
    flags: &DownloadFlags,
    bar: &TransferProgress,
    arrived: &mut Downloaded,
) -> Result<(), CliError> {
    for folder in &plan.folders {
        create_folder(&flags.to, folder)?;
    }
    let options = DownloadOptions { overwrite: flags.force };
    for group in group_into_requests(&plan.files) {
        let Some(first) = group.first() else { continue };
        let before = arrived.bytes;
        let into = create_folder(&flags.to, &first.folder)?;
        let paths: Vec<_> = group.iter().map(|file| file.from.clone()).collect();
        bar.at(&first.name, before);
        let on_progress = |progress: &Progress<'_>| bar.at(&first.name, before + progress.all_done);
        let downloaded = session.download_with(&paths, &into, options, on_progress).await?;
        for skipped in &downloaded.skipped {
            bar.print(&format!("{} is left out: {}", skipped.name, skipped.why));
        }
        for file in group {
            arrived.bytes += file.bytes;
            let name = byte_text::path(&file.name);
            if downloaded.files.contains(&name) {
                arrived.files.push((file.from.clone(), into.join(&name), file.bytes));
            } else {
                arrived.missing = true;
                bar.print(&format!("{} did not arrive", byte_text::shown(&file.from)));
            }
        }
    }
    Ok(())
}

/// Makes the symbolic links that lead to a place inside of their folder, after all files: no file is written through a link.
async fn make_links(
    session: &ComputeSession,
    links: &[PlannedFile],
    flags: &DownloadFlags,
    left_out: &mut Vec<String>,
) -> Result<(), CliError> {
    if links.is_empty() {
        return Ok(());
    }
    let paths: Vec<_> = links.iter().map(|link| link.from.clone()).collect();
    let targets = session.read_links(&paths).await?;
    for (link, target) in links.iter().zip(targets) {
        let PlannedFile { from, folder, name, .. } = link;
        let known = SymbolicLink { path: from.clone(), target: target.unwrap_or_default() };
        // The first folder is the one that is copied.
        if known.stays_inside(folder.components().count().saturating_sub(1)) {
            let into = create_folder(&flags.to, folder)?;
            create_local_link(into, name, &known.target, flags.force).await?;
        } else {
            left_out.push(format!("{} is left out: {LINK_LEFT_OUT}", byte_text::shown(from)));
        }
    }
    Ok(())
}

/// Groups the files into requests: small files of one folder are downloaded together.
fn group_into_requests(files: &[PlannedFile]) -> Vec<&[PlannedFile]> {
    let mut groups = Vec::new();
    let mut rest = files;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = |file: &&PlannedFile| {
            bytes += file.bytes;
            file.folder == first.folder && bytes < DOWNLOAD_LIMIT / 2
        };
        let count = rest.iter().take(MAX_DOWNLOAD_FILES).take_while(fits).count().max(1);
        let (group, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        groups.push(group);
        rest = after;
    }
    groups
}

/// Creates a folder below the target if it does not exist. Links in the path are not followed: the server may have chosen
/// their names.
fn create_folder(target: &Path, folder: &Path) -> Result<PathBuf, CliError> {
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        CliError::new(ExitStatus::Failed, format!("cannot create the folder {}: {error}", path.display()))
    };
    if let Some(file) = target.ancestors().find(|path| path.is_file()) {
        return Err(bai_client::not_a_folder("download", &file.display().to_string()).into());
    }
    std::fs::create_dir_all(target).map_err(|error| failed(target, &error))?;
    let mut path = target.to_owned();
    for part in folder.components() {
        path.push(part);
        match std::fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
                if !is_folder {
                    return Err(failed(&path, &"a link or a file has that name"));
                }
            }
            Err(error) => return Err(failed(&path, &error)),
        }
    }
    Ok(path)
}

/// Checks that no two files have the same target, and without `--force` that no target exists.
fn check_targets(plan: &DownloadPlan, flags: &DownloadFlags) -> Result<(), CliError> {
    let mut targets = BTreeSet::new();
    let mut existing = Vec::new();
    for file in plan.files.iter().chain(&plan.links) {
        let target = flags.to.join(&file.folder).join(byte_text::path(&file.name));
        if std::fs::symlink_metadata(&target).is_ok() {
            existing.push(target.display().to_string());
        }
        if !targets.insert(target) {
            let name = file.folder.join(byte_text::path(&file.name));
            return Err(CliError::new(
                ExitStatus::Usage,
                format!("two of the files would be saved as {}", name.display()),
            ));
        }
    }
    if flags.force || existing.is_empty() {
        return Ok(());
    }
    Err(ClientError::already_exists("download", existing).into())
}

/// Finds the files to download: those that are named, and all files in folders that are named.
async fn plan_download(
    context: &CommandContext,
    session: &ComputeSession,
    paths: &[String],
) -> Result<DownloadPlan, CliError> {
    let mut plan = DownloadPlan::default();
    for path in paths {
        let trimmed = path.trim_end_matches('/');
        let (parent, name) = match trimmed.rsplit_once('/') {
            Some(("", name)) => ("/", name),
            Some((parent, name)) => (parent, name),
            None => (".", trimmed),
        };
        if matches!(name, "" | "." | "..") {
            let all = if path.is_empty() { "." } else { path };
            plan.add_folder(session, all, PathBuf::new(), 0).await?;
            continue;
        }
        let entries = session.list_files(parent).await?;
        let Some(entry) = entries.into_iter().find(|entry| entry.filename == name) else {
            return Err(CliError::new(
                ExitStatus::NotFound,
                format!("{}: no such file or folder in the session", byte_text::shown(path)),
            )
            .hint(format!("{} lists the files", context.front_end.session_command("files"))));
        };
        plan.add(session, trimmed, entry, PathBuf::new(), 0).await?;
    }
    Ok(plan)
}

impl DownloadPlan {
    async fn add(
        &mut self,
        session: &ComputeSession,
        from: &str,
        entry: FileEntry,
        folder: PathBuf,
        depth: usize,
    ) -> Result<(), CliError> {
        let mut leave_out = |why: &str| {
            self.left_out.push(format!("{} is left out: {why}", byte_text::shown(from)));
            Ok(())
        };
        if !is_name(&entry.filename) {
            return leave_out("a file on this machine cannot have that name");
        }
        if depth > transfer::MAX_DEPTH || self.files.len() > transfer::MAX_FILES {
            return leave_out(transfer::TOO_MANY);
        }
        if entry.is_dir() {
            let folder = folder.join(byte_text::path(&entry.filename));
            self.folders.push(folder.clone());
            return Box::pin(self.add_folder(session, from, folder, depth + 1)).await;
        }
        let (is_file, is_link) = (entry.mode.starts_with('-'), entry.mode.starts_with('l'));
        if !is_file && !is_link {
            return leave_out(SPECIAL_LEFT_OUT);
        }
        let bytes = if is_link { 0 } else { entry.size };
        let planned = PlannedFile { from: from.to_owned(), folder, name: entry.filename, bytes };
        if is_link {
            self.links.push(planned)
        } else {
            self.files.push(planned)
        }
        Ok(())
    }

    async fn add_folder(
        &mut self,
        session: &ComputeSession,
        from: &str,
        folder: PathBuf,
        depth: usize,
    ) -> Result<(), CliError> {
        let mut entries = session.list_files(from).await?;
        entries.sort_by(|a, b| a.filename.cmp(&b.filename));
        for entry in entries {
            let from = format!("{}/{}", from.trim_end_matches('/'), entry.filename);
            self.add(session, &from, entry, folder.clone(), depth).await?;
        }
        Ok(())
    }
}

/// Whether this is the name of one file, and not a path to another place.
fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && byte_text::bytes(name).len() <= 255 && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(folder: &str, name: &str, bytes: u64) -> PlannedFile {
        PlannedFile { from: format!("{folder}/{name}"), folder: folder.into(), name: name.to_owned(), bytes }
    }

    #[test]
    fn small_files_of_a_folder_are_downloaded_together() {
        let few: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|name| file("x", name, 10)).into();
        assert_eq!(group_into_requests(&few).iter().map(|group| group.len()).collect::<Vec<_>>(), [5, 1]);
        let mixed = [file("x", "a", 1), file("y", "b", 1), file("y", "c", 900_000), file("y", "d", 1)];
        assert_eq!(
            group_into_requests(&mixed).iter().map(|group| group.len()).collect::<Vec<_>>(),
            [1, 1, 1, 1]
        );
        assert!(group_into_requests(&[]).is_empty());
    }

    #[test]
    fn a_name_is_not_a_path() {
        for name in ["..", ".", "", "a/b", "/etc", "a\0", &"x".repeat(256)] {
            assert!(!is_name(name), "{name}");
        }
        for name in ["a", "...", "한글", "-", "a b\n"] {
            assert!(is_name(name), "{name}");
        }
    }

    #[test]
    fn links_in_the_path_are_not_followed() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(elsewhere.path(), here.path().join("sub")).unwrap();
        assert!(create_folder(here.path(), Path::new("sub/deep")).is_err());
        assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
        assert!(create_folder(here.path(), Path::new("a/b")).unwrap().is_dir());
        assert!(create_folder(here.path(), Path::new("a/b")).unwrap().is_dir());
    }
}
