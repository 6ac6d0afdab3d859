//! HTML as blocks. The reader handles one tag at a time. Tags that are unclosed, closed twice or nested a hundred
//! thousand deep therefore cost no more than correct ones.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{HtmlString, StartTag, Token, Tokenizer};

use super::build::Builder;
use super::table::Grid;
use super::{Block, cut};

/// Elements whose text is not shown.
const HIDDEN: &[&str] = &[
    "script", "style", "template", "title", "head", "noscript", "iframe", "object", "svg", "math", "audio",
    "video", "progress", "meter",
];
/// The width of a progress bar, in cells.
const BAR: usize = 40;
/// Elements that start and end a paragraph.
const BLOCKS: &[&str] = &[
    "p",
    "div",
    "section",
    "article",
    "header",
    "footer",
    "main",
    "aside",
    "nav",
    "figure",
    "figcaption",
    "address",
    "center",
    "details",
    "summary",
    "form",
    "fieldset",
    "legend",
    "body",
    "html",
    "dl",
    "dt",
    "dd",
    "hgroup",
    "option",
];

/// Reads HTML. Scripts, styles and markup that a terminal cannot show are omitted.
pub(in crate::render) fn read_html(html: &str) -> Vec<Block> {
    let (html, remark) = cut(html, "HTML");
    let mut reader = Reader { to: Builder::new(), hidden: Vec::new(), pre: None, tables: 0, grid: None };
    reader.read(&html);
    reader.finish(remark)
}

struct Reader {
    to: Builder,
    /// The open hidden elements.
    hidden: Vec<String>,
    /// The preformatted text of an open `pre` element, and its language.
    pre: Option<(String, String)>,
    /// The number of open tables. Only the outermost is laid out as a table.
    tables: usize,
    grid: Option<Grid>,
}

