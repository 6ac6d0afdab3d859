//! Many cases of one program: they run in sessions in parallel, and their outputs are shown one after the other.

use super::sweep_progress::SweepProgress;
use super::{RunPlan, prepare};
use crate::cli::batch_steps::BatchSteps;
use crate::cli::case_output::CaseOutput;
use crate::cli::context::CommandContext;
use crate::cli::error::CliError;
use crate::cli::exit_status::{ExitStatus, Interrupt};
use crate::cli::input::InputSource;
use crate::cli::output::{self, Output, OutputMessage, Readers};
use crate::cli::script;
use crate::cli::script_start::Start;
use crate::cli::server::{Server, destroy_session};
use crate::cli::stop_signals::{StopSignal, StopSignals};
use crate::cli::sweep_range::Case;
use crate::format;
use crate::render::ConsoleOptions;
use bai_client::Api;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// How a sweep is run.
pub(super) struct SweepOptions<'a> {
    /// Maximum number of sessions at the same time.
    pub(super) max_parallel: usize,
    /// Whether a session is destroyed at the end of its case.
    pub(super) temporary: bool,
    /// The context of the command.
    pub(super) context: &'a CommandContext,
}

/// What all cases share.
struct SweepContext {
    api: Api,
    plan: RunPlan,
    context: CommandContext,
    temporary: bool,
    count: usize,
    board: SweepProgress,
    /// The channel for events, which programs get at once.
    messages: mpsc::Sender<OutputMessage>,
}

/// A case that has ended.
struct FinishedCase {
    number: usize,
    exit: ExitStatus,
    headline: String,
    event: Value,
    case_output: Option<CaseOutput>,
}

/// Runs all cases. The exit code is that of the first case that failed, in the order of the cases.
pub(super) async fn run(
    server: &Server,
    plan: RunPlan,
    cases: Vec<Case>,
    options: SweepOptions<'_>,
    look: ConsoleOptions,
    signals: &mut StopSignals,
) -> Result<ExitStatus, CliError> {
    let board = SweepProgress::start(options.context, cases.len());
    let output = match options.context.global.json {
        true => Output::start_json(),
        false => {
            let board = board.clone();
            Output::start_with(move |messages| {
                output::write_plain(messages, look, Readers::default(), |write| board.suspend(write))
            })
        }
    };
    let shared = Arc::new(SweepContext {
        api: server.api.clone(),
        plan,
        context: options.context.clone(),
        temporary: options.temporary,
        count: cases.len(),
        board,
        messages: output.messages().clone(),
    });
    let mut sweep = Sweep {
        max_parallel: options.max_parallel,
        waiting: cases.into_iter().enumerate().collect(),
        running: JoinSet::new(),
        live: BTreeMap::new(),
        done: BTreeMap::new(),
        next: 1,
        to_send: VecDeque::new(),
        exits: BTreeMap::new(),
        stopping: false,
        shared: shared.clone(),
    };
    let left = sweep.follow(&output, signals).await?;
    sweep.end().await;
    let exit = left.unwrap_or_else(|| sweep.exit());
    drop(sweep);
    shared.board.finish();
    drop(shared);
    let _ = output.finish().await?;
    Ok(exit)
}

struct Sweep {
    max_parallel: usize,
    waiting: VecDeque<(usize, Case)>,
    running: JoinSet<FinishedCase>,
    /// The sessions of the cases that run.
    live: BTreeMap<usize, String>,
    /// Cases that have ended before an earlier one.
    done: BTreeMap<usize, FinishedCase>,
    /// The case that is shown next.
    next: usize,
    to_send: VecDeque<OutputMessage>,
    exits: BTreeMap<usize, ExitStatus>,
    /// No more cases are started.
    stopping: bool,
    shared: Arc<SweepContext>,
}

impl Sweep {
    /// Runs until all cases have ended and are shown. Returns the exit status if it was ended early.
    async fn follow(
        &mut self,
        output: &Output,
        signals: &mut StopSignals,
    ) -> Result<Option<ExitStatus>, CliError> {
        loop {
            self.begin(signals);
            if self.running.is_empty() && self.to_send.is_empty() {
                return Ok(None);
            }
            tokio::select! {
                biased;
                signal = signals.recv() => match signal {
                    // The cases that run receive it too.
                    StopSignal::Interrupt => self.stopping = true,
                    StopSignal::Fatal(_) => return Ok(Some(signal.exit())),
                },
                () = output.closed() => return Ok(Some(ExitStatus::Ok)),
                room = output.messages().reserve(), if !self.to_send.is_empty() => {
                    if let (Ok(permit), Some(message)) = (room, self.to_send.pop_front()) {
                        permit.send(message);
                    }
                }
                Some(ended) = self.running.join_next() => {
                    self.ended(ended.map_err(|error| CliError::new(ExitStatus::Failed, error))?);
                }
            }
        }
    }

