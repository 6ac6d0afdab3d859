//! The size of a picture and the surface that it is drawn on.

use crate::terminal::{ColorDepth, Graphics, Size};
use crate::theme::Rgb;
use bai_protocol::record::PictureSize;

/// A position in the window, in cells from its corner.
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

/// The space for a picture, and the size of its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) struct Canvas {
    /// The largest size of a picture, in cells.
    pub(super) room: Cells,
    /// The size of a cell in pixels, width and height. Neither is zero.
    pub(super) cell: (u16, u16),
    /// Whether the size of a cell is known, and not assumed.
    pub(super) measured: bool,
    /// Whether a smaller picture is enlarged to fill the space.
    pub(super) fill: bool,
    /// The size that the program wants for the picture, in pixels of a screen of normal density.
    pub(in crate::render) asked: PictureSize,
}

/// The surface that pictures are drawn on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::render) struct DrawingSurface {
    /// The space.
    pub(in crate::render) canvas: Canvas,
    /// The graphics protocol.
    pub(in crate::render) graphics: Graphics,
    /// The colours that the terminal supports.
    pub(in crate::render) colors: ColorDepth,
    /// The background colour, if it is known. It shows through transparent parts.
    pub(in crate::render) background: Option<Rgb>,
}

/// The height in pixels of a cell on a screen of normal density, for which pictures are made. Twice the height means
/// twice the density.
const PLAIN_HEIGHT: u32 = 16;

/// The assumed size of a cell if it is unknown. Only the proportion matters.
const CELL: (u16, u16) = (8, 16);

/// The program leaves the size open.
const OPEN: PictureSize = PictureSize { width: None, height: None };

/// The rows that a picture leaves free: one for the prompt, one for the earlier output.
const RESERVED_ROWS: u16 = 2;

impl Canvas {
    /// The space of so many cells of the assumed size, for tests.
    #[cfg(test)]
    pub(super) const fn of_cells(cols: u16, rows: u16) -> Self {
        Canvas { room: Cells { cols, rows }, cell: CELL, measured: false, fill: false, asked: OPEN }
    }

    /// The space in a window. `asked` is the size of a cell in pixels, if the terminal reported it. Otherwise the size
    /// follows from the window's size in pixels, if the kernel knows that. `max_rows` is the user's limit.
    pub(in crate::render) fn new(window: Size, asked: Option<(u16, u16)>, max_rows: Option<u16>) -> Self {
        let by_window = window.pixels.map(|(width, height)| (width / window.cols, height / window.rows));
        let plausible =
            |(width, height): &(u16, u16)| (2..=200).contains(width) && (2..=400).contains(height);
        let rows = window.rows.saturating_sub(RESERVED_ROWS).max(1);
        let cell = asked.filter(plausible).or(by_window.filter(plausible));
        Self {
            room: Cells { cols: window.cols.max(1), rows: max_rows.map_or(rows, |most| most.clamp(1, rows)) },
            cell: cell.unwrap_or(CELL),
            measured: cell.is_some(),
            fill: false,
            asked: OPEN,
        }
    }

    /// The space of a window except one row. Smaller pictures are enlarged.
    pub(in crate::render) fn whole(window: Size, asked: Option<(u16, u16)>) -> Self {
        let room = Cells { cols: window.cols.max(1), rows: window.rows.saturating_sub(1).max(1) };
        Self { room, fill: true, ..Self::new(window, asked, None) }
    }

    /// The space in a part of a window. `asked` as in [`Canvas::new`].
    pub(in crate::render) fn part(cols: u16, rows: u16, asked: Option<(u16, u16)>) -> Self {
        let room = Cells { cols: cols.max(1), rows: rows.max(1) };
        Self { room, ..Self::new(Size { cols, rows, pixels: None }, asked, None) }
    }

    /// The space for half blocks: each cell has two pixels, one above the other.
    pub(in crate::render) fn of_blocks(cols: u16, rows: u16) -> Self {
        let room = Cells { cols: cols.max(1), rows: rows.max(1) };
        Self { room, cell: (1, 2), measured: true, fill: false, asked: OPEN }
    }

    /// The space for a picture at its own size.
    pub(in crate::render) fn natural() -> Self {
        let room = Cells { cols: 4096, rows: 4096 };
        Self { room, cell: (1, 1), measured: true, fill: false, asked: OPEN }
    }

    /// Returns the place in the middle of the space for a picture of this size.
    pub(in crate::render) fn middle(&self, cells: Cells) -> Place {
        Place {
            col: self.room.cols.saturating_sub(cells.cols) / 2,
            row: self.room.rows.saturating_sub(cells.rows) / 2,
        }
    }

    /// Returns the number of screen pixels for each pixel of a picture.
    pub(super) fn density(&self) -> u32 {
        (u32::from(self.cell.1) / PLAIN_HEIGHT).clamp(1, 4)
    }

    /// Returns the size in pixels at which a picture of `width` × `height` pixels is drawn: the size that the program wants, or
    /// its own size, or the largest that fits with the same proportion. Never zero.
    pub(super) fn fit(&self, width: u32, height: u32) -> (u32, u32) {
        let (width, height) = self.wanted(width, height);
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

    /// Returns the size that the program wants for a picture of `width` × `height` pixels. One side follows from the other.
    fn wanted(&self, width: u32, height: u32) -> (u32, u32) {
        let in_proportion = |side: u32, from: u32, to: u32| {
            u32::try_from(u64::from(side) * u64::from(to) / u64::from(from.max(1))).unwrap_or(u32::MAX)
        };
        match (self.asked.width, self.asked.height) {
            (Some(wide), Some(high)) => (wide, high),
            (Some(wide), None) => (wide, in_proportion(wide, width, height)),
            (None, Some(high)) => (in_proportion(high, height, width), high),
            (None, None) => (width, height),
        }
    }

    /// Returns the cells that a picture of this many pixels covers.
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
    fn a_picture_has_the_size_that_its_program_wants() {
        let fit = |width, height| {
            let canvas = Canvas::new(window(80, 24, None), Some((8, 16)), None);
            Canvas { asked: PictureSize { width, height }, ..canvas }.fit(100, 50)
        };
        assert_eq!(fit(Some(200), None), (200, 100));
        assert_eq!(fit(None, Some(25)), (50, 25));
        assert_eq!(fit(Some(20), Some(40)), (20, 40));
        assert_eq!(fit(Some(1_000_000), None), (640, 320), "it fits in any case");
    }

    #[test]
    fn a_picture_that_fills_the_window_grows() {
        let canvas = Canvas::whole(window(80, 25, None), Some((8, 16)));
        assert_eq!(canvas.fit(10, 10), (384, 384));
        assert_eq!(canvas.fit(1920, 1080), (640, 360));
    }

    #[test]
    fn the_reported_cell_size_is_used_if_it_is_plausible() {
        assert_eq!(Canvas::new(window(80, 24, Some((800, 480))), None, None).cell, (10, 20));
        assert_eq!(Canvas::new(window(80, 24, Some((800, 480))), Some((9, 18)), None).cell, (9, 18));
        assert_eq!(Canvas::new(window(80, 24, Some((3, 3))), Some((0, 9)), None).cell, CELL);
    }
}
