//! The window in which a person sees the output of a session, as the variables by which programs learn about it: they write
//! to pipes and have no terminal to ask. How each language tells its own code is in its driver.

use bai_protocol::execute::Window;
use std::ffi::OsString;

/// Programs that write to a pipe take their colours from these.
const COLOR_VARIABLES: [(&str, &str); 3] =
    [("COLORTERM", "truecolor"), ("FORCE_COLOR", "3"), ("CLICOLOR_FORCE", "1")];
/// The user wants no colours (<https://no-color.org>).
const NO_COLOR: &str = "NO_COLOR";
/// The type of terminal, for a session whose server was started without one.
const TERM: (&str, &str) = ("TERM", "xterm-256color");

/// The variables for a window, and those that must not be set. A value of the user stays: a program that applies these
/// replaces only what is not set, what an earlier call has set, and `TERM=dumb`.
pub(super) fn variables(window: Option<Window>) -> Vec<(&'static str, Option<String>)> {
    let size = window.map(|window| [window.columns, window.rows].map(|side| side.to_string()));
    let [columns, rows] = size.map_or([None, None], |sides| sides.map(Some));
    let has_colors = window.is_some_and(|window| window.colors);
    let mut variables = vec![("COLUMNS", columns), ("LINES", rows)];
    variables.extend(COLOR_VARIABLES.map(|(name, value)| (name, has_colors.then(|| value.to_owned()))));
    if has_colors {
        variables.push((TERM.0, Some(TERM.1.to_owned())));
    }
    variables
}

/// The window for the programs of a session with these variables: without colours if the user wants none in any program.
pub(super) fn in_session(window: Option<Window>, env: &[(String, String)]) -> Option<Window> {
    let own = env.iter().rfind(|(name, _)| name == NO_COLOR).map(|(_, value)| value.clone().into());
    let forbidden = own.or_else(|| std::env::var_os(NO_COLOR)).is_some_and(|value| !value.is_empty());
    window.map(|window| Window { colors: window.colors && !forbidden, ..window })
}

/// Adds the variables of a window to the environment of a new program.
pub(super) fn add_to(env: &mut Vec<(OsString, OsString)>, window: Option<Window>) {
    for (name, value) in variables(window) {
        let is_free =
            |(known, value): &(OsString, OsString)| known != name || name == TERM.0 && value == "dumb";
        if let Some(value) = value
            && env.iter().all(is_free)
        {
            env.retain(|(known, _)| known != name);
            env.push((name.into(), value.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { columns: 100, rows: 30, colors: true };

    #[test]
    fn colours_are_for_windows_that_show_them() {
        let set = |window| {
            let variables = variables(window).into_iter();
            variables.filter_map(|(name, value)| value.map(|_| name)).collect::<Vec<_>>()
        };
        let all = ["COLUMNS", "LINES", "COLORTERM", "FORCE_COLOR", "CLICOLOR_FORCE", "TERM"];
        assert_eq!(set(Some(WINDOW)), all);
        assert_eq!(set(Some(Window { colors: false, ..WINDOW })), ["COLUMNS", "LINES"]);
        assert_eq!(set(None), [""; 0]);
    }

    #[test]
    fn values_of_the_user_stay() {
        let mut env = vec![("TERM".into(), "dumb".into()), ("COLUMNS".into(), "20".into())];
        add_to(&mut env, Some(WINDOW));
        let value = |name: &str| {
            env.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_str().unwrap())
        };
        assert_eq!(
            (value("COLUMNS"), value("LINES"), value("TERM")),
            (Some("20"), Some("30"), Some("xterm-256color"))
        );
        let colors =
            |value: &str| in_session(Some(WINDOW), &[("NO_COLOR".into(), value.into())]).unwrap().colors;
        assert!(colors("") && !colors("1"));
    }
}
