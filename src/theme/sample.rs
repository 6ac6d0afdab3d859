//! A few sample lines that show every part that a theme can style, for users who choose a theme.

use super::{Role, Theme};
use crate::terminal::ColorDepth;

/// A piece of a line, and the role that styles it.
pub type Span = (Option<Role>, &'static str);

/// The pieces of each line, in order.
const LINES: &[&[Span]] = &[
    &[(Some(Role::Prompt), "python ❯ "), (Some(Role::Decorator), "@cache")],
    &[
        (Some(Role::Continuation), "       … "),
        (Some(Role::Keyword), "def "),
        (Some(Role::Function), "area"),
        (Some(Role::BracketMatch), "("),
        (Some(Role::Variable), "r"),
        (None, ": "),
        (Some(Role::Builtin), "float"),
        (Some(Role::Operator), "="),
        (Some(Role::Number), "2.5"),
        (Some(Role::BracketMatch), ")"),
        (None, " -> "),
        (Some(Role::Type), "Area"),
        (None, ":  "),
        (Some(Role::Comment), "# of a circle"),
    ],
    &[
        (Some(Role::Continuation), "       … "),
        (None, "    "),
        (Some(Role::Keyword), "return "),
        (Some(Role::String), "'π·r²'"),
        (Some(Role::Keyword), " if "),
        (None, "r "),
        (Some(Role::Keyword), "else "),
        (Some(Role::Constant), "None"),
        (Some(Role::Invalid), " $"),
        (Some(Role::Hint), "  area(3)"),
    ],
    &[
        (Some(Role::CompletionItem), "area    areas   "),
        (Some(Role::CompletionMore), "… 3 more, Tab turns the page"),
    ],
    &[
        (Some(Role::Stderr), "  File "),
        (Some(Role::Location), "\"model.py\", line 7"),
        (Some(Role::Stderr), ", in fit"),
    ],
    &[(Some(Role::Exception), "ValueError"), (Some(Role::Stderr), ": the input is empty")],
    &[
        (Some(Role::FooterFail), "✗ 4.2 s"),
        (None, "   "),
        (Some(Role::FooterOk), "✓ 1.3 s"),
        (None, "   "),
        (Some(Role::Spinner), "⠹ 3 s"),
    ],
    &[
        (Some(Role::Error), "the connection was lost"),
        (None, "   "),
        (Some(Role::Note), "session sunny-swift · :help"),
    ],
    &[
        (Some(Role::TableHeader), "   city   people"),
        (None, "   "),
        (Some(Role::Heading), "Heading"),
        (None, " "),
        (Some(Role::Strong), "strong"),
        (None, " "),
        (Some(Role::Emphasis), "emphasis"),
        (None, " "),
        (Some(Role::Code), "code"),
    ],
    &[
        (Some(Role::TableRule), "──────────────── "),
        (None, "  "),
        (Some(Role::Marker), "• "),
        (Some(Role::Link), "link"),
        (None, " "),
        (Some(Role::Quote), "quotation"),
        (None, " "),
        (Some(Role::Math), "α² + β²"),
    ],
    &[
        (Some(Role::TableIndex), "0"),
        (None, "  Seoul    9.4   "),
        (Some(Role::Key), "\"lr\""),
        (None, ": "),
        (Some(Role::Number), "0.01"),
    ],
    &[(Some(Role::TableIndex), "1"), (None, "  Busan    "), (Some(Role::TableMissing), "NaN")],
    &[
        (Some(Role::PaneBorder), "── "),
        (Some(Role::PaneTitle), "sessions"),
        (Some(Role::PaneBorder), " ── "),
        (Some(Role::PaneHeader), "NAME"),
        (None, " "),
        (Some(Role::PaneMuted), "python:3.6"),
        (None, " "),
        (Some(Role::PaneGood), "RUNNING"),
        (None, " "),
        (Some(Role::PaneBusy), "PULLING"),
        (None, " "),
        (Some(Role::PaneBad), "ERROR"),
    ],
    &[(Some(Role::PaneSelected), " work     selected  "), (None, " "), (Some(Role::PaneMatch), "found")],
    &[
        (Some(Role::StatusBar), " work · 80×24 "),
        (Some(Role::StatusKey), " q "),
        (Some(Role::StatusBar), "leaves "),
        (Some(Role::StatusAlert), " link down "),
    ],
];

/// The lines, as styled pieces.
pub fn lines() -> impl Iterator<Item = &'static [Span]> {
    LINES.iter().copied()
}

/// The lines as text with escape sequences for this colour depth.
pub fn text(theme: &Theme, depth: ColorDepth) -> String {
    let mut text = String::new();
    for line in lines() {
        for (role, piece) in line {
            match role {
                Some(role) => text.push_str(&theme.paint(*role, depth, piece)),
                None => text.push_str(piece),
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_sample_is_shown() {
        for &role in Role::ALL {
            assert!(lines().flatten().any(|(shown, _)| *shown == Some(role)), "{}", role.key());
        }
    }
}
