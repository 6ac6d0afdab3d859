//! A persistent interpreter under our driver: its process, its pipes, and the order of its output.
//!
//! The order is exact without marks in the output. A thread of the interpreter that sends a message on the control pipe
//! waits for its `Ack`, and the runner reads all earlier output before it passes the message on.

use super::error::StartError;
use super::input::Input;
use super::kernel_spec::KernelSpec;
use super::language::{Launch, Resolved};
use super::last_words::LastWords;
use super::lost_interrupt::LostInterrupts;
use super::outbox::Outbox;
use super::outputs::{Origin, Outputs};
use super::own_program::OwnScript;
use super::own_terminal;
use super::process::{self, Process, Program, Spawned};
use super::program_signal;
use super::script_streams::ScriptStreams;
use super::stdin::{ReaderEvent, StandardInput};
use super::wakeup::Wakeups;
use super::wire::{FromDriver, MessageReader, MessageWriter, ToDriver};
use bai_protocol::execute::{Script, Window};
use bai_protocol::record::ConsoleRecord;
use bai_protocol::signal::RunSignal;
use nix::unistd::Pid;
use std::process::ExitStatus;
use std::time::Duration;
use tokio::time::Instant;

/// How long an interpreter may take to end after it was asked to: enough to write its files.
pub(super) const EXIT_LIMIT: Duration = Duration::from_secs(3);
/// How long an interpreter may take until it is ready. Disks can be slow and site-packages large.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long an interpreter may live on when a pipe of its driver is closed.
const CUT_OFF_LIMIT: Duration = Duration::from_secs(2);
/// During a flood of small writes, output is read this often and not at every write.
const PACE: Duration = Duration::from_millis(1);
/// Pieces of this size or larger need no pacing.
const LARGE: usize = 64 << 10;
/// When more bytes than this wait for the driver, no completion is requested.
const BUSY_BACKLOG: usize = 1 << 20;

/// The numbers of the pipes of the last driver in each folder, for tests: the sessions of one process share the numbers.
#[cfg(test)]
pub(super) static DRIVER_PIPES: std::sync::Mutex<std::collections::BTreeMap<std::path::PathBuf, [i32; 3]>> =
    std::sync::Mutex::new(std::collections::BTreeMap::new());

/// A running interpreter.
pub(super) struct Interpreter {
    process: Process,
    control: MessageReader,
    aside: MessageReader,
    to_driver: MessageWriter,
    outputs: Outputs,
    /// The standard input of the interpreter and its children.
    stdin: Option<Input>,
    wakeups: Wakeups,
    /// Of the programs that cells have started.
    lost_interrupts: LostInterrupts,
    /// What runs the cells, if it is not the language itself.
    shell: Option<String>,
    /// A pipe of the driver is closed.
    cut_off: Option<CutOff>,
    /// A cell runs.
    busy: bool,
    /// Output is not read before this time, unless a message needs it.
    resume_at: Instant,
    /// Where the last output came from.
    last_from: Origin,
    /// The script that it runs by itself.
    own_script: Option<OwnScript>,
    /// The streams that this script has from its client.
    lent: Option<ScriptStreams>,
    /// The end of that script, while its children may print.
    last_words: Option<LastWords>,
}

/// What follows when a pipe of the driver is closed: usually the process ends. If user code has closed the pipe, the process
/// would wait for ever for its runner, so it is ended.
enum CutOff {
    EndsUntil(Instant),
    Killed,
}

/// An event of the process.
pub(super) enum Event {
    /// A message that keeps its place in the output, with its number.
    Message(u32, FromDriver),
    /// A message that is independent of the output.
    Aside(FromDriver),
    /// Text on standard output or standard error.
    Output(ConsoleRecord),
    /// A process begins or ends to wait for a line on standard input.
    Reader(ReaderEvent),
    /// Only internal progress.
    Progress,
    /// The program that it is has stopped.
    Stopped,
    /// The program that it is has closed a pipe of its driver, and goes on without it.
    Alone,
    /// The process is gone.
    Ended(ExitStatus),
}

