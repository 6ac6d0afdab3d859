//! Media records: what is in them, as pictures, as text, or as a remark that says what it is.
//!
//! All of it is untrusted: every step has limits on bytes, pixels and time, and works on a thread of its own where a
//! bad input could take long.

mod data;
mod draw;
mod fit;
mod html;
mod picture;
mod save;

pub use data::Medium;
pub(super) use data::{essence, is_raster};
pub(super) use draw::{DrawError, draw};
pub(super) use fit::Canvas;
pub(super) use html::html_to_text;
pub(super) use picture::picture;
pub(super) use save::save;

use std::sync::mpsc;
use std::time::Duration;

/// Runs `job` on a thread of its own; `None` when it takes longer than `limit`. Late results are dropped with the
/// thread's end; the limits on size see to it that it ends.
fn within<T: Send + 'static>(limit: Duration, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("media".to_owned()).stack_size(8 * 1024 * 1024);
    thread
        .spawn(move || {
            let _ = sender.send(job());
        })
        .ok()?;
    receiver.recv_timeout(limit).ok()
}
