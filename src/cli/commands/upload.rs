//! `bai-repl upload`: files and folders of this machine to a session.

use super::transfer::{self, TransferEnd};
use crate::cli::args::{Upload as UploadCommand, UploadFlags};
use crate::cli::closed_streams;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use crate::cli::json_lines;
use crate::cli::progress::TransferProgress;
use crate::cli::readiness::Patience;
use crate::cli::table;
use crate::format;
use bai_client::{
    ComputeSession, LINK_DANGLES, LINK_LEADS_TO_ITSELF, LINK_LEFT_OUT, SPECIAL_LEFT_OUT, SymbolicLink,
    UNREADABLE, Upload, UploadOptions, Uploaded,
};
use bai_protocol::byte_text;
use bai_protocol::machine_limit::explain;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use serde_json::json;
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The permissions of a folder that other users may read, as servers make one.
const PUBLIC: u32 = 0o055;
/// Maximum size of a file from standard input.
const INPUT_LIMIT: u64 = 1 << 30;

/// A file to upload, and its size.
#[derive(Debug)]
struct PlannedFile {
    upload: Upload,
    bytes: u64,
}

/// The files to upload, and those left out, each with the reason.
#[derive(Debug, Default)]
pub(in crate::cli) struct UploadPlan {
    files: Vec<PlannedFile>,
    /// Folders that no file brings along, that are closed to other users, or that have links in them: the session makes these, and must be allowed to.
    folders: Vec<Upload>,
    /// Symbolic links that lead to a place inside of their folder.
    pub(super) links: Vec<SymbolicLink>,
    /// Whether one file or folder was named. It must be readable.
    is_only_one: bool,
    /// A sentence for each file that is left out.
    pub(in crate::cli) left_out: Vec<String>,
}

/// What is uploaded.
#[derive(Debug)]
enum UploadSource {
    Files(UploadPlan),
    /// Standard input, as one file.
    Stdin,
}

/// Copies files to the session that the command line names. A mistake in the flags is reported before the first request.
pub(in crate::cli) async fn run(
    context: &CommandContext,
    command: &UploadCommand,
) -> Result<ExitStatus, CliError> {
    let source = find_source(&command.flags).await?;
    let (_server, session) = super::session(context, &command.subject).await?;
    upload_source(context, &session, source, &command.flags).await
}

/// Copies files to this session. A file of the session is replaced only with `--force`.
pub(in crate::cli) async fn upload(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &UploadFlags,
) -> Result<ExitStatus, CliError> {
    upload_source(context, session, find_source(flags).await?, flags).await
}

/// Finds what is uploaded.
async fn find_source(flags: &UploadFlags) -> Result<UploadSource, CliError> {
    if is_stdin(&flags.files, &flags.to, "bai-repl upload SESSION")? {
        return Ok(UploadSource::Stdin);
    }
    let (files, to) = (flags.files.clone(), flags.to.clone());
    let plan = tokio::task::spawn_blocking(move || plan_into_folder(&files, &to)).await;
    plan.map_err(|error| CliError::new(ExitStatus::Failed, error))?.map(UploadSource::Files)
}

/// Whether standard input is to be uploaded, which needs a name and is alone. `command` is what the user types before it.
pub(super) fn is_stdin(files: &[PathBuf], to: &str, command: &str) -> Result<bool, CliError> {
    if files.iter().all(|file| file != Path::new("-")) {
        return Ok(false);
    }
    if files.len() > 1 {
        let why = "standard input cannot be uploaded together with files";
        return Err(CliError::new(ExitStatus::Usage, why));
    }
    if matches!(to, "" | ".") || to.ends_with('/') {
        return Err(CliError::new(ExitStatus::Usage, "standard input has no name of its own")
            .hint(format!("give it one: {command} - --to FILE")));
    }
    Ok(true)
}

