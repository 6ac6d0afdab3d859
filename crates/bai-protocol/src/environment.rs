//! The environment variables of the official client (`docs/wire` §1.3): their two prefixes and the forms of their
//! values. The caller supplies the environment; this module reads none.

use std::time::Duration;

/// The value of `BACKEND_<name>`, or of `SORNA_<name>` if the first is not set. An empty value counts as not set.
pub fn variable(lookup: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    let value = |prefix: &str| lookup(&format!("{prefix}_{name}")).filter(|value| !value.is_empty());
    value("BACKEND").or_else(|| value("SORNA"))
}

/// Whether a variable says who the user is, or proves it. Code of a session must not see it.
pub fn is_of_login(variable: &str) -> bool {
    const SECRETS: [&str; 4] = ["ACCESS_KEY", "SECRET_KEY", "PASSWORD", "OTP"];
    let name = variable.strip_prefix("BACKEND_").or_else(|| variable.strip_prefix("SORNA_"));
    // Names such as `SECRET_KEY_OLD` and `PASSWORD_FILE` lead to secrets, too.
    name.is_some_and(|name| name == "USER" || SECRETS.iter().any(|secret| name.starts_with(secret)))
}

/// A value as a boolean: `y yes t true on 1` in any case mean true, anything else false.
pub fn is_true(value: &str) -> bool {
    ["y", "yes", "t", "true", "on", "1"].contains(&value.to_ascii_lowercase().as_str())
}

/// A value as a number of seconds, or `None` if it is not one.
pub fn seconds(value: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(value.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_with_the_old_prefix_are_read_second() {
        let set = [
            ("BACKEND_GROUP", "new"),
            ("SORNA_GROUP", "old"),
            ("SORNA_DOMAIN", "d"),
            ("BACKEND_ENDPOINT", ""),
        ];
        let lookup =
            |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        assert_eq!(variable(lookup, "GROUP").as_deref(), Some("new"));
        assert_eq!(variable(lookup, "DOMAIN").as_deref(), Some("d"));
        assert_eq!(variable(lookup, "ENDPOINT"), None);
    }

    #[test]
    fn variables_of_a_login_are_known_with_both_prefixes() {
        for name in
            ["BACKEND_USER", "SORNA_PASSWORD", "BACKEND_OTP", "SORNA_ACCESS_KEY", "BACKEND_SECRET_KEY_OLD"]
        {
            assert!(is_of_login(name), "{name}");
        }
        for name in ["USER", "BACKEND_USER_SERVICE", "BACKEND_ENDPOINT", "BACKENDAI_ACCESS_KEY", "SECRET_KEY"]
        {
            assert!(!is_of_login(name), "{name}");
        }
    }

    #[test]
    fn values_are_read_as_the_official_client_reads_them() {
        for (value, expected) in
            [("Yes", true), ("1", true), ("on", true), ("no", false), ("0", false), ("2", false)]
        {
            assert_eq!(is_true(value), expected, "{value}");
        }
        assert_eq!(seconds("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!((seconds("-1"), seconds("soon"), seconds("inf")), (None, None, None));
    }
}
