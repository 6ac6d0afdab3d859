//! The token of a session's services: a secret that its owner gets with the list of apps. A service gets it through its
//! environment, which other users cannot read, and never in its arguments, which they can.

use std::fmt;
use zeroize::Zeroizing;

/// A random token.
pub(super) struct Token(Zeroizing<String>);

impl Token {
    pub(super) fn new() -> Self {
        Token(Zeroizing::new(uuid::Uuid::new_v4().simple().to_string()))
    }

    /// The token itself, for the service and for the owner of the session.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