async fn upload_source(
    context: &CommandContext,
    session: &ComputeSession,
    source: UploadSource,
    flags: &UploadFlags,
) -> Result<ExitStatus, CliError> {
    let UploadSource::Files(plan) = source else { return upload_stdin(context, session, flags).await };
    let total = plan.bytes();
    let bar = TransferProgress::start(context, total);
    let uploads = plan.uploads();
    let mut arrived = Uploaded::default();
    let options = UploadOptions { overwrite: flags.force };
    let sent = session.upload_into(&uploads, options, &mut arrived, |progress| {
        bar.at(progress.name, progress.all_done);
    });
    let patience = Patience::of(flags.wait.max_wait);
    let ended = transfer::until_signal(session, patience, async {
        sent.await?;
        Ok(session.create_links(&plan.links, flags.force).await?)
    });
    let ended = ended.await;
    plan.left_out.iter().for_each(|why| bar.print(why));
    transfer::print_left_out(&bar, &arrived.skipped);
    drop(bar);
    let sizes: HashMap<_, _> = arrived.files.iter().map(|file| (file.to.as_str(), file.bytes)).collect();
    for upload in uploads.iter().filter(|_| context.global.json) {
        let to = bai_protocol::files::upload_path(&upload.to);
        if let Some(bytes) = to.and_then(|to| sizes.get(to.as_str()).copied()) {
            let from = byte_text::text(upload.from.as_os_str().as_bytes());
            table::put_json(&json_lines::copied("uploaded", &from, &upload.to, bytes))?;
        }
    }
    let count = arrived.files.len();
    // They are made last.
    let links = plan.links.iter().filter(|_| context.global.json && matches!(ended, Ok(TransferEnd::Done)));
    for SymbolicLink { path, target } in links {
        table::put_json(&json_lines::linked(path, target))?;
    }
    let arrived_of_all = format!("{count} of {} files", plan.files.len());
    transfer::print_arrived(context, &ended, Some(&*arrived_of_all).filter(|_| count > 0));
    match ended? {
        TransferEnd::Stopped(exit) => Ok(exit),
        TransferEnd::Done => {
            if !context.global.json {
                let bytes = sizes.values().sum();
                let count = transfer::files_of(count);
                let sentence = format!("{count}, {} to {}", format::size(bytes), session.name());
                table::report(context, &json!({}), &sentence)?;
            }
            Ok(transfer::exit_status(plan.left_out.len() + arrived.skipped.len()))
        }
    }
}

/// Uploads standard input as one file.
async fn upload_stdin(
    context: &CommandContext,
    session: &ComputeSession,
    flags: &UploadFlags,
) -> Result<ExitStatus, CliError> {
    closed_streams::refuse_closed(&std::io::stdin(), "input")?;
    let read = tokio::task::spawn_blocking(|| {
        let mut content = Vec::new();
        std::io::stdin().lock().take(INPUT_LIMIT).read_to_end(&mut content).map(|_| content)
    });
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(ExitStatus::Failed, format!("cannot read standard input: {error}"))
    };
    let content = read.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    let bytes = content.len() as u64;
    if bytes >= INPUT_LIMIT {
        return Err(CliError::new(ExitStatus::Usage, "standard input is larger than 1 GiB")
            .hint("a file of any size can be uploaded by name"));
    }
    let options = UploadOptions { overwrite: flags.force };
    let sent = async { Ok(session.write_file(&flags.to, content.into(), options).await?) };
    let ended = transfer::until_signal(session, Patience::of(flags.wait.max_wait), sent).await;
    transfer::print_arrived(context, &ended, None);
    if let TransferEnd::Stopped(exit) = ended? {
        return Ok(exit);
    }
    let sentence = format!("{} to {} of {}", format::size(bytes), flags.to, session.name());
    table::report(context, &json_lines::copied("uploaded", "-", &flags.to, bytes), &sentence)?;
    Ok(ExitStatus::Ok)
}

/// Finds the files to upload: those that are named, and all files in folders that are named. Each keeps its path relative
/// to `base`. `hint` says how a file can be elsewhere.
pub(in crate::cli) fn plan_relative_to(
    files: &[PathBuf],
    base: &Path,
    hint: &str,
) -> Result<UploadPlan, CliError> {
    let base = base.canonicalize().map_err(|error| cannot_read(base, &error))?;
    let mut plan = UploadPlan { is_only_one: files.len() == 1, ..UploadPlan::default() };
    for file in files {
        // A link that is named counts as what it leads to, under its own name.
        let whole = real_place(file).map_err(|error| cannot_read(file, &error))?;
        let relative = whole.strip_prefix(&base).map_err(|_| {
            let why = format!(
                "{} is not in the folder {}",
                byte_text::shown_path(file),
                byte_text::shown_path(&base)
            );
            CliError::new(ExitStatus::Usage, why).hint(hint)
        })?;
        let to = byte_text::text(relative.as_os_str().as_bytes());
        let metadata = std::fs::metadata(&whole).map_err(|error| cannot_read(file, &error))?;
        let content = whole.canonicalize().map_err(|error| cannot_read(file, &error))?;
        plan.add(&content, &metadata, to, 0).map_err(|error| cannot_read(file, &error))?;
    }
    // A file may be named, and its folder too.
    let mut names = BTreeSet::new();
    plan.files.retain(|file| names.insert(file.upload.to.clone()));
    Ok(plan)
}

/// The refusal of a file that the user has named.
fn cannot_read(file: &Path, error: &std::io::Error) -> CliError {
    let shown = byte_text::shown_path(file);
    let sentence = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) if file.is_symlink() => format!("{shown} {LINK_DANGLES}"),
        Some(Errno::ELOOP) if file.is_symlink() => format!("{shown} {LINK_LEADS_TO_ITSELF}"),
        _ => format!("cannot read {shown}: {error}"),
    };
    CliError::new(ExitStatus::Usage, sentence)
}

