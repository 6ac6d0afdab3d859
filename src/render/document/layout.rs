//! Lays out blocks as lines of a given width.

use super::line::{DocumentStyle, Line, Piece, safe_url};
use super::wrap::Wrap;
use super::{Block, Mark, Span, fit, latex};
use crate::render::highlight;
use crate::theme::Role;

/// The largest width of prose. Longer lines are hard to read.
const PROSE: usize = 100;
/// The smallest width of text, whatever its depth.
const LEAST: usize = 8;
/// The longest address that is written after its link.
const MAX_URL: usize = 80;

/// The size for which a document is laid out.
#[derive(Clone, Copy, Debug)]
pub(in crate::render) struct PageSize {
    /// The width of a line in cells.
    pub(in crate::render) width: usize,
    /// A table with more rows shows only the first and the last ones.
    pub(in crate::render) rows: Option<usize>,
}

/// Returns the lines of a document and the number of omitted table columns.
pub(in crate::render) fn lay_out(
    blocks: &[Block],
    room: PageSize,
    style: &DocumentStyle,
) -> (Vec<Line>, usize) {
    let mut layout = Layout { style, rows: room.rows, left_out: 0 };
    let lines = match blocks {
        // Text in columns, as the tables of terminal libraries are: it may need the whole width.
        [Block::Code { language, text }] => layout.code(language, text),
        blocks => layout.blocks(blocks, room.width.max(1), false),
    };
    (lines, layout.left_out)
}

struct Layout<'a> {
    style: &'a DocumentStyle,
    rows: Option<usize>,
    left_out: usize,
}

