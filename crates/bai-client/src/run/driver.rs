//! The task behind a run: it owns the connection and the session's turn, and ends only when the run is over.

mod event;
mod missing;

use super::activity::{Activity, Sight};
use super::beginning::Beginning;
use super::catch_up::CatchUp;
use super::kept::Kept;
use super::kernel_watch::KernelWatch;
use super::left;
use super::link::{Extras, Link, connect, connect_listener};
use super::link_event::{LinkEnd, LinkEvent};
use super::lost_run::{self, Recovery};
use super::machine::{Machine, NextAction, OpenQuestion};
use super::poll::PollLink;
use super::ring;
use super::step_end::StepEnd;
use super::turn::{Turn, Turns};
use super::{Answer, Beside, Cell, LostRun, Run, RunEnds, RunEvent, RunOptions, SessionState};
use crate::error::{ClientError, ErrorKind};
use crate::prelude::{self, PieceForKernel};
use crate::session_ref::SessionRef;
use bai_protocol::byte_text;
use bai_protocol::capability::{Capabilities, Capability};
use bai_protocol::execute::{ExecuteResult, RunId, RunStatus, Window};
use event::DriverEvent;
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Events that may wait for the reader.
const QUEUE: usize = 64;
/// A server that is silent on a WebSocket for this time runs something else: it speaks every 0.2 s.
const SILENT_SOCKET: Duration = Duration::from_secs(2);
/// How long the server may take to end a question by itself after an interrupt, before an empty line is sent.
const GRACE: Duration = Duration::from_millis(150);
/// After an interrupt a program that lives has this time to end, before the client looks whether it does.
const AFTER_INTERRUPT: Duration = Duration::from_secs(1);
/// How often a drained program is interrupted again.
const INTERRUPT_AGAIN: Duration = Duration::from_secs(3);

/// Where and how a run begins.
pub(crate) enum Start {
    /// A new run.
    Cell(Cell),
    /// A step of a batch, which tells its end in the session, too.
    Step(Cell, StepEnd),
    /// A run that exists on the server.
    Resume(RunId),
    /// A question that only tells whether the session answers.
    Knock,
    /// A run that another client has begun, and whose kernel keeps its output.
    Left {
        id: RunId,
        /// Whether it is not over for the server.
        is_open: bool,
    },
    /// What no run owns.
    Listen,
}

/// Begins a run once the runs before it are over.
pub(crate) async fn start_in_turn(
    session: SessionRef,
    turns: &Turns,
    start: Start,
    options: RunOptions,
) -> Result<Run, ClientError> {
    let turn = turns.take().await.ok_or_else(|| {
        // This cannot happen, since the semaphore is never closed.
        ClientError::new(ErrorKind::Lost, "run the code", "the session is closed")
    })?;
    self::start(session, start, options, turn).await
}

