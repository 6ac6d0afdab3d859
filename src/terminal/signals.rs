//! Signals that end or suspend the program: the terminal is put back before they take effect.
//!
//! SIGTERM and SIGHUP kill by default. A program that wants to end its sessions first takes [`listen_fatal`]; the
//! terminal is restored all the same, and a second signal kills at once. SIGINT, SIGQUIT and SIGWINCH are not
//! touched: they belong to the prompt.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, raise, sigaction,
};
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};

use super::full_screen;
use super::modes::{get_now, in_foreground, set_now};
use super::restore::{initial_termios, restore};

/// Somebody waits for fatal signals and ends the program in order.
static LISTENING: AtomicBool = AtomicBool::new(false);

/// Installs the handlers for SIGTERM, SIGHUP and SIGTSTP. A signal that is ignored (`nohup`) stays ignored. Signals that our
/// parent left blocked are let through, and SIGCHLD has its default action: who ignores it never learns how a child ended.
pub(super) fn install_handlers() -> io::Result<()> {
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    set_handler(Signal::SIGCHLD, SigHandler::SigDfl)?;
    for (signal, handler) in [
        (Signal::SIGTERM, on_fatal as extern "C" fn(libc::c_int)),
        (Signal::SIGHUP, on_fatal),
        (Signal::SIGTSTP, on_suspend),
    ] {
        let previous = set_handler(signal, SigHandler::Handler(handler))?;
        if matches!(previous.handler(), SigHandler::SigIgn) {
            set_handler(signal, SigHandler::SigIgn)?;
        }
    }
    Ok(())
}

fn set_handler(signal: Signal, handler: SigHandler) -> io::Result<SigAction> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handlers installed here call async-signal-safe functions only: tcgetattr, tcsetattr, tcgetpgrp,
    // getpgrp, write, sigaction, pthread_sigmask, raise, and reads of atomics and of a OnceLock that is set.
    #[allow(unsafe_code)]
    let previous = unsafe { sigaction(signal, &action) };
    Ok(previous?)
}

extern "C" fn on_fatal(number: libc::c_int) {
    let errno = Errno::last_raw();
    restore();
    // With a listener the first signal is its to handle; tokio's handler runs after this one.
    if !LISTENING.swap(false, Ordering::SeqCst)
        && let Ok(signal) = Signal::try_from(number)
    {
        deliver_by_default(signal);
    }
    Errno::set_raw(errno);
}

/// Suspends with the terminal as the shell expects it, and puts the modes of now back when the program goes on in the
/// foreground: whoever held the keyboard finds it as it was.
extern "C" fn on_suspend(_: libc::c_int) {
    let errno = Errno::last_raw();
    let current = get_now();
    restore();
    deliver_by_default(Signal::SIGTSTP);
    // Continued.
    let _ = set_handler(Signal::SIGTSTP, SigHandler::Handler(on_suspend));
    if let Some(current) = current
        && initial_termios().is_some()
        && in_foreground()
    {
        set_now(&current);
        full_screen::enter_again();
        // Other threads have heard SIGCONT already, and may have painted before the modes were put back.
        let _ = raise(Signal::SIGWINCH);
    }
    Errno::set_raw(errno);
}

/// Lets `signal` do what it does by default, here and now, also from within its own handler.
fn deliver_by_default(signal: Signal) {
    let _ = set_handler(signal, SigHandler::SigDfl);
    let mut only = SigSet::empty();
    only.add(signal);
    let mut before = SigSet::empty();
    let _ = pthread_sigmask(SigmaskHow::SIG_UNBLOCK, Some(&only), Some(&mut before));
    let _ = raise(signal);
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
}

/// Whether this signal does nothing, because it was ignored when the program was started and nobody has listened to it since.
fn is_ignored(signal: Signal) -> bool {
    // SAFETY: all zeroes is a valid value of this structure, and the call only writes the action of now into it.
    #[allow(unsafe_code)]
    let (result, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal as libc::c_int, std::ptr::null(), &raw mut action), action)
    };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Waits for Ctrl-C; for ever where it was ignored when the program was started, as shells do to what is started with `&`.
/// For programs in the background: whoever holds the keyboard listens in any case.
pub async fn interrupt_unless_ignored() {
    if is_ignored(Signal::SIGINT) || tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// A signal that asks the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FatalSignal {
    /// Somebody asked politely.
    Terminate,
    /// The terminal is gone.
    HangUp,
}

impl FatalSignal {
    /// Ends the process by this signal, so that its parent sees how it died. Returns only if that is impossible.
    pub fn die(self) {
        restore();
        deliver_by_default(match self {
            Self::Terminate => Signal::SIGTERM,
            Self::HangUp => Signal::SIGHUP,
        });
    }
}

/// Hears fatal signals while it lives; made by [`listen_fatal`].
#[derive(Debug)]
pub struct FatalSignals(FatalStreams);

/// Takes over what happens on SIGTERM and SIGHUP: the terminal is restored, then the listener is told and must end the
/// program soon ([`FatalSignal::die`]). Call it on the runtime, after [`super::install`].
///
/// # Errors
/// When the runtime cannot register the signals.
pub fn listen_fatal() -> io::Result<FatalSignals> {
    let streams = FatalStreams::listen()?;
    LISTENING.store(true, Ordering::SeqCst);
    Ok(FatalSignals(streams))
}

impl FatalSignals {
    /// Waits for the next fatal signal. Cancel-safe.
    pub async fn recv(&mut self) -> FatalSignal {
        self.0.recv().await
    }
}

#[derive(Debug)]
struct FatalStreams {
    terminate: SignalStream,
    /// Absent where it is ignored: what `nohup` started goes on without its terminal.
    hang_up: Option<SignalStream>,
}

impl FatalStreams {
    fn listen() -> io::Result<Self> {
        let hang_up = if is_ignored(Signal::SIGHUP) { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { terminate: signal(SignalKind::terminate())?, hang_up })
    }

    async fn recv(&mut self) -> FatalSignal {
        tokio::select! {
            Some(()) = self.terminate.recv() => FatalSignal::Terminate,
            Some(()) = hung_up(&mut self.hang_up) => FatalSignal::HangUp,
            else => std::future::pending().await,
        }
    }
}

async fn hung_up(stream: &mut Option<SignalStream>) -> Option<()> {
    match stream {
        Some(stream) => stream.recv().await,
        None => std::future::pending().await,
    }
}

/// A signal that a full-screen view obeys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewSignal {
    /// The window has a new size.
    Resized,
    /// The program goes on after a suspension.
    Continued,
    /// The program is about to end, so the view closes.
    Closing,
}

/// Hears the signals of a full-screen view. It does not take over what happens on fatal ones: [`listen_fatal`] does, for
/// whoever ends the program.
#[derive(Debug)]
pub struct ViewSignals {
    resized: SignalStream,
    continued: SignalStream,
    fatal: FatalStreams,
}

impl ViewSignals {
    /// Call it on the runtime.
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
