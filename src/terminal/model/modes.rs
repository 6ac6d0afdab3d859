//! The modes that a program has asked for and that whoever holds the keyboard must obey.

/// Which mouse events the program wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MouseProtocol {
    /// None: the mouse is ours.
    #[default]
    Off,
    /// Presses only, without modifiers (mode 9).
    X10,
    /// Presses and releases (mode 1000).
    Normal,
    /// And movements while a button is down (mode 1002).
    Drag,
    /// And all movements (mode 1003).
    Any,
}

/// How mouse events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MouseEncoding {
    /// One byte for each coordinate, up to 223.
    #[default]
    Legacy,
    /// One UTF-8 character for each coordinate, up to 2015 (mode 1005).
    Utf8,
    /// Decimal numbers, releases told apart (mode 1006).
    Sgr,
    /// Decimal numbers (mode 1015).
    Urxvt,
}

/// Modes of the program in the terminal, as far as they concern keys, mouse and paste.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// Which mouse events are wanted.
    pub mouse: MouseProtocol,
    /// How they are written.
    pub mouse_encoding: MouseEncoding,
    /// Cursor keys send `SS3` instead of `CSI` (DECCKM).
    pub application_cursor: bool,
    /// The keypad sends sequences instead of digits (DECKPAM).
    pub application_keypad: bool,
    /// Pastes are to be marked (mode 2004).
    pub bracketed_paste: bool,
    /// Focus changes are to be told (mode 1004).
    pub focus: bool,
    /// The alternate screen is shown: there is no scrollback.
    pub alternate_screen: bool,
    /// On the alternate screen the wheel sends cursor keys (mode 1007).
    pub alternate_scroll: bool,
}
