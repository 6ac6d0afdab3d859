//! The preview of the selected file beside the list: a text in colours, or a picture. It is read and prepared in the
//! background, and cancelled when the selection changes.

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

/// Delay before the preview of a new selection is loaded.
const DEBOUNCE: Duration = Duration::from_millis(120);
/// Maximum bytes that are read of a text.
const MAX_TEXT_START: u64 = 64 * 1024;
/// Maximum characters of a line; a longer line is cut before it is coloured.
const MAX_LINE: usize = 500;

/// A request for the preview of a file in a part of the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PreviewRequest {
    pub(super) path: String,
    pub(super) size: u64,
    /// Modification time in seconds since 1970: a changed file is read again.
    pub(super) modified: u64,
    /// The part of the window.
    pub(super) part: Part,
}

/// The content of a preview.
enum PreviewContent {
    /// Lines with their colours.
    Text { lines: Vec<(String, Spans)>, truncated: bool },
    /// A picture in half blocks.
    Blocks(Blocks),
    /// A picture that the terminal draws.
    EncodedPicture(Overlay),
    /// A short message instead of the content.
    Message(String),
}

/// The preview of the selected file.
pub(super) struct Preview {
    current: Option<PreviewRequest>,
    ready: Arc<Mutex<Option<(PreviewRequest, PreviewContent)>>>,
    task: Option<AbortHandle>,
    /// Allows one preparation at a time.
    permit: Arc<Semaphore>,
    waker: ViewWaker,
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Preview {
    pub(super) fn new(waker: ViewWaker) -> Self {
        Self { current: None, ready: Arc::default(), task: None, permit: Arc::new(Semaphore::new(1)), waker }
    }

    fn cancel(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    /// Loads another preview, if the request has changed.
    pub(super) fn request(
        &mut self,
        request: Option<PreviewRequest>,
        access: Option<&SessionAccess>,
        appearance: &Appearance,
    ) {
        if self.current == request {
            return;
        }
        self.cancel();
        self.current.clone_from(&request);
        let (Some(request), Some(access)) = (request, access) else { return };
        let (session, appearance) = (access.session.clone(), appearance.clone());
        let (ready, permit, waker) = (Arc::clone(&self.ready), Arc::clone(&self.permit), self.waker.clone());
        let task = access.runtime.spawn(async move {
            tokio::time::sleep(DEBOUNCE).await;
            let is_picture = may_be_picture(&request.path) && request.size <= MAX_PICTURE;
            let most = if is_picture { MAX_PICTURE } else { MAX_TEXT_START };
            let bytes = within(session.read_file_start(&request.path, most)).await;
            let Ok(_permit) = permit.acquire_owned().await else { return };
            let prepared_request = request.clone();
            let preparing = tokio::task::spawn_blocking(move || match bytes {
                Ok(bytes) => prepare(&prepared_request, &bytes, &appearance),
                Err(problem) => PreviewContent::Message(problem),
            });
            let Ok(prepared) = preparing.await else { return };
            *lock(&ready) = Some((request, prepared));
            waker.wake();
        });
        self.task = Some(task.abort_handle());
    }

    pub(super) fn draw(&self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let Some(current) = &self.current else { return };
        match lock(&self.ready).as_ref().filter(|(of, _)| of == current) {
            None => drop(put(buffer, area, 0, 0, "…", appearance.style(Role::PaneMuted))),
            Some((_, PreviewContent::Message(message))) => {
                let message = sanitize::line(message, area.width.into());
                put(buffer, area, 0, 0, &message, appearance.style(Role::PaneMuted));
            }
            Some((_, PreviewContent::Text { lines, truncated })) => {
                draw_text(lines, *truncated, area, buffer, appearance)
            }
            Some((of, PreviewContent::Blocks(blocks))) => {
                draw_blocks(blocks, area, buffer);
                draw_picture_facts(blocks.original, of, area, buffer, appearance);
            }
            Some((of, PreviewContent::EncodedPicture(overlay))) => {
                draw_picture_facts(overlay.original, of, area, buffer, appearance)
            }
        }
    }

    /// The picture for the terminal to draw.
    pub(super) fn overlay(&self) -> Option<Overlay> {
        match lock(&self.ready).as_ref() {
            Some((of, PreviewContent::EncodedPicture(overlay))) if Some(of) == self.current.as_ref() => {
                Some(overlay.clone())
            }
            _ => None,
        }
    }
}

fn lock(
    ready: &Mutex<Option<(PreviewRequest, PreviewContent)>>,
) -> MutexGuard<'_, Option<(PreviewRequest, PreviewContent)>> {
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Prepares the preview of a file from its first bytes. May take seconds.
fn prepare(request: &PreviewRequest, bytes: &[u8], appearance: &Appearance) -> PreviewContent {
    let size = crate::format::size(request.size);
    if let Some(image_viewer) = ImageViewer::of_file(bytes, appearance.pictures()) {
        if appearance.depth() == ColorDepth::None || !image_viewer.can_be_drawn() {
            return PreviewContent::Message(format!("a picture, {} · {size}", image_viewer.extension()));
        }
        // The last row shows the size of the picture.
        let part = Part { rows: request.part.rows.saturating_sub(1), ..request.part };
        let content = match image_viewer.overlay(part) {
            Some(overlay) => overlay.map(PreviewContent::EncodedPicture),
            None => image_viewer.blocks(part.columns, part.rows).map(PreviewContent::Blocks),
        };
        return content
            .unwrap_or_else(|problem| PreviewContent::Message(format!("a picture: {problem} · {size}")));
    }
    match text(bytes) {
        Some("") => PreviewContent::Message("empty".to_owned()),
        Some(text) => {
            let rows = usize::from(request.part.rows);
            let truncated = (bytes.len() as u64) < request.size || text.lines().count() > rows;
            PreviewContent::Text { lines: lines(&request.path, text, rows), truncated }
        }
        None => PreviewContent::Message(format!("not a text · {size}")),
    }
}

/// The first lines of a text, with syntax colours if its language is known.
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
    truncated: bool,
    area: Rect,
    buffer: &mut Buffer,
    appearance: &Appearance,
) {
    for (row, (line, colours)) in (0..area.height).zip(lines) {
        put_line((buffer, area, row), line, 0, colours, appearance);
    }
    if truncated && let Some(last) = area.height.checked_sub(1) {
        put(buffer, area, 0, last, &" ".repeat(area.width.into()), appearance.plain_text());
        put(buffer, area, 0, last, "… Enter shows more", appearance.style(Role::PaneMuted));
    }
}

/// Draws half blocks, centred.
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

/// Draws the size of a picture in the last row.
fn draw_picture_facts(
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

    fn request(path: &str, size: usize) -> PreviewRequest {
        let part = Part { column: 10, row: 3, columns: 20, rows: 5 };
        PreviewRequest { path: path.to_owned(), size: size as u64, modified: 0, part }
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
        let PreviewContent::Text { lines, truncated } =
            prepare(&request("a/x.py", code.len()), code.as_bytes(), &appearance)
        else {
            panic!("not a text");
        };
        assert!(truncated && lines.len() == 5);
        assert_eq!((lines[0].0.as_str(), lines[0].1[0]), ("def f():", (3, Some(Role::Keyword))));
        assert!(lines.iter().all(|(line, _)| !line.contains('\u{1b}')));

        let appearance = Appearance::in_colours();
        let bytes = png(400, 400);
        let PreviewContent::Blocks(blocks) = prepare(&request("x.png", bytes.len()), &bytes, &appearance)
        else {
            panic!("no picture");
        };
        assert_eq!((blocks.columns(), blocks.rows(), blocks.original), (8, 4, (400, 400)));
        assert!(matches!(blocks.at(4, 1), (Some(Rgb { r: 200, g: 10, b: 20 }), Some(_))));
        let small = png(3, 2);
        let PreviewContent::Blocks(blocks) = prepare(&request("x.png", small.len()), &small, &appearance)
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
            prepare(&request("x.png", bytes.len()), &bytes, &appearance)
        else {
            panic!("not drawn");
        };
        // 8 columns of 20, from column 10 on; rows and columns count from 1 here.
        let drawn = String::from_utf8_lossy(&overlay.bytes);
        assert!(drawn.starts_with("\x1b[4;17H\x1bP"), "{:?}", drawn.get(..20));
        assert_eq!(overlay.original, (400, 400));
    }

    #[test]
    fn files_without_a_preview_get_a_message() {
        let message = |path: &str, bytes: &[u8], appearance: &Appearance| match prepare(
            &request(path, bytes.len()),
            bytes,
            appearance,
        ) {
            PreviewContent::Message(message) => message,
            _ => panic!("{path} has a preview"),
        };
        let appearance = Appearance::in_colours();
        assert_eq!(message("x", b"", &appearance), "empty");
        assert!(message("x", b"\0\x01", &appearance).starts_with("not a text"));
        let mut broken = png(50, 50);
        broken.truncate(60);
        assert!(message("x.png", &broken, &appearance).starts_with("a picture: damaged"));
        assert!(message("x.png", &png(50, 50), &Appearance::plain()).starts_with("a picture, png"));
    }
}
