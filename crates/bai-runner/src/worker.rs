//! The one task that owns a kernel's state: the queue, the interpreter, the running step and the outgoing replies. It
//! never waits for a peer. A full reply channel only stops the reading of output, so interrupts, input and completion
//! are always served.

mod cell_programs;
mod exits;
mod interpreter_events;

use self::cell_programs::CellPrograms;
use self::exits::INTERRUPTED;
use super::backend::Backend;
use super::crash_loop::CrashLoop;
use super::error::StartError;
use super::interpreter::Event;
use super::kernel_spec::KernelSpec;
use super::language::{NOT_RUN, Resolved, StepKind};
use super::op::Op;
use super::outbox::Outbox;
use super::own_program::{OwnScript, Scratch};
use super::process_tree::{Mark, ProcessTree};
use super::queue::{Next, Task, TaskQueue};
use super::reply::{Reply, RunnerStatus};
use super::stdin;
use super::step::{RunningStep, Started, StepEvent};
use super::typed_ahead::TypedAhead;
use super::window;
use super::wire::ToDriver;
use bai_private::TemporaryFolder;
use bai_protocol::byte_text;
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_protocol::execute::{Script, Window};
use bai_protocol::language as table;
use bai_protocol::record::{ConsoleRecord, TerminalChange};
use bai_protocol::signal::RunSignal;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// Exit code of tasks that a restart or shutdown ended: that of a killed process.
const KILLED: i32 = 137;

/// A request of a handle.
#[derive(Debug)]
pub(super) enum KernelCommand {
    Op(Op),
    Complete(CompletionRequest, oneshot::Sender<Completion>),
    Restart(oneshot::Sender<Result<(), StartError>>),
    Shutdown(oneshot::Sender<()>),
}

type StartResult = Result<(Backend, Vec<ConsoleRecord>), StartError>;

/// The place of the interpreter.
enum InterpreterSlot {
    Running(Backend),
    Starting(Pin<Box<dyn Future<Output = StartResult> + Send>>),
    /// The interpreter did not start, or ended. The next `Code` tries again.
    Empty,
    /// The language keeps no interpreter: each cell has its own process.
    Unused,
}

/// The task that is being run.
struct RunningTask {
    task: Task,
    /// Number of the cell. The driver repeats it at the end of the cell.
    id: u64,
    /// Whether the driver has reported that the cell can be interrupted.
    started: bool,
    /// Whether the interpreter runs it.
    in_interpreter: bool,
    /// Whether an interrupt came before that.
    interrupt_wanted: bool,
    /// The exit code of a program that the last signal from outside has ended.
    signalled: Option<i32>,
    /// The step's process, or the program of the cell that has a terminal.
    step: Option<Box<RunningStep>>,
}

impl RunningTask {
    /// Whether a program has a terminal that the interpreter's cell has started.
    fn is_at_terminal(&self) -> bool {
        self.step.is_some() && self.in_interpreter
    }
}

/// The state of a kernel.
pub(super) struct Worker {
    resolved: Resolved,
    spec: Arc<KernelSpec>,
    outbox: Outbox,
    queue: TaskQueue,
    current: Option<RunningTask>,
    slot: InterpreterSlot,
    /// Crashes of idle interpreters.
    crash_loop: CrashLoop,
    /// The requester of a line, if one waits.
    waiting_input: Option<InputRequester>,
    /// Whether the driver waits for a secret.
    waiting_secret: bool,
    /// Where a person sees the output.
    window: Option<Window>,
    /// The window that the interpreter knows.
    told_window: Option<Window>,
    /// Input of the task that the driver has not asked for yet.
    typed_ahead: TypedAhead,
    /// Programs of cells at terminals of their own.
    cell_programs: CellPrograms,
    /// The scratch folder of cells that are programs, once there was one.
    scratch: Scratch,
    /// The folder in which build steps install, once there was one.
    environment: Option<TemporaryFolder>,
    completions: HashMap<u64, oneshot::Sender<Completion>>,
    /// Number of the last request to the driver.
    last_id: u64,
    /// Callers that wait for a restart.
    restarting: Vec<oneshot::Sender<Result<(), StartError>>>,
    started_at: f64,
    /// A cell has ended, and the interpreter does not know yet that it rests.
    cell_is_over: bool,
    /// The last script of the session has run, and its interpreter ends by itself.
    is_ending: bool,
    /// Why the program of the script that is expected did not start, if it has said something itself.
    failed_start: Option<StartError>,
    /// Those of displays that the client has not shown yet, in the output of a script that has streams of its own: it waits for that.
    unshown: Vec<u32>,
    /// The last field, so that processes outside their process group are ended last.
    descendants: Descendants,
}

