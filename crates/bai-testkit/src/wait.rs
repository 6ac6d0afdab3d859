//! Waiting for what no event reports, such as a file that another program makes.

use std::time::{Duration, Instant};

/// How often it is checked.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// The time limit. It is generous: it is a limit, not a measurement.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `holds`. `what` is used in the message if that never happens. A change that reports itself is awaited otherwise.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "there is no event to wait for")]
pub fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "waited for {what}: the time is up");
        std::thread::sleep(LOOK_AGAIN);
    }
}
