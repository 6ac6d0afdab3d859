//! Whether the terminal knows links (OSC 8). It cannot be asked; those that do not know them and show them as text are
//! the reason to be careful.

/// True for terminals that show text with a link as a link. `name` is what the terminal said of itself (XTVERSION);
/// `env` gives variables of the environment.
pub fn knows_links(name: Option<&str>, env: impl Fn(&str) -> Option<String>) -> bool {
    const NAMES: &[&str] = &[
        "kitty",
        "wezterm",
        "iterm2",
        "foot",
        "ghostty",
        "contour",
        "konsole",
        "vte",
        "rio",
        "alacritty",
        "mintty",
    ];
    let told = name.map(str::to_ascii_lowercase).unwrap_or_default();
    if NAMES.iter().any(|known| told.starts_with(known)) {
        return true;
    }
    let value = |key: &str| env(key).unwrap_or_default().to_ascii_lowercase();
    let term = value("TERM");
    let program = value("TERM_PROGRAM");
    // tmux passes them on, or leaves them out, as its own terminal needs it, from 3.4 on.
    if told.starts_with("tmux") || program == "tmux" {
        let version = told.strip_prefix("tmux ").map_or_else(|| value("TERM_PROGRAM_VERSION"), str::to_owned);
        let mut numbers =
            version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        return version >= (3, 4);
    }
    let by_term = ["xterm-kitty", "alacritty", "foot", "wezterm", "xterm-ghostty", "contour"];
    let by_program = ["iterm.app", "wezterm", "vscode", "ghostty", "hyper", "tabby", "rio"];
    by_term.iter().any(|known| term.starts_with(known))
        || by_program.contains(&program.as_str())
        || value("VTE_VERSION").parse::<u32>().is_ok_and(|version| version >= 5_000)
        || !value("KONSOLE_VERSION").is_empty()
        || !value("WT_SESSION").is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_known_by_what_they_say_and_by_their_variables() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |key: &str| {
                pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).to_owned())
            }
        };
        assert!(knows_links(Some("kitty(0.35.0)"), with(&[])));
        assert!(knows_links(None, with(&[("VTE_VERSION", "7600")])));
        assert!(!knows_links(None, with(&[("VTE_VERSION", "4200")])));
        assert!(knows_links(None, with(&[("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.5a")])));
        assert!(!knows_links(Some("tmux 3.3a"), with(&[("TERM_PROGRAM", "tmux")])));
        assert!(!knows_links(Some("XTerm(390)"), with(&[("TERM", "xterm-256color")])));
    }
}
