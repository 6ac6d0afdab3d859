//! What the file that is selected looks like, beside the list: a text in colours, or a picture. It is read and prepared while
//! the list goes on; one that is not wanted any more is given up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use unicode_width::UnicodeWidthStr;

use super::super::code::{SyntaxColours, put_line};
use super::state::SessionAccess;
use super::work::{MAX_PICTURE, may_be_picture, text, within};
use crate::panes::shell::{Appearance, ViewWaker, put};
use crate::render::highlight::Spans;
use crate::render::{Blocks, ImageViewer, Overlay, Part, sanitize};
use crate::terminal::ColorDepth;
use crate::theme::{Rgb, Role};

/// A selection that stays for so long is looked at.
const SETTLED: Duration = Duration::from_millis(120);
/// The most bytes of a text that are read.
const PART: u64 = 64 * 1024;
/// Longer lines are cut before they are coloured.
const MAX_LINE: usize = 500;

/// What is to be seen in a part of the window of this size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PreviewRequest {
    pub(super) path: String,
    pub(super) size: u64,
    /// Seconds since the epoch: a file that has changed is read again.
    pub(super) changed: u64,
    /// Where.
    pub(super) part: Part,
}

/// What there is to be seen.
enum PreviewContent {
    /// Lines with their colours.
    Text {
        lines: Vec<(String, Spans)>,
        part: bool,
    },
    /// A picture in half blocks.
    Blocks(Blocks),
    /// A picture that the terminal draws.
    EncodedPicture(Overlay),
    Words(String),
}

