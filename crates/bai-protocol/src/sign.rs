//! The keypair signature (`docs/wire` §1.4): which text is signed, how, and how a server checks it.
//!
//! The functions are pure: the caller gives the date and sends exactly the strings that were signed.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

type HmacSha256 = Hmac<Sha256>;

/// The header with the SHA-256 of the body in hex, where the signature covers the body too (`docs/wire` §13.8).
pub const BODY_SHA256: &str = "x-bai-body-sha256";
/// The header of a hello with a random text for [`proof`].
pub const CHALLENGE: &str = "x-bai-challenge";
/// The longest challenge that a server answers, in bytes.
pub const LONGEST_CHALLENGE: usize = 128;
/// The beginning of secret keys whose server always proves that it knows the key. A client with such a key sends nothing
/// but the hello to a server without the proof.
pub const PROVING: &str = "proof:";

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// Upper-case method.
    pub method: &'a str,
    /// Path and query byte for byte as in the request line, base path included.
    pub target: &'a str,
    /// The text of the `Date` header.
    pub date: &'a str,
    /// The eight digits of the date's day, in the date's own zone.
    pub day: &'a str,
    /// The `Host` header: name, and port where the endpoint names one.
    pub host: &'a str,
    /// The `Content-Type` header; parameters are cut off here. `None` when the request has none.
    pub content_type: Option<&'a str>,
    /// The text of the `X-BackendAI-Version` header.
    pub version: &'a str,
    /// The text of the [`BODY_SHA256`] header, which only servers that announce it know.
    pub body_sha256: Option<&'a str>,
}

/// The proof in hex by which a server with this `instance`, which listens at this IP `address`, answers a challenge.
pub fn proof(secret_key: &str, challenge: &str, instance: &str, address: &str) -> String {
    // No signature begins in this way: there the first message under the key is the eight digits of a day.
    hex::encode(hmac(secret_key.as_bytes(), &format!("hello\n{challenge}\n{instance}\n{address}")))
}

/// Whether `candidate` is the proof for these parts, compared in constant time.
pub fn verify_proof(
    secret_key: &str,
    challenge: &str,
    instance: &str,
    address: &str,
    candidate: &str,
) -> bool {
    is_same(&proof(secret_key, challenge, instance, address), candidate)
}

