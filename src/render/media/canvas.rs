//! How large a picture is drawn, and on what.

use crate::terminal::{ColorDepth, Graphics, Size};
use crate::theme::Rgb;

/// A place in the window, in cells from its corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) struct Place {
    pub(in crate::render) col: u16,
    pub(in crate::render) row: u16,
}

/// A size in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) struct Cells {
    /// Columns.
    pub(super) cols: u16,
    /// Rows.
    pub(super) rows: u16,
}

/// The room that a picture may take, and how large a cell of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) struct Canvas {
    /// The largest size of a picture.
    pub(super) room: Cells,
    /// A cell in pixels, width and height; neither is zero.
    pub(super) cell: (u16, u16),
    /// Whether a picture that is smaller than the room is made as large as it.
    pub(super) fill: bool,
}

/// What pixels are drawn on and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) struct DrawingSurface {
    /// The room.
    pub(in crate::render) canvas: Canvas,
    /// The means.
    pub(in crate::render) graphics: Graphics,
    /// The colours that there are.
    pub(in crate::render) colors: ColorDepth,
    /// What shows through, if it is known.
    pub(in crate::render) background: Option<Rgb>,
}

/// A cell of this height, in pixels, is that of a screen as dense as those for which pictures are made; of twice the
/// height, twice as dense.
const PLAIN_HEIGHT: u32 = 16;

/// What a cell is taken for when nobody tells: the proportion is what matters.
const CELL: (u16, u16) = (8, 16);

/// Rows of the window that a picture leaves free: one for the prompt, one to see what came before.
const SPARED_ROWS: u16 = 2;

impl Canvas {
    /// The room in a window. `asked` is the size of a cell in pixels if the terminal told it; else it follows from
    /// the window's size in pixels if the kernel knows that. `max_rows` is the user's own limit.
    pub(in crate::render) fn new(window: Size, asked: Option<(u16, u16)>, max_rows: Option<u16>) -> Self {
        let by_window = window.pixels.map(|(width, height)| (width / window.cols, height / window.rows));
        let plausible =
            |(width, height): &(u16, u16)| (2..=200).contains(width) && (2..=400).contains(height);
        let rows = window.rows.saturating_sub(SPARED_ROWS).max(1);
        Self {
            room: Cells { cols: window.cols.max(1), rows: max_rows.map_or(rows, |most| most.clamp(1, rows)) },
            cell: asked.filter(plausible).or(by_window.filter(plausible)).unwrap_or(CELL),
            fill: false,
        }
    }

    /// The same for a picture that takes all rows but one.
    pub(in crate::render) fn whole(window: Size, asked: Option<(u16, u16)>) -> Self {
        let room = Cells { cols: window.cols.max(1), rows: window.rows.saturating_sub(1).max(1) };
        Self { room, fill: true, ..Self::new(window, asked, None) }
    }

    /// A part of a window, of so many cells. `asked` as in [`Canvas::new`].
    pub(in crate::render) fn part(cols: u16, rows: u16, asked: Option<(u16, u16)>) -> Self {
        let room = Cells { cols: cols.max(1), rows: rows.max(1) };
        Self { room, ..Self::new(Size { cols, rows, pixels: None }, asked, None) }
    }

    /// Room of so many cells in which two pixels stand above each other in each.
    pub(in crate::render) fn of_blocks(cols: u16, rows: u16) -> Self {
        Self { room: Cells { cols: cols.max(1), rows: rows.max(1) }, cell: (1, 2), fill: false }
    }

    /// Room for any picture that we draw, at its own size.
    pub(in crate::render) fn natural() -> Self {
        Self { room: Cells { cols: 4096, rows: 4096 }, cell: (1, 1), fill: false }
    }

    /// Where something of this size lies in the middle of the room.
    pub(in crate::render) fn middle(&self, cells: Cells) -> Place {
        Place {
            col: self.room.cols.saturating_sub(cells.cols) / 2,
            row: self.room.rows.saturating_sub(cells.rows) / 2,
        }
    }