/// Begins a run. The WebSocket is opened here, so that refusals are errors and not events.
pub(crate) async fn start(
    session: SessionRef,
    start: Start,
    options: RunOptions,
    turn: Turn,
) -> Result<Run, ClientError> {
    let (mut start, step_end) = match start {
        Start::Step(cell, end) => (Start::Cell(cell), Some(end)),
        start => (start, None),
    };
    let run_id = match &start {
        Start::Resume(id) | Start::Left { id, .. } => id.clone(),
        Start::Cell(_) | Start::Step(..) | Start::Knock | Start::Listen => RunId::random(),
    };
    let capabilities = session.api.capabilities().await;
    let mark = match &start {
        Start::Cell(Cell::Kernel(script)) => Some(script.mark.clone()),
        _ => None,
    };
    let polls =
        options.transport == super::Transport::Poll || session.api.polls_because(&options).await.is_some();
    let ends_session = matches!(&start, Start::Cell(cell) if cell.ends_its_session());
    let mut kept = None;
    let name = ring::name(&run_id, polls);
    if let Start::Cell(cell) = &mut start
        && turn.keeps
        && let Some(with_id) = prelude::kept(cell, &name, polls)
    {
        *cell = with_id;
        kept = Some(Kept::new());
    }
    let of_other = Cell::query("");
    let cell = match &start {
        Start::Cell(cell) | Start::Step(cell, _) => Some(cell),
        Start::Left { .. } | Start::Knock => Some(&of_other),
        Start::Resume(_) | Start::Listen => None,
    };
    let mut watch =
        KernelWatch::new(&capabilities, (cell, step_end), options.look_after, turn.kernel_ended.clone());
    let may_release = matches!(start, Start::Cell(_)) && prelude::is_useful(&capabilities);
    let is_left = matches!(start, Start::Left { .. });
    let listens = matches!(start, Start::Listen);
    let (link, first) = match start {
        Start::Resume(id) | Start::Left { id, is_open: true } => {
            let extras = Extras::of(&capabilities, &options);
            (Link::Poll(Box::new(PollLink::resume(session.clone(), id, extras, 0))), None)
        }
        Start::Listen => {
            connect_listener(&session, &run_id, Extras::of(&capabilities, &options), &options).await?
        }
        Start::Left { is_open: false, .. } => {
            let extras = Extras::of(&capabilities, &options);
            let link = PollLink::begin_under(session.clone(), run_id.clone(), &of_other, extras);
            (Link::Poll(Box::new(link)), None)
        }
        Start::Knock => {
            let extras = Extras::of(&capabilities, &options);
            let link = PollLink::begin(session.clone(), run_id.clone(), (&prelude::knock(), None), extras);
            (Link::Poll(Box::new(link)), None)
        }
        Start::Cell(cell) | Start::Step(cell, _) => {
            connect(&session, &capabilities, &cell, &run_id, &options, &turn).await?
        }
    };
    let is_late = matches!(link, Link::Poll(_));
    let catch_up = match kept {
        Some(kept) => Some(Box::new(CatchUp::new(name, kept, is_late))),
        None => is_left.then(|| Box::new(CatchUp::of_left(name))),
    };
    if matches!(link, Link::Socket(_)) {
        watch.hurry(SILENT_SOCKET);
    }
    let (mut run, RunEnds { events, input, interrupts, beside, window, leave }) =
        Run::new(run_id.clone(), QUEUE);
    // Elsewhere the server waits for somebody to collect the end, who has to know the id: the kept output tells it.
    run.can_be_left = capabilities.has(Capability::AbandonableRuns) || is_late && catch_up.is_some();
    let driver = Driver {
        session,
        capabilities,
        run_id,
        link,
        listens,
        received: 0,
        machine: if is_left { Machine::of_left(options.live) } else { Machine::new(options.live, mark) },
        events,
        input,
        last_piece: None,
        left: None,
        interrupts,
        beside,
        window,
        leave,
        interrupt_request: None,
        beside_request: None,
        leaving: None,
        watch,
        catch_up,
        ends_session,
        ended: None,
        step_code: None,
        beginning: Beginning::new(!listens),
        may_release,
        releasing: None,
        empty_answer: None,
        crossed: None,
        drain: None,
        options,
    };
    tokio::spawn(driver.drive(first, turn));
    Ok(run)
}

struct Driver {
    session: SessionRef,
    capabilities: Capabilities,
    run_id: RunId,
    link: Link,
    /// Whether it follows what no run owns.
    listens: bool,
    /// The number of the last frame that came over the WebSocket, when the server numbers them.
    received: u64,
    machine: Machine,
    events: mpsc::Sender<RunEvent>,
    input: mpsc::Receiver<Answer>,
    /// The piece of input that was sent last, if that was the last answer. Lines of the user are not kept: they may be secrets.
    last_piece: Option<Answer>,
    /// What is left of the last piece for a script in a kernel.
    left: Option<PieceForKernel>,
    interrupts: watch::Receiver<u64>,
    beside: mpsc::Receiver<Beside>,
    window: watch::Receiver<Option<Window>>,
    leave: watch::Receiver<bool>,
    /// An interrupt on its way to the server.
    interrupt_request: Option<BoxFuture<'static, ()>>,
    /// A signal or a secret on its way to the server.
    beside_request: Option<BoxFuture<'static, ()>>,
    /// The request that finds out whether the server keeps the output of a run that was left running.
    leaving: Option<BoxFuture<'static, bool>>,
    /// Looks whether the kernel lives while nothing is heard of it.
    watch: KernelWatch,
    /// What the kernel keeps of the output; `None` if it keeps none.
    catch_up: Option<Box<CatchUp>>,
    /// Whether the session ends with the run.
    ends_session: bool,
    /// The exit code of a run whose connection is lost for good, if all of its output is shown.
    ended: Option<i32>,
    /// The exit code of a batch step whose end the server has lost.
    step_code: Option<i32>,
    /// What is told of a run that has not begun.
    beginning: Beginning,
    /// Whether the session may be released from a run that an earlier client has left, so that this one begins.
    may_release: bool,
    /// The attempt to do so, which tells whether the session answers now.
    releasing: Option<BoxFuture<'static, bool>>,
    /// When a question that an interrupt has not ended gets an empty line.
    empty_answer: Option<Instant>,
    /// When a question that crossed an interrupt is put to the user.
    crossed: Option<Instant>,
    drain: Option<Drain>,
    options: RunOptions,
}