/// The place of a file in its real folder. Its own name stays, also if it is a link.
pub(in crate::cli) fn real_place(file: &Path) -> std::io::Result<PathBuf> {
    match (file.parent(), file.file_name()) {
        (Some(folder), Some(name)) if folder.as_os_str().is_empty() => {
            Ok(Path::new(".").canonicalize()?.join(name))
        }
        (Some(folder), Some(name)) => Ok(folder.canonicalize()?.join(name)),
        // `.` and `..` have their names only in their whole paths.
        _ => file.canonicalize(),
    }
}

/// Finds the files to upload: those that are named, and all files in folders that are named. They go into the folder `to`.
pub(super) fn plan_into_folder(files: &[PathBuf], to: &str) -> Result<UploadPlan, CliError> {
    let mut plan = UploadPlan { is_only_one: files.len() == 1, ..UploadPlan::default() };
    for file in files {
        let failed = |error| cannot_read(file, &error);
        // `.` and `..` have their names only in their whole paths.
        let whole = file.canonicalize().map_err(failed)?;
        let name = file.file_name().or_else(|| whole.file_name()).unwrap_or_default();
        let name = byte_text::text(name.as_bytes());
        let metadata = std::fs::metadata(&whole).map_err(failed)?;
        plan.add(&whole, &metadata, join(to, &name), 0).map_err(failed)?;
    }
    let mut names = BTreeSet::new();
    match plan.files.iter().find(|file| !names.insert(&file.upload.to)) {
        Some(duplicate) => Err(CliError::new(
            ExitStatus::Usage,
            format!("two of the files would be saved as {}", duplicate.upload.to),
        )),
        None => Ok(plan),
    }
}

impl UploadPlan {
    /// The files and folders to upload.
    pub(in crate::cli) fn uploads(&self) -> Vec<Upload> {
        self.files.iter().map(|file| &file.upload).chain(&self.folders).cloned().collect()
    }

    /// Whether there are neither files nor folders nor links.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Size of all files.
    pub(in crate::cli) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Leaves out what cannot be read. What has vanished meanwhile is not missed.
    fn leave_out(&mut self, from: &Path, error: &std::io::Error) -> std::io::Result<()> {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => return Ok(()),
            std::io::ErrorKind::PermissionDenied => UNREADABLE.to_owned(),
            _ => explain(error),
        };
        self.left_out.push(format!("{} is left out: {why}", byte_text::shown_path(from)));
        Ok(())
    }

    fn count(&self) -> usize {
        self.files.len() + self.folders.len() + self.links.len()
    }

    fn add(
        &mut self,
        from: &Path,
        metadata: &std::fs::Metadata,
        to: String,
        depth: usize,
    ) -> std::io::Result<()> {
        if metadata.is_file() {
            if (depth > 0 || !self.is_only_one)
                && let Err(error) = access(from, AccessFlags::R_OK)
            {
                return self.leave_out(from, &error.into());
            }
            self.files.push(PlannedFile { upload: Upload::new(from, to), bytes: metadata.len() });
            return Ok(());
        }
        if metadata.is_symlink() {
            let target = byte_text::text(std::fs::read_link(from)?.as_os_str().as_bytes());
            let link = SymbolicLink { path: to.clone(), target };
            if link.stays_inside(depth.saturating_sub(1)) {
                self.links.push(link);
                return Ok(());
            }
        }
        let is_too_many = depth > transfer::MAX_DEPTH || self.files.len() > transfer::MAX_FILES;
        let why = match () {
            () if metadata.is_symlink() => Some(LINK_LEFT_OUT),
            () if !metadata.is_dir() => Some(SPECIAL_LEFT_OUT),
            () => is_too_many.then_some(transfer::TOO_MANY),
        };
        if let Some(why) = why {
            self.left_out.push(format!("{} is left out: {why}", byte_text::shown_path(from)));
            return Ok(());
        }
        let entries = std::fs::read_dir(from).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Err(error) if depth > 0 || is_closed(&error) && !self.is_only_one => {
                return self.leave_out(from, &error);
            }
            entries => entries?,
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let (before, links_before) = (self.count(), self.links.len());
        for entry in entries {
            let name = byte_text::text(entry.file_name().as_bytes());
            // The metadata of the entry itself: a link could lead anywhere, also in a circle.
            match entry.metadata() {
                Ok(metadata) => self.add(&entry.path(), &metadata, join(&to, &name), depth + 1)?,
                Err(error) => self.leave_out(&entry.path(), &error)?,
            }
        }
        let is_closed = metadata.permissions().mode() & PUBLIC != PUBLIC;
        let has_links = self.links.len() > links_before;
        if (self.count() == before || is_closed || has_links) && !matches!(&*to, "" | ".") {
            self.folders.push(Upload::folder(from, to));
        }
        Ok(())
    }
}

fn is_closed(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::PermissionDenied
}

fn join(folder: &str, name: &str) -> String {
    let folder = folder.trim_end_matches('/');
    match folder {
        "" | "." => name.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}
