//! All sessions of an engine: their names, the search by name and id, and the events of their changes.

use super::session::Session;
use super::session_folders::{Found, Record};
use bai_protocol::events::{EventData, SessionEvent};
use bai_protocol::info::Match;
use bai_protocol::status::SessionStatus;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{broadcast, watch};

/// How many ended sessions stay known by their id.
const KEPT_DEAD: usize = 100;
/// How many events a slow client may lag behind.
const EVENTS: usize = 1024;

/// The result of a request for a session of a certain name.
pub(super) enum Placed {
    /// The name was free, and the session was added.
    New,
    /// A live session of that name and image exists.
    Same(Arc<Session>),
    /// A live session of that name exists and cannot be reused.
    Taken(Arc<Session>),
}

/// The session of a request.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) session: Arc<Session>,
    /// Whether it is new.
    pub(super) created: bool,
    /// What the user should know about it.
    pub(super) note: Option<String>,
}

/// The sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    access_key: String,
    all: Mutex<Vec<Arc<Session>>>,
    events: broadcast::Sender<SessionEvent>,
    alive: watch::Sender<usize>,
    /// The names of lost sessions without files, until a new session has such a name.
    lost_names: Mutex<BTreeSet<String>>,
}

impl Sessions {
    pub(super) fn new(access_key: &str) -> Self {
        Sessions {
            access_key: access_key.to_owned(),
            all: Mutex::default(),
            events: broadcast::Sender::new(EVENTS),
            alive: watch::Sender::new(0),
            lost_names: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Session>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `session`, unless its name is taken.
    pub(super) fn place(&self, session: &Arc<Session>, reuse: bool) -> Placed {
        let mut all = self.lock();
        let name = session.name();
        if let Some(other) = all.iter().find(|other| !other.status().is_dead() && other.name() == name) {
            let same = reuse && other.spec.image == session.spec.image;
            return if same { Placed::Same(other.clone()) } else { Placed::Taken(other.clone()) };
        }
        all.push(session.clone());
        self.alive.send_modify(|count| *count += 1);
        drop(all);
        self.send_event(session, "session_enqueued".to_owned(), "");
        Placed::New
    }

    /// Adds sessions of which only the folder is left, and remembers those of which only the record was.
    pub(super) fn add_lost(&self, found: Vec<Found>, without_files: Vec<Record>) {
        let names = without_files.into_iter().map(|record| record.name).collect();
        *self.lost_names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        let mut all = self.lock();
        all.extend(found.into_iter().map(Session::lost));
        all.sort_by_key(|session| session.spec.created);
    }

    /// The earlier sessions with the name of this one that are ending, and may leave files.
    pub(super) fn ending(&self, session: &Session) -> Vec<Arc<Session>> {
        let all = self.lock();
        let is_earlier = |other: &&Arc<Session>| {
            other.id() != session.id() && other.name() == session.name() && other.may_leave_files()
        };
        all.iter().filter(is_earlier).cloned().collect()
    }

    /// The session of this name that ended last and left files.
    pub(super) fn last_lost(&self, name: &str) -> Option<Arc<Session>> {
        let all = self.lock();
        all.iter().rev().find(|s| s.status() == SessionStatus::Lost && s.name() == name).cloned()
    }

    /// Whether a session of this name was lost without files. It is told once.
    pub(super) fn take_lost_name(&self, name: &str) -> bool {
        self.lost_names.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    /// Forgets a session that is over.
    pub(super) fn forget(&self, session: &Session) {
        self.lock().retain(|other| other.id() != session.id());
    }

    /// The session of a path. An id also finds a session that has ended; a name only one that left files.
    pub(super) fn find(&self, reference: &str) -> Option<Arc<Session>> {
        let all = self.lock();
        let by_id = all.iter().find(|session| session.id() == reference);
        let named = |session: &&Arc<Session>| session.name() == reference;
        by_id
            .or_else(|| all.iter().filter(named).find(|session| !session.status().is_dead()))
            .or_else(|| all.iter().filter(named).find(|s| s.status() == SessionStatus::Terminating))
            .or_else(|| all.iter().rev().filter(named).find(|s| s.status() == SessionStatus::Lost))
            .cloned()
    }

    /// All known sessions, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Session>> {
        self.lock().clone()
    }

    /// The live and the lost sessions whose id or name begins with `prefix`.
    pub(super) fn matching(&self, prefix: &str) -> Vec<Match> {
        let matches = |session: &&Arc<Session>| {
            (!session.status().is_dead() || session.status() == SessionStatus::Lost)
                && (session.id().starts_with(prefix) || session.name().starts_with(prefix))
        };
        let all = self.lock();
        let found = all.iter().filter(matches);
        found.map(|s| Match { id: s.id().to_owned(), name: s.name(), status: s.status() }).collect()
    }

    /// Renames a session.
    ///
    /// # Errors
    /// The session that has the name: a live one, or one that left files or may leave some, as files are found by the name.
    pub(super) fn rename(&self, session: &Session, name: &str) -> Result<(), Arc<Session>> {
        let all = self.lock();
        let has_it = |other: &&Arc<Session>| {
            let status = other.status();
            let counts = !status.is_dead() || status == SessionStatus::Lost || other.may_leave_files();
            counts && other.name() == name && other.id() != session.id()
        };
        if let Some(other) = all.iter().find(has_it) {
            return Err(other.clone());
        }
        session.set_name(name);
        Ok(())
    }

    /// Changes a session's status, and sends an event.
    pub(super) fn move_to(&self, session: &Session, status: SessionStatus, why: &str) {
        if !session.set_status(status.clone(), why) {
            return;
        }
        tracing::info!(session = session.id(), %status, "session");
        let event = match status {
            SessionStatus::Running => "session_started".to_owned(),
            other => format!("session_{}", other.name().to_ascii_lowercase()),
        };
        self.send_event(session, event, why);
    }

    fn send_event(&self, session: &Session, name: String, reason: &str) {
        let data = EventData {
            reason: reason.to_owned(),
            session_name: session.name(),
            session_id: session.id().to_owned(),
            owner_access_key: self.access_key.clone(),
            exit_code: None,
            kernel_id: None,
        };
        // There may be no listener.
        let _ = self.events.send(SessionEvent { name, data });
    }

    /// A receiver of all events from now on.
    pub(super) fn listen(&self) -> broadcast::Receiver<SessionEvent> {
        self.events.subscribe()
    }

    /// Called when the actor of a session has ended. Forgets old ended sessions.
    pub(super) fn gone(&self, session: &Session) {
        tracing::debug!(session = session.id(), "session is gone");
        session.over.cancel();
        let mut all = self.lock();
        let is_over = |status: SessionStatus| status.is_dead() && status != SessionStatus::Lost;
        let dead = all.iter().filter(|session| is_over(session.status())).count();
        let mut excess = dead.saturating_sub(KEPT_DEAD);
        all.retain(|session| {
            let drop = excess > 0 && is_over(session.status());
            excess -= usize::from(drop);
            !drop
        });
        self.alive.send_modify(|count| *count = count.saturating_sub(1));
    }

    /// How many sessions have an actor.
    pub(super) fn alive(&self) -> watch::Receiver<usize> {
        self.alive.subscribe()
    }
}