/// The handle is gone: when to interrupt again, and when to give up. Both are `None` for a run that was left running.
struct Drain {
    again: Option<Instant>,
    give_up: Option<Instant>,
}

impl Driver {
    fn extras(&self) -> Extras {
        Extras::of(&self.capabilities, &self.options)
    }

    async fn drive(mut self, first: Option<Utf8Bytes>, turn: Turn) {
        if let (Some(first), Link::Socket(socket)) = (first, &mut self.link)
            && let Err(end) = socket.send(first).await
        {
            self.ended(end);
        }
        while !self.machine.is_over() {
            self.step().await;
        }
        if let Link::Poll(poll) = &mut self.link {
            poll.rest().await;
        }
        self.leave_marks().await;
        let leaves = self.extras().numbers && *self.leave.borrow();
        if let Link::Socket(socket) = &mut self.link
            && leaves
        {
            // The client that resumes the run continues from here. Without this message the server repeats a little.
            let _ = socket.acknowledge_now(self.received).await;
        }
        // Whoever reads the last event finds the session idle.
        drop(turn);
        while let Some(event) = self.machine.pop() {
            if self.events.send(event).await.is_err() {
                break;
            }
        }
        if let Link::Socket(socket) = self.link {
            socket.close().await;
        }
    }

    async fn step(&mut self) {
        match self.next_event().await {
            DriverEvent::Delivered => {}
            DriverEvent::Interrupt => self.interrupt(),
            DriverEvent::Beside(beside) => self.send_beside(beside),
            DriverEvent::BesideSent => self.beside_request = None,
            DriverEvent::Dropped => self.begin_to_drain(),
            DriverEvent::Resized => self.resize().await,
            DriverEvent::InterruptSent => self.interrupt_was_sent().await,
            DriverEvent::Answer(answer) => {
                let is_piece = matches!(answer, Answer::Piece(..));
                if let Answer::Piece(bytes, rest) = &answer
                    && self.machine.asks_piece()
                {
                    if self.machine.answer() {
                        self.left = Some(PieceForKernel::new(bytes.clone(), *rest));
                        self.answer_more().await;
                    }
                } else if self.machine.answer() || (is_piece && self.machine.takes_early_input()) {
                    self.last_piece = is_piece.then(|| answer.clone());
                    self.answer(answer).await;
                }
            }
            DriverEvent::Look => self.watch.look(&self.session),
            DriverEvent::LookForOutput => self.look_for_output(),
            DriverEvent::Fetched(fetched) => self.fetched(fetched).await,
            DriverEvent::Seen(sight) => self.seen(sight),
            DriverEvent::Released(answers) => {
                self.releasing = None;
                if !answers && self.beginning.is_silent() {
                    self.not_started(Activity::Nothing);
                }
            }
            DriverEvent::GraceOver => {
                self.empty_answer = None;
                if self.machine.take_stale_question() {
                    self.answer_empty().await;
                }
            }
            DriverEvent::StillAsked => {
                self.crossed = None;
                self.machine.ask_what_crossed();
            }
            DriverEvent::Kept(kept) => {
                self.leaving = None;
                if kept { self.machine.give_up() } else { self.machine.discard() }
            }
            DriverEvent::NotStarted => {
                self.beginning.latest = None;
                if self.watch.can_look() {
                    self.watch.look(&self.session)
                } else {
                    self.lives(Activity::Unknown)
                }
            }
            DriverEvent::InterruptAgain => {
                self.interrupt();
                if let Some(drain) = &mut self.drain {
                    drain.again = Some(Instant::now() + INTERRUPT_AGAIN);
                }
            }
            DriverEvent::GiveUp => {
                tracing::warn!(run = %self.run_id, "a dropped run does not end; giving it up");
                self.machine.give_up();
            }
            DriverEvent::LinkEvent(heard) => self.received(heard).await,
        }
    }

