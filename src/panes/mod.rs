//! Full-screen views: the terminal inside a session, as a pane with a status line or passed through; and views of sessions,
//! files, logs, tables, texts and themes, which share one frame and one set of keys (`shell`).
//!
//! [`TerminalHost`] is the session's side. It outlives every view and keeps the screen while no view is open. A view holds
//! the user's terminal only while it is open. This module does not know the prompt or the command line.

mod clipboard;
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
mod viewer;
mod wake_pipe;

pub use clipboard::{Clipboard, ClipboardPolicy};
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
