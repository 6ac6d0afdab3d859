//! The user's configuration files, from arbitrary text.

use super::official::cookie_in;
use super::{FileConfig, dotenv};
use secrecy::ExposeSecret;

/// A `.env` file: only the variables of clients are kept, and each is in one line of the file.
pub fn env_file(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for (name, value) in dotenv::parse(&text) {
        assert!(name.starts_with("BACKEND_") || name.starts_with("SORNA_"));
        assert!(text.lines().any(|line| line.contains(&name) && line.contains(&value)));
    }
}

/// A configuration file. A mistake is reported with a line that exists, and without secrets.
pub fn configuration(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split('\n').count();
    match FileConfig::parse(&text, &[]) {
        Ok(config) => {
            assert!(config.wrong.iter().all(|wrong| (1..=lines).contains(&wrong.line)));
            for secret in config.profiles.values().filter_map(|profile| profile.secret_key.as_deref()) {
                assert!(secret.len() < 8 || !format!("{config:?}").contains(&format!("{secret:?}")));
            }
        }
        Err(problem) => assert!(problem.starts_with("line ")),
    }
}

/// A cookie jar of the official client: a cookie is one of the file, and not expired.
pub fn cookies(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(Some(cookie)) = cookie_in(&text, "h", 1.0) {
        assert!(text.contains("AIOHTTP_SESSION") || text.contains("\\u"));
        assert!(cookie.expose_secret().len() <= text.len());
    }
}
