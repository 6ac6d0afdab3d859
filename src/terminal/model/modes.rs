//! The modes that a program has set for keys, mouse and paste.

/// The mouse events that the program has requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MouseProtocol {
    /// None: the pane uses the mouse.
    #[default]
    Off,
    /// Presses only, without modifiers (mode 9).
    X10,
    /// Presses and releases (mode 1000).
    Normal,
    /// Presses, releases, and movements while a button is down (mode 1002).
    Drag,
    /// Presses, releases and all movements (mode 1003).
    Any,
}

/// The encoding of mouse events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MouseEncoding {
    /// One byte for each coordinate, up to 223.
    #[default]
    Legacy,
    /// One UTF-8 character for each coordinate, up to 2015 (mode 1005).
    Utf8,
    /// Decimal numbers, with the button of a release (mode 1006).
    Sgr,
    /// Decimal numbers (mode 1015).
    Urxvt,
}

/// The program's modes for keys, mouse and paste.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// The requested mouse events.
    pub mouse: MouseProtocol,
    /// The encoding of mouse events.
    pub mouse_encoding: MouseEncoding,
    /// Whether cursor keys send `SS3` instead of `CSI` (DECCKM).
    pub application_cursor: bool,
    /// Whether the keypad sends sequences instead of digits (DECKPAM).
    pub application_keypad: bool,
    /// Whether pastes are bracketed (mode 2004).
    pub bracketed_paste: bool,
    /// Whether focus changes are reported (mode 1004).
    pub focus: bool,
    /// Whether the alternate screen is shown, which has no scrollback.
    pub alternate_screen: bool,
    /// Whether the wheel sends cursor keys on the alternate screen (mode 1007).
    pub alternate_scroll: bool,
}
