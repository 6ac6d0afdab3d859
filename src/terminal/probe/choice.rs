//! The choice of the graphics protocol for pictures, with its reason.

use super::{Probe, Screen};
use crate::terminal::ColorDepth;

/// A graphics protocol for pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    /// None: not a terminal, or a terminal without escape sequences or colours.
    None,
    /// Coloured half blocks, which every other terminal supports.
    Blocks,
    /// DEC's sixel.
    Sixel,
    /// The inline files of iTerm2.
    Iterm2,
    /// Kitty's graphics protocol.
    Kitty,
    /// Kitty's graphics protocol through tmux: tmux passes the picture on, and manages placeholder characters for its parts.
    KittyTmux,
}

impl Graphics {
    /// All protocols.
    pub const ALL: [Self; 6] =
        [Self::None, Self::Blocks, Self::Sixel, Self::Iterm2, Self::Kitty, Self::KittyTmux];

    /// Its name in the configuration and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Blocks => "blocks",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iterm2",
            Self::Kitty => "kitty",
            Self::KittyTmux => "kitty-tmux",
        }
    }

    /// Returns the protocol of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|graphics| graphics.name() == name)
    }
}

/// The chosen graphics protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The protocol.
    pub graphics: Graphics,
    /// The reason, as part of a sentence.
    pub why: &'static str,
}

/// Names of terminals that draw kitty's placeholders. There is no query for this feature.
const PLACEHOLDERS: [&str; 2] = ["kitty(", "ghostty "];

/// The first version of kitty that draws them.
const FIRST_KITTY: (u32, u32) = (0, 28);

impl Probe {
    /// Chooses the best protocol that the terminal has confirmed.
    pub fn choose(&self, screen: &Screen) -> Choice {
        let choice = |graphics, why| Choice { graphics, why };
        match () {
            () if !screen.stdout_tty => choice(Graphics::None, "standard output is not a terminal"),
            () if screen.dumb => {
                choice(Graphics::None, "TERM says that it does not support escape sequences")
            }
            () if self.kitty && self.outer.is_none() => {
                choice(Graphics::Kitty, "it answered the query for kitty's graphics")
            }
            () if self.kitty && self.outer.as_deref().is_some_and(draws_placeholders) => choice(
                Graphics::KittyTmux,
                "the terminal around tmux answered the query for kitty's graphics",
            ),
            () if self.iterm2 => choice(Graphics::Iterm2, "it answered a query of iTerm2"),
            () if self.name.as_deref().is_some_and(|name| name.starts_with("WezTerm ")) => choice(
                Graphics::Iterm2,
                "it reports that it is WezTerm, which supports iTerm2's inline files",
            ),
            () if self.sixel => choice(Graphics::Sixel, "its device attributes include sixel"),
            () if screen.colors == ColorDepth::None => choice(Graphics::None, "there are no colours"),
            () if !screen.unicode => choice(Graphics::None, "the locale's character set has no half blocks"),
            () if self.kitty => choice(
                Graphics::Blocks,
                "the terminal around tmux supports pictures, but not kitty's placeholders",
            ),
            () if !self.unasked.is_empty() => choice(Graphics::Blocks, "it was not asked"),
            () if !self.answered => choice(Graphics::Blocks, "it did not answer"),
            () => choice(Graphics::Blocks, "it supports no better protocol"),
        }
    }
}

fn draws_placeholders(name: &str) -> bool {
    let version = |name: &str| {
        let mut numbers = name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
        Some((numbers.next()?.parse::<u32>().ok()?, numbers.next()?.parse::<u32>().ok()?))
    };
    match PLACEHOLDERS.iter().find(|start| name.starts_with(**start)) {
        Some(start) if start.starts_with("kitty") => {
            version(name).is_some_and(|version| version >= FIRST_KITTY)
        }
        found => found.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(term: &str, lang: &str) -> Screen {
        let (term, lang) = (term.to_owned(), lang.to_owned());
        Screen::from_parts(true, true, true, move |name| match name {
            "TERM" => Some(term.clone().into()),
            "LANG" => Some(lang.clone().into()),
            _ => None,
        })
    }

    fn chosen(probe: Probe) -> Graphics {
        probe.choose(&screen("xterm-256color", "C.UTF-8")).graphics
    }

    #[test]
    fn the_best_confirmed_protocol_is_chosen() {
        let silent = Probe::default();
        assert_eq!(chosen(silent.clone()), Graphics::Blocks);
        assert_eq!(chosen(Probe { sixel: true, ..silent.clone() }), Graphics::Sixel);
        assert_eq!(chosen(Probe { sixel: true, iterm2: true, ..silent.clone() }), Graphics::Iterm2);
        assert_eq!(chosen(Probe { kitty: true, iterm2: true, ..silent.clone() }), Graphics::Kitty);
        let wezterm = Some("WezTerm 20240203".to_owned());
        assert_eq!(chosen(Probe { name: wezterm, sixel: true, ..silent.clone() }), Graphics::Iterm2);
        let named = Some("kitty(0.26.5)".to_owned());
        assert_eq!(
            chosen(Probe { name: named, ..silent }),
            Graphics::Blocks,
            "a name alone does not prove support"
        );
    }

    #[test]
    fn in_tmux_kitty_graphics_need_placeholders() {
        for (outer, graphics) in [
            ("kitty(0.41.1)", Graphics::KittyTmux),
            ("kitty(1.0.0)", Graphics::KittyTmux),
            ("kitty(0.26.5)", Graphics::Sixel),
            ("ghostty 1.2.0", Graphics::KittyTmux),
            ("Konsole 23.08", Graphics::Sixel),
        ] {
            let probe = Probe { kitty: true, sixel: true, outer: Some(outer.to_owned()), ..Probe::default() };
            assert_eq!(chosen(probe), graphics, "{outer}");
        }
    }

    #[test]
    fn incapable_terminals_get_no_pictures() {
        let kitty = Probe { kitty: true, ..Probe::default() };
        assert_eq!(kitty.choose(&screen("dumb", "C.UTF-8")).graphics, Graphics::None);
        assert_eq!(Probe::default().choose(&screen("xterm", "C")).graphics, Graphics::None);
        assert_eq!(Probe::default().choose(&screen("vt100", "C.UTF-8")).graphics, Graphics::None);
    }

    #[test]
    fn names_are_read_back() {
        for graphics in Graphics::ALL {
            assert_eq!(Graphics::named(graphics.name()), Some(graphics));
        }
        assert_eq!(Graphics::named("telepathy"), None);
    }
}