/// The SHA-256 of a body in lower-case hex.
pub fn body_sha256(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

fn is_same(expected: &str, candidate: &str) -> bool {
    use subtle::ConstantTimeEq;
    expected.as_bytes().ct_eq(candidate.as_bytes()).into()
}

/// The signature in lower-case hex. Clusters never cover the body (versions from v4.20181215 on).
pub fn signature(secret_key: &str, signed: &Signed<'_>) -> String {
    let key = hmac(secret_key.as_bytes(), signed.day);
    let key = hmac(&key, signed.host);
    hex::encode(hmac(&key, &string_to_sign(signed)))
}

/// Whether `candidate` is the signature of these parts, compared in constant time.
pub fn verify(secret_key: &str, signed: &Signed<'_>, candidate: &str) -> bool {
    is_same(&signature(secret_key, signed), candidate)
}

/// The value of the `Authorization` header.
pub fn authorization(access_key: &str, signature: &str) -> String {
    format!("BackendAI signMethod=HMAC-SHA256, credential={access_key}:{signature}")
}

/// Reads the access key and the signature from an `Authorization` header. It accepts both scheme names that servers
/// accept, and only the hash that this crate computes.
pub fn parse_authorization(header: &str) -> Option<(&str, &str)> {
    let (scheme, parameters) = header.trim().split_once(' ')?;
    if !["BackendAI", "Sorna"].contains(&scheme) {
        return None;
    }
    let mut credential = None;
    let mut method = None;
    for parameter in parameters.split(',') {
        match parameter.trim().split_once('=')? {
            ("signMethod", value) => method = Some(value),
            ("credential", value) => credential = Some(value),
            _ => {}
        }
    }
    if !method?.eq_ignore_ascii_case("HMAC-SHA256") {
        return None;
    }
    credential?.split_once(':')
}

fn string_to_sign(signed: &Signed<'_>) -> String {
    let content_type = signed.content_type.unwrap_or("application/octet-stream");
    let content_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut text = [
        signed.method,
        signed.target,
        signed.date,
        &format!("host:{}", signed.host),
        &format!("content-type:{content_type}"),
        &format!("x-backendai-version:{}", signed.version),
        &body_sha256(&[]),
    ]
    .join("\n");
    // One more line, so that nobody can take the header away.
    if let Some(hash) = signed.body_sha256 {
        text.push_str(&format!("\n{BODY_SHA256}:{hash}"));
    }
    text
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    // HMAC takes a key of any length, so this cannot fail.
    HmacSha256::new_from_slice(key)
        .map(|mut mac| {
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().to_vec()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "secret-secret-secret-secret-secret-0001";

    fn parts<'a>(
        method: &'a str,
        host: &'a str,
        target: &'a str,
        content_type: Option<&'a str>,
        version: &'a str,
    ) -> Signed<'a> {
        Signed {
            method,
            target,
            date: "2026-01-02T03:04:05.678901+00:00",
            day: "20260102",
            host,
            content_type,
            version,
            body_sha256: None,
        }
    }

    /// The vectors of `docs/wire` §12.1.
    fn vectors() -> Vec<(Signed<'static>, &'static str)> {
        let local = "127.0.0.1:8091";
        let v9 = "v9.20250722";
        vec![
            (
                parts(
                    "GET",
                    "api.example.com",
                    "/session/mysess/files?path=a%20b",
                    Some("text/plain"),
                    "v8.20240915",
                ),
                "116f30668bca4cedbd2cef6c5648ce72c72394fd98fe71a0918c4f85fc387354",
            ),
            (
                parts("POST", local, "/session/mysess", Some("application/json"), v9),
                "994dfbee55100c52fc3c11bd6ea3c9d6c3a19b3dfead399bd77d39becd094b34",
            ),
            (
                parts("GET", local, "/stream/session/mysess/execute", None, v9),
                "a91642be0561edaecdc0254f57ed8316aac8e275724e69658818ca0f8ba3f8b4",
            ),
            (
                parts(
                    "POST",
                    "api.example.com",
                    "/base/session/mysess/upload",
                    Some("Multipart/Form-Data; boundary=xyz"),
                    v9,
                ),
                "febea2132cc5759023c466efad23ff9fed2120eb1a60608f72957e4e4a1bdae8",
            ),
        ]
    }

    #[test]
    fn signatures_equal_those_of_the_upstream_signer() {
        for (signed, expected) in vectors() {
            assert_eq!(signature(SECRET, &signed), expected, "{}", signed.target);
            assert!(verify(SECRET, &signed, expected));
        }
    }

    #[test]
    fn every_part_is_covered() {
        let (signed, expected) = vectors().remove(1);
        let hash = body_sha256(b"print(1)");
        let changed = [
            Signed { method: "GET", ..signed },
            Signed { target: "/session/other", ..signed },
            Signed { date: "2026-01-02T03:04:05.678902+00:00", ..signed },
            Signed { day: "20260103", ..signed },
            Signed { host: "127.0.0.1:8092", ..signed },
            Signed { content_type: None, ..signed },
            Signed { version: "v8.20240915", ..signed },
            Signed { body_sha256: Some(&hash), ..signed },
        ];
        for other in changed {
            assert!(!verify(SECRET, &other, expected), "{other:?}");
        }
        assert!(!verify("another", &signed, expected));
        assert!(!verify(SECRET, &signed, ""));
    }

    #[test]
    fn a_signature_can_cover_the_body() {
        let (signed, _) = vectors().remove(1);
        let (one, other) = (body_sha256(b"print(1)"), body_sha256(b"print(2)"));
        let covered = Signed { body_sha256: Some(&one), ..signed };
        let signature = signature(SECRET, &covered);
        assert!(verify(SECRET, &covered, &signature));
        assert!(!verify(SECRET, &Signed { body_sha256: Some(&other), ..signed }, &signature));
        assert!(!verify(SECRET, &signed, &signature), "the header was taken away");
    }

    #[test]
    fn a_proof_is_for_one_key_one_challenge_and_one_server() {
        let given = proof(SECRET, "challenge", "instance", "127.0.0.1");
        assert!(verify_proof(SECRET, "challenge", "instance", "127.0.0.1", &given));
        for (secret, challenge, instance, address) in [
            ("x", "challenge", "instance", "127.0.0.1"),
            (SECRET, "x", "instance", "127.0.0.1"),
            (SECRET, "challenge", "x", "127.0.0.1"),
            (SECRET, "challenge", "instance", "::1"),
        ] {
            assert!(!verify_proof(secret, challenge, instance, address, &given));
        }
    }

    #[test]
    fn the_header_is_read_back_as_it_was_written() {
        let header = authorization("AKIATEST", "00ff");
        assert_eq!(header, "BackendAI signMethod=HMAC-SHA256, credential=AKIATEST:00ff");
        assert_eq!(parse_authorization(&header), Some(("AKIATEST", "00ff")));
        assert_eq!(parse_authorization("Sorna signMethod=HMAC-SHA256,credential=a:b"), Some(("a", "b")));
    }

    #[test]
    fn an_invalid_header_is_not_a_credential() {
        for header in [
            "",
            "Bearer abc",
            "BackendAI",
            "BackendAI credential=a:b",
            "BackendAI signMethod=HMAC-SHA256",
            "BackendAI signMethod=HMAC-SHA256, credential=ab",
            "BackendAI signMethod=HMAC-MD5, credential=a:b",
            "BackendAI nonsense, credential=a:b",
        ] {
            assert_eq!(parse_authorization(header), None, "{header}");
        }
    }
}
