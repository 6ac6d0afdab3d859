//! A run over HTTP polling (`docs/wire` §3.1–3.2, §3.7): one request at a time, each under the run id that we
//! made, so that a lost connection does not lose the run. What it loses of the output is reported, where the server does not send it again.

use super::link::Extras;
use super::link_event::{LinkEnd, LinkEvent};
use super::{Answer, Cell};
use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use bai_protocol::execute::{ExecuteReply, ExecuteRequest, ExecuteResult, Mode, RunId, RunStatus, Window};
use futures_util::future::BoxFuture;
use reqwest::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long one call may take. The server answers within 2 s, unless another run holds the session.
const CALL_LIMIT: Duration = Duration::from_secs(60);
/// How long the server takes to say that a run has no end to collect: 2 s, unless another run holds the session.
const COLLECT_LIMIT: Duration = Duration::from_millis(2500);
/// The largest accepted reply, in bytes: 2 s of output.
const REPLY_LIMIT: usize = 512 * 1024 * 1024;
/// Calls that may fail in a row before the run counts as lost.
const FAILURES: u32 = 8;
/// Server errors that may occur in a row. One is the known answer to output that the server cannot encode; the run goes
/// on after it (`docs/wire` §10, row 11).
const SERVER_FAILURES: u32 = 2;
/// The shortest time between two calls without output, whatever the server does.
const FLOOR: Duration = Duration::from_millis(250);

pub(super) struct PollLink {
    session: SessionRef,
    extras: Extras,
    run_id: RunId,
    /// The number of the last received reply, for a server that numbers them.
    received: Option<u64>,
    /// The next request.
    call: Option<Arc<ExecuteRequest>>,
    /// The request that began the run.
    first: Arc<ExecuteRequest>,
    /// The last request.
    last: Arc<ExecuteRequest>,
    /// The pending reply to it.
    pending: Option<BoxFuture<'static, Result<ExecuteResult, ClientError>>>,
    asked: Instant,
    not_before: Instant,
    failures: u32,
    server_failures: u32,
    /// Whether the end that comes may be that of the empty code which releases the run.
    exit_is_lost: bool,
    /// Whether code was sent a second time under the run id, whose end may come after that of the run.
    sent_twice: bool,
    /// Whether the server has ever answered.
    is_heard: bool,
    /// Whether a broken connection may have cost the end of a step that may run again.
    doubts_end: bool,
}

impl PollLink {
    /// A new run, with the type of the terminal that its programs may have.
    pub(super) fn begin(
        session: SessionRef,
        run_id: RunId,
        (cell, pty): (&Cell, Option<&str>),
        extras: Extras,
    ) -> PollLink {
        let first = match cell {
            Cell::Script(code, script) if extras.scripts => ExecuteRequest::script(&run_id, code, script),
            Cell::Query(code) | Cell::Script(code, _) => ExecuteRequest::query(&run_id, code),
            Cell::Kernel(script) => ExecuteRequest::query(&run_id, &script.code),
            Cell::Batch(options) => ExecuteRequest::batch(&run_id, options),
        };
        PollLink::new(session, run_id, first.at_terminal(pty), extras, 0)
    }

    /// A cell under the id of an earlier run. The end of that one may come first.
    pub(super) fn begin_under(session: SessionRef, run_id: RunId, cell: &Cell, extras: Extras) -> PollLink {
        PollLink { sent_twice: true, ..PollLink::begin(session, run_id, (cell, None), extras) }
    }

    /// A run that began on another connection and was received up to the frame `received`.
    pub(super) fn resume(session: SessionRef, run_id: RunId, extras: Extras, received: u64) -> PollLink {
        let first = ExecuteRequest::resume(&run_id);
        PollLink::new(session, run_id, first, extras, received)
    }

    fn new(
        session: SessionRef,
        run_id: RunId,
        first: ExecuteRequest,
        extras: Extras,
        received: u64,
    ) -> PollLink {
        let received = extras.numbers.then_some(received);
        let first = first.counting(received).with_bytes(extras.bytes).with_live(extras.live);
        let first = Arc::new(first.in_window(extras.window));
        let now = Instant::now();
        PollLink {
            session,
            extras,
            run_id,
            received,
            call: Some(first.clone()),
            first: first.clone(),
            last: first,
            pending: None,
            asked: now,
            not_before: now,
            failures: 0,
            server_failures: 0,
            exit_is_lost: false,
            sent_twice: false,
            is_heard: false,
            doubts_end: false,
        }
    }

