//! Login at a web server, which then signs for us (`docs/wire` §1.7), and the test of a key pair.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use super::reply::Reply;
use bai_protocol::version::Hello;
use reqwest::Method;
use reqwest::header::{HeaderMap, SET_COOKIE};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;

/// Name of the web server's cookie.
const COOKIE: &str = "AIOHTTP_SESSION";

/// The kind of server at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// A manager: requests are signed with a key pair.
    Manager,
    /// A web server: the user logs in with a password.
    WebServer,
}

/// The data of a login. Debug output shows no secret.
#[derive(Debug, Clone)]
pub struct WebLogin {
    /// Name of the user, an e-mail address for most servers.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// The one-time code, when the server wants one.
    pub otp: Option<SecretString>,
    /// Ends a login of the same user elsewhere, where the server allows only one.
    pub force: bool,
}

impl WebLogin {
    /// A login with a password, without a code, that ends no other login.
    pub fn new(username: impl Into<String>, password: impl Into<SecretString>) -> Self {
        WebLogin { username: username.into(), password: password.into(), otp: None, force: false }
    }
}

/// The reply to a login that the server does not refuse.
#[derive(Debug)]
pub enum LoginReply {
    /// The login succeeded.
    Done(LoggedIn),
    /// The server also wants a one-time code.
    WantsOtp,
}

/// A successful login. Debug output shows no secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct LoggedIn {
    /// Value of the cookie.
    pub session_id: SecretString,
    /// The lifetime of the cookie, if the server reports it.
    pub lives: Option<Duration>,
    /// Access key that the server signs with; untrusted text.
    pub access_key: Option<String>,
    /// Role of the user; untrusted text.
    pub role: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    username: &'a str,
    password: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    otp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    force: Option<bool>,
}

/// The reply. The message of a refusal is at the top level if it is a problem, else in `data`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Outcome {
    authenticated: bool,
    data: Option<Data>,
    #[serde(flatten)]
    problem: Data,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Data {
    access_key: Option<String>,
    role: Option<String>,
    r#type: Option<String>,
    title: Option<String>,
    details: Option<String>,
    msg: Option<String>,
}