    async fn received(&mut self, heard: LinkEvent) {
        match heard {
            LinkEvent::Frame(frame) => {
                self.beginning.is_over();
                if matches!(&self.link, Link::Poll(poll) if poll.has_answer()) {
                    self.machine.answer_is_under_way();
                }
                let seq = frame.seq;
                let frame = self.in_order(frame);
                let next = self.frame(frame);
                self.act(next).await;
                self.count(seq).await;
                self.restored();
            }
            LinkEvent::Broke(error) => self.broke(&error),
            LinkEvent::OutputLost(error) => self.output_lost(error),
            LinkEvent::End(end) => self.ended(end),
            LinkEvent::Recovery(error, Recovery::Resumable) => {
                tracing::info!(%error, run = %self.run_id, "the run is resumed by polling");
                let (session, id) = (self.session.clone(), self.run_id.clone());
                let link = PollLink::resume(session, id, self.extras(), self.received);
                self.link = Link::Poll(Box::new(link));
                self.machine.resumed();
            }
            LinkEvent::Recovery(_, Recovery::Lost(SessionState::Usable)) if self.ended.is_some() => {
                self.finish()
            }
            LinkEvent::Recovery(error, Recovery::Lost(state)) => self.lose(error, state),
            LinkEvent::Recovery(_, Recovery::ServerEnded(error)) => {
                self.lose(error.with_what("follow the run"), SessionState::Gone);
            }
        }
    }

    fn frame(&mut self, mut frame: ExecuteResult) -> NextAction {
        if self.options.bytes && !self.extras().bytes {
            let console = std::mem::take(&mut frame.console).into_iter();
            frame.console = console.map(|record| record.map_text(byte_text::of_utf8)).collect();
        }
        if frame.status == RunStatus::Finished {
            frame.exit_code = self.step_code.or(frame.exit_code);
        }
        let is_news = !frame.console.is_empty() || frame.status != RunStatus::Continued;
        let next = self.machine.frame(frame);
        self.watch.heard(is_news, self.machine.is_waiting());
        next
    }

    /// Remembers the number of the last frame, and acknowledges frames now and then.
    async fn count(&mut self, seq: Option<u64>) {
        if let (true, Link::Socket(socket), Some(seq)) = (self.extras().numbers, &mut self.link, seq) {
            self.received = seq;
            if self.machine.is_over() {
                return;
            }
            let acknowledged = match self.listens {
                // What is not acknowledged comes to the next listener.
                true => socket.acknowledge_now(seq).await,
                false => socket.acknowledge(seq).await,
            };
            if let Err(end) = acknowledged {
                self.ended(end);
            }
        }
    }

    async fn act(&mut self, next: NextAction) {
        match next {
            NextAction::Continue => self.go_on(),
            NextAction::Await | NextAction::Close => {}
            NextAction::AnswerEmpty => self.answer_empty().await,
            NextAction::AnswerMore => self.answer_more().await,
            NextAction::AnswerAgain => match self.last_piece.clone() {
                Some(piece) => self.answer(piece).await,
                None => self.machine.ask_again(),
            },
            NextAction::Failed { message, restarting } => {
                let why = if message.is_empty() { "the server gives no reason".into() } else { message };
                let kind = if restarting { ErrorKind::Lost } else { ErrorKind::Server };
                let error = ClientError::new(kind, "run the code to its end", why);
                self.ended(LinkEnd::failed(error));
            }
        }
    }

