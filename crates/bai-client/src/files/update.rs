//! Uploads that replace what earlier ones have put into the session, and no other file.

use super::existing::refuse_repeated;
use super::large_up::local_error;
use super::progress::{Progress, ProgressMeter};
use super::upload::{Outgoing, Upload, UploadOptions, Uploaded, outgoing};
use crate::error::ClientError;
use crate::session::ComputeSession;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What uploads have put into a session: the SHA-256 of each file, by its path relative to the home folder. After an upload that was
/// cut, a file has one of several.
pub type UploadRecord = BTreeMap<String, BTreeSet<String>>;

impl ComputeSession {
    /// As [`ComputeSession::upload_into`]. It also replaces a file of the session that is as `record` says.
    ///
    /// Before the first file is sent, the record gets what will be sent, and `keep` stores it: an upload that is cut does not get in
    /// the way of the next one. At the end, also after an error, the record has what has arrived; it is to be stored again.
    ///
    /// # Errors
    /// As [`ComputeSession::upload_with`]. [`ErrorKind::AlreadyExists`](crate::ErrorKind::AlreadyExists) for files that differ from
    /// what would be sent and from the record: no file is sent then. [`ErrorKind::Local`](crate::ErrorKind::Local) if the record
    /// cannot be stored.
    pub async fn update(
        &self,
        files: &[Upload],
        options: UploadOptions,
        record: &mut UploadRecord,
        keep: impl Fn(&UploadRecord) -> io::Result<()>,
        uploaded: &mut Uploaded,
        mut on_progress: impl FnMut(&Progress<'_>) + Send,
    ) -> Result<(), ClientError> {
        let meter = &mut ProgressMeter::new(&mut on_progress);
        let mut files = outgoing(files, uploaded)?;
        let known = match options.overwrite {
            true => BTreeSet::new(),
            false => self.known(&mut files, record, uploaded, meter).await?,
        };
        for file in &files {
            if let Some(sum) = file.content.checksum().await? {
                record.entry(file.to.clone()).or_default().insert(sum);
            }
        }
        keep(record).map_err(|error| local_error("record what is uploaded", error))?;
        let sent = self.replace(files, options, &known, uploaded, meter).await;
        let arrived = uploaded.files.iter();
        record.extend(arrived.map(|file| (file.to.clone(), BTreeSet::from([file.sha256.clone()]))));
        sent
    }

    /// Those of the targets that are as the record says. Files that are there already, and equal, have arrived. Anything else in the
    /// way is an error.
    async fn known(
        &self,
        files: &mut Vec<Outgoing>,
        record: &UploadRecord,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<BTreeSet<String>, ClientError> {
        refuse_repeated(&files.iter().map(|file| file.to.as_str()).collect::<Vec<_>>())?;
        let checked = self.survey(files, false).await?;
        let (recorded, mut in_the_way): (Vec<_>, Vec<_>) =
            checked.existing.into_iter().partition(|path| record.contains_key(path));
        let sums = self.checksums(&recorded).await?;
        let mut known = BTreeSet::new();
        for (path, sum) in recorded.into_iter().zip(sums) {
            let is_known = sum.zip(record.get(&path)).is_some_and(|(sum, sums)| sums.contains(&sum));
            if is_known {
                known.insert(path);
            } else {
                in_the_way.push(path);
            }
        }
        if !in_the_way.is_empty() {
            in_the_way.sort();
            return Err(ClientError::already_exists("upload", in_the_way));
        }
        for file in files.extract_if(.., |file| checked.here.contains_key(&file.to)) {
            meter.expect(file.size);
            uploaded.here(file, &checked.here, meter);
        }
        Ok(known)
    }

    /// Sends files. Those that are `known` may be replaced, and others as the options say.
    async fn replace(
        &self,
        files: Vec<Outgoing>,
        options: UploadOptions,
        known: &BTreeSet<String>,
        uploaded: &mut Uploaded,
        meter: &mut ProgressMeter<'_>,
    ) -> Result<(), ClientError> {
        let (old, new): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| known.contains(&file.to));
        for (files, overwrite) in [(old, true), (new, options.overwrite)] {
            if !files.is_empty() {
                self.send(files, UploadOptions { overwrite }, uploaded, meter).await?;
            }
        }
        Ok(())
    }
}
