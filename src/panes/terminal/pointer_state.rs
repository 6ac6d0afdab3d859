//! What the pane remembers of the mouse between two events.

use std::time::Instant;

/// What is known of mouse, selection and window position.
#[derive(Debug, Default)]
pub(super) struct Pointer {
    /// The window is over the scrollback.
    pub(super) scrolled_back: bool,
    /// Something is selected.
    pub(super) selected: bool,
    /// A character of the search text that is not whole yet.
    pub(super) partial: Vec<u8>,
    /// A selection is being drawn out.
    pub(super) dragging: bool,
    pub(super) last_click: Option<Click>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Click {
    pub(super) at: (u16, u16),
    pub(super) when: Instant,
    pub(super) count: u8,
}