/// All processes that the kernel's code has started, daemons included. Dropping it ends them, unless they were let go.
struct Descendants(Option<ProcessTree>);

impl Drop for Descendants {
    fn drop(&mut self) {
        self.0.iter().for_each(ProcessTree::kill);
    }
}

/// The requester of a line, which gets the line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum InputRequester {
    /// The driver, by a message.
    Driver,
    /// A process that reads the standard input of the interpreter or of a step.
    Reader,
}

/// An event for the worker.
enum WorkerEvent {
    Command(Option<KernelCommand>),
    Interpreter(Event),
    Started(StartResult),
    Step(StepEvent),
    /// What programs in the background print to the terminal of one that has ended.
    Left(String),
    /// The client has shown all displays.
    Shown,
    Progress,
}

impl Worker {
    /// Starts the interpreter and then the task that serves it. Returns what runs the cells, if it is not the language itself.
    pub(super) async fn start(
        resolved: Resolved,
        mut spec: KernelSpec,
        commands: mpsc::Receiver<KernelCommand>,
        replies: mpsc::Sender<Reply>,
    ) -> Result<Option<String>, StartError> {
        let mark = Mark::new();
        let descendants = Descendants(Some(ProcessTree::marked(mark.clone())));
        spec.env.push(mark.variable());
        let first_script = spec.first_script.take();
        let spec = Arc::new(spec);
        let mut outbox = Outbox::new(replies);
        let language = resolved.language;
        let slot = if spec.is_for_script && (language.own_program().is_some() || language.runs_scripts()) {
            InterpreterSlot::Empty
        } else if keeps_interpreter(&resolved) {
            let (interpreter, early) = Backend::start(&resolved, &spec, None).await?;
            early.into_iter().for_each(|record| outbox.push(record));
            InterpreterSlot::Running(interpreter)
        } else {
            InterpreterSlot::Unused
        };
        let shell = match &slot {
            InterpreterSlot::Running(interpreter) => interpreter.shell().map(str::to_owned),
            _ => None,
        };
        let mut worker = Worker {
            resolved,
            spec,
            outbox,
            queue: TaskQueue::default(),
            current: None,
            slot,
            crash_loop: CrashLoop::default(),
            waiting_input: None,
            waiting_secret: false,
            window: None,
            told_window: None,
            typed_ahead: TypedAhead::default(),
            cell_programs: CellPrograms::default(),
            scratch: Scratch::default(),
            environment: None,
            completions: HashMap::new(),
            last_id: 0,
            restarting: Vec::new(),
            started_at: monotonic_seconds(),
            cell_is_over: false,
            is_ending: false,
            failed_start: None,
            unshown: Vec::new(),
            descendants,
        };
        if let Some((code, script)) =
            first_script.filter(|(code, script)| worker.runs_by_itself(code, script))
        {
            worker.start_own_script(code, script);
        }
        tokio::spawn(worker.serve(commands));
        Ok(shell)
    }

