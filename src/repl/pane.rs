//! The terminal inside the session, as the prompt sees it: a key that opens it, a visit that ends, and what is said of it
//! meanwhile. Whoever provides it connects it and draws it.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::session::SessionError;

/// A view of the whole window that is opened by a key, at the prompt as well as while a cell runs, and left by the same.
pub trait Pane: Send + Sync {
    /// The control character that opens it.
    fn key(&self) -> u8;
    /// How that key is called.
    fn key_name(&self) -> String;
    /// Shows it until the person leaves it. Not to be cancelled; nothing else may read the keyboard or write to the
    /// terminal meanwhile, which is afterwards as it was.
    fn visit(&self) -> BoxFuture<'_, Result<PaneVisit, SessionError>>;
    /// Has it say what happens behind it while it is shown.
    fn remark(&self, text: &str);
}

/// How a visit went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PaneVisit {
    /// What was typed after the key that leaves: for the prompt. Mostly empty.
    pub typed: String,
    /// What the person should know about it.
    pub remark: Option<String>,
}

/// Visits the pane from the thread that owns the keyboard.
pub(super) type VisitPane = Arc<dyn Fn() -> Result<PaneVisit, SessionError> + Send + Sync>;
