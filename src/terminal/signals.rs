//! Signals that end or suspend the program: the terminal is restored before they take effect.
//!
//! A program that must end its sessions before SIGTERM or SIGHUP kills it calls [`listen_fatal`]; the terminal is
//! restored in this case too, and a second signal kills at once. Two signals that come together are one: `timeout` and shells send one to a
//! program and one to its process group. SIGINT and the SIGQUIT of a key end the program only as long as no
//! part of it listens to them: at the prompt they are keys. SIGWINCH belongs to the prompt.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, pthread_sigmask, raise, sigaction,
};
use nix::time::ClockId;
use nix::unistd::Pid;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::full_screen;
use super::modes::{get_now, in_foreground, set_now};
use super::passed_signals::are_passed;
use super::restore::{initial_termios, is_shared, restore};

/// Whether a [`FatalSignals`] listener exists.
static LISTENING: AtomicBool = AtomicBool::new(false);
/// When it received its signal, in milliseconds of the system's clock; 0 before that.
static RECEIVED: AtomicU64 = AtomicU64::new(0);
/// Signals within this time are one.
const TOGETHER: Duration = Duration::from_millis(500);

/// Signals that the processor raises in a broken program. Another process can send them too.
const CRASHES: [Signal; 4] = [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE];
/// What handled each of [`CRASHES`] before: Rust reports a stack overflow.
static CRASH_HANDLERS: [OnceLock<SigAction>; 4] = [const { OnceLock::new() }; 4];

/// Installs the handlers for all signals that end or suspend the program. An ignored signal (`nohup`) stays ignored. Unblocks
/// signals that the parent process left blocked, and gives SIGCHLD its default action: if it is ignored, the status of a
/// child is lost.
pub(super) fn install_handlers() -> io::Result<()> {
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    set_handler(Signal::SIGCHLD, SigHandler::SigDfl)?;
    // A file that may not become larger is an error of the write.
    set_handler(Signal::SIGXFSZ, SigHandler::SigIgn)?;
    for signal in Signal::iterator() {
        if let Some(handler) = handler_of(signal) {
            let previous = set_handler(signal, SigHandler::Handler(handler))?;
            if matches!(previous.handler(), SigHandler::SigIgn) {
                set_handler(signal, SigHandler::SigIgn)?;
            }
        }
    }
    let flags = SaFlags::SA_SIGINFO | SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::SigAction(on_quit), flags, SigSet::empty());
    if matches!(set_action(Signal::SIGQUIT, action)?.handler(), SigHandler::SigIgn) {
        set_handler(Signal::SIGQUIT, SigHandler::SigIgn)?;
    }
    for (signal, before) in CRASHES.into_iter().zip(&CRASH_HANDLERS) {
        // The handler does not run twice, and it has a stack of its own, as Rust's handler needs it.
        let flags = SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK;
        let previous =
            set_action(signal, SigAction::new(SigHandler::SigAction(on_crash), flags, SigSet::empty()))?;
        let _ = before.set(previous);
    }
    Ok(())
}

/// The handler of a signal that would end or suspend the program; crashes have their own.
fn handler_of(signal: Signal) -> Option<extern "C" fn(libc::c_int)> {
    match signal {
        Signal::SIGTERM | Signal::SIGHUP => Some(on_fatal),
        Signal::SIGTSTP => Some(on_suspend),
        // These end no program.
        Signal::SIGCHLD | Signal::SIGCONT | Signal::SIGURG | Signal::SIGWINCH => None,
        // These cannot be handled, or only stop a program that reads the keyboard of another.
        Signal::SIGKILL | Signal::SIGSTOP | Signal::SIGTTIN | Signal::SIGTTOU => None,
        // They are errors of a write.
        Signal::SIGPIPE | Signal::SIGXFSZ => None,
        // Its handler has to know who sent it.
        Signal::SIGQUIT => None,
        signal if CRASHES.contains(&signal) => None,
        _ => Some(on_unexpected),
    }
}

pub(super) fn set_handler(signal: Signal, handler: SigHandler) -> io::Result<SigAction> {
    set_action(signal, SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty()))
}