/// The preview of one file after the other.
pub(super) struct Preview {
    wanted: Option<PreviewRequest>,
    seen: Arc<Mutex<Option<(PreviewRequest, PreviewContent)>>>,
    task: Option<AbortHandle>,
    /// Only one is prepared at a time.
    turn: Arc<Semaphore>,
    waker: ViewWaker,
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Preview {
    pub(super) fn new(waker: ViewWaker) -> Self {
        Self { wanted: None, seen: Arc::default(), task: None, turn: Arc::new(Semaphore::new(1)), waker }
    }

    fn give_up(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Looks at something else, if it is that.
    pub(super) fn want(
        &mut self,
        wanted: Option<PreviewRequest>,
        ask: Option<&SessionAccess>,
        appearance: &Appearance,
    ) {
        if self.wanted == wanted {
            return;
        }
        self.give_up();
        self.wanted.clone_from(&wanted);
        let (Some(wanted), Some(ask)) = (wanted, ask) else { return };
        let (session, appearance, turn) = (ask.session.clone(), appearance.clone(), Arc::clone(&self.turn));
        let (seen, waker) = (Arc::clone(&self.seen), self.waker.clone());
        let task = ask.runtime.spawn(async move {
            tokio::time::sleep(SETTLED).await;
            let is_picture = may_be_picture(&wanted.path) && wanted.size <= MAX_PICTURE;
            let most = if is_picture { MAX_PICTURE } else { PART };
            let bytes = within(session.read_file_start(&wanted.path, most)).await;
            let Ok(_turn) = turn.acquire_owned().await else { return };
            let about = wanted.clone();
            let preparing = tokio::task::spawn_blocking(move || match bytes {
                Ok(bytes) => prepare(&about, &bytes, &appearance),
                Err(problem) => PreviewContent::Words(problem),
            });
            let Ok(prepared) = preparing.await else { return };
            *lock(&seen) = Some((wanted, prepared));
            waker.wake();
        });
        self.task = Some(task.abort_handle());
    }

    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let Some(wanted) = &self.wanted else { return };
        match lock(&self.seen).as_ref().filter(|(of, _)| of == wanted) {
            None => drop(put(buffer, area, 0, 0, "…", appearance.style(Role::PaneMuted))),
            Some((_, PreviewContent::Words(words))) => {
                let words = sanitize::line(words, area.width.into());
                put(buffer, area, 0, 0, &words, appearance.style(Role::PaneMuted));
            }
            Some((_, PreviewContent::Text { lines, part })) => {
                draw_text(lines, *part, area, buffer, appearance)
            }
            Some((of, PreviewContent::Blocks(blocks))) => {
                draw_blocks(blocks, area, buffer);
                about(blocks.original, of, area, buffer, appearance);
            }
            Some((of, PreviewContent::EncodedPicture(overlay))) => {
                about(overlay.original, of, area, buffer, appearance)
            }
        }
    }

    /// The picture that the terminal is to draw.
    pub(super) fn overlay(&self) -> Option<Overlay> {
        match lock(&self.seen).as_ref() {
            Some((of, PreviewContent::EncodedPicture(overlay))) if Some(of) == self.wanted.as_ref() => {
                Some(overlay.clone())
            }
            _ => None,
        }
    }
}

fn lock(
    seen: &Mutex<Option<(PreviewRequest, PreviewContent)>>,
) -> MutexGuard<'_, Option<(PreviewRequest, PreviewContent)>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes of a file, or its beginning, what is to be seen of it. May take seconds.
fn prepare(wanted: &PreviewRequest, bytes: &[u8], appearance: &Appearance) -> PreviewContent {
    let size = crate::format::size(wanted.size);
    if let Some(image_viewer) = ImageViewer::of_file(bytes, appearance.pictures()) {
        if appearance.depth() == ColorDepth::None || !image_viewer.can_be_drawn() {
            return PreviewContent::Words(format!("a picture, {} · {size}", image_viewer.extension()));
        }
        // A row is kept for what it is.
        let part = Part { rows: wanted.part.rows.saturating_sub(1), ..wanted.part };
        let seen = match image_viewer.overlay(part) {
            Some(overlay) => overlay.map(PreviewContent::EncodedPicture),
            None => image_viewer.blocks(part.columns, part.rows).map(PreviewContent::Blocks),
        };
        return seen
            .unwrap_or_else(|problem| PreviewContent::Words(format!("a picture: {problem} · {size}")));
    }
    match text(bytes) {
        Some("") => PreviewContent::Words("empty".to_owned()),
        Some(text) => {
            let rows = usize::from(wanted.part.rows);
            let part = (bytes.len() as u64) < wanted.size || text.lines().count() > rows;
            PreviewContent::Text { lines: lines(&wanted.path, text, rows), part }
        }
        None => PreviewContent::Words(format!("no text · {size}")),
    }
}

/// The first lines of a text, in the colours of its language where that is known.
fn lines(path: &str, text: &str, count: usize) -> Vec<(String, Spans)> {
    let clean = |line: &str| -> String {
        sanitize::text(line).replace('\t', "    ").chars().take(MAX_LINE).collect()
    };
    let lines: Vec<String> = text.lines().take(count).map(clean).collect();
    let mut colours = SyntaxColours::of(path);
    let spans = (0..lines.len()).map(|row| match &mut colours {
        Some(colours) => colours.line(&lines, row).to_vec(),
        None => Vec::new(),
    });
    let spans: Vec<Spans> = spans.collect();
    lines.into_iter().zip(spans).collect()
}

fn draw_text(
    lines: &[(String, Spans)],
    part: bool,
    area: Rect,
    buffer: &mut Buffer,
    appearance: &Appearance,
) {
    for (row, (line, colours)) in (0..area.height).zip(lines) {
        put_line((buffer, area, row), line, 0, colours, appearance);
    }
    if part && let Some(last) = area.height.checked_sub(1) {
        put(buffer, area, 0, last, &" ".repeat(area.width.into()), appearance.plain_text());
        put(buffer, area, 0, last, "… Enter shows more", appearance.style(Role::PaneMuted));
    }
}

/// In the middle.
fn draw_blocks(blocks: &Blocks, area: Rect, buffer: &mut Buffer) {
    let left = area.width.saturating_sub(blocks.columns()) / 2;
    let top = area.height.saturating_sub(blocks.rows() + 1) / 2;
    for row in 0..blocks.rows() {
        for column in 0..blocks.columns() {
            let (upper, lower) = blocks.at(column, row);
            let (symbol, style) = match (upper, lower) {
                (None, None) => continue,
                (Some(upper), None) => ("▀", Style::new().fg(color(upper))),
                (Some(upper), Some(lower)) => ("▀", Style::new().fg(color(upper)).bg(color(lower))),
                (None, Some(lower)) => ("▄", Style::new().fg(color(lower))),
            };
            put(buffer, area, left + column, top + row, symbol, style);
        }
    }
}

/// What a picture is, in the last row.
fn about(
    (width, height): (u32, u32),
    of: &PreviewRequest,
    area: Rect,
    buffer: &mut Buffer,
    appearance: &Appearance,
) {
    let text = format!("{width}×{height} pixels · {}", crate::format::size(of.size));
    let left = area.width.saturating_sub(u16::try_from(text.width()).unwrap_or(u16::MAX)) / 2;
    put(buffer, area, left, area.height.saturating_sub(1), &text, appearance.style(Role::PaneMuted));
}

fn color(Rgb { r, g, b }: Rgb) -> Color {
    Color::Rgb(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Graphics;

    fn wanted(path: &str, size: usize) -> PreviewRequest {
        let part = Part { column: 10, row: 3, columns: 20, rows: 5 };
        PreviewRequest { path: path.to_owned(), size: size as u64, changed: 0, part }
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut png = std::io::Cursor::new(Vec::new());
        let picture = image::RgbaImage::from_fn(width, height, |x, _| {
            if x == 0 { image::Rgba([0; 4]) } else { image::Rgba([200, 10, 20, 255]) }
        });
        picture.write_to(&mut png, image::ImageFormat::Png).unwrap();
        png.into_inner()
    }

    #[test]
    fn texts_are_coloured_and_cut_and_pictures_fit() {
        let appearance = Appearance::plain();
        let code = "def f():\n    return 1\x1b[31m\n".repeat(10);
        let PreviewContent::Text { lines, part } =
            prepare(&wanted("a/x.py", code.len()), code.as_bytes(), &appearance)
        else {
            panic!("no text");
        };
        assert!(part && lines.len() == 5);
        assert_eq!((lines[0].0.as_str(), lines[0].1[0]), ("def f():", (3, Some(Role::Keyword))));
        assert!(lines.iter().all(|(line, _)| !line.contains('\u{1b}')));

        let appearance = Appearance::in_colours();
        let bytes = png(400, 400);
        let PreviewContent::Blocks(blocks) = prepare(&wanted("x.png", bytes.len()), &bytes, &appearance)
        else {
            panic!("no picture");
        };
        assert_eq!((blocks.columns(), blocks.rows(), blocks.original), (8, 4, (400, 400)));
        assert!(matches!(blocks.at(4, 1), (Some(Rgb { r: 200, g: 10, b: 20 }), Some(_))));
        let small = png(3, 2);
        let PreviewContent::Blocks(blocks) = prepare(&wanted("x.png", small.len()), &small, &appearance)
        else {
            panic!("no picture");
        };
        assert_eq!((blocks.columns(), blocks.rows(), blocks.at(0, 0)), (3, 1, (None, None)));
    }

    #[test]
    fn a_terminal_with_a_protocol_draws_the_picture_in_its_part_of_the_window() {
        let appearance = Appearance::with_graphics(Graphics::Sixel);
        let bytes = png(400, 400);
        let PreviewContent::EncodedPicture(overlay) =
            prepare(&wanted("x.png", bytes.len()), &bytes, &appearance)
        else {
            panic!("not drawn");
        };
        // 8 columns of 20, from column 10 on; rows and columns count from 1 here.
        let drawn = String::from_utf8_lossy(&overlay.bytes);
        assert!(drawn.starts_with("\x1b[4;17H\x1bP"), "{:?}", drawn.get(..20));
        assert_eq!(overlay.original, (400, 400));
    }

    #[test]
    fn what_cannot_be_seen_is_told() {
        let words = |path: &str, bytes: &[u8], appearance: &Appearance| match prepare(
            &wanted(path, bytes.len()),
            bytes,
            appearance,
        ) {
            PreviewContent::Words(words) => words,
            _ => panic!("{path} is to be seen"),
        };
        let appearance = Appearance::in_colours();
        assert_eq!(words("x", b"", &appearance), "empty");
        assert!(words("x", b"\0\x01", &appearance).starts_with("no text"));
        let mut broken = png(50, 50);
        broken.truncate(60);
        assert!(words("x.png", &broken, &appearance).starts_with("a picture: damaged"));
        assert!(words("x.png", &png(50, 50), &Appearance::plain()).starts_with("a picture, png"));
    }
}
