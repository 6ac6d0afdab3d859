//! The events that a terminal reports to the prompt while no view is open on it.

/// An event of a terminal without an open view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// The bell rang.
    Bell,
    /// The title changed: one line of printable text.
    Title(String),
    /// The link is lost, with the reason; it is reconnected.
    LinkDown(String),
    /// The link is back.
    LinkUp,
    /// The terminal has ended.
    Ended(Ended),
}

/// How a terminal ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The shell ended, with its exit code if known.
    Exited(Option<i32>),
    /// The link is lost for good, with the reason.
    Lost(String),
    /// It could not be opened, with the reason and the remedy.
    NotOpened(String),
}