    async fn serve(mut self, mut commands: mpsc::Receiver<KernelCommand>) {
        loop {
            self.dispatch();
            match self.next_event(&mut commands).await {
                WorkerEvent::Command(None) => return,
                WorkerEvent::Command(Some(KernelCommand::Shutdown(done))) => {
                    if let InterpreterSlot::Running(interpreter) =
                        std::mem::replace(&mut self.slot, InterpreterSlot::Empty)
                    {
                        interpreter.shutdown().await;
                    }
                    self.current = None;
                    drop(commands);
                    drop(self);
                    let _ = done.send(());
                    return;
                }
                WorkerEvent::Command(Some(command)) => self.on_command(command),
                WorkerEvent::Interpreter(event) => self.on_event(event),
                WorkerEvent::Started(result) => self.on_started(result),
                WorkerEvent::Step(event) => self.on_step(event),
                WorkerEvent::Left(text) => self.outbox.push(ConsoleRecord::Stdout(text)),
                WorkerEvent::Shown => self.go_on_after_display(),
                WorkerEvent::Progress => {}
            }
            if self.outbox.has_delivered() {
                // The reader may be a task of the same thread: it goes first, since somebody waits for what it passes on.
                tokio::task::yield_now().await;
            }
            self.rest_after_cell();
        }
    }

