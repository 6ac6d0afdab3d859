//! Background tasks of a server, followed by their events (`docs/wire` §8.3).

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::events::{self, Events};
use bai_protocol::history::TaskEvent;
use futures_util::StreamExt;
use reqwest::Method;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Events that may wait for the reader.
const QUEUE: usize = 16;
/// How many connections in a row may bring no event.
const TRIES: u32 = 4;
/// The pause before the first new connection; it doubles with each.
const PAUSE: Duration = Duration::from_millis(500);

/// A background task. Dropping it changes nothing on the server.
#[derive(Debug)]
pub struct Task {
    id: String,
    events: mpsc::Receiver<Result<TaskEvent, ClientError>>,
    _following: AbortOnDropHandle<()>,
}

impl Task {
    /// Follows a task by its UUID. A late start loses nothing, since servers repeat the last event.
    pub fn follow(api: &Api, id: &str) -> Task {
        let (sender, events) = mpsc::channel(QUEUE);
        let (api, task) = (api.clone(), id.to_owned());
        let following = tokio::spawn(async move {
            if let Err(error) = follow(&api, &task, &sender).await {
                // The reader may be gone, which is fine.
                let _ = sender.send(Err(error)).await;
            }
        });
        Task { id: id.to_owned(), events, _following: AbortOnDropHandle::new(following) }
    }

    /// The task's UUID.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The next event; `None` after the last one. Cancel-safe. An error is last too: the server's answer to the request,
    /// or [`ErrorKind::Lost`] after several connections without an event.
    pub async fn next(&mut self) -> Option<Result<TaskEvent, ClientError>> {
        self.events.recv().await
    }

    /// Waits for the end; `on_progress` gets the events before it. Returns the last message of the task.
    ///
    /// # Errors
    /// As [`Task::next`]; [`ErrorKind::Server`] if the task failed, was cancelled, or failed in part.
    pub async fn finish(mut self, mut on_progress: impl FnMut(&TaskEvent)) -> Result<String, ClientError> {
        let what = "finish the task";
        while let Some(event) = self.next().await {
            match event? {
                TaskEvent::Done { message, errors } if errors.is_empty() => return Ok(message),
                TaskEvent::Done { errors, .. } => {
                    return Err(ClientError::new(ErrorKind::Server, what, errors.join("; ")));
                }
                TaskEvent::Failed(why) | TaskEvent::Cancelled(why) => {
                    return Err(ClientError::new(ErrorKind::Server, what, why));
                }
                event => on_progress(&event),
            }
        }
        Err(ClientError::new(ErrorKind::Lost, what, "its events ended before it did"))
    }
}

async fn follow(
    api: &Api,
    id: &str,
    sender: &mpsc::Sender<Result<TaskEvent, ClientError>>,
) -> Result<(), ClientError> {
    let what = "follow the task";
    let (mut tries, mut pause) = (0, PAUSE);
    while tries < TRIES {
        let call = api.request(what, Method::GET, "/events/background-task");
        // The current name and the older one.
        let mut stream = match events::open(call.query("taskId", id).query("task_id", id)).await {
            Ok(stream) => Some(stream),
            Err(error) if tries + 1 == TRIES || !is_passing(&error) => return Err(error),
            Err(_) => None,
        };
        while let Some(event) = next(&mut stream).await {
            let Some(told) = TaskEvent::parse(&event.event, &event.data) else { continue };
            (tries, pause) = (0, PAUSE);
            let is_last = told.is_last();
            if sender.send(Ok(told)).await.is_err() || is_last {
                return Ok(());
            }
        }
        tries += 1;
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
    Err(ClientError::new(ErrorKind::Lost, what, "the server reports nothing about it"))
}

/// The next event of a connection, while there is one.
async fn next(stream: &mut Option<Events>) -> Option<eventsource_stream::Event> {
    stream.as_mut()?.next().await?.ok()
}

fn is_passing(error: &ClientError) -> bool {
    matches!(error.kind(), ErrorKind::Connect | ErrorKind::Lost | ErrorKind::Timeout | ErrorKind::Busy)
}