impl Interpreter {
    /// Starts the interpreter and waits until it takes cells, or this script alone. Also returns its output until then.
    pub(super) async fn start(
        resolved: &Resolved,
        spec: &KernelSpec,
        script: Option<OwnScript>,
    ) -> Result<(Box<Self>, Vec<ConsoleRecord>), StartError> {
        let mut interpreter = Box::new(Self::spawn(resolved, spec, script)?);
        let mut early = Vec::new();
        let ready = tokio::time::timeout(READY_WITHIN, interpreter.until_ready(resolved, &mut early)).await;
        ready.map_err(|_| StartError::Timeout {
            executable: resolved.info.executable.clone(),
            seconds: READY_WITHIN.as_secs(),
        })??;
        Ok((interpreter, early))
    }

    fn spawn(
        resolved: &Resolved,
        spec: &KernelSpec,
        mut own_script: Option<OwnScript>,
    ) -> Result<Self, StartError> {
        let executable = &resolved.info.executable;
        let workdir = &spec.workdir;
        std::fs::read_dir(workdir).map_err(|source| StartError::Workdir { path: workdir.clone(), source })?;
        let unsuitable = || std::io::Error::other("the language has no persistent interpreter");
        let start = || {
            let (to_driver, control_in) = process::pipe_to_driver()?;
            let (control, control_out) = process::pipe_from_driver()?;
            let (aside, aside_out) = process::pipe_from_driver()?;
            let pipes = [control_in, control_out, aside_out];
            let numbers = pipes.each_ref().map(std::os::fd::AsRawFd::as_raw_fd);
            #[cfg(test)]
            DRIVER_PIPES.lock().unwrap().insert(workdir.clone(), numbers);
            let launch = match &mut own_script {
                None => resolved.language.init(executable, numbers),
                Some(OwnScript { code, script, scratch, input }) => {
                    let script = (code.as_str(), &*script);
                    let are_lent = spec.streams.are_lent();
                    resolved
                        .language
                        .init_script(executable, numbers, script, workdir, scratch, are_lent)?
                        .map(|(launch, plan)| {
                            *input = plan.input;
                            plan.files
                                .iter()
                                .try_for_each(|(path, text)| std::fs::write(path, text))
                                .map(|()| launch)
                        })
                        .transpose()?
                }
            };
            let launch = launch.ok_or_else(unsuitable)?;
            let Launch { args, default_env, first_in, remove_env, source, dialect, stdin, wake } = launch;
            let mut env = process::environment(&spec.env, default_env, remove_env);
            process::put_first(&mut env, first_in);
            let pty = own_script.as_ref().and_then(|own| own.script.pty.as_ref());
            pty.into_iter().for_each(|kind| own_terminal::name_in(&mut env, kind));
            let mut program = Program {
                executable,
                args: &args,
                workdir,
                env: &env,
                pipes: &pipes,
                stdin: None,
                output: None,
                starter: None,
            };
            let lent = own_script.as_ref().map(|_| spec.streams.clone()).filter(ScriptStreams::are_lent);
            let (process, outputs, stdin) = match pty.is_some() {
                true => {
                    let piped = own_script.as_ref().and_then(|own| own.script.piped);
                    let Spawned { process, outputs, stdin } =
                        own_terminal::start(&program, None, piped, lent.as_ref())?;
                    (process, outputs, Some(stdin))
                }
                false => {
                    let is_lent = lent.as_ref().is_some_and(ScriptStreams::have_stdin);
                    let is_ours = stdin && !is_lent;
                    let (stdin, child_stdin) = is_ours.then(StandardInput::new).transpose()?.unzip();
                    program.stdin = child_stdin;
                    let (process, outputs) = Process::spawn_with(program, lent.as_ref())?;
                    (process, outputs, stdin.map(Input::Pipe))
                }
            };
            let mut source = source.into_bytes();
            if !source.is_empty() {
                source.push(0);
            }
            Ok(Interpreter {
                process,
                control: MessageReader::new(control),
                aside: MessageReader::new(aside),
                to_driver: MessageWriter::new(to_driver, dialect, source),
                outputs,
                stdin,
                wakeups: Wakeups::new(wake),
                lost_interrupts: LostInterrupts::new(),
                shell: None,
                cut_off: None,
                busy: false,
                resume_at: Instant::now(),
                last_from: Origin::Out,
                own_script,
                lent,
                last_words: None,
            })
        };
        start().map_err(|source| StartError::Spawn { executable: executable.clone(), source })
    }

