//! By which means pictures are drawn, and why by these.

use super::{Probe, Screen};
use crate::terminal::ColorDepth;

/// The means by which pictures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Graphics {
    /// None: not a terminal, or one that knows no escape sequences or no colours.
    None,
    /// Half blocks in colours, which every other terminal shows.
    Blocks,
    /// DEC's sixel.
    Sixel,
    /// The inline files of iTerm2.
    Iterm2,
    /// Kitty's graphics protocol.
    Kitty,
    /// Kitty's graphics protocol through tmux: the picture is sent past it, and tmux moves about characters that stand
    /// for its parts.
    KittyTmux,
}

impl Graphics {
    /// All of them.
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

    /// The means of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|graphics| graphics.name() == name)
    }
}

/// The means that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub graphics: Graphics,
    /// Why, as part of a sentence.
    pub why: &'static str,
}

/// Terminals that draw kitty's placeholders, by what they call themselves. There is no question for it.
const PLACEHOLDERS: [&str; 2] = ["kitty(", "ghostty "];

/// The first kitty that draws them.
const FIRST_KITTY: (u32, u32) = (0, 28);

impl Probe {
    /// The best means that the terminal has proved to have.
    pub fn choose(&self, screen: &Screen) -> Choice {
        let choice = |graphics, why| Choice { graphics, why };
        match () {
            () if !screen.stdout_tty => choice(Graphics::None, "standard output is no terminal"),
            () if screen.dumb => choice(Graphics::None, "TERM says that it understands no escape sequences"),
            () if self.kitty && self.outer.is_none() => {
                choice(Graphics::Kitty, "it answered the question for kitty's graphics")
            }
            () if self.kitty && self.outer.as_deref().is_some_and(draws_placeholders) => choice(
                Graphics::KittyTmux,
                "the terminal around tmux answered the question for kitty's graphics",
            ),
            () if self.iterm2 => choice(Graphics::Iterm2, "it answered a question of iTerm2's own"),
            () if self.name.as_deref().is_some_and(|name| name.starts_with("WezTerm ")) => {
                choice(Graphics::Iterm2, "it says that it is WezTerm, which shows iTerm2's files")
            }
            () if self.sixel => choice(Graphics::Sixel, "its device attributes name sixel"),
            () if screen.colors == ColorDepth::None => choice(Graphics::None, "there are no colours"),
            () if !screen.unicode => choice(Graphics::None, "the locale's characters have no half blocks"),
            () if self.kitty => choice(
                Graphics::Blocks,
                "the terminal around tmux draws pictures, but not where tmux moves them",
            ),
            () if !self.unasked.is_empty() => choice(Graphics::Blocks, "it was not asked"),
            () if !self.answered => choice(Graphics::Blocks, "it did not answer"),
            () => choice(Graphics::Blocks, "it knows no better means"),
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
    fn the_best_that_was_proved_is_chosen() {
        let silent = Probe::default();
        assert_eq!(chosen(silent.clone()), Graphics::Blocks);
        assert_eq!(chosen(Probe { sixel: true, ..silent.clone() }), Graphics::Sixel);
        assert_eq!(chosen(Probe { sixel: true, iterm2: true, ..silent.clone() }), Graphics::Iterm2);
        assert_eq!(chosen(Probe { kitty: true, iterm2: true, ..silent.clone() }), Graphics::Kitty);
        let wezterm = Some("WezTerm 20240203".to_owned());
        assert_eq!(chosen(Probe { name: wezterm, sixel: true, ..silent.clone() }), Graphics::Iterm2);
        let named = Some("kitty(0.26.5)".to_owned());
        assert_eq!(chosen(Probe { name: named, ..silent }), Graphics::Blocks, "a name alone proves nothing");
    }

    #[test]
    fn in_tmux_pictures_go_past_it_only_where_placeholders_are_drawn() {
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
    fn where_nothing_can_be_drawn_nothing_is() {
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
