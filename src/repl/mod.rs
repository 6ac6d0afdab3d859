//! The prompt and the life of a cell: editor, completion, highlighting, history, `:commands`, and the loop
//! that runs a cell. Nothing here speaks HTTP or knows how a console record becomes bytes; that is `client`
//! and `render`.

pub mod language;