    async fn until_ready(
        &mut self,
        resolved: &Resolved,
        early: &mut Vec<ConsoleRecord>,
    ) -> Result<(), StartError> {
        loop {
            match self.next(true).await {
                Event::Message(_, FromDriver::Ready { shell }) => {
                    self.shell = shell;
                    return Ok(());
                }
                Event::Message(_, FromDriver::Unable { why, hint }) => {
                    let executable = resolved.info.executable.clone();
                    return Err(StartError::Unable { executable, why, hint });
                }
                Event::Output(reply) => early.push(reply),
                Event::Ended(status) => {
                    self.drain(|reply| early.push(reply));
                    let (_, how) = self.describe_end(&status);
                    let executable = resolved.info.executable.clone();
                    return Err(StartError::Died { executable, how, output: last_lines(early) });
                }
                Event::Message(..)
                | Event::Aside(_)
                | Event::Progress
                | Event::Reader(_)
                | Event::Alone
                | Event::Stopped => {}
            }
        }
    }

    /// What runs the cells, if it is not the language itself.
    pub(super) fn shell(&self) -> Option<&str> {
        self.shell.as_deref()
    }

    /// Waits for the next event. Without `room`, no output is read, and nobody is asked. Cancel-safe.
    pub(super) async fn next(&mut self, room: bool) -> Event {
        if self.to_driver.is_over() {
            self.note_cut_off();
        }
        if room && let Some(record) = self.outputs.take_held() {
            return Event::Output(record);
        }
        if let Some(last_words) = &mut self.last_words {
            return self.outputs.after_end(last_words, room).await.map_or_else(Event::Ended, Event::Output);
        }
        let Interpreter {
            process,
            control,
            aside,
            to_driver,
            outputs,
            stdin,
            wakeups,
            lost_interrupts,
            cut_off,
            busy,
            resume_at,
            ..
        } = self;
        let (pace, leader) = (*resume_at, process.leader());
        let wanted = async {
            match stdin {
                Some(stdin) if *busy && room => stdin.reader_event(leader).await,
                _ => std::future::pending().await,
            }
        };
        let too_late = async {
            match *cut_off {
                Some(CutOff::EndsUntil(limit)) => tokio::time::sleep_until(limit).await,
                Some(CutOff::Killed) | None => std::future::pending().await,
            }
        };
        let paced = async {
            tokio::time::sleep_until(pace).await;
            outputs.readable().await
        };
        let from = tokio::select! { biased;
            message = control.next(), if room => {
                let Some((id, message)) = message else { return self.note_cut_off() };
                return Event::Message(id, message);
            }
            message = aside.next() => match message {
                Some((_, FromDriver::Heeded)) => {
                    wakeups.stop();
                    return Event::Progress;
                }
                Some((_, message)) => return Event::Aside(message),
                None => return self.note_cut_off(),
            },
            signal = wakeups.due() => {
                process.signal_leader(signal);
                return Event::Progress;
            }
            () = lost_interrupts.look() => return Event::Progress,
            () = to_driver.flush() => return Event::Progress,
            status = process.ended_or_stopped() => {
                let Some(status) = status else {
                    stdin.iter_mut().for_each(|stdin| stdin.hold(true));
                    return Event::Stopped;
                };
                return status.map_or(Event::Progress, |status| self.has_ended(status));
            }
            () = too_late => {
                process.kill();
                *cut_off = Some(CutOff::Killed);
                return Event::Progress;
            }
            from = paced, if room => from,
            event = wanted => return Event::Reader(event),
        };
        let Some((from, text)) = self.outputs.read(from) else { return Event::Progress };
        // The first write after a pause is forwarded at once; a flood is read in larger pieces. A program that alternates
        // between the streams waits until each is read, so a change of stream is read at once too.
        if text.len() < LARGE && from == self.last_from {
            self.resume_at = Instant::now() + PACE;
            self.outputs.rest(from);
        }
        self.last_from = from;
        let first = self.stdin.as_mut().filter(|_| self.busy).and_then(Input::before_output);
        Event::Output(self.outputs.tell(first, from.record(text)))
    }

