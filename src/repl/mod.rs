//! The prompt and the life of a cell: editor, completion, highlighting, history, `:commands`, and the loop
//! that runs a cell. Nothing here speaks HTTP or knows how a console record becomes bytes; that is `client`
//! and `render`.

mod commands;
mod complete;
mod editor;
mod folds;
mod highlight;
mod history;
pub mod language;
mod listing;
mod paint;

pub use complete::CompletionSource;
pub use editor::Keymap;