    /// Asks for more output next, unless an answer is to be sent or a reply is on its way, which may be the last one.
    pub(super) fn go_on(&mut self) {
        if self.call.is_none() && self.pending.is_none() {
            self.call = Some(match self.repeats_code() && self.sent_twice {
                // The end may have gone to the request that was cut off.
                true => self.first.clone(),
                false => self.counted(ExecuteRequest::resume(&self.run_id)),
            });
        }
    }

    /// Whether the code is sent again when a break may have cost its end. A step is not, as it may take long: the server only has to end the run,
    /// without an exit code then, and the caller knows what to do.
    fn repeats_code(&self) -> bool {
        self.extras.repeats && !self.extras.numbers && self.first.mode == Mode::Query
    }

    fn counted(&self, request: ExecuteRequest) -> Arc<ExecuteRequest> {
        let Extras { bytes, live, window, .. } = self.extras;
        Arc::new(request.counting(self.received).with_bytes(bytes).with_live(live).in_window(window))
    }

    /// The next request tells this size.
    pub(super) fn resize(&mut self, window: Window) {
        self.extras.window = Some(window);
    }

    /// Asks for more output, but not at once.
    pub(super) fn go_on_after(&mut self, pause: Duration) {
        self.go_on();
        self.not_before = Instant::now() + pause;
    }

    /// Sends empty code under the run id next: its end releases the session from a run whose end was lost.
    pub(super) fn release(&mut self) {
        (self.sent_twice, self.exit_is_lost) = (true, true);
        self.call = Some(self.counted(ExecuteRequest::query(&self.run_id, "")));
    }

    /// Sends the code of the run again, under its id. For a kernel that runs it once.
    /// Returns whether there is any.
    pub(super) fn begin_again(&mut self) -> bool {
        if self.first.mode != Mode::Query {
            return false;
        }
        self.sent_twice = true;
        self.call = Some(self.first.clone());
        true
    }

    /// Sends an answer next.
    pub(super) fn answer(&mut self, answer: &Answer) {
        self.call = Some(self.counted(match answer {
            Answer::Line(text) => ExecuteRequest::input(&self.run_id, text),
            Answer::Piece(bytes, rest) => ExecuteRequest::piece(&self.run_id, &Answer::piece(bytes, *rest)),
        }));
        self.not_before = Instant::now();
    }

    /// When the request was sent whose reply came last.
    pub(super) fn asked(&self) -> Instant {
        self.asked
    }