    fn has_ended(&mut self, status: ExitStatus) -> Event {
        if self.is_program() && self.busy {
            self.stdin = None;
            if self.lent.as_ref().is_some_and(ScriptStreams::have_all_output) {
                self.process.let_go();
            }
            if self.process.leave_output() {
                self.last_words = Some(LastWords::after(status));
                return Event::Progress;
            }
        }
        Event::Ended(status)
    }

    /// A pipe of the driver is closed. A program that the interpreter runs by itself needs no driver.
    fn note_cut_off(&mut self) -> Event {
        if self.is_program() {
            return Event::Alone;
        }
        self.cut_off.get_or_insert_with(|| CutOff::EndsUntil(Instant::now() + CUT_OFF_LIMIT));
        Event::Progress
    }

    /// The exit code that a shell would report, and a clause about the end of the process.
    pub(super) fn describe_end(&self, status: &ExitStatus) -> (i32, String) {
        let (exit_code, how) = process::describe_end(status);
        match self.cut_off {
            Some(CutOff::Killed) => {
                (exit_code, "has closed a pipe to its runner, and was therefore ended".to_owned())
            }
            _ => (exit_code, how),
        }
    }

    /// Takes all output from before this call.
    pub(super) fn drain(&mut self, take: impl FnMut(ConsoleRecord)) {
        let Interpreter { outputs, stdin, busy, .. } = self;
        let first = || stdin.as_mut().filter(|_| *busy).and_then(Input::before_output);
        outputs.drain(first, take);
    }

    /// Ends both streams at the end of a cell: the next cell does not continue a character that was cut off.
    pub(super) fn finish_streams(&mut self, outbox: &mut Outbox) {
        if let Some(text) = self.outputs.out.finish() {
            outbox.push(ConsoleRecord::Stdout(text));
        }
        if let Some(text) = self.outputs.err.finish() {
            outbox.push(ConsoleRecord::Stderr(text));
        }
    }

    /// The last messages of a process that has ended.
    pub(super) fn last_messages(&mut self) -> Vec<FromDriver> {
        std::iter::from_fn(|| self.control.next_now()).map(|(_, message)| message).collect()
    }

    /// Sends bytes to the reader of standard input.
    pub(super) fn type_bytes(&mut self, bytes: &[u8], end: bool, ahead: bool) {
        if let Some(stdin) = &mut self.stdin {
            stdin.send(bytes, end, ahead);
        }
    }

    /// Other keys are wanted, which are to be told after this: takes what was written to the terminal in modes of the program's own. The
    /// rest comes after the keys, because a question may be in it, and others than the program show it.
    pub(super) fn before_keys(&mut self, take: impl FnMut(ConsoleRecord)) {
        if self.stdin.as_ref().is_some_and(Input::had_own_modes) {
            self.outputs.drain_screen(take);
        }
    }

    /// Types bytes into a terminal that is shared.
    pub(super) fn type_keys(&mut self, bytes: &[u8]) {
        self.stdin.iter_mut().for_each(|stdin| stdin.type_keys(bytes));
    }

