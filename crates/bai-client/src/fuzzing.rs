//! The parsers of a server's bytes, for the fuzz targets in `fuzz`. Each takes any bytes, and panics only on a mistake. This
//! is no part of the crate's interface.

pub use crate::app::fuzzing::requests;
pub use crate::events::fuzzing::events;
pub use crate::files::fuzzing::{archive, multipart};

use crate::prelude;
use bai_protocol::record::ConsoleRecord;

/// The record of a bundle of representations, as the prelude sends it.
pub fn bundle(bytes: &[u8]) {
    let data = format!("{{\"bai-repl\":{}", String::from_utf8_lossy(bytes));
    let _ = prelude::unpack(ConsoleRecord::Media { mime: "image/svg+xml".to_owned(), data });
}

/// The new part of a log, from two texts with a byte 0xff between them.
pub fn log(bytes: &[u8]) {
    let mut texts = bytes.splitn(2, |byte| *byte == 0xff).map(String::from_utf8_lossy);
    let (before, now) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    assert!(now.ends_with(crate::new_log_text(&before, &now)));
}