pub(super) fn set_action(signal: Signal, action: SigAction) -> io::Result<SigAction> {
    // SAFETY: the handlers installed here call async-signal-safe functions only: tcgetattr, tcsetattr, tcgetpgrp,
    // getpgrp, write, sigaction, pthread_sigmask, raise, and reads of atomics and of OnceLocks that are set.
    #[allow(unsafe_code)]
    let previous = unsafe { sigaction(signal, &action) };
    Ok(previous?)
}

/// Ends the program, unless a part of it listens to the signal: then that part's handler has replaced this one, and calls it
/// first.
extern "C" fn on_unexpected(number: libc::c_int) {
    let errno = Errno::last_raw();
    if let Ok(signal) = Signal::try_from(number)
        && current_action(signal) == Some(on_unexpected as *const () as libc::sighandler_t)
    {
        restore();
        deliver_by_default(signal);
    }
    Errno::set_raw(errno);
}

/// Ends the program when another process sends SIGQUIT. The key of the terminal that sends it is left to the part that listens,
/// as in [`on_unexpected`].
extern "C" fn on_quit(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let errno = Errno::last_raw();
    let is_passed = are_passed();
    if was_sent(info) && !is_passed
        || current_action(Signal::SIGQUIT) == Some(on_quit as *const () as libc::sighandler_t)
    {
        restore();
        deliver_by_default(Signal::SIGQUIT);
    }
    Errno::set_raw(errno);
}

/// Whether a process has sent the signal, and not the system. The pointer is that of a handler with SA_SIGINFO.
fn was_sent(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: the system passes a valid pointer to a handler that was installed with SA_SIGINFO.
    #[allow(unsafe_code)]
    unsafe { info.as_ref() }.is_none_or(|info| info.si_code <= 0)
}

extern "C" fn on_crash(number: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    restore();
    // What handles the crash may abort, and this stack is too small for another handler.
    let _ = set_handler(Signal::SIGABRT, SigHandler::SigDfl);
    let was_sent = was_sent(info);
    let crash = CRASHES.into_iter().zip(&CRASH_HANDLERS).find(|(signal, _)| *signal as libc::c_int == number);
    match crash {
        // The instruction that has failed is repeated then, and fails again.
        Some((signal, before)) if !was_sent => drop(before.get().map(|before| set_action(signal, *before))),
        Some((signal, _)) => deliver_by_default(signal),
        None => {}
    }
}

extern "C" fn on_fatal(number: libc::c_int) {
    let errno = Errno::last_raw();
    // A listener handles the first signal; tokio's handler runs after this one.
    let is_listened_to = is_listened_to();
    // A program elsewhere that gets the signal may go on, at this terminal.
    if !(is_listened_to && are_passed()) {
        restore();
    }
    if !is_listened_to && let Ok(signal) = Signal::try_from(number) {
        deliver_by_default(signal);
    }
    Errno::set_raw(errno);
}

/// Whether this fatal signal is the first one for the listener, or came together with it.
fn is_listened_to() -> bool {
    let now = milliseconds();
    let first = match RECEIVED.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => now,
        Err(first) => first,
    };
    LISTENING.load(Ordering::SeqCst) && u128::from(now.saturating_sub(first)) < TOGETHER.as_millis()
}

