//! Uploads that replace what earlier ones have put into the session, and no other file.

use super::equal::local_checksums;
use super::existing::refuse_repeated;
use super::progress::{Progress, ProgressMeter};
use super::upload::{Outgoing, Upload, UploadOptions, Uploaded, outgoing};
use crate::error::ClientError;
use crate::session::ComputeSession;
use bai_protocol::files::upload_path;
use std::collections::{BTreeMap, BTreeSet};

/// What uploads have put into a session: the SHA-256 of each file, by its path relative to the home folder.
pub type UploadRecord = BTreeMap<String, String>;

impl ComputeSession {
    /// As [`ComputeSession::upload_into`]. It also replaces a file of the session that is as `record` says, and adds to the record what
    /// has arrived, also after an error.
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`]. [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) for files that differ from
    /// what would be sent and from the record: no file is sent then.
    pub async fn update(
        &self,
        files: &[Upload],
        options: UploadOptions,
        record: &mut UploadRecord,
        uploaded: &mut Uploaded,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let meter = &mut ProgressMeter::new(&mut on_progress);
        let outgoing = outgoing(files, uploaded)?;
        let sent = if options.overwrite {
            self.send(outgoing, options, uploaded, meter).await
        } else {
            self.replace_known(outgoing, record, uploaded, meter).await
        };
        let arrived: BTreeSet<_> = uploaded.files.iter().cloned().collect();
        let (mut targets, mut sources) = (Vec::new(), Vec::new());
        for Upload { from, to } in files {
            if let Some(to) = upload_path(to).filter(|to| arrived.contains(to)) {
                targets.push(to);
                sources.push(from.clone());
            }
        }
        let sums = local_checksums(sources).await?;
        record.extend(targets.into_iter().zip(sums).filter_map(|(to, sum)| sum.map(|sum| (to, sum))));
        sent
    }

    async fn replace_known(
        &self,
        mut files: Vec<Outgoing>,
        record: &UploadRecord,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        refuse_repeated(&files.iter().map(|file| file.to.as_str()).collect::<Vec<_>>())?;
        let checked = self.survey(&files, false).await?;
        let (known, mut in_the_way): (Vec<_>, Vec<_>) =
            checked.existing.into_iter().partition(|path| record.contains_key(path));
        let sums = self.checksums(&known).await?;
        let mut unchanged = BTreeSet::new();
        for (path, sum) in known.into_iter().zip(sums) {
            if sum.as_ref() == record.get(&path) {
                unchanged.insert(path);
            } else {
                in_the_way.push(path);
            }
        }
        if !in_the_way.is_empty() {
            in_the_way.sort();
            return Err(ClientError::already_exists("upload", in_the_way));
        }
        for file in files.extract_if(.., |file| checked.here.contains(&file.to)) {
            meter.expect(file.size);
            meter.whole(&file.to, file.size);
            uploaded.files.push(file.to);
        }
        let (old, new): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| unchanged.contains(&file.to));
        for (files, overwrite) in [(old, true), (new, false)] {
            if !files.is_empty() {
                self.send(files, UploadOptions { overwrite }, uploaded, meter).await?;
            }
        }
        Ok(())
    }
}