    fn begin(&mut self, signals: &StopSignals) {
        while !self.stopping && self.running.len() < self.max_parallel {
            let Some((index, case)) = self.waiting.pop_front() else { return };
            let number = index + 1;
            let request = self.shared.plan.request(&case, Some(number));
            self.live.insert(number, request.name.clone());
            if self.shared.context.global.json {
                let values: Map<String, Value> =
                    case.values.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                let event = json!({"event": "case-started", "case": number, "values": values, "session": request.name});
                self.to_send.push_back(OutputMessage::Event(event));
            }
            let one = CaseRun { shared: self.shared.clone(), case, number };
            self.running.spawn(one.run(request, signals.interrupts()));
        }
    }

    fn ended(&mut self, ended: FinishedCase) {
        self.live.remove(&ended.number);
        self.exits.insert(ended.number, ended.exit);
        self.shared.board.ended(ended.exit.code() == 0);
        self.done.insert(ended.number, ended);
        while let Some(ended) = self.done.remove(&self.next) {
            self.next += 1;
            self.to_send.push_back(match ended.case_output {
                Some(case_output) => OutputMessage::Case(ended.headline, case_output),
                None => OutputMessage::Event(ended.event),
            });
        }
    }

    /// Ends the cases that still run, and destroys their sessions.
    async fn end(&mut self) {
        self.running.abort_all();
        while self.running.join_next().await.is_some() {}
        for name in self.live.values().filter(|_| self.shared.temporary) {
            destroy_session(&self.shared.api, name).await;
        }
    }

    fn exit(&self) -> ExitStatus {
        if self.stopping {
            return ExitStatus::Interrupted(Interrupt::Signal);
        }
        self.exits.values().copied().find(|exit| exit.code() != 0).unwrap_or(ExitStatus::Ok)
    }
}

/// A case that runs.
struct CaseRun {
    shared: Arc<SweepContext>,
    case: Case,
    number: usize,
}

impl CaseRun {
    async fn run(
        self,
        request: bai_protocol::create::CreateRequest,
        mut interrupts: StopSignals,
    ) -> FinishedCase {
        let (begun, name) = (Instant::now(), request.name.clone());
        let mut case_output = None;
        let exit = self.follow(request, &mut interrupts, &mut case_output).await;
        // If the server refuses us, it has created no session, and would also refuse to destroy one.
        let refused = exit.as_ref().is_err_and(|error| error.exit() == ExitStatus::Refused);
        if self.shared.temporary && !refused {
            destroy_session(&self.shared.api, &name).await;
        }
        let (took, count) = (begun.elapsed(), self.shared.count);
        let (exit, how) = match exit {
            Ok(exit) => (exit, format!("exit code {}", exit.code())),
            Err(error) => (error.exit(), error.sentence().to_owned()),
        };
        let event = json!({
            "event": "case-finished", "case": self.number, "exitCode": exit.code(), "how": how, "seconds": took.as_secs_f64(),
        });
        let sentence = format!(
            "bai-repl: case {} of {count}: {}: {how}, {}",
            self.number,
            self.case.label(),
            format::duration(took)
        );
        let headline =
            if self.shared.context.global.quiet && exit.code() == 0 { String::new() } else { sentence };
        FinishedCase { number: self.number, exit, headline, event, case_output }
    }

    async fn follow(
        &self,
        request: bai_protocol::create::CreateRequest,
        interrupts: &mut StopSignals,
        case_output: &mut Option<CaseOutput>,
    ) -> Result<ExitStatus, CliError> {
        let line = self.shared.board.begin(self.number, &self.case.label());
        let output = if self.shared.context.global.json {
            forward(self.number, self.shared.messages.clone())
        } else {
            let (output, file) = Output::for_case()?;
            *case_output = Some(file);
            output
        };
        let session = tokio::select! {
            biased;
            signal = interrupts.recv() => return Ok(signal.exit()),
            session = prepare(&self.shared.api, request, &self.shared.plan, self.shared.temporary, |what| line.at(what)) => session?,
        };
        let (plan, context) = (&self.shared.plan, &self.shared.context);
        let options = context.script_options(!self.shared.temporary);
        let cell = match plan.start(&session, &self.case, context, &options, interrupts).await? {
            Start::Ready(cell) => cell,
            Start::Ended(exit) => return Ok(exit),
        };
        let on_step = |name: &'static str| line.at(name);
        let steps = BatchSteps::of(&cell, true, &on_step);
        script::run(&session, cell, options, output, &InputSource::empty(), interrupts, steps).await
    }
}

/// A writer that forwards each message as an event of a case.
fn forward(number: usize, to: mpsc::Sender<OutputMessage>) -> Output {
    Output::start_with(move |mut messages| {
        while let Some(message) = messages.blocking_recv() {
            let mut event = match message {
                OutputMessage::Record(record) => output::record_event(record),
                OutputMessage::Event(event) | OutputMessage::Step(event, _) => event,
                OutputMessage::Flush(done) => {
                    let _ = done.send(());
                    continue;
                }
                OutputMessage::Case(..) | OutputMessage::Resize(_) | OutputMessage::AtTerminal => continue,
            };
            if let Some(event) = event.as_object_mut() {
                event.insert("case".to_owned(), json!(number));
            }
            if to.blocking_send(OutputMessage::Event(event)).is_err() {
                return Ok(crate::render::Flow::Closed);
            }
        }
        Ok(crate::render::Flow::Open)
    })
}
