//! The WebSocket of the next run, opened before there is one: its code then waits for no handshake. A server takes one run on a
//! socket, and one that is closed unused costs it nothing (`docs/wire` §3.5).
//!
//! There is at most one for a session, and none while a run that is followed here goes on. A task keeps it: it notices when the server
//! closes it, opens another one, and gives up when nothing runs for a long time.

use super::socket::{NoSocket, SocketLink};
use crate::session_ref::SessionRef;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// How old a socket may get. Servers and proxies close idle ones, later than this.
const OLDEST: Duration = Duration::from_secs(100);
/// How long one is kept open while nothing runs.
const IDLE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// A server that closes a socket earlier than this does not want it.
const SHORT_LIVED: Duration = Duration::from_secs(5);
/// By how much the clock of the machine may differ from that of the program. When the machine has slept, its connections may be dead without
/// a sign.
const SLEPT: Duration = Duration::from_secs(5);

/// The socket of the next run. Dropping it closes it.
#[derive(Debug, Default)]
pub(super) struct Ahead(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the task that keeps the socket.
    changed: Notify,
}

#[derive(Debug)]
struct State<S = SocketLink> {
    /// Whether a task keeps the socket.
    is_kept: bool,
    open: Option<Unused<S>>,
    /// Whether another one is to be opened.
    is_wanted: bool,
    /// When the session counts as idle, if no run ends before.
    idle_at: Option<Instant>,
    /// Whether nobody can run anything any more.
    is_over: bool,
}

/// A socket that no run has yet.
#[derive(Debug)]
struct Unused<S = SocketLink> {
    socket: S,
    since: Instant,
    clock: SystemTime,
}

impl Ahead {
    /// Opens a socket now, and another one after each run.
    pub(super) fn keep(&self, session: &SessionRef) {
        self.0.want();
        if !std::mem::replace(&mut self.0.lock().is_kept, true) {
            tokio::spawn(keep(session.clone(), self.0.clone()));
        }
    }

    /// The open socket, if it can still be used.
    pub(super) fn take(&self) -> Option<SocketLink> {
        let mut unused = self.0.lock().open.take()?;
        let is_usable = unused.age() < OLDEST && !unused.may_have_slept() && unused.socket.is_usable();
        is_usable.then_some(unused.socket)
    }

    /// Whether a socket is open.
    #[cfg(test)]
    pub(super) fn is_open(&self) -> bool {
        self.0.lock().open.is_some()
    }

    /// A run has ended, so that the next one may come.
    pub(super) fn run_is_over(&self) {
        if self.0.lock().is_kept {
            self.0.want();
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_one();
    }
}

impl<S> Unused<S> {
    fn new(socket: S) -> Self {
        Unused { socket, since: Instant::now(), clock: SystemTime::now() }
    }

    fn age(&self) -> Duration {
        self.since.elapsed()
    }

