//! The one task that owns a kernel's state: the queue, the interpreter, the step that runs, the replies on their
//! way out. It never waits for a peer: a full reply channel only stops reading, so interrupts, input and
//! completion are served whatever the program and the reader do.

mod exits;

use super::backend::Backend;
use super::crash_loop::CrashLoop;
use super::error::StartError;
use super::interpreter::Event;
use super::kernel_spec::KernelSpec;
use super::language::{Resolved, StepKind};
use super::op::Op;
use super::outbox::Outbox;
use super::process_tree::{self, ProcessTree};
use super::queue::{Next, Task, TaskQueue};
use super::reply::{Reply, RunnerStatus};
use super::step::{RunningStep, Started, StepEvent};
use super::wire::{FromDriver, ToDriver};
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_protocol::record::ConsoleRecord;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Exit code of tasks that a restart or shutdown ended: that of a killed process.
const KILLED: i32 = 137;

/// What a handle asks for.
#[derive(Debug)]
pub(super) enum Command {
    Op(Op),
    Complete(CompletionRequest, oneshot::Sender<Completion>),
    Restart(oneshot::Sender<Result<(), StartError>>),
    Shutdown(oneshot::Sender<()>),
}

type StartResult = Result<(Backend, Vec<ConsoleRecord>), StartError>;

/// The interpreter, or what is in its place.
enum Slot {
    Running(Backend),
    Starting(Pin<Box<dyn Future<Output = StartResult> + Send>>),
    /// It did not start, or did not stay; the next `Code` tries again.
    Empty,
    /// The language has none: each cell is a process of its own.
    Needless,
}

/// The task that is being run.
struct Current {
    task: Task,
    /// Number of the cell, which the driver repeats when it is over.
    id: u64,
    /// Whether the driver has said that the cell can be interrupted.
    started: bool,
    /// An interrupt came before that.
    interrupt_wanted: bool,
    /// The step's process.
    step: Option<Box<RunningStep>>,
}

/// The state of a kernel.
pub(super) struct Worker {
    what: Resolved,
    spec: Arc<KernelSpec>,
    outbox: Outbox,
    queue: TaskQueue,
    current: Option<Current>,
    slot: Slot,
    /// Of interpreters that had nothing to do.
    crash_loop: CrashLoop,
    /// Who waits for a line.
    waiting_input: Option<Asker>,
    /// Where cells become programs, once there was one.
    scratch: Option<tempfile::TempDir>,
    completions: HashMap<u64, oneshot::Sender<Completion>>,
    /// Number of the last request to the driver.
    last_id: u64,
    /// Who waits for a restart.
    restarting: Vec<oneshot::Sender<Result<(), StartError>>>,
    started_at: f64,
    /// The last field: what has left its process group ends after those that have not.
    _descendants: Descendants,
}

/// All that was started from the kernel's code, daemons included. Dropping it ends them.
struct Descendants(ProcessTree);

impl Drop for Descendants {
    fn drop(&mut self) {
        self.0.kill();
    }
}

/// Who has asked for a line, and so gets it.
#[derive(Clone, Copy)]
enum Asker {
    /// The driver, by a message.
    Driver,
    /// Whoever reads the standard input of the interpreter or of a step.
    Reader,
}

/// What woke the worker.
enum Wake {
    Command(Option<Command>),
    Interpreter(Event),
    Started(StartResult),
    Step(StepEvent),
    Progress,
}

