//! Detects whether the terminal supports links (OSC 8). There is no query for it, and some terminals without support print
//! the sequences as text.

/// Whether the terminal supports links. `name` is its own name (XTVERSION); `env` returns environment variables.
pub fn supports_links(name: Option<&str>, env: impl Fn(&str) -> Option<String>) -> bool {
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
    let name = name.map(str::to_ascii_lowercase).unwrap_or_default();
    if NAMES.iter().any(|known| name.starts_with(known)) {
        return true;
    }
    let value = |key: &str| env(key).unwrap_or_default().to_ascii_lowercase();
    let term = value("TERM");
    let program = value("TERM_PROGRAM");
    // From 3.4 on, tmux passes links on or removes them, as its own terminal needs.
    if name.starts_with("tmux") || program == "tmux" {
        let version = name.strip_prefix("tmux ").map_or_else(|| value("TERM_PROGRAM_VERSION"), str::to_owned);
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
    fn terminals_are_recognised_by_their_name_and_their_variables() {
        let with = |pairs: &'static [(&str, &str)]| {
            move |key: &str| {
                pairs.iter().find(|(known, _)| *known == key).map(|(_, value)| (*value).to_owned())
            }
        };
        assert!(supports_links(Some("kitty(0.35.0)"), with(&[])));
        assert!(supports_links(None, with(&[("VTE_VERSION", "7600")])));
        assert!(!supports_links(None, with(&[("VTE_VERSION", "4200")])));
        assert!(supports_links(None, with(&[("TERM_PROGRAM", "tmux"), ("TERM_PROGRAM_VERSION", "3.5a")])));
        assert!(!supports_links(Some("tmux 3.3a"), with(&[("TERM_PROGRAM", "tmux")])));
        assert!(!supports_links(Some("XTerm(390)"), with(&[("TERM", "xterm-256color")])));
    }
}
