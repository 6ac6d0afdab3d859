//! Markdown as blocks: CommonMark with tables, task lists, strikethrough, footnotes and formulas.

use std::sync::Arc;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::build::Builder;
use super::table::{Align, HeaderCell, Table, clean};
use super::{Block, cut, read_html};
use crate::render::sanitize;

/// Reads Markdown.
pub(in crate::render) fn read_markdown(text: &str) -> Vec<Block> {
    let (text, remark) = cut(text, "Markdown");
    // The text is sanitized as a whole: the parser emits a bracket as a separate piece, so an escape sequence would be
    // cut and its end would remain.
    let text = sanitize::text(&text);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM;
    let mut reader =
        Reader { to: Builder::new(), code: None, html: None, table: None, strong: 0, emphasis: 0 };
    for event in Parser::new_ext(&text, options) {
        reader.event(event);
    }
    if let Some(remark) = remark {
        reader.to.push(remark);
    }
    reader.to.finish()
}

struct Reader {
    to: Builder,
    /// The open code block: its language and its text.
    code: Option<(String, String)>,
    /// The open HTML block.
    html: Option<String>,
    table: Option<Table>,
    strong: usize,
    emphasis: usize,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&text),
                None => self.to.exact(&text.replace('\n', " ")),
            },
            Event::Code(text) => {
                let before = std::mem::replace(&mut self.to.mark.code, true);
                self.to.exact(&text);
                self.to.mark.code = before;
            }
            Event::InlineMath(text) => {
                let before = std::mem::replace(&mut self.to.mark.math, true);
                self.to.exact(&text);
                self.to.mark.math = before;
            }
            Event::DisplayMath(text) => self.to.push(Block::Formula(sanitize::text(&text))),
            Event::Html(html) => self.html.get_or_insert_default().push_str(&html),
            Event::InlineHtml(html) if html.trim_start().to_ascii_lowercase().starts_with("<br") => {
                self.to.line_break();
            }
            Event::InlineHtml(_) => {}
            Event::SoftBreak => self.to.exact(" "),
            Event::HardBreak => self.to.line_break(),
            Event::Rule => self.to.push(Block::Rule),
            Event::TaskListMarker(done) => self.to.exact(if done { "[x] " } else { "[ ] " }),
            Event::FootnoteReference(name) => self.to.exact(&format!("[{name}]")),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { level, .. } => self.to.heading(match level {
                HeadingLevel::H1 => 1,
                HeadingLevel::H2 => 2,
                _ => 3,
            }),
            Tag::BlockQuote(_) => self.to.open_quote(),
            Tag::CodeBlock(kind) => {
                self.to.end_text();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => {
                        info.split([' ', ',', '{']).next().unwrap_or_default().to_owned()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((language, String::new()));
            }
            Tag::List(first) => self.to.open_list(first),
            Tag::Item => self.to.open_item(),
            Tag::FootnoteDefinition(name) => {
                self.to.end_text();
                self.to.exact(&format!("[{name}] "));
            }
            Tag::Table(alignments) => {
                self.to.end_text();
                let align = alignments.iter().map(|align| match align {
                    pulldown_cmark::Alignment::Right => Align::Right,
                    pulldown_cmark::Alignment::Center => Align::Center,
                    _ => Align::Left,
                });
                self.table = Some(Table { align: align.collect(), ..Table::default() });
            }
            Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.rows.push(Vec::new());
                }
            }
            Tag::Emphasis => self.emphasis += 1,
            Tag::Strong => self.strong += 1,
            Tag::Strikethrough => self.to.mark.strike = true,
            Tag::Link { dest_url, .. } => self.to.mark.link = Some(Arc::from(dest_url.as_ref())),
            Tag::Image { .. } => self.to.exact("["),
            Tag::HtmlBlock => self.html = Some(String::new()),
            _ => {}
        }
        self.follow_marks();
    }

    fn follow_marks(&mut self) {
        self.to.mark.emphasis = self.emphasis > 0;
        self.to.mark.strong = self.strong > 0;
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::Heading(_) => self.to.end_text(),
            TagEnd::BlockQuote(_) => self.to.close_quote(),
            TagEnd::CodeBlock => {
                if let Some((language, text)) = self.code.take() {
                    let text = sanitize::text(&text).trim_end().to_owned();
                    self.to.push(Block::Code { language, text });
                }
            }
            TagEnd::HtmlBlock => {
                for block in self.html.take().iter().flat_map(|html| read_html(html)) {
                    self.to.push(block);
                }
            }
            TagEnd::List(_) => self.to.close_list(),
            TagEnd::Item => self.to.close_item(),
            TagEnd::TableCell => self.end_cell(),
            TagEnd::TableHead => {
                if let Some(table) = &mut self.table
                    && let Some(names) = table.rows.pop()
                {
                    table.header.push(names.into_iter().map(|text| HeaderCell { text, span: 1 }).collect());
                }
            }
            TagEnd::Table => {
                if let Some(mut table) = self.table.take() {
                    let columns = table.columns();
                    table.rows.iter_mut().for_each(|row| row.resize(columns, String::new()));
                    for row in &mut table.header {
                        row.resize(columns, HeaderCell { text: String::new(), span: 1 });
                    }
                    table.align_by_content();
                    self.to.push(Block::Table(Arc::new(table)));
                }
            }
            TagEnd::Emphasis => self.emphasis = self.emphasis.saturating_sub(1),
            TagEnd::Strong => self.strong = self.strong.saturating_sub(1),
            TagEnd::Strikethrough => self.to.mark.strike = false,
            TagEnd::Link => self.to.mark.link = None,
            TagEnd::Image => self.to.exact("]"),
            _ => {}
        }
        self.follow_marks();
    }

    fn end_cell(&mut self) {
        let text = clean(&self.to.take_text());
        let Some(table) = &mut self.table else { return };
        // The header has no row event of its own.
        if table.header.is_empty() && table.rows.is_empty() {
            table.rows.push(Vec::new());
        }
        if let Some(row) = table.rows.last_mut() {
            row.push(text);
        }
    }
}
