//! Full-screen views of ours: the terminal inside a session, as a pane with a status line or passed straight through.
//!
//! The session's side lives in [`TerminalHost`], which outlives every view: it keeps the screen while nobody looks. A
//! view holds the user's terminal only while it is open. Nothing here knows the prompt or the command line.

mod host;
pub mod image;
mod input;
mod opening;
mod outbox;
mod painter;
mod prefix;
pub mod raw;
mod source;
pub mod terminal;
mod wake;

pub use host::{Ended, News, TerminalHost};
pub use opening::{Opener, Opening, OpeningKeys};
pub use prefix::PrefixKey;
pub use source::{Keys, Source};