    /// The driver has announced that standard input will be read.
    pub(super) fn reader_was_announced(&mut self) {
        self.stdin.iter_mut().for_each(Input::wait_was_announced);
    }

    /// A cell begins or is over. Waiting readers are only looked for while a cell runs, and no cell reads a line that
    /// was typed for another.
    pub(super) fn set_busy(&mut self, busy: bool) {
        self.busy = busy;
        self.wakeups.stop();
        self.lost_interrupts.stop();
        match &mut self.stdin {
            Some(stdin) if busy => stdin.renew(),
            Some(stdin) => stdin.cell_is_over(self.process.leader()),
            None => {}
        }
    }

    /// Whether it runs one script by itself.
    pub(super) fn is_program(&self) -> bool {
        self.own_script.is_some()
    }

    /// The streams that its script has from its client.
    pub(super) fn lent(&self) -> Option<&ScriptStreams> {
        self.lent.as_ref()
    }

    /// Whether this is the script that it runs by itself.
    pub(super) fn is_for(&self, code: &str, script: Option<&Script>) -> bool {
        self.own_script.as_ref().is_some_and(|own| own.is(code, script))
    }

    /// Its process.
    pub(super) fn leader(&self) -> Pid {
        self.process.leader()
    }

    /// Whether its script has a terminal of its own.
    pub(super) fn has_terminal(&self) -> bool {
        self.process.has_terminal()
    }

    /// The terminal of its script has this size from now on.
    pub(super) fn resize(&self, window: Window) {
        self.process.resize(window);
    }

    /// The script begins: gives it the input that is not the user's.
    pub(super) fn begin_script(&mut self) {
        if let Some(input) = self.own_script.as_mut().and_then(|own| own.input.take()) {
            self.type_bytes(&input, true, false);
        }
    }

    pub(super) fn send(&mut self, message: &ToDriver<'_>) {
        self.to_driver.push(message);
    }

    /// Whether the driver is too busy to be asked for something optional.
    pub(super) fn is_congested(&self) -> bool {
        self.to_driver.backlog() > BUSY_BACKLOG
    }

    /// Lets the interpreter end normally: buffers are flushed and exit handlers run. An interpreter that takes too
    /// long, or that a cell keeps busy, is killed.
    pub(super) async fn shutdown(mut self: Box<Self>) {
        if !self.busy {
            self.send(&ToDriver::Bye);
            let _ = tokio::time::timeout(EXIT_LIMIT, self.ended()).await;
        }
    }

    /// Waits for the end of the process. Its output is discarded.
    async fn ended(&mut self) {
        loop {
            match self.next(true).await {
                Event::Ended(_) => return,
                Event::Message(id, _) => self.send(&ToDriver::Ack { id }),
                Event::Aside(_)
                | Event::Output(_)
                | Event::Reader(_)
                | Event::Alone
                | Event::Stopped
                | Event::Progress => {}
            }
        }
    }

    pub(super) fn interrupt(&mut self) {
        self.lost_interrupts.begin_below(self.process.leader());
        self.process.interrupt();
        self.wakeups.start();
        if let Some(stdin) = &mut self.stdin {
            stdin.was_interrupted(self.process.leader());
        }
        self.send(&ToDriver::Wake);
    }

    /// Lets a signal from outside reach the program that the interpreter is.
    pub(super) fn signal(&mut self, signal: RunSignal) {
        if signal == RunSignal::Continue {
            self.stdin.iter_mut().for_each(|stdin| stdin.hold(false));
        }
        program_signal::deliver(signal, &mut self.process, &mut self.outputs);
        if signal.ends() {
            self.send(&ToDriver::Wake);
        }
    }
}

/// The end of what a process wrote, for an error message.
pub(super) fn last_lines(replies: &[ConsoleRecord]) -> String {
    let text: String = replies
        .iter()
        .filter_map(|reply| match reply {
            ConsoleRecord::Stdout(text) | ConsoleRecord::Stderr(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let lines: Vec<&str> = text.lines().rev().take(12).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}
