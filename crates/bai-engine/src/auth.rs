//! Checks the API version, the date and the signature of every request except the hello (`docs/wire` §1.1, §1.4).

use super::connections::Guest;
use super::error::ApiError;
use super::signed_body;
use super::state::ServerState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bai_protocol::sign::{self, Signed};
use bai_protocol::version::ApiVersion;
use jiff::civil::Time;
use jiff::fmt::{rfc2822, temporal};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use std::sync::Arc;

/// How much a request's date may differ from our clock, exclusive.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

/// Lets a request pass when it is signed with our key pair, or when it is the hello.
pub(super) async fn check(State(server): State<Arc<ServerState>>, request: Request, next: Next) -> Response {
    match authorize(&server, &request) {
        Ok(Allowed::Hello) => next.run(request).await,
        Ok(Allowed::Signed { body }) => {
            Guest::admit(&request);
            next.run(match body {
                Some(expected) => request.map(|body| signed_body::check(body, expected)),
                None => request,
            })
            .await
        }
        Err(refusal) => {
            tracing::debug!(path = request.uri().path(), "refused: {}", refusal.summary());
            refusal.into_response()
        }
    }
}

/// What a request may do.
enum Allowed {
    /// Read the hello.
    Hello,
    /// Everything. The hash of the body is that of the signature, if the signature covers the body.
    Signed { body: Option<String> },
}

fn authorize(server: &ServerState, request: &Request) -> Result<Allowed, ApiError> {
    let headers = request.headers();
    let version = text(headers, "x-backendai-version").or_else(|| text(headers, "x-sorna-version"));
    if let Some(version) = version {
        let known = version.parse::<ApiVersion>().is_ok_and(ApiVersion::is_known);
        if !known {
            return Err(ApiError::unsupported_version());
        }
    }
    if request.uri().path() == "/" {
        return Ok(Allowed::Hello);
    }
    let authorization = text(headers, "authorization").ok_or(ApiError::auth_failed("Unauthorized access"))?;
    let scheme = authorization.split(' ').next().unwrap_or_default();
    if !["BackendAI", "Sorna"].contains(&scheme) {
        return Err(ApiError::auth_params("Invalid authorization type name"));
    }
    let (access_key, candidate) = sign::parse_authorization(authorization)
        .ok_or(ApiError::auth_params("Malformed authorization header"))?;
    let version = version.ok_or(ApiError::auth_params("API version missing in request headers"))?;
    let date = ["date", "x-backendai-date", "x-sorna-date"].iter().find_map(|name| text(headers, name));
    let (date, day) = date.and_then(fresh).ok_or(ApiError::auth_params("Date/time sync error"))?;
    if access_key != server.keypair.access_key() {
        return Err(ApiError::auth_failed("Access key not found in HMAC"));
    }
    let signed = Signed {
        method: request.method().as_str(),
        target: request.uri().path_and_query().map_or("/", |target| target.as_str()),
        date,
        day: &day,
        host: text(headers, "host").unwrap_or_default(),
        content_type: headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()),
        version,
        body_sha256: text(headers, sign::BODY_SHA256),
    };
    if !sign::verify(server.keypair.secret_key().expose_secret(), &signed, candidate) {
        return Err(ApiError::auth_failed("HMAC signature mismatch"));
    }
    // Older clients may send the same request twice in one unit of their clock.
    if signed.body_sha256.is_some() && !server.used_signatures.add(candidate) {
        return Err(ApiError::auth_failed("The signature was used already"));
    }
    Ok(Allowed::Signed { body: signed.body_sha256.map(str::to_owned) })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The date and its day, if the date is within the allowed clock skew.
fn fresh(date: &str) -> Option<(&str, String)> {
    let (at, day) = parse_date(date)?;
    let skew = Timestamp::now().duration_since(at).abs();
    (skew < MAX_SKEW).then_some((date, day))
}

/// Reads the date formats that clients send: ISO 8601 with or without an offset (then UTC), and HTTP's own. Gives the
/// instant, and the eight digits of the day in the date's own zone.
pub(super) fn parse_date(date: &str) -> Option<(Timestamp, String)> {
    static ISO: temporal::DateTimeParser = temporal::DateTimeParser::new();
    static HTTP: rfc2822::DateTimeParser = rfc2822::DateTimeParser::new();
    let (local, offset) = match ISO.parse_pieces(date) {
        Ok(pieces) => {
            let offset = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
            (pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight())), offset)
        }
        Err(_) => {
            let zoned = HTTP.parse_zoned(date).ok()?;
            (zoned.datetime(), zoned.offset())
        }
    };
    let day = format!("{:04}{:02}{:02}", local.year(), local.month(), local.day());
    Some((offset.to_timestamp(local).ok()?, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_all_clients_are_read_with_the_day_of_their_time_zone() {
        let at = |text| parse_date(text).unwrap();
        let reference: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (text, day) in [
            ("2026-01-02T03:04:05+00:00", "20260102"),
            ("2026-01-02T03:04:05.000000+00:00", "20260102"),
            ("2026-01-02T03:04:05Z", "20260102"),
            ("2026-01-02T03:04:05", "20260102"),
            ("2026-01-02 03:04:05", "20260102"),
            ("20260102T030405Z", "20260102"),
            ("2026-01-01T23:04:05-04:00", "20260101"),
            ("Fri, 02 Jan 2026 03:04:05 GMT", "20260102"),
        ] {
            assert_eq!(at(text), (reference, day.to_owned()), "{text}");
        }
        for bad in ["", "yesterday", "2026-13-01T00:00:00Z", "99999999999"] {
            assert!(parse_date(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_date_is_fresh_for_less_than_fifteen_minutes() {
        let text = |minutes| (Timestamp::now() + SignedDuration::from_mins(minutes)).to_string();
        assert!(fresh(&text(14)).is_some() && fresh(&text(-14)).is_some());
        assert!(fresh(&text(16)).is_none() && fresh(&text(-16)).is_none());
    }
}
