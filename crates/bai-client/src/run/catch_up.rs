//! Fetches what a kernel has kept of a run's output (`prelude/keep.py`): after a break of the connection, until it is known again where the connection is, and
//! a little before the connection brings it where that waits for more. What belongs where is decided in `kept`.

use super::kept::Kept;
use super::ring::{SEGMENT, numbers, read};
use crate::error::ClientError;
use crate::session_ref::SessionRef;
use bai_protocol::execute::RunId;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::Instant;

/// How many files one look fetches at most, so that what they bring is shown soon.
const AT_ONCE: u64 = 8;
/// The first pause between two looks, and the longest one.
const SOON: Duration = Duration::from_millis(300);
const LONGEST: Duration = Duration::from_secs(3);
/// How long the files may be out of reach before nobody waits for them.
const AWAY_LIMIT: Duration = Duration::from_secs(30);
/// How long a run may have no file before it counts as one that is not kept, or has not begun.
const BEGIN_LIMIT: Duration = Duration::from_secs(4);
/// How long the server may go on with a request that was cut off: it collects output for 2 s.
const CUT_OFF_LIMIT: Duration = Duration::from_secs(3);
/// How long an answer may be on its way after a break.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// How long a run that polls is silent before somebody looks whether the files have more.
const QUIET: Duration = Duration::from_millis(500);

/// Where the next byte of the files is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct At {
    segment: u64,
    offset: usize,
}

/// What one look has brought.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    bytes: Vec<u8>,
    at: At,
    /// Whether files before these bytes are gone.
    is_torn: bool,
    /// Whether the run has no file.
    is_absent: bool,
    /// Whether there is more to fetch now.
    is_full: bool,
}

/// The output of a run from its two sources, and the look that is under way.
pub(super) struct CatchUp {
    /// The name of the run in the files.
    name: RunId,
    pub(super) kept: Kept,
    pub(super) fetching: Option<BoxFuture<'static, Result<Fetched, ClientError>>>,
    pub(super) next: Option<Instant>,
    at: At,
    pause: Duration,
    /// Since when the files could not be read, or there were none.
    vain_since: Option<Instant>,
    /// Whether the files have ever had something.
    has_begun: bool,
    /// Whether looks are of no use.
    has_given_up: bool,
    /// Whether nothing came with the last look.
    is_at_end: bool,
    /// When the connection broke last, and whether it ever did.
    broke_at: Option<Instant>,
    was_broken: bool,
    /// Since when the program is known to have ended.
    ended_since: Option<Instant>,
    /// Whether the caller waits to hear that nothing is missing.
    is_broken: bool,
    /// Whether the connection may bring output late, so that the files have it earlier.
    is_late: bool,
}

/// What a look means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// These bytes follow.
    Bytes(Vec<u8>),
    /// There is nothing new.
    Nothing,
    /// The files cannot be reached now.
    Away,
    /// The run has no file: it has not reached its kernel, or is not kept.
    NotBegun,
    /// The files cannot be read, or the run has none: nobody looks any more.
    InVain,
}

impl CatchUp {
    /// `name` is that of the run in the files; `is_late` says whether the connection brings output only now and then.
    pub(super) fn new(name: RunId, kept: Kept, is_late: bool) -> Self {
        let mut catch_up = CatchUp {
            name,
            kept,
            fetching: None,
            next: None,
            at: At::default(),
            pause: SOON,
            vain_since: None,
            has_begun: false,
            has_given_up: false,
            is_at_end: false,
            broke_at: None,
            was_broken: false,
            ended_since: None,
            is_broken: false,
            is_late,
        };
        catch_up.plan(QUIET);
        catch_up
    }

    /// The name of the run in the files.
    pub(super) fn name(&self) -> &RunId {
        &self.name
    }

    /// A run that another client has begun: whatever came over its connection is lost.
    pub(super) fn of_left(name: RunId) -> Self {
        let mut catch_up = CatchUp::new(name, Kept::default(), true);
        catch_up.broke();
        catch_up.is_broken = false;
        catch_up
    }

    /// The connection broke: the files are read at once.
    pub(super) fn broke(&mut self) {
        self.kept.broke();
        (self.is_broken, self.was_broken, self.is_at_end) = (true, true, false);
        self.broke_at = Some(Instant::now());
        self.hurry();
    }

    /// Looks soon.
    pub(super) fn hurry(&mut self) {
        self.pause = SOON;
        self.plan(Duration::ZERO);
    }

    fn plan(&mut self, pause: Duration) {
        let is_wanted = !self.has_given_up && (self.is_late || self.kept.is_behind());
        if is_wanted && self.fetching.is_none() {
            let time = Instant::now() + pause;
            self.next = Some(self.next.map_or(time, |next| next.min(time)));
        }
    }

    /// A frame of the connection came. While nothing is missing there is no look before a time of silence.
    pub(super) fn heard(&mut self, waits: bool) {
        if self.kept.is_behind() {
            self.plan(SOON);
        } else if self.is_late {
            self.pause = SOON;
            self.next = None;
            if !waits {
                self.plan(QUIET);
            }
        }
    }

    /// A reply without news came to a request that was sent at this time. After the program's end that means that another client has got the
    /// end of the run.
    pub(super) fn heard_nothing(&mut self, asked: Option<Instant>) {
        let is_late = self.ended_since.is_some_and(|since| asked.is_some_and(|asked| asked >= since));
        self.was_broken |= is_late;
    }

