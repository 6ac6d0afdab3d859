//! The error of this crate: one type with a kind, a sentence, data and a hint. It names no flags or commands of a
//! program. A program adds them by the kind.

use bai_protocol::byte_text;
use bai_protocol::problem::{ErrorBody, Problem};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Maximum number of file names in one sentence.
const NAMED: usize = 5;

/// The kind of an error. A program maps it to an exit code and to hints of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No server answers there: refused, unresolvable, unreachable.
    Connect,
    /// The server behind a Unix socket has ended, and its sessions with it. Another one may listen there now.
    ServerEnded,
    /// The server's certificate is not trusted, or the TLS set-up of this machine is broken.
    Tls,
    /// The server is not the one that it must be: its socket belongs to another user, or it does not know the secret key
    /// that it gave out.
    Untrusted,
    /// The server does not know the key, or does not accept the signature.
    Auth,
    /// The login at the web server has ended. [`ClientError::subject`] is the endpoint.
    LoginEnded,
    /// The user is logged in elsewhere, and the server takes one login at a time. [`WebLogin::force`](crate::WebLogin::force)
    /// ends the other one.
    LoggedInElsewhere,
    /// The clocks of the two sides differ by more than servers allow (15 minutes).
    ClockSkew,
    /// The key may not do that.
    Forbidden,
    /// No such session, app…
    NotFound,
    /// No such file or folder in the session.
    NoSuchFile,
    /// The server has no such image. [`ClientError::subject`] is the image.
    UnknownImage,
    /// The app does not speak the protocol of a terminal. [`ClientError::subject`] is the app.
    NotATerminal,
    /// The name matches several sessions.
    Ambiguous,
    /// A file exists, and the options do not allow replacing it. [`ClientError::existing`] names the files.
    AlreadyExists,
    /// A session of that name lives and runs another image. [`ClientError::subject`] is the name.
    NameTaken,
    /// The server refuses a valid request: the name is taken, a quota is reached, the state is wrong. If the session must not write to a
    /// folder, [`ClientError::subject`] is the first part of its path: it may be a virtual folder.
    Refused,
    /// The request is malformed, according to the server or to this crate.
    BadRequest,
    /// The server does not support it; a restart on clusters from 26.4.4 on, for example.
    Unsupported,
    /// The session leaves a question unanswered: it runs something else, or it is stuck.
    NotAnswering,
    /// Too many requests (429), or the server asks to come back later (503).
    Busy,
    /// The server failed (5xx).
    Server,
    /// The answer does not come from a Backend.AI server: HTML, a redirect, something else.
    NotABackend,
    /// The session ended and will never run.
    SessionFailed,
    /// No answer in time.
    Timeout,
    /// The connection ended too early.
    Lost,
    /// A file of this machine could not be read or written.
    Local,
    /// This machine does not let the program listen at the address. [`ClientError::subject`] is the address.
    CannotListen,
    /// Other machines could reach the address at which the program would listen. [`ClientError::subject`] is the address.
    NotLoopback,
}

/// A failure: what was attempted, why it failed, and what to do.
///
/// [`fmt::Display`] gives one sentence. The server's own words are part of it; they may contain anything, so a
/// terminal must sanitise them. Neither `Display` nor `Debug` ever contains a key, a signature or a cookie.
#[derive(Clone)]
pub struct ClientError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    what: String,
    why: String,
    status: Option<u16>,
    problem: Option<Problem>,
    hint: Option<String>,
    existing: Vec<String>,
    subject: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
    /// Whether the reason is a sentence on its own.
    is_sentence: bool,
    /// Whether the request may have reached the server.
    sent: bool,
}

impl ClientError {
    /// A failure of `kind` while doing `what` ("create the session"), because of `why`. `what` may contain names as they are. `why`
    /// contains them as [`byte_text::shown`] shows them.
    pub(crate) fn new(kind: ErrorKind, what: impl Into<String>, why: impl Into<String>) -> Self {
        ClientError(Box::new(Inner {
            kind,
            what: byte_text::shown_sentence(&what.into()),
            why: why.into(),
            status: None,
            problem: None,
            hint: None,
            existing: Vec::new(),
            subject: None,
            source: None,
            is_sentence: false,
            sent: true,
        }))
    }

    /// A refusal to replace files that exist, while doing `what`. The names are untrusted text.
    pub fn already_exists(what: &str, existing: Vec<String>) -> Self {
        let mut named: Vec<_> =
            existing.iter().take(NAMED).map(|name| byte_text::shown(name.trim_start_matches("./"))).collect();
        if existing.len() > NAMED {
            named.push(format!("{} more", existing.len() - NAMED));
        }
        let verb = if existing.len() == 1 { "exists" } else { "exist" };
        let why = format!("{} already {verb}; nothing was copied", named.join(", "));
        ClientError::new(ErrorKind::AlreadyExists, what, why).into_sentence().with_existing(existing)
    }