impl Layout<'_> {
    /// Recursive for lists and quotations. The readers limit their nesting.
    fn blocks(&mut self, blocks: &[Block], width: usize, tight: bool) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| blocks.get(before));
            if before.is_some_and(|before| needs_blank_line(before, block, tight)) {
                lines.push(Line::default());
            }
            lines.extend(self.block(block, width));
        }
        lines
    }

    fn block(&mut self, block: &Block, width: usize) -> Vec<Line> {
        match block {
            Block::Paragraph(text) => self.text(text, width.min(PROSE), None),
            Block::Heading(level, text) => {
                let mut lines = self.text(text, width.min(PROSE), Some(Role::Heading));
                if *level == 1 {
                    let widest = lines.iter().map(Line::width).max().unwrap_or(0);
                    let rule = if self.style.unicode { "═" } else { "=" };
                    lines.push(Line(vec![Piece::of(Role::Marker, rule.repeat(widest))]));
                }
                lines
            }
            Block::Code { language, text } => indented(self.code(language, text), Piece::plain("  ")),
            Block::Formula(source) => {
                let text = latex::to_unicode(source).unwrap_or_else(|| source.trim().to_owned());
                let line = |line: &str| Line(vec![Piece::of(Role::Math, format!("  {line}"))]);
                text.lines().map(line).collect()
            }
            Block::Quote(blocks) => {
                let lines = self.blocks(blocks, width.saturating_sub(2).max(LEAST), false);
                let lines = lines.into_iter().map(|line| styled(line, Role::Quote)).collect();
                indented(lines, Piece::of(Role::Marker, self.style.bar()))
            }
            Block::List { first, items } => self.list(*first, items, width),
            Block::Rule => {
                vec![Line(vec![Piece::of(Role::Marker, self.style.rule().repeat(width.min(PROSE)))])]
            }
            Block::Table(table) => {
                let (lines, left_out) = fit::fit(table, width, self.rows, self.style);
                self.left_out = self.left_out.max(left_out);
                lines
            }
            Block::Lines(lines) => lines.clone(),
        }
    }

    fn list(&mut self, first: Option<u64>, items: &[Vec<Block>], width: usize) -> Vec<Line> {
        let last = first.map(|first| first.saturating_add(items.len() as u64));
        let marker_width = last.map_or(2, |last| last.to_string().len() + 2);
        let tight = items.iter().all(|item| matches!(item.as_slice(), [] | [_] | [_, Block::List { .. }]));
        let mut lines = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if index > 0 && !tight {
                lines.push(Line::default());
            }
            let marker = match first {
                Some(first) => {
                    format!("{:>1$} ", format!("{}.", first.saturating_add(index as u64)), marker_width - 1)
                }
                None => format!("{} ", self.style.bullet()),
            };
            let inside = self.blocks(item, width.saturating_sub(marker_width).max(LEAST), true);
            let mut inside = inside.into_iter();
            let mut head = vec![Piece::of(Role::Marker, marker)];
            head.extend(inside.next().unwrap_or_default().0);
            lines.push(Line(head));
            lines.extend(indented(inside.collect(), Piece::plain(" ".repeat(marker_width))));
        }
        lines
    }

    fn code(&self, language: &str, text: &str) -> Vec<Line> {
        let painted = self.style.depth.and_then(|_| highlight::spans(language, text));
        let Some(painted) = painted else {
            return text.lines().map(Line::plain).collect();
        };
        let piece = |(text, role): (String, Option<Role>)| Piece {
            text,
            roles: role.into_iter().collect(),
            link: None,
        };
        painted.into_iter().map(|line| Line(line.into_iter().map(piece).collect())).collect()
    }

    /// Breaks text into lines between words.
    fn text(&self, spans: &[Span], width: usize, role: Option<Role>) -> Vec<Line> {
        let mut wrap = Wrap::new(width);
        for (index, span) in spans.iter().enumerate() {
            let text = match span.mark.math {
                true => latex::to_unicode(&span.text).unwrap_or_else(|| span.text.clone()),
                false => span.text.clone(),
            };
            let roles = roles(&span.mark, role);
            wrap.push(&text, &roles, span.mark.link.as_ref());
            // The address is written once, after the whole link.
            let next = spans.get(index + 1).and_then(|next| next.mark.link.as_ref());
            if let Some(url) = &span.mark.link
                && next != Some(url)
                && !(self.style.links && self.style.depth.is_some())
                && url.len() <= MAX_URL
                && safe_url(url).is_some()
                && !url.ends_with(span.text.trim())
            {
                let url = crate::render::sanitize::line(url, MAX_URL);
                wrap.push(&format!(" ({url})"), &[Role::Note], None);
            }
        }
        wrap.finish()
    }
}

/// Whether an empty line separates two blocks.
fn needs_blank_line(before: &Block, block: &Block, tight: bool) -> bool {
    let is_list = |block: &Block| matches!(block, Block::List { .. });
    let is_table = |block: &Block| matches!(block, Block::Table(_));
    let short = |block: &Block| matches!(block, Block::Paragraph(text) if text.len() == 1);
    // No empty line between a table and its caption, or between an item and its nested list.
    !(tight && is_list(block) || is_table(before) && short(block) || is_table(block) && short(before))
}

fn indented(lines: Vec<Line>, with: Piece) -> Vec<Line> {
    lines
        .into_iter()
        .map(|line| {
            let mut pieces = vec![with.clone()];
            pieces.extend(line.0);
            let mut line = Line(pieces);
            line.trim_end();
            line
        })
        .collect()
}

/// Adds a style below the styles of the line.
fn styled(line: Line, role: Role) -> Line {
    Line(
        line.0
            .into_iter()
            .map(|mut piece| {
                piece.roles.insert(0, role);
                piece
            })
            .collect(),
    )
}

fn roles(mark: &Mark, base: Option<Role>) -> Vec<Role> {
    let marks = [
        (mark.strong, Role::Strong),
        (mark.emphasis, Role::Emphasis),
        (mark.strike, Role::Note),
        (mark.code, Role::Code),
        (mark.math, Role::Math),
        (mark.link.is_some(), Role::Link),
    ];
    base.into_iter().chain(marks.into_iter().filter(|(on, _)| *on).map(|(_, role)| role)).collect()
}