    /// The connection is over before the run.
    fn ended(&mut self, end: LinkEnd) {
        let Some(end) = self.ended_with_kept(end) else { return };
        if self.drain.is_some() {
            tracing::warn!(error = %end.error, "a run without a listener was lost");
            self.machine.give_up();
            return;
        }
        let state = match end.error.kind() {
            _ if end.resumable => None,
            ErrorKind::NotFound | ErrorKind::Server | ErrorKind::ServerEnded => None,
            ErrorKind::Lost if !matches!(self.link, Link::Poll(_)) => None,
            // Polling has already tried for long enough.
            ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Busy => {
                Some(SessionState::Unknown)
            }
            // A refusal does not change the session.
            _ => Some(SessionState::Usable),
        };
        match state {
            Some(state) => self.lose(end.error, state),
            None => {
                let session = self.session.clone();
                let asking = Box::pin(async move { lost_run::examine(&session, end.resumable).await });
                self.link = Link::Asking(end.error, asking);
            }
        }
    }

    /// The kernel lives. If the run has not begun, the session does something else.
    fn lives(&mut self, activity: Activity) {
        self.watch.rest();
        if !self.beginning.is_silent() {
            return self.release_if_over(activity);
        }
        match self.beginning.seen(activity, Instant::now()) {
            Some(Activity::Nothing) if std::mem::take(&mut self.may_release) => {
                self.releasing = Some(left::release_newest(self.session.clone()));
            }
            Some(activity) => self.not_started(activity),
            None => {}
        }
        if let Some(pause) = self.beginning.pause() {
            self.watch.hurry(pause);
        }
    }

    /// Lets empty code under the id of the run end it, where the server has lost its end.
    fn release_if_over(&mut self, activity: Activity) {
        if let Link::Poll(poll) = &mut self.link
            && self.watch.has_lost_end(activity)
        {
            tracing::warn!(run = %self.run_id, "the server has lost the end of the run");
            poll.release();
        }
    }

    /// The command of a batch step has ended. If the server stays silent about it, it has lost the end, and what was printed last may be lost with it.
    fn step_has_ended(&mut self, code: i32) {
        self.watch.rest();
        if let Link::Poll(poll) = &mut self.link
            && self.watch.has_lost_end(Activity::Nothing)
            && self.step_code.is_none()
        {
            tracing::warn!(run = %self.run_id, code, "the server has lost the end of a step");
            self.step_code = Some(code);
            poll.release();
            self.machine.emit(RunEvent::OutputLost(end_was_lost()));
        }
    }

    fn not_started(&mut self, activity: Activity) {
        let interrupted_alone = self.capabilities.has(Capability::RunInterrupts);
        let waited = self.beginning.waited();
        self.machine.emit(RunEvent::NotStarted { waited, activity, interrupted_alone });
    }

    /// Ends the run if its kernel or its session has ended.
    fn seen(&mut self, sight: Sight) {
        if self.reads_on(&sight) {
            return;
        }
        let (why, state) = match sight {
            Sight::Lives(activity) => return self.lives(activity),
            Sight::StepEnded(code) => return self.step_has_ended(code),
            Sight::KernelEnded { .. } if self.watch.had_ended => {
                ("the Python of this session has ended: the code was not run", SessionState::Stuck)
            }
            Sight::KernelEnded { out_of_memory: true } => (
                "the Python of this session has ended, probably because its memory was full",
                SessionState::Stuck,
            ),
            Sight::KernelEnded { out_of_memory: false } => {
                ("the Python of this session has ended, and the code with it", SessionState::Stuck)
            }
            Sight::SessionGone => ("the session has ended, and the code with it", SessionState::Gone),
        };
        if self.drain.is_some() {
            return self.machine.give_up();
        }
        self.lose(ClientError::new(ErrorKind::Lost, "follow the run", why).into_sentence(), state);
    }

    fn lose(&mut self, error: ClientError, session: SessionState) {
        let hint = match session {
            SessionState::Stuck => "the session takes no more code; destroy it and create it again",
            SessionState::Gone => "the session is gone; create it again",
            SessionState::Usable => "the session takes the next cell",
            SessionState::Unknown => "it is not known whether the session takes another cell; try one",
        };
        let run_id = matches!(self.link, Link::Poll(_)).then(|| self.run_id.clone());
        let lost = LostRun { error: error.with_hint(hint), session, run_id, exit_code: self.ended };
        self.machine.emit(RunEvent::Lost(lost));
    }

