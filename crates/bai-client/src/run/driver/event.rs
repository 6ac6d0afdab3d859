//! The events that a run's task waits for, and their order of priority.

use super::Driver;
use crate::error::ClientError;
use crate::run::activity::Sight;
use crate::run::catch_up::Fetched;
use crate::run::link::next;
use crate::run::link_event::LinkEvent;
use crate::run::{Answer, Beside};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};

/// The events that a run's task wakes up for.
pub(super) enum DriverEvent {
    /// An event was handed over.
    Delivered,
    /// The user wants the program to stop.
    Interrupt,
    /// A signal or a secret for the program.
    Beside(Beside),
    /// It was sent to the server.
    BesideSent,
    /// The handle is gone.
    Dropped,
    /// The window has another size.
    Resized,
    /// The interrupt was sent to the server.
    InterruptSent,
    /// The user's answer.
    Answer(Answer),
    /// The server had its time to end a question after an interrupt.
    GraceOver,
    /// The interrupt had its time to end a question that crossed it.
    StillAsked,
    /// Whether the server keeps the output of a run that was left.
    Kept(bool),
    NotStarted,
    /// Nothing was heard of the kernel for a while.
    Look,
    /// What was seen of it.
    Seen(Sight),
    /// Whether the session answers after an attempt to release it.
    Released(bool),
    /// It is time to look for output that the kernel keeps.
    LookForOutput,
    /// What was found of it.
    Fetched(Result<Fetched, ClientError>),
    InterruptAgain,
    GiveUp,
    LinkEvent(LinkEvent),
}

impl Driver {
    /// Waits for the first thing that happens. The order is a priority: the user's actions come before the server's
    /// messages. It does not read while events wait, so that the reader paces the server.
    pub(super) async fn next_event(&mut self) -> DriverEvent {
        let listening = self.drain.is_none();
        let (again, give_up) = self.drain.as_ref().map_or((None, None), |drain| (drain.again, drain.give_up));
        let (look_for_output, fetching) = match &mut self.catch_up {
            Some(catch_up) => (catch_up.next, &mut catch_up.fetching),
            None => (None, &mut None),
        };
        tokio::select! {
            biased;
            changed = self.interrupts.changed(), if listening => {
                if changed.is_ok() { DriverEvent::Interrupt } else { DriverEvent::Dropped }
            }
            () = maybe(&mut self.interrupt_request) => DriverEvent::InterruptSent,
            () = maybe(&mut self.beside_request) => DriverEvent::BesideSent,
            Some(beside) = self.beside.recv(), if listening && self.beside_request.is_none() => DriverEvent::Beside(beside),
            Ok(()) = self.window.changed(), if listening => DriverEvent::Resized,
            Some(answer) = self.input.recv(), if listening => DriverEvent::Answer(answer),
            () = maybe_at(self.empty_answer) => DriverEvent::GraceOver,
            () = maybe_at(self.crossed) => DriverEvent::StillAsked,
            kept = maybe(&mut self.leaving) => DriverEvent::Kept(kept),
            Ok(permit) = self.events.reserve(), if listening && self.machine.has_events() => {
                if let Some(event) = self.machine.pop() {
                    permit.send(event);
                }
                DriverEvent::Delivered
            }
            () = self.events.closed(), if listening => DriverEvent::Dropped,
            () = maybe_at(self.beginning.latest) => DriverEvent::NotStarted,
            () = maybe_at(self.watch.next) => DriverEvent::Look,
            sight = maybe(&mut self.watch.looking) => DriverEvent::Seen(sight),
            answers = maybe(&mut self.releasing) => DriverEvent::Released(answers),
            () = maybe_at(again) => DriverEvent::InterruptAgain,
            () = maybe_at(give_up) => DriverEvent::GiveUp,
            () = maybe_at(look_for_output) => DriverEvent::LookForOutput,
            fetched = maybe(fetching), if !self.machine.has_events() => DriverEvent::Fetched(fetched),
            event = next(&mut self.link, self.machine.is_waiting()), if !self.machine.has_events() => {
                DriverEvent::LinkEvent(event)
            }
        }
    }
}

/// Waits for the future, or for ever without one.
async fn maybe<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn maybe_at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
