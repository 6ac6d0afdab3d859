//! Full-screen views of ours: the terminal inside a session, as a pane with a status line or passed straight through; and
//! sessions, files, logs, tables, texts, themes, which share one look and one set of keys (`shell`).
//!
//! The session's side lives in [`TerminalHost`], which outlives every view: it keeps the screen while nobody looks. A
//! view holds the user's terminal only while it is open. Nothing here knows the prompt or the command line.

mod code;
mod files;
mod find;
mod host;
pub mod image;
mod input;
mod log;
mod output_buffer;
mod pending_terminal;

mod painter;
mod prefix;
pub mod raw;
mod save;
mod sessions;
mod shell;
mod source;
mod table;
pub mod terminal;
mod text;
mod themes;
mod wake_pipe;

pub use files::show_files;
pub use host::{Ended, HostEvent, TerminalHost};
pub use log::follow_log;
pub use pending_terminal::{Opener, PendingTerminal, PendingTerminalKeys};
pub use prefix::PrefixKey;
pub use sessions::show_sessions;
pub use shell::Appearance;
pub use source::{Keys, Source};
pub use table::show_table;
pub use text::{GrowingText, follow_text, show_text};
pub use themes::choose_theme;