    /// Whether the files cannot help.
    pub(super) fn is_in_vain(&self) -> bool {
        self.has_given_up
    }

    /// Whether all output is shown for this time, and the program has ended.
    pub(super) fn has_ended_for(&self, time: Duration) -> bool {
        let Some(since) = self.ended_since.filter(|_| self.was_broken) else { return false };
        since.elapsed() >= time
    }

    /// Whether the files have brought the end, so that another client may have collected it or may still have to.
    pub(super) fn has_shown_end(&self) -> bool {
        self.was_broken && self.kept.end().is_some()
    }

    /// Whether a request that was sent at this time got all records of its time: the server goes on with the one that the break has cut off, for a while.
    pub(super) fn is_alone(&self, asked: Option<Instant>) -> bool {
        self.broke_at.is_none_or(|broke| asked.is_some_and(|asked| asked >= broke + CUT_OFF_LIMIT))
    }

    /// Whether the files would tell by now that an answer has arrived which was sent before the break.
    pub(super) fn answer_should_be_known(&self) -> bool {
        self.broke_at.is_none_or(|at| at.elapsed() >= ANSWER_LIMIT)
    }

    /// Whether the last look found nothing new.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Whether it is to be said now that nothing is missing after a break.
    pub(super) fn is_whole_again(&mut self) -> bool {
        let is_whole = self.has_begun || !self.kept.is_behind();
        is_whole && std::mem::take(&mut self.is_broken)
    }

    pub(super) fn look(&mut self, session: &SessionRef) {
        self.next = None;
        if self.fetching.is_none() {
            self.fetching = Some(Box::pin(fetch(session.clone(), self.name.clone(), self.at)));
        }
    }

    /// A look is over. Plans the next one.
    pub(super) fn fetched(&mut self, result: Result<Fetched, ClientError>) -> Outcome {
        self.fetching = None;
        let now = Instant::now();
        let vain = if result.is_ok() { Outcome::Nothing } else { Outcome::Away };
        let limit = match &result {
            Ok(fetched) if fetched.is_absent => Some(BEGIN_LIMIT),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "the kept output cannot be read");
                Some(AWAY_LIMIT)
            }
        };
        if let Some(limit) = limit {
            let since = *self.vain_since.get_or_insert(now);
            let is_over = now - since >= limit;
            if is_over && result.is_ok() && !self.has_begun && self.kept.is_behind() {
                self.vain_since = None;
                self.rest();
                return Outcome::NotBegun;
            }
            if is_over {
                self.has_given_up = true;
                return if self.kept.is_behind() { Outcome::InVain } else { vain };
            }
            self.rest();
            return vain;
        }
        self.vain_since = None;
        let Ok(fetched) = result else { return Outcome::Nothing };
        self.has_begun = true;
        self.at = fetched.at;
        if fetched.is_torn {
            self.kept.tear();
        }
        self.is_at_end = fetched.bytes.is_empty();
        if fetched.bytes.is_empty() {
            self.rest();
            return Outcome::Nothing;
        }
        self.pause = SOON;
        self.next = Some(now + if fetched.is_full { Duration::ZERO } else { SOON });
        Outcome::Bytes(fetched.bytes)
    }

    /// After what was read, whether another look is needed.
    pub(super) fn review(&mut self) {
        if self.kept.end().is_some() {
            self.ended_since.get_or_insert_with(Instant::now);
            self.next = None;
        }
        if !self.is_late && !self.kept.is_behind() || self.has_given_up {
            self.next = None;
        }
    }

    fn rest(&mut self) {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST);
        self.plan(pause);
    }
}

/// Fetches what follows.
async fn fetch(session: SessionRef, id: RunId, from: At) -> Result<Fetched, ClientError> {
    let mut fetched = Fetched { at: from, ..Fetched::default() };
    for _ in 0..AT_ONCE {
        let At { segment, offset } = fetched.at;
        match read(&session, &id, segment).await {
            Ok(content) => {
                fetched.bytes.extend_from_slice(content.get(offset..).unwrap_or_default());
                if content.len() < SEGMENT {
                    fetched.at.offset = content.len();
                    return Ok(fetched);
                }
                fetched.at = At { segment: segment + 1, offset: 0 };
            }
            Err(error) => {
                // A server has one answer for a missing file and for other failures.
                let Some(numbers) = numbers(&session, &id).await? else {
                    fetched.is_absent = from == At::default() && fetched.bytes.is_empty();
                    return if fetched.is_absent || !fetched.bytes.is_empty() {
                        Ok(fetched)
                    } else {
                        Err(error)
                    };
                };
                match numbers.iter().min() {
                    // The last file was full, and the next one is not there yet.
                    _ if numbers.iter().all(|number| *number < segment) => return Ok(fetched),
                    Some(first) if *first > segment && fetched.bytes.is_empty() => {
                        fetched.is_torn = true;
                        fetched.at = At { segment: *first, offset: 0 };
                    }
                    Some(_) if !fetched.bytes.is_empty() => return Ok(fetched),
                    _ => return Err(error),
                }
            }
        }
    }
    fetched.is_full = true;
    Ok(fetched)
}