/// The system's clock since its start, in milliseconds, never 0.
fn milliseconds() -> u64 {
    // The call is async-signal-safe.
    let time = ClockId::CLOCK_MONOTONIC.now().map_or(Duration::ZERO, Duration::from);
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// Restores the terminal for the shell and suspends. When the program continues in the foreground, sets the modes from
/// before the suspension again.
extern "C" fn on_suspend(_: libc::c_int) {
    let errno = Errno::last_raw();
    if !are_passed() {
        stop(false);
        let _ = set_handler(Signal::SIGTSTP, SigHandler::Handler(on_suspend));
    }
    Errno::set_raw(errno);
}

/// Stops this process, with the terminal as the shell expects it; `others` stops those of its process group too. Safe in a signal
/// handler.
pub(super) fn stop(others: bool) {
    // Those with which it is shared see to their own.
    let current = if is_shared() { None } else { get_now() };
    restore();
    if others {
        // Not before: a shell takes the terminal as soon as these have stopped, and whoever sets its modes after that is stopped by the
        // system. One signal is for all: the continuation takes it back where it is still pending, so nobody stops after that.
        let _ = set_handler(Signal::SIGTSTP, SigHandler::SigDfl);
        let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
    } else {
        deliver_by_default(Signal::SIGTSTP);
    }
    // Continued.
    if let Some(current) = current
        && initial_termios().is_some()
        && in_foreground()
    {
        set_now(libc::STDIN_FILENO, &current);
        full_screen::enter_again();
        // Other threads have received SIGCONT already, and may have painted before the modes were set.
        let _ = raise(Signal::SIGWINCH);
    }
}

/// Ends this program by SIGINT, as Ctrl-C ends one that does not handle it: what started it, such as a loop of a shell, learns from that
/// that it was interrupted. `all` interrupts the others of its process group too, as that key does. Returns if SIGINT
/// is blocked. Call it last.
pub fn end_by_interrupt(all: bool) {
    restore();
    let _ = set_handler(Signal::SIGINT, SigHandler::SigIgn);
    if all {
        // This program itself is left out, so that the others get it first.
        let _ = kill(Pid::from_raw(0), Signal::SIGINT);
    }
    deliver_by_default(Signal::SIGINT);
}

/// Ends this program by this signal, as it ends one that does not handle it: what started it learns the cause. Returns if the signal is
/// blocked or ends no program. Call it last.
pub fn end_by(signal: Signal) {
    restore();
    // The state of this program tells nothing about the program that the signal was for.
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    deliver_by_default(signal);
}

/// Performs the default action of `signal` at once, also within its own handler.
fn deliver_by_default(signal: Signal) {
    let _ = set_handler(signal, SigHandler::SigDfl);
    let mut only = SigSet::empty();
    only.add(signal);
    let mut before = SigSet::empty();
    let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&only), Some(&mut before));
    let _ = raise(signal);
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
}

/// The current handler of this signal. Safe in a signal handler.
fn current_action(signal: Signal) -> Option<libc::sighandler_t> {
    action_of(signal).map(|action| action.sa_sigaction)
}

/// The current action for this signal. Safe in a signal handler.
pub(super) fn action_of(signal: Signal) -> Option<libc::sigaction> {
    // SAFETY: all zeroes is a valid value of this structure, and the call only writes the current action into it.
    #[allow(unsafe_code)]
    let (result, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal as libc::c_int, std::ptr::null(), &raw mut action), action)
    };
    (result == 0).then_some(action)
}

/// Whether this signal is ignored: it was ignored when the program started, and no handler has been installed since.
fn is_ignored(signal: Signal) -> bool {
    current_action(signal) == Some(libc::SIG_IGN)
}

/// Listens for Ctrl-C from this call on. `None` if SIGINT was ignored when the program started, as shells do with `&`. It is for
/// programs that do not read the keyboard: those that do must always listen.
///
/// # Errors
/// When the runtime cannot register the signal.
pub fn listen_interrupts() -> io::Result<Option<SignalStream>> {
    if is_ignored(Signal::SIGINT) { Ok(None) } else { signal(SignalKind::interrupt()).map(Some) }
}

/// Listens for Ctrl-C from this call on: the future ends when it comes. It never ends if SIGINT was ignored when the program
/// started ([`listen_interrupts`]).
///
/// # Panics
/// Outside of a tokio runtime.
pub fn interrupt_unless_ignored() -> impl Future<Output = ()> {
    let listener = listen_interrupts().ok().flatten();
    async move {
        if let Some(mut listener) = listener {
            listener.recv().await;
        } else {
            std::future::pending().await
        }
    }
}

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatalSignal {
    /// SIGTERM.
    Terminate,
    /// SIGHUP: the terminal is gone.
    HangUp,
}

impl FatalSignal {
    /// Ends the process by this signal, so that its parent sees the cause. Returns only if that fails.
    pub fn die(self) {
        end_by(self.into());
    }
}