    fn may_have_slept(&self) -> bool {
        self.clock.elapsed().is_ok_and(|elapsed| elapsed.saturating_sub(self.age()) > SLEPT)
    }
}

/// What the task does next.
#[derive(Debug)]
enum Action<S = SocketLink> {
    Open,
    Close(Unused<S>),
    End(Option<Unused<S>>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn want(&self) {
        let mut state = self.lock();
        state.is_wanted = true;
        state.idle_at = Some(Instant::now() + IDLE_LIMIT);
        drop(state);
        self.changed.notify_one();
    }

    /// Waits until the task has something to do.
    async fn action(&self) -> Action {
        loop {
            let oldest = self.lock().open.as_ref().map(|unused| unused.since + OLDEST);
            tokio::select! {
                () = self.changed.notified() => {}
                () = poll_fn(|context| self.poll_closed(context)) => {}
                () = async {
                    match oldest {
                        Some(at) => sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                } => {}
            }
            if let Some(action) = self.lock().next_action() {
                return action;
            }
        }
    }

    /// Ready when the server has closed the socket, which is forgotten then.
    fn poll_closed(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let Some(unused) = &mut state.open else { return Poll::Pending };
        if unused.socket.poll_unused(context).is_pending() {
            return Poll::Pending;
        }
        state.was_closed();
        Poll::Ready(())
    }
}

impl<S> Default for State<S> {
    fn default() -> Self {
        State { is_kept: false, open: None, is_wanted: false, idle_at: None, is_over: false }
    }
}

impl<S> State<S> {
    fn is_idle(&self) -> bool {
        self.idle_at.is_none_or(|at| at <= Instant::now())
    }

    /// The server has closed the socket.
    fn was_closed(&mut self) {
        let was_of_use = self.open.take().is_some_and(|unused| unused.age() >= SHORT_LIVED);
        self.is_wanted |= was_of_use && !self.is_idle();
    }

    fn next_action(&mut self) -> Option<Action<S>> {
        if self.is_over {
            return Some(Action::End(self.open.take()));
        }
        if let Some(old) = self.open.take_if(|unused| unused.age() >= OLDEST) {
            self.is_wanted = !self.is_idle();
            return Some(Action::Close(old));
        }
        let is_due = std::mem::take(&mut self.is_wanted) && self.open.is_none();
        is_due.then_some(Action::Open)
    }
}

/// Keeps the socket until the session is dropped.
async fn keep(session: SessionRef, shared: Arc<Shared>) {
    loop {
        match shared.action().await {
            Action::Open => match SocketLink::open(&session).await {
                Ok(socket) => {
                    shared.lock().open = Some(Unused::new(socket));
                    // It is looked at from now on.
                    shared.changed.notify_one();
                }
                // Runs are polled here.
                Err(NoSocket::Blocked(error)) => return tracing::debug!(%error, "no socket ahead"),
                Err(NoSocket::Refused(error)) => tracing::debug!(%error, "no socket ahead"),
            },
            Action::Close(unused) => unused.socket.close().await,
            Action::End(unused) => {
                if let Some(unused) = unused {
                    unused.socket.close().await;
                }
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(age: Duration) -> Instant {
        Instant::now().checked_sub(age).unwrap_or_else(Instant::now)
    }

    fn aged(age: Duration) -> State<()> {
        let clock = SystemTime::now() - age;
        let open = Some(Unused { socket: (), since: ago(age), clock });
        let idle_at = Some(Instant::now() + IDLE_LIMIT);
        State { open, idle_at, ..State::default() }
    }

    #[test]
    fn an_old_socket_is_closed_and_replaced_until_the_session_counts_as_idle() {
        assert!(aged(OLDEST / 2).next_action().is_none());
        let mut old = aged(OLDEST);
        assert!(matches!(old.next_action(), Some(Action::Close(_))));
        assert!(matches!(old.next_action(), Some(Action::Open)));
        assert!(old.next_action().is_none(), "once");
        let mut idle = State { idle_at: Some(ago(Duration::from_secs(1))), ..aged(OLDEST) };
        assert!(matches!(idle.next_action(), Some(Action::Close(_))));
        assert!(idle.next_action().is_none());
    }

    #[test]
    fn a_socket_that_the_server_closes_is_replaced_unless_it_does_not_want_one() {
        for (age, is_replaced) in [(SHORT_LIVED, true), (Duration::ZERO, false)] {
            let mut closed = aged(age);
            closed.was_closed();
            assert_eq!(matches!(closed.next_action(), Some(Action::Open)), is_replaced);
        }
    }

    #[test]
    fn there_is_one_at_a_time_and_none_after_the_end() {
        let mut state = State { is_wanted: true, ..aged(Duration::ZERO) };
        assert!(state.next_action().is_none());
        state.is_over = true;
        assert!(matches!(state.next_action(), Some(Action::End(Some(_)))));
    }

    #[test]
    fn a_machine_that_has_slept_is_noticed_by_its_clock() {
        let mut unused = Unused::new(());
        assert!(!unused.may_have_slept());
        unused.clock -= 2 * SLEPT;
        assert!(unused.may_have_slept());
    }
}
