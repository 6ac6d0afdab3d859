//! API versions and what changes with them (`docs/wire` §1.1–1.2).

use crate::capability::Capabilities;
use serde::Deserialize;
use std::{fmt, str::FromStr};

/// Every version that this crate may send, oldest first. Servers from 26.2 on refuse `v6.20210815`, but it is chosen only
/// for a server that announced it.
pub const KNOWN: [&str; 15] = [
    "v4.20181215",
    "v4.20190115",
    "v4.20190315",
    "v4.20190615",
    "v5.20191215",
    "v6.20200815",
    "v6.20210815",
    "v6.20220315",
    "v6.20220615",
    "v6.20221201",
    "v6.20230315",
    "v7.20230615",
    "v8.20240315",
    "v8.20240915",
    "v9.20250722",
];

/// A version such as `v9.20250722`, ordered by its major number and then by its date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    major: u32,
    /// Year, month and day as one number, such as 20250722.
    date: u32,
}

/// The newest version that this crate speaks.
pub const NEWEST: ApiVersion = ApiVersion { major: 9, date: 20_250_722 };

/// A text that is not an API version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an API version; one looks like v9.20250722")]
pub struct BadVersion(String);

impl FromStr for ApiVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let parse = || {
            let (major, date) = text.strip_prefix('v')?.split_once('.')?;
            let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
            if date.len() != 8 || !digits(date) || !digits(major) {
                return None;
            }
            Some(ApiVersion { major: major.parse().ok()?, date: date.parse().ok()? })
        };
        parse().ok_or_else(|| BadVersion(text.chars().take(40).collect()))
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{:08}", self.major, self.date)
    }
}

impl ApiVersion {
    /// The major number, 9 for `v9.20250722`.
    pub fn major(self) -> u32 {
        self.major
    }

    /// The version to speak with a server that announced `server`: the older one of the two sides, among those that both
    /// know. `None` for a server that is older than all known versions.
    pub fn negotiate(server: ApiVersion) -> Option<ApiVersion> {
        KNOWN.iter().filter_map(|text| text.parse().ok()).filter(|known| *known <= server).max()
    }

    /// Whether a server may be sent this version at all.
    pub fn is_known(self) -> bool {
        KNOWN.iter().any(|text| text.parse() == Ok(self))
    }

    /// The noun of session paths, `{P}` in `docs/wire` §0: `kernel` up to major 4, then `session`.
    pub fn noun(self) -> &'static str {
        if self.major <= 4 { "kernel" } else { "session" }
    }

    /// The key that carries the session's name in a create body.
    pub fn name_key(self) -> &'static str {
        if self.major <= 4 { "clientSessionToken" } else { "name" }
    }

    /// The key that carries the image in a create body: `lang` in the very first v4, then `image`.
    pub fn image_key(self) -> &'static str {
        if self <= (ApiVersion { major: 4, date: 20_181_215 }) { "lang" } else { "image" }
    }

    /// The path of the session event stream.
    pub fn events_path(self) -> &'static str {
        if self.major <= 4 { "/stream/kernel/_/events" } else { "/events/session" }
    }

    /// Whether the execute WebSocket exists: from v4.20190115 on.
    pub fn has_streaming_execute(self) -> bool {
        self > (ApiVersion { major: 4, date: 20_181_215 })
    }

    /// Whether a field that the official client first sends at `version` may be sent now.
    pub(crate) fn at_least(self, version: &str) -> bool {
        version.parse().is_ok_and(|first: ApiVersion| self >= first)
    }
}

/// The answer to `GET /`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Hello {
    /// The newest API version of the server.
    pub version: String,
    /// The server's release; absent before 19.03.
    #[serde(default)]
    pub manager: Option<String>,
    /// What the server can do beyond the common API; empty on clusters.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// A text that identifies one start of the server; absent on clusters.
    #[serde(default)]
    pub instance: Option<String>,
    /// The IP address at which the server listens; absent on clusters.
    #[serde(default)]
    pub address: Option<String>,
    /// The answer to a challenge ([`crate::sign::proof`]); absent on clusters.
    #[serde(default)]
    pub proof: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ApiVersion {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_ordered_by_major_then_date() {
        let parsed: Vec<_> = KNOWN.iter().map(|v| version(v)).collect();
        assert!(parsed.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(parsed.last(), Some(&NEWEST));
        assert!(version("v10.20200101") > version("v9.20250722"));
    }

    #[test]
    fn a_version_is_written_and_read_back() {
        for text in KNOWN {
            assert_eq!(version(text).to_string(), text);
        }
    }

    #[test]
    fn an_invalid_version_is_refused() {
        for text in [
            "",
            "9.20250722",
            "v9",
            "v9.2025",
            "vx.20250722",
            "v9.2025072x",
            "v9.+2025072",
            "v+9.20250722",
            "v9.202507222",
        ] {
            assert!(text.parse::<ApiVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn negotiation_chooses_a_version_that_both_sides_know() {
        assert_eq!(ApiVersion::negotiate(version("v9.20250722")), Some(NEWEST));
        assert_eq!(ApiVersion::negotiate(version("v12.20300101")), Some(NEWEST));
        assert_eq!(ApiVersion::negotiate(version("v5.20191215")), Some(version("v5.20191215")));
        assert_eq!(ApiVersion::negotiate(version("v6.20210101")), Some(version("v6.20200815")));
        assert_eq!(ApiVersion::negotiate(version("v3.20170615")), None);
    }

    #[test]
    fn names_follow_the_version() {
        let oldest = version("v4.20181215");
        assert_eq!(
            (oldest.noun(), oldest.name_key(), oldest.image_key()),
            ("kernel", "clientSessionToken", "lang")
        );
        assert!(!oldest.has_streaming_execute());
        let v4 = version("v4.20190615");
        assert_eq!((v4.noun(), v4.name_key(), v4.image_key()), ("kernel", "clientSessionToken", "image"));
        assert_eq!(
            (NEWEST.noun(), NEWEST.name_key(), NEWEST.events_path()),
            ("session", "name", "/events/session")
        );
    }

    #[test]
    fn old_servers_do_not_announce_the_manager_version() {
        let hello: Hello = serde_json::from_str(r#"{"version":"v4.20181215"}"#).unwrap();
        assert_eq!(hello.manager, None);
    }
}
