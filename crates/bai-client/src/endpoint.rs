//! One address of a server: how URLs are built on it, and the HTTP client that belongs to it.

use super::error::{ClientError, ErrorKind};
use super::options::{ApiOptions, Credentials};
use super::peer::{PeerCheck, PeerLayer};
use super::tls;
use bai_protocol::sign::PROVING;
use secrecy::ExposeSecret;
use std::sync::OnceLock;
use std::time::Duration;
use url::Url;

/// One of the addresses that the options name.
pub(super) struct Endpoint {
    base: Url,
    http: OnceLock<Result<reqwest::Client, ClientError>>,
}

impl Endpoint {
    /// Reads a comma list of URLs.
    pub(super) fn parse_list(text: &str) -> Result<Vec<Endpoint>, ClientError> {
        let endpoints: Result<Vec<_>, _> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Endpoint::parse).collect();
        match endpoints {
            Ok(list) if list.is_empty() => Err(bad("it is empty")),
            other => other,
        }
    }

    fn parse(text: &str) -> Result<Endpoint, ClientError> {
        let base = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        if !["http", "https"].contains(&base.scheme()) || base.host_str().is_none_or(str::is_empty) {
            return Err(bad("it does not begin with http:// or https:// and a host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(bad("it has a user name or password in it; give the key pair on its own"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(bad("it has a query or a fragment"));
        }
        Ok(Endpoint { base, http: OnceLock::new() })
    }

    /// The URL for a path of the API, which is percent-encoded already and begins with a slash.
    pub(super) fn url(&self, path: &str, query: &[(String, String)]) -> Result<Url, ClientError> {
        let mut text = self.base.as_str().trim_end_matches('/').to_owned();
        text.push_str(path);
        let mut url = Url::parse(&text).map_err(|error| bad(&error.to_string()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// The text of the `Host` header: the name, and the port unless it is the scheme's own.
    pub(super) fn authority(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        match self.base.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// The address for the user.
    pub(super) fn shown(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    pub(super) fn is_loopback(&self) -> bool {
        match self.base.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }

    /// The HTTP client, built at the first use: reading the platform's certificates takes time and can fail.
    pub(super) fn http(&self, options: &ApiOptions) -> Result<&reqwest::Client, ClientError> {
        self.http.get_or_init(|| self.build(options)).as_ref().map_err(Clone::clone)
    }

    fn build(&self, options: &ApiOptions) -> Result<reqwest::Client, ClientError> {
        let mut builder = self.plain(options)?;
        if let Some(check) = self.peer_check(options)? {
            builder = builder.connector_layer(PeerLayer::new(check));
        }
        builder.build().map_err(not_built)
    }

    /// The check of whoever answers here, if it can be checked.
    fn peer_check(&self, options: &ApiOptions) -> Result<Option<PeerCheck>, ClientError> {
        if let Some(path) = &options.socket {
            return Ok(Some(PeerCheck::SameUser(path.clone())));
        }
        // With TLS the certificate tells who answers.
        let Credentials::Keypair { secret_key, .. } = &options.credentials else { return Ok(None) };
        if self.base.scheme() == "https" {
            return Ok(None);
        }
        if !secret_key.expose_secret().starts_with(PROVING) {
            return Ok(None);
        }
        let client = self.plain(options)?.pool_max_idle_per_host(0).build().map_err(not_built)?;
        Ok(Some(PeerCheck::Proof { client, hello: self.url("/", &[])?, secret_key: secret_key.clone() }))
    }

    /// The settings of every HTTP client of this endpoint.
    fn plain(&self, options: &ApiOptions) -> Result<reqwest::ClientBuilder, ClientError> {
        let tls = match (self.base.scheme(), options.insecure) {
            ("https", false) => tls::verified()?,
            ("https", true) => tls::unverified()?,
            _ => tls::unused()?,
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // The execute WebSocket is an upgrade, which only HTTP/1.1 has.
            .http1_only()
            // A signature does not survive another path, and credentials must not follow to another host.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(20))
            .tcp_keepalive_interval(Duration::from_secs(10))
            .tcp_keepalive_retries(3)
            .user_agent(&options.user_agent);
        if self.is_loopback() {
            builder = builder.no_proxy();
        }
        if let Some(path) = &options.socket {
            builder = builder.unix_socket(path.as_path());
        }
        Ok(builder)
    }
}

fn not_built(error: reqwest::Error) -> ClientError {
    ClientError::new(ErrorKind::Tls, "set up the connection", super::cause(&error)).with_source(error)
}

fn bad(why: &str) -> ClientError {
    ClientError::new(ErrorKind::BadRequest, "use this endpoint", why)
        .with_hint("an endpoint looks like https://api.example.com or http://127.0.0.1:8081")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Endpoint {
        Endpoint::parse_list(text).unwrap().remove(0)
    }

    #[test]
    fn urls_keep_the_base_path_and_the_encoding() {
        let endpoint = one("https://api.example.com/base/");
        let url = endpoint.url("/session/a%2Fb/files", &[("path".into(), "a b&ü".into())]).unwrap();
        assert_eq!(url.as_str(), "https://api.example.com/base/session/a%2Fb/files?path=a+b%26%C3%BC");
        assert_eq!(one("http://h").url("/", &[]).unwrap().as_str(), "http://h/");
    }

    #[test]
    fn the_authority_is_the_host_header() {
        for (text, authority) in [
            ("http://127.0.0.1:8091", "127.0.0.1:8091"),
            ("https://API.example.com:443/x", "api.example.com"),
            ("http://h:80", "h"),
            ("https://h:80", "h:80"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(one(text).authority(), authority);
        }
    }

    #[test]
    fn an_invalid_endpoint_is_refused_and_its_secrets_are_not_shown() {
        for text in ["", " , ", "ftp://h", "h:8080", "https://", "http://user:pw@h", "http://h/?a=b", "/path"]
        {
            let error = Endpoint::parse_list(text).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::BadRequest);
            assert!(!error.to_string().contains("pw"));
        }
        assert_eq!(Endpoint::parse_list("http://a, http://b,").unwrap().len(), 2);
    }

    #[test]
    fn loopback_is_recognised_in_every_spelling() {
        for text in ["http://127.0.0.1", "http://127.9.9.9:1", "http://[::1]", "http://localhost:1"] {
            assert!(one(text).is_loopback(), "{text}");
        }
        assert!(!one("http://localhost.example.com").is_loopback());
    }
}
