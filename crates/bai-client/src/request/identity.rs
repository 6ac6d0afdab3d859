//! The headers of a request that say who sends it: session, date, version and signature.

use super::Request;
use crate::clock::RequestDate;
use crate::endpoint::Endpoint;
use crate::error::{ClientError, ErrorKind};
use crate::options::Credentials;
use bai_protocol::capability::Capability;
use bai_protocol::sign;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, DATE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use url::{Position, Url};

impl Request<'_> {
    /// Every path goes through the web server's proxy in session mode, except the web server's own.
    pub(super) fn full_path(&self) -> String {
        match self.api.credentials() {
            Credentials::WebSession { .. } if !self.path.starts_with("/server") => {
                format!("/func{}", self.path)
            }
            _ => self.path.clone(),
        }
    }

    /// Adds date, version and credentials to the headers. The signed strings are exactly those that are sent.
    pub(super) async fn identify(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        headers: &mut HeaderMap,
    ) -> Result<(), ClientError> {
        let content_type = self.body.as_ref().map(|(content_type, _)| content_type.as_str());
        if let Some(content_type) = content_type {
            self.put(headers, CONTENT_TYPE, content_type, false)?;
        }
        if let Some(session_id) = self.api.session_id() {
            let id = session_id.expose_secret();
            self.put(headers, HeaderName::from_static("x-backendai-sessionid"), id, true)?;
            self.put(headers, COOKIE, &format!("AIOHTTP_SESSION={id}"), true)?;
        }
        if !self.signed {
            return Ok(());
        }
        // Boxed, since the version is read by a request too, though an unsigned one.
        let version =
            Box::pin(self.api.version()).await.map_err(|error| error.with_what(&self.what))?.to_string();
        let date = RequestDate::unique();
        self.put(headers, DATE, &date.text, false)?;
        self.put(headers, HeaderName::from_static("x-backendai-version"), &version, false)?;
        if let Some(domain) = &self.api.options().domain {
            self.put(headers, HeaderName::from_static("x-backendai-domain"), domain, false)?;
        }
        if let Credentials::Keypair { access_key, secret_key } = self.api.credentials() {
            let body = self.body.as_ref().map_or(&[][..], |(_, bytes)| bytes);
            let covers_body = Box::pin(self.api.has(Capability::SignedBodies)).await;
            let body_sha256 = covers_body.then(|| sign::body_sha256(body));
            if let Some(hash) = &body_sha256 {
                self.put(headers, HeaderName::from_static(sign::BODY_SHA256), hash, false)?;
            }
            let signed = sign::Signed {
                method: self.method.as_str(),
                target: target(url),
                date: &date.text,
                day: &date.day,
                host: &endpoint.authority(),
                content_type,
                version: &version,
                body_sha256: body_sha256.as_deref(),
            };
            let signature = sign::signature(secret_key.expose_secret(), &signed);
            let value = sign::authorization(access_key, &signature);
            self.put(headers, AUTHORIZATION, &value, true)?;
        }
        Ok(())
    }

    pub(super) fn put(
        &self,
        headers: &mut HeaderMap,
        name: HeaderName,
        value: &str,
        secret: bool,
    ) -> Result<(), ClientError> {
        let mut value = HeaderValue::from_str(value).map_err(|error| {
            ClientError::new(ErrorKind::BadRequest, &self.what, format!("{name} cannot have this value"))
                .with_source(error)
        })?;
        value.set_sensitive(secret);
        headers.insert(name, value);
        Ok(())
    }
}

/// The part of a URL in the request line.
fn target(url: &Url) -> &str {
    // The range lies between two positions of the URL itself, so it cannot be out of bounds.
    #[allow(clippy::indexing_slicing, clippy::string_slice)]
    &url[Position::BeforePath..Position::AfterQuery]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_target_is_that_of_the_request_line() {
        let url: Url = "https://h/base/session/a%2Fb?x=1+2#frag".parse().unwrap();
        assert_eq!(target(&url), "/base/session/a%2Fb?x=1+2");
    }
}
