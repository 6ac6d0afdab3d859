//! Error bodies (`docs/wire` §1.8): `application/problem+json` from a manager, anything at all from a proxy on the way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

const TYPE_BASE: &str = "https://api.backend.ai/probs/";

/// How much of an opaque body is kept for the message, in characters.
const OPAQUE_LIMIT: usize = 300;

/// The server's description of a failed request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// A URI; [`Problem::slug`] is the part to compare.
    #[serde(rename = "type")]
    pub kind: String,
    /// One sentence for the user.
    #[serde(default)]
    pub title: String,
    /// More details, if the server gives them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msg: Option<String>,
    /// Structured data: an object or a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// `<domain>_<operation>_<detail>`; servers from about 24.12 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Set when a failure came from the agent: `type`, `title`, `exception`.
    #[serde(default, rename = "agent-details", skip_serializing_if = "Option::is_none")]
    pub agent_details: Option<Value>,
}

impl Problem {
    /// A problem of our engine, with the slug that the genuine server uses in this case.
    pub fn new(slug: &str, title: impl Into<String>) -> Self {
        Problem {
            kind: format!("{TYPE_BASE}{slug}"),
            title: title.into(),
            msg: None,
            data: None,
            error_code: None,
            agent_details: None,
        }
    }

    /// Adds details.
    pub fn with_msg(mut self, msg: impl Into<String>) -> Self {
        self.msg = Some(msg.into());
        self
    }

    /// Adds structured data.
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// The last segment of the type, such as `object-not-found`.
    pub fn slug(&self) -> &str {
        self.kind.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
    }

    /// One line for the user: the title, then the details. The title of a failure with files is left out, as it says only that there
    /// was one. It is untrusted text, so a terminal must sanitise it.
    pub fn summary(&self) -> String {
        let inner = |key: &str| self.agent_details.as_ref()?.get(key)?.as_str().map(str::to_owned);
        let extra = self.msg.clone().or_else(|| self.data.as_ref()?.as_str().map(str::to_owned));
        let agent = inner("title").or_else(|| inner("exception"));
        let says_no_more = self.slug() == "vfolder-operation-failed" && extra.is_some();
        let mut parts = if says_no_more { Vec::new() } else { vec![self.title.clone()] };
        parts.extend(extra.into_iter().chain(agent).filter(|part| *part != self.title));
        parts.retain(|part| !part.is_empty());
        parts.join(" ")
    }
}

/// The body of a reply with an error status.
#[derive(Debug, Clone, PartialEq)]
pub enum ErrorBody {
    /// A problem in the API's own form.
    Problem(Box<Problem>),
    /// The beginning of another body, markup included: HTML of a proxy, plain text, or empty.
    Opaque(String),
}

impl ErrorBody {
    /// Reads any body. Only a JSON object with a string `type` is a problem.
    pub fn parse(body: &[u8]) -> Self {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => ErrorBody::Problem(Box::new(problem)),
            Err(_) => {
                ErrorBody::Opaque(String::from_utf8_lossy(body).trim().chars().take(OPAQUE_LIMIT).collect())
            }
        }
    }

    /// The problem's slug, or `None` for an opaque body.
    pub fn slug(&self) -> Option<&str> {
        match self {
            ErrorBody::Problem(problem) => Some(problem.slug()),
            ErrorBody::Opaque(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_is_read_with_all_its_fields() {
        let body = json!({
            "type": "https://api.backend.ai/probs/kernel-execution-failed", "title": "Execution failed.",
            "msg": "more", "error_code": "kernel_execute_failed", "traceback": "x",
            "agent-details": {"type": "x/agent-timeout", "title": "Agent timed out.", "exception": "TimeoutError()"},
        });
        let ErrorBody::Problem(problem) = ErrorBody::parse(body.to_string().as_bytes()) else {
            panic!("opaque")
        };
        assert_eq!(problem.slug(), "kernel-execution-failed");
        assert_eq!(problem.summary(), "Execution failed. more Agent timed out.");
        assert_eq!(problem.error_code.as_deref(), Some("kernel_execute_failed"));
    }

    #[test]
    fn a_repeated_sentence_is_shown_once() {
        let problem = Problem::new("url-not-found", "Gone.").with_msg("Gone.");
        assert_eq!(problem.summary(), "Gone.");
        let problem = Problem::new("x", "").with_data(json!("only data"));
        assert_eq!(problem.summary(), "only data");
        let failed = Problem::new("vfolder-operation-failed", "The operation has failed.");
        assert_eq!(failed.summary(), "The operation has failed.");
        assert_eq!(failed.with_msg("a: Permission denied").summary(), "a: Permission denied");
    }

    #[test]
    fn any_other_body_is_opaque_and_truncated() {
        for body in ["<html>502</html>", "", "null", "[1]", "{\"title\":\"no type\"}", "{\"type\":7}"] {
            assert_eq!(ErrorBody::parse(body.as_bytes()), ErrorBody::Opaque(body.to_owned()));
        }
        let ErrorBody::Opaque(text) = ErrorBody::parse(&vec![0xff; 1 << 20]) else { panic!("a problem") };
        assert_eq!(text.chars().count(), OPAQUE_LIMIT);
    }

    #[test]
    fn our_problems_have_the_format_of_the_server() {
        let problem = Problem::new("object-not-found", "No such session.").with_data(json!({"a": 1}));
        let wire = serde_json::to_value(&problem).unwrap();
        assert_eq!(
            wire,
            json!({"type": "https://api.backend.ai/probs/object-not-found", "title": "No such session.", "data": {"a": 1}})
        );
    }
}
