//! The client SDK, useful without a terminal.
//!
//! [`Api`] is a server, [`ComputeSession`] a session on it, [`Run`] one execution in a session. The texts of
//! a server are kept as data and may contain anything: a program that shows them in a terminal must sanitise them. No
//! terminal, no printing and no configuration file belongs here. Log messages go to `tracing`, without secrets.
//!
//! ```no_run
//! # async fn example() -> Result<(), bai_client::ClientError> {
//! use bai_client::*;
//! let api = Api::new(ApiOptions::from_env()?)?;
//! let request = CreateRequest::new("work", "python:3.6");
//! let (session, _) = ComputeSession::create(&api, request, |status| println!("{status}")).await?;
//! let mut run = session.execute(Cell::query("print(6 * 7)"), RunOptions::default()).await?;
//! while let Some(event) = run.next().await {
//!     println!("{event:?}");
//! }
//! session.destroy(DestroyOptions::default()).await
//! # }
//! ```
//!
//! Every type in a signature of this crate has a name here, also those of the wire (`bai-protocol`) and those of other
//! crates: [`Bytes`], [`SecretString`], [`Value`] and [`Zeroizing`]. A program needs only this crate, and a tokio runtime.
//!
//! The folder `examples` has four programs: a query loop, a batch with upload and download, input and passwords, and
//! streaming with media.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]
#![deny(unsafe_code)]
#![warn(missing_docs, unreachable_pub, clippy::undocumented_unsafe_blocks)]

mod api;
mod app;
mod clock;
mod create;
mod ending;
mod endpoint;
mod error;
mod events;
mod facts;
mod files;
mod follow;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod graphql;
mod hello;
mod home;
mod list;
mod live_stat;
mod log;
mod login;
mod manage;
mod options;
mod peer;
mod prelude;
pub mod pty;
mod recreate;
mod redact;
mod reply;
mod request;
mod resources;
mod run;
mod session;
mod session_ref;
mod shell_script;
mod shortage;
mod stray;
mod task;
mod tls;
mod tunnel;
mod upgrade;
mod vfolder;
mod whoami;

pub use api::Api;
pub use app::{AppEvent, AppListener, Refusal};
pub use bai_protocol::byte_text;
pub use bai_protocol::capability::{Capabilities, Capability};
pub use bai_protocol::complete::{Completion, CompletionOptions, CompletionRequest};
pub use bai_protocol::create::{
    BadName, BadRequest, CreateRequest, MountOption, ServicePort, SessionType, check_name,
};
pub use bai_protocol::events::{EventData, SessionEvent};
pub use bai_protocol::execute::{BatchOptions, RunId, Script, Window};
pub use bai_protocol::files::FileEntry;
pub use bai_protocol::history::{
    AbuseReport, Commit, CommitState, DependencyNode, DirectAccess, StatusHistory, TaskEvent,
};
pub use bai_protocol::info::SessionInfo;
pub use bai_protocol::live_stat::{Accelerator, ByteCount, LiveStat, Metric};
pub use bai_protocol::problem::Problem;
pub use bai_protocol::record::ConsoleRecord;
pub use bai_protocol::resources::{Image, ImageLabel, Preset, PresetCheck, SlotDetails, VirtualFolder};
pub use bai_protocol::service::{App, ArgumentValue, BadParameter, ServiceAddress, ServiceParameters};
pub use bai_protocol::signal::{OutputStream, RunSignal};
pub use bai_protocol::status::SessionStatus;
pub use bai_protocol::summary::SessionSummary;
pub use bai_protocol::version::{ApiVersion, BadVersion, Hello};
pub use bai_protocol::vfolder::{
    VFolderHost, VFolderHosts, VFolderInfo, VFolderInvitation, VFolderOptions, VFolderRequest, VFolderShare,
};
#[doc(no_inline)]
pub use bytes::Bytes;
pub use create::{BatchOutcome, Created};
pub use error::{ClientError, ErrorKind};
pub use events::EventStream;
pub use facts::SessionFacts;
pub use files::{
    DownloadOptions, Downloaded, DownloadedFile, LINK_DANGLES, LINK_LEADS_TO_ITSELF, LINK_LEFT_OUT, Progress,
    SPECIAL_LEFT_OUT, Skipped, SymbolicLink, UNREADABLE, Upload, UploadOptions, UploadRecord, Uploaded,
    UploadedFile, not_a_file,
};
pub use home::{expand_session_tilde, expand_tilde};
pub use list::{SessionPage, SessionQuery};
pub use log::new_log_text;
pub use login::{LoggedIn, LoginReply, ServerKind, WebLogin};
pub use manage::{ImageVisibility, ServiceOptions};
pub use options::{ApiOptions, Credentials, Renewal};
pub use prelude::{KernelScript, Prelude, PreludeState};
pub use pty::{LinkState, NotSent, Pty, PtyEvent, PtyHandle, PtyOptions, PtySource, PtyStatus};
pub use resources::ImageOptions;
pub use run::{
    Activity, Cell, IdleEvent, InterruptOutcome, Interrupter, Listener, LostRun, Occupation, PollReason,
    Rest, Run, RunEvent, RunOptions, SessionState, Step, Transport,
};
#[doc(no_inline)]
pub use secrecy::{ExposeSecret, SecretString};
#[doc(no_inline)]
pub use serde_json::Value;
pub use session::{ComputeSession, DestroyOptions};
pub use shell_script::shell_script;
pub use shortage::{Limit, QueueReason, Shortage};
pub use task::Task;
pub use tunnel::{Tunnel, TunnelOptions};
pub use vfolder::{Failed, FolderListing, VFolder};
pub use whoami::WhoAmI;
#[doc(no_inline)]
pub use zeroize::Zeroizing;

/// The message of the innermost source of an error; never a URL.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Whether a connection failed because of TLS.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    inner::<rustls::Error>(error).is_some()
}

/// Whether the peer does not speak TLS.
fn is_plain(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(inner(error), Some(rustls::Error::InvalidMessage(_)))
}

/// Whether the peer is not the one that it must be.
fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    inner::<peer::Untrusted>(error).is_some()
}

/// The error of the type `E` in an error. The `source` of an I/O error skips the error that it wraps, so it is unwrapped at
/// every level.
fn inner<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let inside = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error
        .downcast_ref()
        .or_else(|| inside.and_then(|error| inner(error)))
        .or_else(|| error.source().and_then(inner))
}

#[cfg(test)]
mod tests;