    async fn next_event(&mut self, commands: &mut mpsc::Receiver<KernelCommand>) -> WorkerEvent {
        let room = self.outbox.has_room();
        let at_terminal = self.current.as_ref().is_some_and(RunningTask::is_at_terminal);
        let slot = &mut self.slot;
        let interpreter = async {
            match slot {
                InterpreterSlot::Running(interpreter) => {
                    // A program that has the terminal has it alone.
                    WorkerEvent::Interpreter(interpreter.next(room && !at_terminal).await)
                }
                InterpreterSlot::Starting(start) => WorkerEvent::Started(start.as_mut().await),
                InterpreterSlot::Empty | InterpreterSlot::Unused => std::future::pending().await,
            }
        };
        let step = self.current.as_mut().and_then(|current| current.step.as_mut());
        let step = async {
            match step {
                Some(step) => WorkerEvent::Step(step.next(room).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! { biased;
            command = commands.recv() => WorkerEvent::Command(command),
            () = self.outbox.progress() => WorkerEvent::Progress,
            wake = interpreter => wake,
            wake = step => wake,
            () = self.spec.streams.all_is_shown(), if !self.unshown.is_empty() => WorkerEvent::Shown,
            text = self.cell_programs.left_output(), if room && !at_terminal => WorkerEvent::Left(text),
        }
    }

    fn on_command(&mut self, command: KernelCommand) {
        match command {
            KernelCommand::Op(Op::Code(code)) => self.queue.push(Task::Code(code, None)),
            KernelCommand::Op(Op::Script(code, script)) => self.queue.push(Task::Code(code, Some(script))),
            KernelCommand::Op(Op::Clean(step)) => self.queue.push(Task::Step(StepKind::Clean, step)),
            KernelCommand::Op(Op::Build(step)) => self.queue.push(Task::Step(StepKind::Build, step)),
            KernelCommand::Op(Op::Exec(step)) => self.queue.push(Task::Step(StepKind::Exec, step)),
            KernelCommand::Op(Op::End) => self.queue.push(Task::End),
            KernelCommand::Op(Op::Input(text)) => self.on_input(&text),
            KernelCommand::Op(Op::InputPiece { bytes, end, ahead }) => self.on_piece(&bytes, end, ahead),
            KernelCommand::Op(Op::Keys(bytes)) => self.type_keys(&bytes),
            KernelCommand::Op(Op::Secret(secret)) => self.on_secret(secret.as_deref()),
            KernelCommand::Op(Op::Window(window)) => {
                self.window = window.filter(|window| window.columns > 0 && window.rows > 0);
                self.tell_window();
            }
            KernelCommand::Op(Op::Pty(kind)) => self.cell_programs.begin(kind),
            KernelCommand::Op(Op::HangUp) => self.hang_up(),
            KernelCommand::Op(Op::Complete(request)) => self.complete(&request, None),
            KernelCommand::Op(Op::Interrupt) => self.on_interrupt(),
            KernelCommand::Op(Op::Signal(signal)) => self.on_signal(signal),
            KernelCommand::Op(Op::Status) => {
                self.outbox.push(Reply::Status(RunnerStatus { started_at: self.started_at }));
            }
            KernelCommand::Complete(request, answer) => self.complete(&request, Some(answer)),
            KernelCommand::Restart(done) => self.restart(done),
            KernelCommand::Shutdown(_) => {}
        }
    }

    fn on_input(&mut self, text: &str) {
        match (self.waiting_input.take(), &mut self.slot) {
            (Some(InputRequester::Reader), _) => {
                let (bytes, end) = stdin::typed(text);
                self.type_bytes(&bytes, end, false);
            }
            (Some(InputRequester::Driver), InterpreterSlot::Running(interpreter)) => {
                interpreter.send(&ToDriver::Input { text });
            }
            _ => {}
        }
    }

    fn on_piece(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        self.cell_programs.taken += u64::from(self.waiting_input.is_some());
        match self.waiting_input.take() {
            Some(InputRequester::Reader) => self.type_bytes(bytes, end, ahead),
            Some(InputRequester::Driver) => {
                self.typed_ahead.push(bytes, end);
                self.answer_driver(false);
            }
            None => {}
        }
    }

    fn on_secret(&mut self, text: Option<&str>) {
        if let (true, InterpreterSlot::Running(interpreter)) =
            (std::mem::take(&mut self.waiting_secret), &mut self.slot)
        {
            interpreter.send(&ToDriver::Secret { text });
        }
    }

    /// Sends bytes to the reader of standard input.
    fn type_bytes(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        let step = self.current.as_mut().and_then(|current| current.step.as_mut());
        match (step, &mut self.slot) {
            (Some(step), _) => step.type_bytes(bytes, end, ahead),
            (None, InterpreterSlot::Running(interpreter)) => interpreter.type_bytes(bytes, end, ahead),
            _ => {}
        }
    }

    /// Types bytes into a terminal that is shared.
    fn type_keys(&mut self, bytes: &[u8]) {
        let step = self.current.as_mut().and_then(|current| current.step.as_mut());
        match (step, &mut self.slot) {
            (Some(step), _) => step.type_keys(bytes),
            (None, InterpreterSlot::Running(interpreter)) => interpreter.type_keys(bytes),
            _ => {}
        }
    }

    /// Gives the driver a line of the input that has come, or asks for more.
    fn answer_driver(&mut self, is_password: bool) {
        match (self.typed_ahead.line(), &mut self.slot) {
            (Some(line), InterpreterSlot::Running(interpreter)) => {
                interpreter.send(&ToDriver::Input { text: &line });
            }
            (None, _) => self.ask(InputRequester::Driver, is_password),
            _ => {}
        }
    }

    /// Tells the interpreter the window, if it knows another one.
    fn tell_window(&mut self) {
        if let Some(RunningTask { step: Some(step), .. }) = &mut self.current {
            self.window.into_iter().for_each(|window| step.resize(window));
        }
        let InterpreterSlot::Running(interpreter) = &mut self.slot else { return };
        if self.told_window == self.window {
            return;
        }
        self.told_window = self.window;
        if interpreter.has_terminal() {
            self.window.into_iter().for_each(|window| interpreter.resize(window));
            return;
        }
        let window = window::in_session(self.window, &self.spec.env);
        let (columns, rows) = window.map(|window| (window.columns, window.rows)).unzip();
        interpreter.send(&ToDriver::Window { columns, rows, variables: &window::variables(window) });
    }

    fn on_interrupt(&mut self) {
        let Some(current) = &mut self.current else {
            self.free_interpreter();
            return self.withdraw_next(INTERRUPTED);
        };
        // A line that is in flight belongs to the question that ends now.
        self.waiting_input = None;
        match (&mut current.step, &mut self.slot) {
            // Its keys do not come this way: somebody else wants it to end.
            (Some(program), _) if current.in_interpreter => program.end_or_hang_up(),
            (Some(step), _) => step.interrupt(),
            (None, InterpreterSlot::Running(interpreter)) if current.started => interpreter.interrupt(),
            _ => {
                current.interrupt_wanted = true;
                // Code of an earlier cell may keep it from its beginning.
                self.free_interpreter();
            }
        }
    }

    /// Ends what holds an interpreter without a cell.
    fn free_interpreter(&mut self) {
        if let InterpreterSlot::Running(interpreter) = &mut self.slot
            && !interpreter.is_program()
        {
            interpreter.send(&ToDriver::Free);
        }
    }

    /// A signal from outside. An interpreter that outlives the task gets an interrupt in its place.
    fn on_signal(&mut self, signal: RunSignal) {
        let ends = signal.ends();
        match (&mut self.current, &mut self.slot) {
            (None, _) if ends => self.withdraw_next(signal.exit_code()),
            (Some(RunningTask { step: Some(step), signalled, .. }), _) => {
                *signalled = Some(signal.exit_code());
                step.signal(signal);
            }
            (Some(current), InterpreterSlot::Running(interpreter)) if current.task.is_last_script() => {
                current.signalled = Some(signal.exit_code());
                if signal == RunSignal::Interrupt && !current.started {
                    current.interrupt_wanted = true;
                } else {
                    interpreter.signal(signal);
                }
            }
            _ if ends => self.on_interrupt(),
            // What has not begun does nothing, so it has stopped.
            _ if signal == RunSignal::Suspend => self.has_stopped(),
            _ => {}
        }
    }

    /// The program has stopped.
    fn has_stopped(&mut self) {
        self.outbox.push(ConsoleRecord::Terminal(TerminalChange::Stopped));
    }

    /// Ends the task that waits for a new interpreter.
    fn withdraw_next(&mut self, exit_code: i32) {
        if let Some(Next::Run(task) | Next::Over(task, _)) = self.queue.next() {
            self.queue.ended(&task, exit_code);
            self.outbox.push(task.finished(exit_code));
        }
    }

    /// Asks the driver; without `answer` the result is a reply.
    fn complete(&mut self, request: &CompletionRequest, answer: Option<oneshot::Sender<Completion>>) {
        let InterpreterSlot::Running(interpreter) = &mut self.slot else {
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
            // An error means that the caller no longer waits.
            Some(answer) => drop(answer.send(completion)),
            None => self.outbox.push(Reply::Completion(completion)),
        }
    }

    fn restart(&mut self, done: oneshot::Sender<Result<(), StartError>>) {
        self.restarting.push(done);
        if let InterpreterSlot::Running(interpreter) = &mut self.slot {
            interpreter.drain(|record| self.outbox.push(record));
        }
        let old = self.lose_interpreter(KILLED);
        for task in self.queue.clear() {
            self.outbox.push(task.finished(KILLED));
        }
        if keeps_interpreter(&self.resolved) {
            return self.start_interpreter(old);
        }
        self.slot = InterpreterSlot::Unused;
        self.restarting.drain(..).for_each(|done| drop(done.send(Ok(()))));
    }

    /// Ends everything that depended on the interpreter, and returns the interpreter.
    fn lose_interpreter(&mut self, exit_code: i32) -> Option<Backend> {
        let old = std::mem::replace(&mut self.slot, InterpreterSlot::Empty);
        self.is_ending = false;
        self.waiting_input = None;
        self.cell_programs.end_left();
        self.completions.clear();
        self.end_current(exit_code);
        if let InterpreterSlot::Running(interpreter) = old { Some(interpreter) } else { None }
    }

    /// Starts an interpreter after the old one, if any, has ended.
    fn start_interpreter(&mut self, old: Option<Backend>) {
        let (mut resolved, spec) = (self.resolved.clone(), Arc::clone(&self.spec));
        let environment = self.environment.as_ref().map(TemporaryFolder::path);
        if let Some(tool) = environment.and_then(|folder| resolved.language.tool_of(folder)) {
            resolved.info.executable = tool;
        }
        self.slot = InterpreterSlot::Starting(Box::pin(async move {
            if let Some(old) = old {
                old.shutdown().await;
            }
            Backend::start(&resolved, &spec, None).await
        }));
    }

    /// Starts the language's own program for the last script of the session, which it waits for.
    fn start_own_script(&mut self, code: String, script: Script) {
        let (resolved, spec) = (self.resolved.clone(), Arc::clone(&self.spec));
        self.slot = InterpreterSlot::Starting(Box::pin(async move {
            Backend::start(&resolved, &spec, Some(OwnScript::new(code, script))).await
        }));
    }

    fn on_started(&mut self, result: StartResult) {
        match result {
            Ok((interpreter, early)) => {
                self.slot = InterpreterSlot::Running(interpreter);
                self.told_window = None;
                self.tell_window();
                early.into_iter().for_each(|record| self.outbox.push(record));
                self.restarting.drain(..).for_each(|done| drop(done.send(Ok(()))));
            }
            Err(error) => {
                self.slot = InterpreterSlot::Empty;
                if self.spec.is_for_script && self.restarting.is_empty() && self.queue.peek().is_none() {
                    // The script that it was started for has not come yet. That tries again, and tells it. What a program with
                    // streams of its own has said was seen.
                    self.failed_start = Some(error).filter(|_| self.spec.streams.are_lent());
                    return;
                }
                self.cannot_start(error);
            }
        }
    }

    /// Tells it, and ends the cell or script that needs the interpreter.
    fn cannot_start(&mut self, error: StartError) {
        self.outbox.say(&format!("{error}; {}", error.hint()));
        let mut error = Some(error);
        for done in self.restarting.drain(..) {
            drop(done.send(Err(error.take().unwrap_or(StartError::Stopped))));
        }
        if let Some(Task::Code(..)) = self.queue.peek()
            && let Some(Next::Run(task) | Next::Over(task, _)) = self.queue.next()
        {
            self.outbox.push(task.finished(NOT_RUN));
        }
    }

    /// Starts the next task, if it can be started now.
    fn dispatch(&mut self) {
        while self.current.is_none() {
            if let Some(Task::Code(code, script)) = self.queue.peek()
                && !(script.is_some() && self.spec.is_for_script && self.has_own_program())
            {
                match self.slot {
                    InterpreterSlot::Running(_) if self.is_ending => return,
                    // Its script was withdrawn, or another one was expected.
                    InterpreterSlot::Running(ref interpreter)
                        if interpreter.is_program() && !interpreter.is_for(code, script.as_ref()) =>
                    {
                        self.slot = InterpreterSlot::Empty;
                        continue;
                    }
                    InterpreterSlot::Running(_) | InterpreterSlot::Unused => {}
                    InterpreterSlot::Empty if self.failed_start.is_some() => {
                        self.failed_start.take().into_iter().for_each(|error| self.cannot_start(error));
                        continue;
                    }
                    InterpreterSlot::Empty => match script {
                        Some(script) if self.runs_by_itself(code, script) => {
                            let (code, script) = (code.clone(), script.clone());
                            return self.start_own_script(code, script);
                        }
                        _ => return self.start_interpreter(None),
                    },
                    InterpreterSlot::Starting(_) => return,
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
        let mut current = RunningTask {
            task,
            id: self.last_id,
            started: false,
            in_interpreter: false,
            interrupt_wanted: false,
            signalled: None,
            step: None,
        };
        let is_program = self.spec.is_for_script && self.has_own_program();
        let started = match (&current.task, &mut self.slot) {
            (Task::Code(code, Some(script)), _) if is_program => self.start_program(code, Some(script)),
            (Task::Code(code, script), InterpreterSlot::Running(interpreter)) => {
                match in_interpreter(&self.resolved, &self.spec, code, script.as_ref()) {
                    Ok(code) => {
                        interpreter.set_busy(true);
                        let code = if interpreter.is_program() { "" } else { &*code };
                        let terminal = self.cell_programs.may_have_terminal() && self.window.is_some();
                        let run = ToDriver::Run { id: current.id, code, script: script.as_ref(), terminal };
                        interpreter.send(&run);
                        interpreter.begin_script();
                        if interpreter.has_terminal() {
                            self.outbox.push(ConsoleRecord::Terminal(TerminalChange::Open));
                        }
                        current.in_interpreter = true;
                        self.current = Some(current);
                        return;
                    }
                    Err(sentence) => Started::Over(Some(sentence), NOT_RUN),
                }
            }
            (Task::End, InterpreterSlot::Running(interpreter)) => {
                interpreter.set_busy(true);
                interpreter.send(&ToDriver::Bye);
                self.current = Some(RunningTask { started: true, ..current });
                return;
            }
            (Task::End, _) => Started::Over(None, 0),
            (Task::Code(code, script), _) => self.start_program(code, script.as_ref()),
            (Task::Step(kind, step), _) => self.start_step(*kind, step),
        };
        match started {
            Started::Running(step) => {
                if step.has_terminal() {
                    self.outbox.push(ConsoleRecord::Terminal(TerminalChange::Open));
                }
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

    /// Whether the language's own program runs this script, with the driver as its guest.
    fn runs_by_itself(&self, code: &str, script: &Script) -> bool {
        // Python reads another encoding than UTF-8 from a file only, and not from a pipe.
        let is_piped = script.path.is_none() && script.name != "-c";
        let may_be_piped =
            byte_text::is_utf8(code) && !code.lines().take(2).any(|line| line.contains("coding"));
        let runs = self.spec.is_for_script && script.last && self.resolved.language.runs_scripts();
        runs && (may_be_piped || !is_piped)
    }

    /// Whether scripts can run as the language's own program runs them.
    fn has_own_program(&self) -> bool {
        self.resolved.language.own_program().is_some()
    }

    fn end_current(&mut self, exit_code: i32) {
        self.end_cell_program(None);
        self.typed_ahead = TypedAhead::default();
        self.waiting_secret = false;
        if let Some(current) = self.current.take() {
            self.queue.ended(&current.task, exit_code);
            self.outbox.push(current.task.finished(exit_code));
        }
    }

    fn ask(&mut self, requester: InputRequester, is_password: bool) {
        self.waiting_input = Some(requester);
        self.outbox.push(Reply::WaitingInput { is_password });
    }

    /// The requester does not wait any more.
    fn withdraw(&mut self, requester: InputRequester) {
        if self.waiting_input.take_if(|waiting| *waiting == requester).is_some() {
            self.outbox.push(Reply::InputWithdrawn);
        }
    }
}

/// The code of a cell or a script for the interpreter, with the arguments of the script.
///
/// # Errors
/// A sentence for the user if it cannot run there.
fn in_interpreter<'a>(
    resolved: &Resolved,
    spec: &KernelSpec,
    code: &'a str,
    script: Option<&Script>,
) -> Result<Cow<'a, str>, String> {
    let Some(script) = script.filter(|_| !resolved.language.runs_scripts()) else { return Ok(code.into()) };
    let Ok(code) = String::from_utf8(byte_text::bytes(code).into_owned()) else {
        return Err(format!("{} is not UTF-8.", byte_text::shown(&script.name)));
    };
    if script.args.is_empty() {
        return Ok(code.into());
    }
    let language = resolved.language.name();
    let row = if resolved.language.is_jupyter() {
        super::jupyter::language_of(spec.image.as_str()).and_then(|name| table::of_name(&name))
    } else {
        table::ALL.iter().copied().find(|row| row.name == language)
    };
    let arguments = row.and_then(|row| row.arguments.as_ref());
    arguments.map(|arguments| arguments.give(&code, &script.name, &script.args).into()).ok_or_else(|| {
        format!("A script of {language} takes no arguments in a session with a name. Without -t it does.")
    })
}

/// Whether the language keeps an interpreter.
fn keeps_interpreter(resolved: &Resolved) -> bool {
    resolved.language.is_jupyter() || resolved.language.init(&resolved.info.executable, [0; 3]).is_some()
}

/// Seconds of a clock that never goes back, from an arbitrary start.
fn monotonic_seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64()
}