fn text_of(bytes: &HtmlString) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Reader {
    fn read(&mut self, html: &str) {
        let mut emitter = DefaultEmitter::default();
        // The content of scripts and styles is not markup.
        emitter.naively_switch_states(true);
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let Ok(token) = token;
            match token {
                Token::String(text) if self.hidden.is_empty() => self.text(&text_of(&text)),
                Token::StartTag(tag) => self.start(&tag),
                Token::EndTag(tag) => self.end(&text_of(&tag.name)),
                _ => {}
            }
        }
    }

    fn finish(mut self, remark: Option<Block>) -> Vec<Block> {
        self.end_pre();
        self.end_table();
        self.to.end_text();
        if let Some(remark) = remark {
            self.to.push(remark);
        }
        self.to.finish()
    }

    fn text(&mut self, text: &str) {
        if let Some((pre, _)) = &mut self.pre {
            pre.push_str(text);
        } else if let Some(grid) = &mut self.grid {
            grid.text(text);
        } else {
            self.to.flowing(text);
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = text_of(&tag.name);
        let name = name.as_str();
        let attribute =
            |key: &str| tag.attributes.get(key.as_bytes()).map(|value| text_of(value)).unwrap_or_default();
        if self.hidden.is_empty() || name == "source" {
            self.embedded(name, &attribute);
        }
        if HIDDEN.contains(&name) {
            // An unclosed head ends with the start of the body.
            if !tag.self_closing {
                self.hidden.push(name.to_owned());
            }
            return;
        }
        if name == "body" {
            self.hidden.clear();
        }
        if !self.hidden.is_empty() {
            return;
        }
        if self.table_tag(name, &attribute) {
            return;
        }
        match name {
            "br" => self.to.line_break(),
            "hr" => self.to.push(Block::Rule),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.to.heading(name.bytes().last().map_or(1, |digit| digit.saturating_sub(b'0')));
            }
            "ul" | "menu" => self.to.open_list(None),
            "ol" => self.to.open_list(Some(attribute("start").parse().unwrap_or(1))),
            "li" => self.to.open_item(),
            "blockquote" => self.to.open_quote(),
            "pre" | "textarea" | "listing" => {
                self.to.end_text();
                self.pre.get_or_insert_default();
            }
            "b" | "strong" => self.to.mark.strong = true,
            "i" | "em" | "cite" | "dfn" | "var" => self.to.mark.emphasis = true,
            "s" | "del" | "strike" => self.to.mark.strike = true,
            "code" | "kbd" | "samp" | "tt" => match &mut self.pre {
                Some((_, language)) => *language = language_of(&attribute("class")),
                None => self.to.mark.code = true,
            },
            "a" => {
                let href = attribute("href");
                self.to.mark.link = (!href.is_empty()).then(|| href.into());
            }
            "img" => {
                let alt = attribute("alt");
                self.to.flowing(&if alt.is_empty() { "[image]".to_owned() } else { format!("[{alt}]") });
            }
            "input" if attribute("type") == "checkbox" => {
                let checked = tag.attributes.contains_key(b"checked".as_slice());
                self.to.flowing(if checked { "[x] " } else { "[ ] " });
            }
            _ if BLOCKS.contains(&name) => self.to.end_text(),
            _ => {}
        }
    }

    /// Says what a terminal cannot play, and draws a bar. The content of these elements is for browsers that do not know them.
    fn embedded(&mut self, name: &str, attribute: &impl Fn(&str) -> String) {
        match name {
            "iframe" | "audio" | "video" | "source" => {
                let address = attribute("src");
                let is_here = address.is_empty() || address.starts_with("data:");
                if !is_here && self.grid.is_none() {
                    self.to.mark.link = Some(address.as_str().into());
                    self.to.flowing(&address);
                    self.to.mark.link = None;
                    self.to.end_text();
                }
            }
            "progress" | "meter" => {
                let number = |key: &str| attribute(key).trim().parse::<f64>().ok().filter(|n| n.is_finite());
                let (value, most) = (number("value").unwrap_or(0.0), number("max").unwrap_or(1.0));
                let share = if most > 0.0 { (value / most).clamp(0.0, 1.0) } else { 0.0 };
                let done = (share * BAR as f64).round() as usize;
                let text = format!("[{}{}] {value}/{most}", "=".repeat(done), "-".repeat(BAR - done));
                match &mut self.grid {
                    Some(grid) => grid.text(&text),
                    None => self.to.flowing(&text),
                }
            }
            _ => {}
        }
    }

    /// Handles a tag of a table, or any tag inside a table. Returns false if the tag does not concern a table.
    fn table_tag(&mut self, name: &str, attribute: &impl Fn(&str) -> String) -> bool {
        if name == "table" {
            self.tables += 1;
            if self.tables == 1 {
                self.end_pre();
                self.to.end_text();
                self.grid = Some(Grid::new(&attribute("class")));
            }
            return true;
        }
        let Some(grid) = &mut self.grid else { return false };
        if self.tables > 1 || !matches!(name, "thead" | "tbody" | "tfoot" | "tr" | "td" | "th" | "caption") {
            // The content of a cell is a single text.
            grid.text(if matches!(name, "br" | "td" | "th" | "tr" | "p" | "div" | "li") { " " } else { "" });
            return true;
        }
        match name {
            "thead" => grid.section(true),
            "tbody" | "tfoot" => grid.section(false),
            "tr" => grid.row(),
            "caption" => grid.caption(),
            _ => {
                let span = |key: &str| attribute(key).trim().parse().unwrap_or(1);
                grid.cell(name == "th", span("colspan"), span("rowspan"));
            }
        }
        true
    }

    fn end(&mut self, name: &str) {
        if let Some(at) = self.hidden.iter().rposition(|hidden| hidden == name) {
            self.hidden.truncate(at);
            return;
        }
        if !self.hidden.is_empty() {
            return;
        }
        if self.grid.is_some() {
            match name {
                "table" => {
                    self.tables -= 1;
                    if self.tables == 0 {
                        self.end_table();
                    }
                }
                "thead" | "tr" | "td" | "th" | "caption" if self.tables == 1 => {
                    if let Some(grid) = &mut self.grid {
                        grid.end(name);
                    }
                }
                _ => {}
            }
            return;
        }
        match name {
            "ul" | "ol" | "menu" => self.to.close_list(),
            "li" => self.to.close_item(),
            "blockquote" => self.to.close_quote(),
            "pre" | "textarea" | "listing" => self.end_pre(),
            "b" | "strong" => self.to.mark.strong = false,
            "i" | "em" | "cite" | "dfn" | "var" => self.to.mark.emphasis = false,
            "s" | "del" | "strike" => self.to.mark.strike = false,
            "code" | "kbd" | "samp" | "tt" => self.to.mark.code = false,
            "a" => self.to.mark.link = None,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.to.end_text(),
            _ if BLOCKS.contains(&name) => self.to.end_text(),
            _ => {}
        }
    }

    fn end_pre(&mut self) {
        if let Some((text, language)) = self.pre.take() {
            let text = crate::render::sanitize::text(&text);
            let text = text.strip_prefix('\n').unwrap_or(&text).trim_end().to_owned();
            if !text.is_empty() {
                self.to.push(Block::Code { language, text });
            }
        }
    }

    fn end_table(&mut self) {
        self.tables = 0;
        if let Some(grid) = self.grid.take() {
            for block in grid.finish() {
                self.to.push(block);
            }
        }
    }
}

/// The language in the class of a `code` element.
fn language_of(class: &str) -> String {
    class
        .split_whitespace()
        .find_map(|name| name.strip_prefix("language-").or_else(|| name.strip_prefix("lang-")))
        .unwrap_or_default()
        .to_owned()
}
