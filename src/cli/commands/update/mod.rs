//! Uploads the files that a program needs, before it runs: those of `bai-repl run`, and those of `--with`.

mod record;

use self::record::RecordFile;
use super::transfer;
use super::upload::UploadPlan;
use crate::cli::error::CliError;
use crate::cli::exit_status::ExitStatus;
use bai_client::{ComputeSession, ErrorKind, Progress, UploadOptions, UploadRecord, Uploaded};

/// How files that are in the way are treated.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct InTheWay<'a> {
    /// Whether they are replaced.
    pub(in crate::cli) replaced: bool,
    /// What replaces them, if it is not a flag of this command.
    pub(in crate::cli) hint: Option<&'a str>,
}

/// Uploads the files. They replace those of the previous program that are as that has left them. Others are in the way.
/// `temporary` says that the session ends with the program.
pub(in crate::cli) async fn upload_files(
    session: &ComputeSession,
    files: &UploadPlan,
    in_the_way: InTheWay<'_>,
    temporary: bool,
    on_progress: impl FnMut(&Progress<'_>) + Send,
) -> Result<(), CliError> {
    let mut uploaded = Uploaded::default();
    let place = RecordFile::of(session, temporary);
    let mut record = place.read();
    let keep = |record: &UploadRecord| place.write(record);
    let options = UploadOptions { overwrite: in_the_way.replaced };
    let sent = session.update(&files.uploads(), options, &mut record, keep, &mut uploaded, on_progress).await;
    keep(&record).map_err(|error| {
        CliError::new(ExitStatus::Failed, format!("cannot record what was uploaded in {error}"))
    })?;
    sent.map_err(|error| match in_the_way.hint {
        Some(hint) if error.kind() == ErrorKind::AlreadyExists => CliError::from(error).hint(hint),
        _ => CliError::from(error),
    })?;
    transfer::refuse_left_out(&uploaded.skipped)?;
    session.create_links(&files.links, in_the_way.replaced).await?;
    Ok(())
}