impl Worker {
    /// Starts the interpreter and then the task that serves it.
    pub(super) async fn start(
        what: Resolved,
        mut spec: KernelSpec,
        commands: mpsc::Receiver<Command>,
        replies: mpsc::Sender<Reply>,
    ) -> Result<(), StartError> {
        let mark = process_tree::mark();
        let descendants = Descendants(ProcessTree::marked(&mark));
        spec.env.push(mark);
        let spec = Arc::new(spec);
        let mut outbox = Outbox::new(replies);
        let slot = if keeps_interpreter(&what) {
            let (interpreter, early) = Backend::start(&what, &spec).await?;
            early.into_iter().for_each(|record| outbox.push(record));
            Slot::Running(interpreter)
        } else {
            Slot::Needless
        };
        let worker = Worker {
            what,
            spec,
            outbox,
            queue: TaskQueue::default(),
            current: None,
            slot,
            crash_loop: CrashLoop::default(),
            waiting_input: None,
            scratch: None,
            completions: HashMap::new(),
            last_id: 0,
            restarting: Vec::new(),
            started_at: monotonic_seconds(),
            _descendants: descendants,
        };
        tokio::spawn(worker.serve(commands));
        Ok(())
    }

    async fn serve(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            self.dispatch();
            match self.wake(&mut commands).await {
                Wake::Command(None) => return,
                Wake::Command(Some(Command::Shutdown(done))) => {
                    if let Slot::Running(interpreter) = std::mem::replace(&mut self.slot, Slot::Empty) {
                        interpreter.shutdown().await;
                    }
                    self.current = None;
                    drop(commands);
                    drop(self);
                    let _ = done.send(());
                    return;
                }
                Wake::Command(Some(command)) => self.on_command(command),
                Wake::Interpreter(event) => self.on_event(event),
                Wake::Started(result) => self.on_started(result),
                Wake::Step(event) => self.on_step(event),
                Wake::Progress => {}
            }
        }
    }

    async fn wake(&mut self, commands: &mut mpsc::Receiver<Command>) -> Wake {
        let room = self.outbox.has_room();
        let slot = &mut self.slot;
        let interpreter = async {
            match slot {
                Slot::Running(interpreter) => Wake::Interpreter(interpreter.next(room).await),
                Slot::Starting(start) => Wake::Started(start.as_mut().await),
                Slot::Empty | Slot::Needless => std::future::pending().await,
            }
        };
        let step = self.current.as_mut().and_then(|current| current.step.as_mut());
        let step = async {
            match step {
                Some(step) => Wake::Step(step.next(room).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! { biased;
            command = commands.recv() => Wake::Command(command),
            () = self.outbox.progress() => Wake::Progress,
            wake = interpreter => wake,
            wake = step => wake,
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Op(Op::Code(code)) => self.queue.push(Task::Code(code)),
            Command::Op(Op::Clean(step)) => self.queue.push(Task::Step(StepKind::Clean, step)),
            Command::Op(Op::Build(step)) => self.queue.push(Task::Step(StepKind::Build, step)),
            Command::Op(Op::Exec(step)) => self.queue.push(Task::Step(StepKind::Exec, step)),
            Command::Op(Op::Input(text)) => self.on_input(&text),
            Command::Op(Op::Complete(request)) => self.complete(&request, None),
            Command::Op(Op::Interrupt) => self.on_interrupt(),
            Command::Op(Op::Status) => {
                self.outbox.push(Reply::Status(RunnerStatus { started_at: self.started_at }));
            }
            Command::Complete(request, answer) => self.complete(&request, Some(answer)),
            Command::Restart(done) => self.restart(done),
            Command::Shutdown(_) => {}
        }
    }

    fn on_input(&mut self, text: &str) {
        let step = self.current.as_mut().and_then(|current| current.step.as_mut());
        match (self.waiting_input.take(), step, &mut self.slot) {
            (Some(Asker::Reader), Some(step), _) => step.type_line(text),
            (Some(Asker::Reader), None, Slot::Running(interpreter)) => interpreter.type_line(text),
            (Some(Asker::Driver), _, Slot::Running(interpreter)) => {
                interpreter.send(&ToDriver::Input { text });
            }
            _ => {}
        }
    }

    fn on_interrupt(&mut self) {
        let Some(current) = &mut self.current else { return };
        // An answer that is on its way belongs to the question that ends now.
        self.waiting_input = None;
        match (&mut current.step, &mut self.slot) {
            (Some(step), _) => step.interrupt(),
            (None, Slot::Running(interpreter)) if current.started => interpreter.interrupt(),
            _ => current.interrupt_wanted = true,
        }
    }

    /// Asks the driver; without `answer` the result is a reply.
    fn complete(&mut self, request: &CompletionRequest, answer: Option<oneshot::Sender<Completion>>) {
        let Slot::Running(interpreter) = &mut self.slot else {
            return self.answer(answer, Completion::default());
        };
        if interpreter.is_congested() {
            return self.answer(answer, Completion::default());
        }
        self.last_id += 1;
        let id = self.last_id;
        self.completions.retain(|_, waiting| !waiting.is_closed());
        if let Some(answer) = answer {
            self.completions.insert(id, answer);
        }
        interpreter.send(&ToDriver::Complete { id, code: &request.code, post: &request.options.post });
    }

    fn answer(&mut self, answer: Option<oneshot::Sender<Completion>>, completion: Completion) {
        match answer {
            // An error says that nobody waits any more.
            Some(answer) => drop(answer.send(completion)),
            None => self.outbox.push(Reply::Completion(completion)),
        }
    }

    fn restart(&mut self, done: oneshot::Sender<Result<(), StartError>>) {
        self.restarting.push(done);
        if let Slot::Running(interpreter) = &mut self.slot {
            interpreter.drain(|record| self.outbox.push(record));
        }
        let old = self.lose_interpreter(KILLED);
        for task in self.queue.clear() {
            self.outbox.push(task.finished(KILLED));
        }
        if keeps_interpreter(&self.what) {
            return self.start_interpreter(old);
        }
        self.slot = Slot::Needless;
        self.restarting.drain(..).for_each(|done| drop(done.send(Ok(()))));
    }

    /// Ends what depended on the interpreter, and gives it back.
    fn lose_interpreter(&mut self, exit_code: i32) -> Option<Backend> {
        let old = std::mem::replace(&mut self.slot, Slot::Empty);
        self.waiting_input = None;
        self.completions.clear();
        self.end_current(exit_code);
        if let Slot::Running(interpreter) = old { Some(interpreter) } else { None }
    }

    /// Starts an interpreter, when the old one, if any, has ended.
    fn start_interpreter(&mut self, old: Option<Backend>) {
        let (what, spec) = (self.what.clone(), Arc::clone(&self.spec));
        self.slot = Slot::Starting(Box::pin(async move {
            if let Some(old) = old {
                old.shutdown().await;
            }
            Backend::start(&what, &spec).await
        }));
    }

    fn on_started(&mut self, result: StartResult) {
        match result {
            Ok((interpreter, early)) => {
                self.slot = Slot::Running(interpreter);
                early.into_iter().for_each(|record| self.outbox.push(record));
                self.restarting.drain(..).for_each(|done| drop(done.send(Ok(()))));
            }
            Err(error) => {
                self.slot = Slot::Empty;
                self.outbox.say(&format!("{error}; {}", error.hint()));
                let mut error = Some(error);
                for done in self.restarting.drain(..) {
                    drop(done.send(Err(error.take().unwrap_or(StartError::Stopped))));
                }
                // The cell that asked for a new interpreter cannot run.
                if let Some(Task::Code(_)) = self.queue.peek()
                    && let Some(Next::Run(task) | Next::Over(task, _)) = self.queue.next()
                {
                    self.outbox.push(task.finished(127));
                }
            }
        }
    }

    /// Starts what is next, as far as it can be started now.
    fn dispatch(&mut self) {
        while self.current.is_none() {
            if let Some(Task::Code(_)) = self.queue.peek() {
                match self.slot {
                    Slot::Running(_) | Slot::Needless => {}
                    Slot::Empty => return self.start_interpreter(None),
                    Slot::Starting(_) => return,
                }
            }
            match self.queue.next() {
                None => return,
                Some(Next::Over(task, exit_code)) => self.outbox.push(task.finished(exit_code)),
                Some(Next::Run(task)) => self.run(task),
            }
        }
    }

    fn run(&mut self, task: Task) {
        self.last_id += 1;
        let mut current =
            Current { task, id: self.last_id, started: false, interrupt_wanted: false, step: None };
        let started = match (&current.task, &mut self.slot) {
            (Task::Code(code), Slot::Running(interpreter)) => {
                interpreter.set_busy(true);
                interpreter.send(&ToDriver::Run { id: current.id, code });
                self.current = Some(current);
                return;
            }
            (Task::Code(code), _) => self.start_cell(code),
            (Task::Step(kind, step), _) => RunningStep::start(*kind, step, &self.what, &self.spec),
        };
        match started {
            Started::Running(step) => {
                current.step = Some(step);
                self.current = Some(current);
            }
            Started::Over(line, exit_code) => {
                line.iter().for_each(|line| self.outbox.say(line));
                self.current = Some(current);
                self.end_current(exit_code);
            }
        }
    }

    fn end_current(&mut self, exit_code: i32) {
        if let Some(current) = self.current.take() {
            self.queue.ended(&current.task, exit_code);
            self.outbox.push(current.task.finished(exit_code));
        }
    }

    fn ask(&mut self, asker: Asker, is_password: bool) {
        self.waiting_input = Some(asker);
        self.outbox.push(Reply::WaitingInput { is_password });
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Progress => {}
            Event::Output(record) => self.outbox.push(record),
            Event::WaitsForLine => {
                if let Slot::Running(interpreter) = &mut self.slot {
                    interpreter.drain(|record| self.outbox.push(record));
                }
                self.ask(Asker::Reader, false);
            }
            Event::Aside(message) => self.on_aside(message),
            Event::Message(id, message) => {
                if let Slot::Running(interpreter) = &mut self.slot {
                    interpreter.drain(|record| self.outbox.push(record));
                    interpreter.send(&ToDriver::Ack { id });
                }
                self.on_message(message);
            }
            Event::Ended(status) => self.on_death(&status),
        }
    }

    fn on_aside(&mut self, message: FromDriver) {
        match message {
            FromDriver::Started { id } => {
                let Some(current) = self.current.as_mut().filter(|current| current.id == id) else { return };
                current.started = true;
                if let (true, Slot::Running(interpreter)) = (current.interrupt_wanted, &mut self.slot) {
                    interpreter.interrupt();
                }
            }
            FromDriver::Completions { id, start, suggestions } => {
                let completion = Completion { suggestions, start };
                let answer = self.completions.remove(&id);
                self.answer(answer, completion);
            }
            message => tracing::warn!(?message, "a message came on the wrong pipe"),
        }
    }

    fn on_message(&mut self, message: FromDriver) {
        match message {
            FromDriver::Media { mime, data } => self.outbox.push(ConsoleRecord::Media { mime, data }),
            FromDriver::Html { data } => self.outbox.push(ConsoleRecord::Html(data)),
            FromDriver::Ask { password, stdin } => {
                if let (true, Slot::Running(interpreter)) = (stdin, &mut self.slot) {
                    interpreter.told_of_reader();
                }
                self.ask(if stdin { Asker::Reader } else { Asker::Driver }, password);
            }
            FromDriver::Done { id, code }
                if self.current.as_ref().is_some_and(|current| current.id == id) =>
            {
                self.waiting_input = None;
                if let Slot::Running(interpreter) = &mut self.slot {
                    interpreter.set_busy(false);
                    interpreter.finish_streams(&mut self.outbox);
                }
                self.end_current(code);
            }
            FromDriver::Sync | FromDriver::Ready | FromDriver::Done { .. } => {}
            message => tracing::warn!(?message, "a message came on the wrong pipe"),
        }
    }
}

/// Whether the language keeps an interpreter.
fn keeps_interpreter(what: &Resolved) -> bool {
    what.language.is_jupyter() || what.language.init(&what.info.executable, [0; 3]).is_some()
}

/// Seconds of a clock that never goes back, from an arbitrary start.
fn monotonic_seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64()
}