    /// Whether an answer is still to be sent.
    pub(super) fn has_answer(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.mode == Mode::Input)
    }

    /// After a run whose output the server lost, the end of the empty code may still be on its way, and the next
    /// run would take it for its own.
    pub(super) async fn rest(&mut self) {
        if self.exit_is_lost || self.sent_twice {
            tokio::time::sleep(FLOOR).await;
        }
    }

    /// The next reply; pending while there is no request. Cancel-safe.
    pub(super) async fn next(&mut self) -> LinkEvent {
        loop {
            let result = match &mut self.pending {
                Some(pending) => pending.await,
                None => {
                    let Some(request) = self.call.take() else { return std::future::pending().await };
                    self.asked = self.not_before.max(Instant::now());
                    self.last = request.clone();
                    self.pending = Some(Box::pin(call(self.session.clone(), request, self.asked)));
                    continue;
                }
            };
            self.pending = None;
            match result {
                Ok(reply) => return LinkEvent::Frame(self.heard(reply)),
                Err(error) => {
                    if let Some(heard) = self.failed(error) {
                        return heard;
                    }
                }
            }
        }
    }

    fn heard(&mut self, mut reply: ExecuteResult) -> ExecuteResult {
        if self.exit_is_lost {
            reply.exit_code = None;
        }
        if self.received.is_some() {
            self.received = self.received.max(reply.seq);
        }
        if reply.status == RunStatus::Continued && std::mem::take(&mut self.doubts_end) {
            // What the break has cut off is over by now, so nothing takes the end of the empty code away.
            self.release();
        }
        self.is_heard = true;
        self.failures = 0;
        self.server_failures = 0;
        if matches!(reply.status, RunStatus::Continued | RunStatus::WaitingInput) && reply.console.is_empty()
        {
            // The server's wait paces us. A server that does not wait must not make us spin.
            self.not_before = self.asked + FLOOR;
        }
        reply
    }

    /// Decides whether to try again, under the same run id. Returns the event to report.
    fn failed(&mut self, error: ClientError) -> Option<LinkEvent> {
        let (again, pause) = match error.kind() {
            ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Busy => {
                self.failures += 1;
                self.doubts_end |= error.maybe_sent() && self.extras.repeats && !self.extras.numbers;
                let pause = Duration::from_millis(200) * 2u32.pow(self.failures.min(5));
                // A request that never reached the server is sent again. Otherwise only `continue` is safe, as code or an
                // answer must not arrive twice.
                let resume = || self.counted(ExecuteRequest::resume(&self.run_id));
                let again = match error.maybe_sent() {
                    true if self.repeats_code() => {
                        // If the end was lost, nothing else releases the session.
                        self.sent_twice = true;
                        self.first.clone()
                    }
                    true => resume(),
                    false => self.last.clone(),
                };
                (again, pause)
            }
            ErrorKind::Server if !self.extras.numbers => {
                self.server_failures += 1;
                // The server failed on the output and lost it, perhaps with `finished`. Empty code under the same id
                // releases the run in any case: if the program still runs, its own end comes first, else that of the
                // empty code.
                (Arc::new(ExecuteRequest::query(&self.run_id, "")), Duration::ZERO)
            }
            _ => return Some(LinkEvent::End(LinkEnd::failed(error))),
        };
        if self.failures >= FAILURES || self.server_failures >= SERVER_FAILURES {
            return Some(LinkEvent::End(LinkEnd::failed(error)));
        }
        tracing::debug!(%error, failures = self.failures, "polling fails; trying again");
        self.call.get_or_insert(again);
        self.not_before = Instant::now() + pause;
        if error.kind() == ErrorKind::Server {
            self.exit_is_lost = true;
            return Some(LinkEvent::OutputLost(error));
        }
        // A reply that was on its way is lost. Before the first one, a session that waits for its turn has none.
        let is_silent = self.extras.numbers || self.repeats_code();
        let may_be_lost = error.maybe_sent() && (self.is_heard || error.kind() != ErrorKind::Timeout);
        (may_be_lost && !is_silent).then_some(LinkEvent::Broke(error))
    }
}

/// Collects the end of a run whose client has gone, and whose program has ended. Returns whether there was one. `lacks_answer` says that the server may wait for an
/// answer to its last question.
pub(super) async fn collect(
    session: SessionRef,
    run_id: RunId,
    mut lacks_answer: bool,
) -> Result<bool, ClientError> {
    let ask = |request| call(session.clone(), Arc::new(request), Instant::now());
    let resume = || ExecuteRequest::resume(&run_id);
    let mut status = match tokio::time::timeout(COLLECT_LIMIT, ask(resume())).await {
        Ok(reply) => Some(reply?.status),
        Err(_) => None,
    };
    let (mut request, mut is_own_end) = (resume(), true);
    for _ in 0..FAILURES {
        request = match status {
            Some(RunStatus::Finished) => return Ok(is_own_end),
            // The program does not read it.
            Some(RunStatus::WaitingInput) => ExecuteRequest::input(&run_id, ""),
            // The run has its turn, so that a line which nobody waits for cannot come to another one.
            Some(_) if std::mem::take(&mut lacks_answer) => ExecuteRequest::input(&run_id, ""),
            _ if is_own_end && !lacks_answer => {
                // The run has taken a turn again, or waits for one behind the run of another client. The end of empty code ends that turn, even if
                // nobody is there then.
                is_own_end = false;
                ExecuteRequest::query(&run_id, "")
            }
            None if request.mode != Mode::Input => request,
            _ => resume(),
        };
        status = match ask(request.clone()).await {
            Ok(reply) => Some(reply.status),
            // A server that fails while the run has its turn waits for a request under its id, too.
            Err(error) if matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Server) => None,
            Err(error) => return Err(error),
        };
    }
    match status {
        Some(RunStatus::Finished) => Ok(is_own_end),
        _ => Err(ClientError::new(ErrorKind::Timeout, "collect the end of a run", "it does not end")),
    }
}

async fn call(
    session: SessionRef,
    request: Arc<ExecuteRequest>,
    at: Instant,
) -> Result<ExecuteResult, ClientError> {
    tokio::time::sleep_until(at).await;
    let call = session.request("run the code", Method::POST, "").await?;
    let reply = call.json(&*request)?.within(CALL_LIMIT).limit(REPLY_LIMIT).send().await?;
    Ok(reply.json::<ExecuteReply>()?.result)
}
