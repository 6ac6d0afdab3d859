//! The note that bytes of a program's output may have been replaced on their way.

use bai_client::{Capability, ComputeSession, ConsoleRecord, RunOptions};
use std::io::IsTerminal;

/// What stands for bytes that were not UTF-8.
const REPLACEMENT: &str = "\u{fffd}";

/// Whether to say that bytes of standard output may have been replaced. Said once.
pub(super) enum ReplacementNote {
    /// No byte is replaced, or a person looks at the output.
    Needless,
    /// The server sends text only.
    Due,
    /// The server sends bytes, but the session may have a Jupyter kernel, whose messages are text.
    OfKernel(ComputeSession),
}

impl ReplacementNote {
    /// The note for a run.
    pub(super) async fn of(session: &ComputeSession, options: &RunOptions) -> Self {
        if !options.bytes || std::io::stdout().is_terminal() {
            Self::Needless
        } else if session.api().has(Capability::ByteOutput).await {
            Self::OfKernel(session.clone())
        } else {
            Self::Due
        }
    }

    /// Says it, if this record may have such bytes.
    pub(super) async fn check(&mut self, record: &ConsoleRecord) {
        let has_replacements =
            |text: &String| memchr::memmem::find(text.as_bytes(), REPLACEMENT.as_bytes()).is_some();
        if matches!(self, Self::Needless)
            || !matches!(record, ConsoleRecord::Stdout(text) if has_replacements(text))
        {
            return;
        }
        let who = match std::mem::replace(self, Self::Needless) {
            Self::Due => "this server",
            Self::OfKernel(session) if is_jupyter(&session).await => "a Jupyter kernel",
            _ => return,
        };
        eprintln!("bai-repl: the output has U+FFFD: {who} replaces bytes that are not UTF-8 by it");
    }
}

async fn is_jupyter(session: &ComputeSession) -> bool {
    let info = session.info().await;
    info.is_ok_and(|info| info.image().is_some_and(|image| image.starts_with("jupyter:")))
}
