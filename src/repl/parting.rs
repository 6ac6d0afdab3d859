//! Parting with the session when the prompt ends without its user: a signal ends this program, or its terminal has gone. Both come at once when
//! a window is closed, on two threads, so the first one does it and the other one waits for that. How a user leaves is in `session_lifecycle`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::options::OnLeave;
use super::session::PromptSession;

/// Time limit for parting with the session.
const PART_LIMIT: Duration = Duration::from_secs(3);

/// What is to be done once, before this program ends.
#[derive(Default)]
pub(super) struct Parting {
    what: Mutex<Option<BoxFuture<'static, ()>>>,
    under_way: tokio::sync::Mutex<()>,
}

impl Parting {
    /// The prompt has this session from now on.
    pub(super) fn is_from(&self, session: Arc<PromptSession>, on_leave: OnLeave) {
        self.set(Some(part_with(session, on_leave).boxed()));
    }

    /// The prompt has no session any more.
    pub(super) fn forget(&self) {
        self.set(None);
    }

    fn set(&self, what: Option<BoxFuture<'static, ()>>) {
        *self.what.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// Parts with the session, or waits until another caller has done so. Returns whether it was this one.
    pub(super) async fn part(&self) -> bool {
        let _under_way = self.under_way.lock().await;
        let what = self.what.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(what) = what else { return false };
        let _ = tokio::time::timeout(PART_LIMIT, what).await;
        true
    }
}

/// Destroys a temporary session, which would stay otherwise, and leaves one that stays so that the next client can go on with it.
async fn part_with(session: Arc<PromptSession>, on_leave: OnLeave) {
    match on_leave {
        // An error is ignored and the time is limited: the machine may be shutting down.
        OnLeave::Destroy => drop(session.destroy().await),
        OnLeave::Keep => session.part_with_runs().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::Notify;

    #[tokio::test]
    async fn whoever_comes_second_waits_for_the_first() {
        let (parting, go_on, is_done) = (Parting::default(), Notify::new(), Arc::new(AtomicBool::new(false)));
        let (go_on, done) = (Arc::new(go_on), is_done.clone());
        let waiting = go_on.clone();
        parting.set(Some(
            async move {
                waiting.notified().await;
                done.store(true, Ordering::Relaxed);
            }
            .boxed(),
        ));
        let second = async {
            let is_first = parting.part().await;
            (is_first, is_done.load(Ordering::Relaxed))
        };
        let end = async { go_on.notify_one() };
        let (first, second, ()) = tokio::join!(parting.part(), second, end);
        assert_eq!((first, second), (true, (false, true)));
    }
}