impl From<FatalSignal> for Signal {
    fn from(signal: FatalSignal) -> Self {
        match signal {
            FatalSignal::Terminate => Signal::SIGTERM,
            FatalSignal::HangUp => Signal::SIGHUP,
        }
    }
}

/// A listener for fatal signals; see [`listen_fatal`].
#[derive(Debug)]
pub struct FatalSignals(FatalStreams);

/// Listens for SIGTERM and SIGHUP: the terminal is restored, then the listener receives the signal and must end the program
/// soon ([`FatalSignal::die`]). Call it on the runtime, after [`super::install`].
///
/// # Errors
/// When the runtime cannot register the signals.
pub fn listen_fatal() -> io::Result<FatalSignals> {
    let streams = FatalStreams::listen()?;
    RECEIVED.store(0, Ordering::SeqCst);
    LISTENING.store(true, Ordering::SeqCst);
    Ok(FatalSignals(streams))
}

impl FatalSignals {
    /// Waits for the next fatal signal. Cancel-safe.
    pub async fn recv(&mut self) -> FatalSignal {
        self.0.recv().await
    }

    /// The program goes on after a signal, and the next one comes to this listener too.
    pub fn go_on(&mut self) {
        self.0.last = None;
        RECEIVED.store(0, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct FatalStreams {
    terminate: SignalStream,
    /// `None` if SIGHUP is ignored: with `nohup` the program continues without its terminal.
    hang_up: Option<SignalStream>,
    /// The last signal, and when it came.
    last: Option<(FatalSignal, tokio::time::Instant)>,
}

impl FatalStreams {
    fn listen() -> io::Result<Self> {
        let hang_up = if is_ignored(Signal::SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { terminate: signal(SignalKind::terminate())?, hang_up, last: None })
    }

    async fn recv(&mut self) -> FatalSignal {
        loop {
            let signal = tokio::select! {
                Some(()) = self.terminate.recv() => FatalSignal::Terminate,
                Some(()) = hung_up(&mut self.hang_up) => FatalSignal::HangUp,
                else => std::future::pending().await,
            };
            let last = self.last.replace((signal, tokio::time::Instant::now()));
            if last.is_none_or(|(last, at)| last != signal || at.elapsed() >= TOGETHER) {
                return signal;
            }
        }
    }
}

async fn hung_up(stream: &mut Option<SignalStream>) -> Option<()> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}

/// A signal for a full-screen view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewSignal {
    /// The window has a new size.
    Resized,
    /// The program continues after a suspension.
    Continued,
    /// The program is about to end, so the view closes.
    Closing,
}

/// Listens for continuations after a suspension, in the foreground.
#[derive(Debug)]
pub struct Continuations(SignalStream);

impl Continuations {
    /// Registers the signal. Call it on the runtime.
    ///
    /// # Errors
    /// When the runtime cannot register the signal.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::from_raw(libc::SIGCONT)).map(Self)
    }

    /// Waits for the next one. Cancel-safe.
    pub async fn next(&mut self) {
        while self.0.recv().await.is_some() {
            if in_foreground() {
                return;
            }
        }
        std::future::pending().await
    }
}

/// A listener for the signals of a full-screen view. It does not change the effect of fatal signals; [`listen_fatal`] does.
#[derive(Debug)]
pub struct ViewSignals {
    resized: SignalStream,
    continued: SignalStream,
    fatal: FatalStreams,
}

impl ViewSignals {
    /// Registers the signals. Call it on the runtime.
    ///
    /// # Errors
    /// When the runtime cannot register the signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(libc::SIGCONT))?,
            fatal: FatalStreams::listen()?,
        })
    }

    /// Waits for the next signal. Cancel-safe.
    pub async fn recv(&mut self) -> ViewSignal {
        tokio::select! {
            Some(()) = self.resized.recv() => ViewSignal::Resized,
            Some(()) = self.continued.recv() => ViewSignal::Continued,
            _ = self.fatal.recv() => ViewSignal::Closing,
        }
    }
}

impl Drop for FatalSignals {
    fn drop(&mut self) {
        LISTENING.store(false, Ordering::SeqCst);
    }
}
