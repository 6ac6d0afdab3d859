//! The state of mouse and selection between two events.

use std::time::Instant;

/// The state of mouse, selection and scrolling.
#[derive(Debug, Default)]
pub(super) struct Pointer {
    /// Whether the window is scrolled back.
    pub(super) scrolled_back: bool,
    /// Whether text is selected.
    pub(super) selected: bool,
    /// Bytes of an incomplete character of the search text.
    pub(super) partial: Vec<u8>,
    /// Whether the user is dragging a selection.
    pub(super) dragging: bool,
    pub(super) last_click: Option<Click>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Click {
    pub(super) position: (u16, u16),
    pub(super) when: Instant,
    pub(super) count: u8,
}