    /// The same where the reason is a sentence of ours on its own: [`fmt::Display`] gives that alone. It may contain names as they
    /// are.
    pub(crate) fn into_sentence(mut self) -> Self {
        self.0.is_sentence = true;
        self.0.why = byte_text::shown_sentence(&self.0.why);
        self
    }

    /// The failure for a reply with an error status.
    pub(crate) fn from_reply(what: &str, status: u16, body: &[u8]) -> Self {
        let body = ErrorBody::parse(body);
        let kind = kind_of(status, body.slug());
        let why = match &body {
            ErrorBody::Problem(problem) => {
                let summary = problem.summary();
                if summary.is_empty() { format!("the server answers {status}") } else { summary }
            }
            ErrorBody::Opaque(text) if text.is_empty() => format!("the server answers {status}"),
            ErrorBody::Opaque(text) if looks_like_html(text) => {
                format!("the server answers {status} with a web page")
            }
            ErrorBody::Opaque(text) => format!("the server answers {status}: {text}"),
        };
        let mut error = ClientError::new(kind, what, why);
        error.0.status = Some(status);
        if let ErrorBody::Problem(problem) = body {
            error.0.problem = Some(*problem);
        }
        error
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Sets the subject, as [`ErrorKind`] defines it.
    pub(crate) fn about(mut self, subject: impl Into<String>) -> Self {
        self.0.subject = Some(subject.into());
        self
    }

    /// Keeps the error that led to this one. It must not contain a secret.
    pub(crate) fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn with_existing(mut self, existing: Vec<String>) -> Self {
        self.0.existing = existing;
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    pub(crate) fn with_why(mut self, why: impl Into<String>) -> Self {
        self.0.why = why.into();
        self
    }

    pub(crate) fn with_what(mut self, what: &str) -> Self {
        self.0.what = byte_text::shown_sentence(what);
        self
    }

    /// The failure to do `what`, such as "read", to one file. The reason does not name the file again.
    pub(crate) fn of_file(mut self, what: &str, path: &str) -> Self {
        let path = byte_text::shown(path);
        let about_it = self.0.why.strip_prefix(&path).filter(|_| !self.0.is_sentence);
        if let Some(why) = about_it.and_then(|rest| rest.strip_prefix(": ")) {
            self.0.why = why.to_owned();
        } else if about_it.is_some_and(|rest| rest.starts_with(" is ")) {
            self.0.is_sentence = true;
        }
        self.0.what = format!("{what} {path}");
        self
    }

    pub(crate) fn not_sent(mut self) -> Self {
        self.0.sent = false;
        self
    }

    /// Whether the request may have reached the server; if not, it is safe to send it again.
    pub(crate) fn maybe_sent(&self) -> bool {
        self.0.sent
    }

    /// Whether the session of the request is gone: it has ended, or its server has. For requests about a session itself, not
    /// about a file or an app in it.
    pub fn says_session_is_gone(&self) -> bool {
        matches!(self.0.kind, ErrorKind::NotFound | ErrorKind::ServerEnded)
    }

    /// The kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was attempted, such as "create the session".
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// Why it failed, in the server's words if it gave a reason. Untrusted text.
    pub fn why(&self) -> &str {
        &self.0.why
    }

    /// The HTTP status, if a server answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The server's problem body, if it sent one. Untrusted text.
    pub fn problem(&self) -> Option<&Problem> {
        self.0.problem.as_ref()
    }

    /// The existing files, for [`ErrorKind::AlreadyExists`]. Untrusted text.
    pub fn existing(&self) -> &[String] {
        &self.0.existing
    }

    /// The subject of the kind, if [`ErrorKind`] names one: an endpoint, an app.
    pub fn subject(&self) -> Option<&str> {
        self.0.subject.as_deref()
    }

    /// A hint for the user, if there is one.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref().or(match self.0.kind {
            ErrorKind::Connect => Some("is the endpoint right, and is the server up?"),
            ErrorKind::ServerEnded => {
                Some("open the session again: a new one of the same name gets its files, not its variables")
            }
            ErrorKind::Untrusted => {
                Some("no code was sent; use the address and the keys that the engine gives when it starts")
            }
            ErrorKind::Tls => Some("a private CA can be named in SSL_CERT_FILE"),
            ErrorKind::Auth => Some("check the access key and the secret key of this endpoint"),
            ErrorKind::LoginEnded => Some("log in again"),
            ErrorKind::ClockSkew => Some("set this machine's clock; signed requests allow 15 minutes"),
            ErrorKind::Ambiguous => Some("give the whole name or the id of the session"),
            ErrorKind::NotABackend => Some("the endpoint must be the address of a Backend.AI manager"),
            ErrorKind::Busy => Some("wait a little and try again"),
            _ => None,
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_sentence {
            return f.write_str(&self.0.why);
        }
        write!(f, "could not {}: {}", self.0.what, self.0.why)
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.0.kind)
            .field("message", &self.to_string())
            .field("status", &self.0.status)
            .finish()
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

pub(crate) fn looks_like_html(text: &str) -> bool {
    let start = text.trim_start().get(..20).unwrap_or(text).to_ascii_lowercase();
    ["<!doctype", "<html", "<head", "<body"].iter().any(|tag| start.starts_with(tag))
}

/// The kind for a status and, where the status is not specific, the problem's slug (`docs/wire` §1.8).
fn kind_of(status: u16, slug: Option<&str>) -> ErrorKind {
    match (status, slug.unwrap_or_default()) {
        (_, "too-many-sessions-matched") => ErrorKind::Ambiguous,
        (400, "invalid-auth-params") | (401 | 407, _) => ErrorKind::Auth,
        (
            400,
            "session-already-exists"
            | "quota-exceeded"
            | "kernel-not-ready"
            | "rejected-by-hook"
            | "vfolder-operation-failed",
        ) => ErrorKind::Refused,
        (403, _) => ErrorKind::Forbidden,
        (404, "vfolder-operation-failed") => ErrorKind::NoSuchFile,
        (404 | 410, _) => ErrorKind::NotFound,
        (409, _) => ErrorKind::Refused,
        (405 | 501, _) => ErrorKind::Unsupported,
        (429 | 503, _) => ErrorKind::Busy,
        (408 | 504, _) => ErrorKind::Timeout,
        // A proxy answers for a server that cannot be reached.
        (502, _) => ErrorKind::Connect,
        (300..=399, _) => ErrorKind::NotABackend,
        (400..=499, _) => ErrorKind::BadRequest,
        _ => ErrorKind::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_gives_the_kind_and_the_message() {
        let body = br#"{"type":"https://api.backend.ai/probs/object-not-found","title":"No such environment image.","msg":"Unknown image reference: x"}"#;
        let error = ClientError::from_reply("create the session", 404, body);
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "could not create the session: No such environment image. Unknown image reference: x"
        );
        assert_eq!(error.problem().map(Problem::slug), Some("object-not-found"));
    }

    #[test]
    fn statuses_and_slugs_determine_the_kind() {
        for (status, slug, kind) in [
            (400, "session-already-exists", ErrorKind::Refused),
            (400, "invalid-auth-params", ErrorKind::Auth),
            (400, "schema-validation-failed", ErrorKind::BadRequest),
            (401, "auth-failed", ErrorKind::Auth),
            (404, "too-many-sessions-matched", ErrorKind::Ambiguous),
            (404, "vfolder-operation-failed", ErrorKind::NoSuchFile),
            (409, "session-invalid-state", ErrorKind::Refused),
            (429, "rate-limit-exceeded", ErrorKind::Busy),
            (500, "kernel-execution-failed", ErrorKind::Server),
            (501, "not-implemented", ErrorKind::Unsupported),
        ] {
            let body = format!(r#"{{"type":"https://api.backend.ai/probs/{slug}","title":"t"}}"#);
            assert_eq!(ClientError::from_reply("x", status, body.as_bytes()).kind(), kind, "{status} {slug}");
        }
    }

    #[test]
    fn the_failure_of_one_file_names_it_once() {
        let of = |msg: &str| {
            let body = format!(
                r#"{{"type":"https://api.backend.ai/probs/vfolder-operation-failed","title":"It has failed.","msg":"{msg}"}}"#
            );
            ClientError::from_reply("read the file", 400, body.as_bytes()).of_file("read", "a\n").to_string()
        };
        assert_eq!(of("a<U+000A>: Permission denied"), "could not read a<U+000A>: Permission denied");
        assert_eq!(of("a<U+000A> is a folder"), "a<U+000A> is a folder");
        assert_eq!(of("Too many files"), "could not read a<U+000A>: Too many files");
        assert_eq!(missing().of_file("read", "a").to_string(), "a: gone");
    }

    fn missing() -> ClientError {
        ClientError::new(ErrorKind::NoSuchFile, "use the path", "a: gone").into_sentence()
    }

    #[test]
    fn a_web_page_is_not_part_of_the_message() {
        let error =
            ClientError::from_reply("x", 502, b"<html><body>\x1b]0;title\x07 Bad gateway</body></html>");
        assert_eq!(error.to_string(), "could not x: the server answers 502 with a web page");
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_eq!(ClientError::from_reply("x", 500, b"").why(), "the server answers 500");
    }
}
