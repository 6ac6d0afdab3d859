//! A terminal over all its connections: it opens, loses and restores the link.

use super::connect::Source;
use super::handle::{LinkState, PtyHandle, PtyState, PtyStatus, Size};
use super::link::{DriverChannels, End, Link};
use super::{Pty, PtyEvent, PtyOptions};
use crate::error::{ClientError, ErrorKind};
use crate::session_ref::SessionRef;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;

/// How many events wait for the reader; each is at most 64 KiB. A key's echo comes behind them.
const EVENTS: usize = 1;
/// How many pieces of typing wait for the connection; each is at most 16 KiB.
const TYPED: usize = 8;
/// The pause before the second attempt to reconnect; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(super) async fn start(session: SessionRef, options: PtyOptions) -> Result<Pty, ClientError> {
    let source = Source::find(&session, &options).await?;
    let size = Size::new(options.rows, options.columns);
    let link = source.connect(&session, size).await?;
    let status = PtyStatus {
        service: source.service().to_owned(),
        link: LinkState::Up { round_trip: None },
        last_heard: Instant::now(),
    };
    let (event_sender, events) = mpsc::channel(EVENTS);
    let (input, input_receiver) = mpsc::channel(TYPED);
    let (size, size_receiver) = watch::channel(size);
    let (state_sender, state) = watch::channel(PtyState { status, connection: 1 });
    let cut = Arc::new(Notify::new());
    let ends = DriverChannels {
        events: event_sender,
        input: input_receiver,
        size: size_receiver,
        state: state_sender,
        cut: cut.clone(),
    };
    let handle = PtyHandle { input, size: Arc::new(size), state, cut };
    tokio::spawn(Driver { session, source, ends }.drive(link));
    Ok(Pty { events, handle })
}

struct Driver {
    session: SessionRef,
    source: Source,
    ends: DriverChannels,
}

impl Driver {
    async fn drive(mut self, mut link: Link) {
        let mut connection = 1;
        loop {
            let why = match link.attend(&mut self.ends, connection).await {
                End::Exited(code) => {
                    // The terminal is over: no caller may wait for another link, nor for room to type.
                    self.ends.input.close();
                    // The reader may be gone, which is fine.
                    let _ = self.ends.events.send(PtyEvent::Exited { code }).await;
                    return;
                }
                End::Left => return,
                End::Down(why) => why,
            };
            tracing::info!(%why, service = self.source.service(), "the link of the terminal is down");
            self.mark_down(&why);
            // It was typed into the old shell, so it is not for the new one. This also wakes callers that wait for space.
            while self.ends.input.try_recv().is_ok() {}
            if self.ends.events.send(PtyEvent::LinkDown(why)).await.is_err() {
                return;
            }
            let Some(next) = self.reconnect().await else { return };
            link = next;
            connection += 1;
            self.ends.state.send_modify(|state| {
                state.connection = connection;
                state.status.link = LinkState::Up { round_trip: None };
                state.status.last_heard = Instant::now();
            });
            if self.ends.events.send(PtyEvent::LinkUp).await.is_err() {
                return;
            }
        }
    }

    fn mark_down(&self, why: &str) {
        self.ends.state.send_modify(|state| {
            let since = match state.status.link {
                LinkState::Down { since, .. } => since,
                LinkState::Up { .. } => state.status.last_heard,
            };
            state.status.link = LinkState::Down { since, why: why.to_owned() };
        });
    }

    /// Tries until there is a link. `None` after an error that does not pass, which was reported, or when all handles are gone.
    async fn reconnect(&mut self) -> Option<Link> {
        let mut pause = Duration::ZERO;
        loop {
            let DriverChannels { events, input, size, cut, .. } = &mut self.ends;
            let size = *size.borrow_and_update();
            let attempt = async {
                tokio::select! {
                    () = sleep(pause) => {}
                    () = cut.notified() => {}
                }
                self.source.connect(&self.session, size).await
            };
            let result = tokio::select! {
                () = events.closed() => return None,
                result = attempt => result,
                () = drop_all(input) => return None,
            };
            let error = match result {
                Ok(link) => return Some(link),
                Err(error) => error,
            };
            tracing::info!(%error, "the terminal is not connected again yet");
            self.mark_down(&error.to_string());
            if is_hopeless(&error) {
                // The reader may be gone, which is fine.
                let _ = self.ends.events.send(PtyEvent::LinkDown(error.to_string())).await;
                return None;
            }
            pause = next_pause(pause);
        }
    }
}

/// Discards typing while there is no link. Never completes.
async fn drop_all(input: &mut mpsc::Receiver<super::handle::Typed>) {
    while input.recv().await.is_some() {}
    std::future::pending().await
}

/// Twice the last pause, within limits, minus up to a quarter, so that many clients do not reconnect at once.
fn next_pause(pause: Duration) -> Duration {
    let next = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    next.mul_f64(1.0 - fastrand::f64() / 4.0)
}

/// Whether the same attempt can never succeed.
fn is_hopeless(error: &ClientError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::ServerEnded
            | ErrorKind::Auth
            | ErrorKind::LoginEnded
            | ErrorKind::NotATerminal
            | ErrorKind::ClockSkew
            | ErrorKind::Forbidden
            | ErrorKind::Ambiguous
            | ErrorKind::BadRequest
            | ErrorKind::Unsupported
    )
}