    fn interrupt(&mut self) {
        self.machine.interrupt_begins();
        self.machine.set_has_more(false);
        self.left = None;
        self.crossed = None;
        self.watch.hurry(AFTER_INTERRUPT);
        if self.interrupt_request.is_none() {
            let (session, run) = (self.session.clone(), self.run_id.clone());
            self.interrupt_request = Some(Box::pin(async move {
                if let Err(error) = session.interrupt(Some(&run)).await {
                    tracing::warn!(%error, "the interrupt failed");
                }
            }));
        }
    }

    fn send_beside(&mut self, beside: Beside) {
        let (session, run) = (self.session.clone(), self.run_id.clone());
        self.beside_request = Some(Box::pin(async move {
            let sent = match beside {
                Beside::Signal(signal) => session.signal(&run, signal).await,
                Beside::Keys(keys) => session.keys(&run, &keys).await,
                Beside::Secret(secret) => {
                    session.secret(&run, secret.as_ref().map(|text| text.as_str())).await
                }
            };
            if let Err(error) = sent {
                tracing::warn!(%error, "a signal, a secret or keys were not sent");
            }
        }));
    }

    async fn resize(&mut self) {
        let changed = *self.window.borrow_and_update();
        let Some(window) = changed.filter(|_| self.extras().window.is_some()) else { return };
        self.options.window = Some(window);
        let result = match &mut self.link {
            Link::Socket(socket) => socket.resize(window).await,
            Link::Poll(poll) => {
                poll.resize(window);
                Ok(())
            }
            Link::Asking(..) | Link::Broken(_) => Ok(()),
        };
        if let Err(end) = result {
            self.ended(end);
        }
    }

    async fn interrupt_was_sent(&mut self) {
        self.interrupt_request = None;
        match self.machine.interrupt_was_sent() {
            OpenQuestion::Nothing => return,
            OpenQuestion::Crossed => {
                self.crossed = Some(Instant::now() + GRACE);
                return;
            }
            OpenQuestion::Before => {}
        }
        let ends_input = self.capabilities.has(Capability::InterruptEndsInput);
        match &mut self.link {
            // The server ends the question itself; an empty line would answer the next one.
            Link::Poll(poll) if ends_input => poll.go_on_after(GRACE),
            _ if ends_input => {}
            Link::Socket(_) => self.empty_answer = Some(Instant::now() + GRACE),
            _ if self.machine.take_stale_question() => self.answer_empty().await,
            _ => {}
        }
    }

    /// Sends the next part of a piece of the input to a script in a kernel.
    async fn answer_more(&mut self) {
        let Some(piece) = &mut self.left else { return };
        let (line, has_more) = piece.next();
        self.machine.set_has_more(has_more);
        self.left = self.left.take().filter(|_| has_more);
        let part = Answer::Line(line);
        self.last_piece = Some(part.clone());
        self.answer(part).await;
    }

    async fn answer_empty(&mut self) {
        self.answer(Answer::Line(Default::default())).await;
    }

    async fn answer(&mut self, answer: Answer) {
        self.watch.begin_again();
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.kept.answered();
        }
        let result = match &mut self.link {
            Link::Socket(socket) => socket.answer(answer).await,
            Link::Poll(poll) => {
                poll.answer(&answer);
                Ok(())
            }
            Link::Asking(..) | Link::Broken(_) => Ok(()),
        };
        if let Err(end) = result {
            self.ended(end);
        }
    }

    /// The handle is gone: interrupts the program, unless the handle let it run on, and reads on to the end.
    fn begin_to_drain(&mut self) {
        let now = Instant::now();
        if *self.leave.borrow() {
            self.drain = Some(Drain { again: None, give_up: None });
            let session = self.session.clone();
            self.leaving = Some(Box::pin(async move { session.api.has(Capability::KeptOutput).await }));
            return;
        }
        self.drain = Some(Drain { again: Some(now), give_up: Some(now + self.options.drain_limit) });
        // An open question is answered after the interrupt was sent.
        self.machine.drain();
    }
}

/// What is said of a step whose end the server has lost.
fn end_was_lost() -> ClientError {
    let why = "the server has lost the end of this step, and what it printed last may be missing";
    ClientError::new(ErrorKind::Lost, "read the output", why).into_sentence()
}