    /// Pixels of the screen for each pixel of a picture.
    pub(super) fn density(&self) -> u32 {
        (u32::from(self.cell.1) / PLAIN_HEIGHT).clamp(1, 4)
    }

    /// The size in pixels at which a picture of `width` × `height` pixels is drawn: its own, or as large as there
    /// is room, in the same proportion. Never zero.
    pub(super) fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let (width, height) = (width.saturating_mul(self.density()), height.saturating_mul(self.density()));
        let room_width = u64::from(self.room.cols) * u64::from(self.cell.0);
        let room_height = u64::from(self.room.rows) * u64::from(self.cell.1);
        let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
        let (fit_width, fit_height) = if width <= room_width && height <= room_height && !self.fill {
            (width, height)
        } else if width * room_height >= height * room_width {
            (room_width, height * room_width / width)
        } else {
            (width * room_height / height, room_height)
        };
        let side = |n: u64| u32::try_from(n.max(1)).unwrap_or(u32::MAX);
        (side(fit_width), side(fit_height))
    }

    /// The cells that a picture of so many pixels covers.
    pub(super) fn cells(&self, (width, height): (u32, u32)) -> Cells {
        let side = |pixels: u32, cell: u16, room: u16| {
            u16::try_from(pixels.div_ceil(u32::from(cell))).unwrap_or(room).clamp(1, room)
        };
        Cells {
            cols: side(width, self.cell.0, self.room.cols),
            rows: side(height, self.cell.1, self.room.rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(cols: u16, rows: u16, pixels: Option<(u16, u16)>) -> Size {
        Size { cols, rows, pixels }
    }

    #[test]
    fn small_pictures_keep_their_size_and_large_ones_fill_the_room() {
        let canvas = Canvas::new(window(80, 24, None), Some((8, 16)), None);
        assert_eq!(canvas.fit(32, 32), (32, 32));
        assert_eq!(canvas.cells((32, 32)), Cells { cols: 4, rows: 2 });
        assert_eq!(canvas.fit(1920, 1080), (625, 352));
        assert_eq!(canvas.cells((625, 352)), Cells { cols: 79, rows: 22 });
        assert_eq!(canvas.fit(10_000, 10), (640, 1));
        assert_eq!(canvas.fit(1, 100_000), (1, 352));
        assert_eq!(canvas.fit(u32::MAX, u32::MAX), (352, 352));
    }

    #[test]
    fn a_picture_never_exceeds_the_window_nor_the_users_limit() {
        for (cols, rows) in [(1, 1), (10, 3), (80, 24), (1000, 1000)] {
            for most in [None, Some(0), Some(1), Some(5), Some(9999)] {
                let canvas = Canvas::new(window(cols, rows, None), None, most);
                for (width, height) in [(1, 1), (640, 480), (9000, 3), (3, 9000)] {
                    let cells = canvas.cells(canvas.fit(width, height));
                    assert!(
                        cells.cols <= cols && cells.rows <= rows && cells.rows <= most.unwrap_or(rows).max(1)
                    );
                }
            }
        }
    }

    #[test]
    fn on_a_dense_screen_a_pixel_is_several() {
        let canvas = Canvas::new(window(80, 24, None), Some((16, 33)), None);
        assert_eq!(canvas.fit(100, 50), (200, 100));
        assert_eq!(canvas.fit(1000, 500), (1280, 640));
    }

    #[test]
    fn a_picture_that_fills_the_window_grows() {
        let canvas = Canvas::whole(window(80, 25, None), Some((8, 16)));
        assert_eq!(canvas.fit(10, 10), (384, 384));
        assert_eq!(canvas.fit(1920, 1080), (640, 360));
    }

    #[test]
    fn the_cell_is_what_the_terminal_says_unless_it_lies() {
        assert_eq!(Canvas::new(window(80, 24, Some((800, 480))), None, None).cell, (10, 20));
        assert_eq!(Canvas::new(window(80, 24, Some((800, 480))), Some((9, 18)), None).cell, (9, 18));
        assert_eq!(Canvas::new(window(80, 24, Some((3, 3))), Some((0, 9)), None).cell, CELL);
    }
}