impl Api {
    /// Finds out from the hello whether a manager or a web server answers. Needs no credentials.
    ///
    /// # Errors
    /// The reason why it does not answer; [`ErrorKind::NotABackend`] if another kind of server answers.
    pub async fn server_kind(&self) -> Result<ServerKind, ClientError> {
        let what = "log in";
        for (path, kind) in [("/", ServerKind::Manager), ("/func/", ServerKind::WebServer)] {
            let request = self.request(what, Method::GET, path).unsigned().any_status().limit(1 << 20);
            let reply = match request.send().await {
                Ok(reply) => reply,
                // A web server may answer with a page of any size, or a redirect to one, where a manager says hello.
                Err(error)
                    if kind == ServerKind::Manager
                        && matches!(error.kind(), ErrorKind::NotABackend | ErrorKind::Server) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            if reply.status.is_success() && serde_json::from_slice::<Hello>(&reply.body).is_ok() {
                return Ok(kind);
            }
        }
        let why = format!("{} answers, but neither as a manager nor as a web server", self.endpoint());
        Err(ClientError::new(ErrorKind::NotABackend, what, why))
    }

    /// Logs in at a web server. This [`Api`] does not keep the cookie: make a new one with it.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] for a wrong name, password or code, [`ErrorKind::Busy`] after too many of them,
    /// [`ErrorKind::LoggedInElsewhere`] when the user has another login, [`ErrorKind::Refused`] when the user must set up
    /// something first.
    pub async fn web_login(&self, login: &WebLogin) -> Result<LoginReply, ClientError> {
        let body = Body {
            username: &login.username,
            password: login.password.expose_secret(),
            otp: login.otp.as_ref().map(|otp| otp.expose_secret()),
            force: login.force.then_some(true),
        };
        let request = self.request("log in", Method::POST, "/server/login").unsigned().any_status();
        read_outcome(&request.json(&body)?.send().await?, login.otp.is_some())
    }

    /// Ends the login of this web server on its side.
    ///
    /// # Errors
    /// The reason why the server does not do it. It is not an error if the server has already forgotten the login.
    pub async fn web_logout(&self) -> Result<(), ClientError> {
        let request = self.request("log out", Method::POST, "/server/logout").unsigned().any_status();
        let reply = request.json(&json!({}))?.send().await?;
        if reply.status.is_success() || matches!(reply.status.as_u16(), 401 | 403) {
            return Ok(());
        }
        Err(ClientError::from_reply("log out", reply.status.as_u16(), &reply.body))
    }

    /// Checks that the manager accepts our key pair.
    ///
    /// # Errors
    /// [`ErrorKind::Auth`] if it does not.
    pub async fn check_keypair(&self) -> Result<(), ClientError> {
        let request = self.request("log in", Method::POST, "/auth").json(&json!({"echo": "hello"}))?;
        request.send().await.map(drop)
    }
}

fn read_outcome(reply: &Reply, otp_given: bool) -> Result<LoginReply, ClientError> {
    let what = "log in";
    let status = reply.status.as_u16();
    let Ok(outcome) = serde_json::from_slice::<Outcome>(&reply.body) else {
        if reply.status.is_success() {
            let why = "the server's answer to a login is not that of a Backend.AI web server";
            return Err(ClientError::new(ErrorKind::NotABackend, what, why));
        }
        return Err(ClientError::from_reply(what, status, &reply.body));
    };
    let data = outcome.data.unwrap_or(outcome.problem);
    if outcome.authenticated {
        let session_id = cookie(&reply.headers).ok_or_else(|| {
            ClientError::new(ErrorKind::Server, what, "the server took the login and gave no cookie")
        })?;
        let (access_key, role) = (data.access_key, data.role);
        let lives = lifetime(&reply.headers);
        return Ok(LoginReply::Done(LoggedIn { session_id, lives, access_key, role }));
    }
    let slug = data.r#type.as_deref().and_then(|uri| uri.rsplit('/').next()).unwrap_or_default();
    let said = [data.details, data.msg, data.title].into_iter().flatten().find(|text| !text.is_empty());
    let why = said.unwrap_or_else(|| format!("the server answers {status}"));
    let wants_otp = slug == "require-totp-authentication" || why == "OTP not provided";
    let refused = |kind| ClientError::new(kind, what, &why);
    Err(match (status, slug) {
        _ if wants_otp && !otp_given => return Ok(LoginReply::WantsOtp),
        (_, "require-totp-registration") => refused(ErrorKind::Refused)
            .with_hint("set up two-factor authentication in the web interface of the cluster first"),
        (409, _) | (_, "active-login-session-exists") => {
            refused(ErrorKind::LoggedInElsewhere).with_hint("this user is logged in elsewhere")
        }
        (_, "password-expired") => refused(ErrorKind::Refused)
            .with_hint("set a new password in the web interface of the cluster first"),
        (429, _) => refused(ErrorKind::Busy)
            .with_hint("the server takes no login for this user for some minutes; wait, then try again"),
        _ => refused(ErrorKind::Auth).with_hint("check the user name, the password and, if asked, the code"),
    })
}

fn cookie(headers: &HeaderMap) -> Option<SecretString> {
    let of_cookie = headers.get_all(SET_COOKIE).iter().find_map(|value| {
        let (name, rest) = value.to_str().ok()?.split_once('=')?;
        (name.trim() == COOKIE).then(|| rest.split(';').next().unwrap_or_default().trim().to_owned())
    });
    let of_header = || headers.get("x-backendai-sessionid")?.to_str().ok().map(str::to_owned);
    of_cookie.or_else(of_header).filter(|id| !id.is_empty()).map(SecretString::from)
}

fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let cookies = headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let ours = cookies.filter(|cookie| cookie.trim_start().starts_with(COOKIE));
    let mut ages = ours.flat_map(|cookie| cookie.split(';')).filter_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| value.trim().parse().ok())?
    });
    ages.next().map(Duration::from_secs)
}
