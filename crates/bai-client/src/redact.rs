//! The parts of a request that may be written to a log: never a key, a signature, a cookie or a token.

use reqwest::header::HeaderMap;
use url::Url;

const HIDDEN: &str = "[hidden]";

/// Query parameters whose value is a secret; compared without case, as part of the name.
const SECRET_PARAMETERS: [&str; 7] =
    ["token", "secret", "password", "auth", "signature", "credential", "otp"];

/// The URL without user name, password and the values of secret query parameters.
pub(super) fn url(url: &Url) -> String {
    let mut url = url.clone();
    if !url.username().is_empty() || url.password().is_some() {
        // These fail only for URLs that cannot have a user name.
        let _ = url.set_username("");
        let _ = url.set_password(None);
    }
    let secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        SECRET_PARAMETERS.iter().any(|part| name.contains(part))
    };
    if url.query_pairs().any(|(name, _)| secret(&name)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut query = url.query_pairs_mut();
        query.clear();
        for (name, value) in pairs {
            let shown = if secret(&name) { HIDDEN } else { &value };
            query.append_pair(&name, shown);
        }
        drop(query);
    }
    url.into()
}

/// The names of the headers, with the values of those that are not secret.
pub(super) fn headers(headers: &HeaderMap) -> String {
    const OPEN: [&str; 9] = [
        "content-type",
        "content-length",
        "date",
        "server",
        "retry-after",
        "x-backendai-version",
        "accept",
        "host",
        "connection",
    ];
    let mut shown = Vec::new();
    for (name, value) in headers {
        let value = if OPEN.contains(&name.as_str()) { value.to_str().unwrap_or(HIDDEN) } else { HIDDEN };
        shown.push(format!("{name}: {value}"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn urls_lose_their_secrets_and_keep_the_rest() {
        let shown = url(&"https://user:pw123@h/x?files=a%20b&sToken=abc&access_token=def".parse().unwrap());
        for secret in ["user", "pw123", "abc", "def"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.starts_with("https://h/x?files=a+b"), "{shown}");
        assert_eq!(url(&"http://h/session/x?path=%2F".parse().unwrap()), "http://h/session/x?path=%2F");
    }

    #[test]
    fn only_harmless_headers_show_their_value() {
        let mut map = HeaderMap::new();
        for name in [
            "authorization",
            "cookie",
            "set-cookie",
            "x-backendai-token",
            "x-backendai-sessionid",
            "proxy-authorization",
        ] {
            map.insert(name, HeaderValue::from_static("s3cret"));
        }
        map.insert("content-type", HeaderValue::from_static("application/json"));
        let shown = headers(&map);
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(
            shown.contains("authorization: [hidden]") && shown.contains("content-type: application/json")
        );
    }
}
