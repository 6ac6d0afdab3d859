//! Which HTTP requests come from pages of the app itself. A web page of somebody else reaches a port of this machine
//! through the user's own browser. It gives itself away by the header `Origin`, by `Sec-Fetch-Site`, or by `Host`
//! when its name was made to lead here (DNS rebinding). How a request is cut out of a connection is not known here.

use httparse::Header;
use std::net::IpAddr;

/// Why a request or a connection was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The connection was opened by a program of another user.
    #[error("the connection came from another user, {0}")]
    OtherUser(String),
    /// The user who opened the connection could not be found.
    #[error("the user who opened the connection cannot be told: {0}")]
    UnknownUser(String),
    /// A request names a host that is not this listener.
    #[error("the request is for another host, {0}")]
    Host(String),
    /// A request was made by a page from elsewhere.
    #[error("the request came from a web page of {0}")]
    Origin(String),
    /// A request was made by a page from elsewhere, which the browser does not name.
    #[error("the request came from a web page of another site")]
    CrossSite,
    /// Bytes that begin like HTTP are not a valid request.
    #[error("the request is not valid HTTP: {0}")]
    Malformed(&'static str),
}

impl Refusal {
    /// The status line of the reply.
    pub(super) fn status(&self) -> &'static str {
        match self {
            Refusal::Malformed(_) => "400 Bad Request",
            _ => "403 Forbidden",
        }
    }
}

/// The host names by which requests may address the listener. The port does not matter, as it differs behind a
/// forwarded port.
#[derive(Debug, Clone)]
pub(super) struct OwnHosts {
    names: Vec<String>,
    /// Whether every address may be named, because other machines may connect. An address cannot be rebound.
    any_address: bool,
}

impl OwnHosts {
    /// `localhost`, the addresses of loopback, and `names`.
    pub(super) fn local(names: impl IntoIterator<Item = String>) -> Self {
        let mut names: Vec<_> = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        names.push("localhost".to_owned());
        OwnHosts { names, any_address: false }
    }

    /// `localhost`, every address, and `names`.
    pub(super) fn public(names: impl IntoIterator<Item = String>) -> Self {
        OwnHosts { any_address: true, ..OwnHosts::local(names) }
    }

    fn contains(&self, authority: &str) -> bool {
        let name = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
            None => authority.rsplit_once(':').map_or(authority, |(name, _)| name),
        };
        match name.parse::<IpAddr>() {
            Ok(address) => self.any_address || address.to_canonical().is_loopback(),
            Err(_) => self.names.iter().any(|own| own.eq_ignore_ascii_case(name)),
        }
    }

    /// Checks one request.
    pub(super) fn check(&self, request: &httparse::Request<'_, '_>) -> Result<(), Refusal> {
        let host = self.host(request)?;
        for origin in values(request.headers, "origin") {
            let origin = text(origin)?;
            if host.is_none_or(|host| !is_origin_of(origin, host)) {
                return Err(Refusal::Origin(origin.to_owned()));
            }
        }
        let site = values(request.headers, "sec-fetch-site").next();
        if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) && !is_navigation(request) {
            return Err(Refusal::CrossSite);
        }
        Ok(())
    }

    /// The host of a request, which is ours. Requests of HTTP/1.0 need not have one.
    fn host<'r>(&self, request: &'r httparse::Request<'_, '_>) -> Result<Option<&'r str>, Refusal> {
        let mut hosts = values(request.headers, "host");
        let host = hosts.next().map(text).transpose()?;
        if hosts.next().is_some() {
            return Err(Refusal::Malformed("it names several hosts"));
        }
        let target = request.path.unwrap_or_default();
        let in_target = target.split_once("://").filter(|_| !target.starts_with('/'));
        let in_target = in_target.map(|(_, rest)| rest.split(['/', '?', '#']).next().unwrap_or(rest));
        if host.is_none() && request.version != Some(0) {
            return Err(Refusal::Malformed("it names no host"));
        }
        match host.into_iter().chain(in_target).find(|host| !self.contains(host)) {
            Some(foreign) => Err(Refusal::Host(foreign.to_owned())),
            None => Ok(host),
        }
    }
}

/// Whether the user follows a link or a bookmark, which opens the app's page and hides it from the page with the link.
fn is_navigation(request: &httparse::Request<'_, '_>) -> bool {
    let is = |name, value: &[u8]| values(request.headers, name).next() == Some(value);
    request.method == Some("GET") && is("sec-fetch-mode", b"navigate") && is("sec-fetch-dest", b"document")
}

/// Whether an origin, such as `http://localhost:8080`, is that of the pages at `host`.
fn is_origin_of(origin: &str, host: &str) -> bool {
    let bare = |text: &str, port: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    [("http://", ":80"), ("https://", ":443")].into_iter().any(|(scheme, port)| {
        origin.strip_prefix(scheme).is_some_and(|rest| bare(rest, port) == bare(host, port))
    })
}

/// The values of all headers of that name.
pub(super) fn values<'h>(headers: &'h [Header<'h>], name: &str) -> impl Iterator<Item = &'h [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn text(value: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(value).map_err(|_| Refusal::Malformed("a header is not text"))
}
