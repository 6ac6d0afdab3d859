//! Pictures onto the terminal, by the means that it has proved to have.
//!
//! iTerm2's inline files and half blocks are viuer's. Kitty's protocol is written here: viuer's way asks the terminal
//! before each picture and reads the answer from the keyboard, where it would swallow what the user types ahead, and
//! wait for ever for a terminal that has stopped to answer. Sixel is icy_sixel's own encoder at the cell's true size.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageEncoder, RgbaImage};
use thiserror::Error;

use super::fit::Canvas;
use crate::terminal::{ColorDepth, Graphics};

/// Why a picture was not drawn.
#[derive(Debug, Error)]
pub(in crate::render) enum DrawError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("cannot encode it for this terminal: {0}")]
    Encode(String),
}

/// Draws `pixels`, which fit `canvas`, at the cursor in column 0; the cursor ends in column 0 below. With
/// [`Graphics::Blocks`] and [`Graphics::Iterm2`] it goes straight to standard output: `out` must be written by then.
pub(in crate::render) fn draw(
    pixels: RgbaImage,
    canvas: Canvas,
    graphics: Graphics,
    colors: ColorDepth,
    out: &mut Vec<u8>,
) -> Result<(), DrawError> {
    match graphics {
        Graphics::None => Ok(()),
        Graphics::Kitty => kitty(&pixels, out),
        Graphics::Sixel => sixel(pixels, out),
        Graphics::Iterm2 | Graphics::Blocks => by_viuer(pixels, canvas, graphics, colors),
    }
}

/// Most characters of base64 in one piece of kitty's protocol.
const KITTY_PIECE: usize = 4096;

/// As PNG in pieces; `q=2` keeps the terminal from answering into the prompt.
fn kitty(pixels: &RgbaImage, out: &mut Vec<u8>) -> Result<(), DrawError> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Fast, FilterType::Sub);
    encoder
        .write_image(pixels, pixels.width(), pixels.height(), image::ExtendedColorType::Rgba8)
        .map_err(|error| DrawError::Encode(error.to_string()))?;
    let encoded = STANDARD.encode(png);
    let mut pieces = encoded.as_bytes().chunks(KITTY_PIECE).peekable();
    let mut control = "a=T,f=100,q=2,";
    while let Some(piece) = pieces.next() {
        let more = u8::from(pieces.peek().is_some());
        write!(out, "\x1b_G{control}m={more};")?;
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\x1b\\");
        control = "q=2,";
    }
    out.push(b'\n');
    Ok(())
}

fn sixel(pixels: RgbaImage, out: &mut Vec<u8>) -> Result<(), DrawError> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let encode = |error: icy_sixel::SixelError| DrawError::Encode(error.to_string());
    let image = icy_sixel::SixelImage::try_from_rgba(pixels.into_raw(), width, height).map_err(encode)?;
    out.extend_from_slice(image.encode().map_err(encode)?.as_bytes());
    out.push(b'\n');
    Ok(())
}

fn by_viuer(
    pixels: RgbaImage,
    canvas: Canvas,
    graphics: Graphics,
    colors: ColorDepth,
) -> Result<(), DrawError> {
    let cells = canvas.cells((pixels.width(), pixels.height()));
    let config = viuer::Config {
        transparent: true,
        absolute_offset: false,
        width: Some(cells.cols.into()),
        height: Some(cells.rows.into()),
        truecolor: colors == ColorDepth::TrueColor,
        use_kitty: false,
        use_iterm: graphics == Graphics::Iterm2,
        ..viuer::Config::default()
    };
    viuer::print(&DynamicImage::ImageRgba8(pixels), &config).map_err(|error| match error {
        viuer::ViuError::Io(error) => DrawError::Io(error),
        other => DrawError::Encode(other.to_string()),
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::media::fit::Cells;
    use crate::terminal::tests::{PART, Stage};

    fn drawn(graphics: Graphics, width: u32, height: u32) -> String {
        let mut out = Vec::new();
        let canvas = Canvas { room: Cells { cols: 80, rows: 24 }, cell: (8, 16) };
        let pixels =
            RgbaImage::from_fn(width, height, |x, y| image::Rgba([x as u8, y as u8, (x * y) as u8, 255]));
        draw(pixels, canvas, graphics, ColorDepth::TrueColor, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn kittys_pieces_make_up_the_picture_and_ask_for_no_answer() {
        let text = drawn(Graphics::Kitty, 200, 100);
        let mut encoded = String::new();
        let pieces: Vec<&str> = text.trim_end().split_terminator("\x1b\\").collect();
        assert!(pieces.len() > 2, "the test needs more than one piece");
        for (index, piece) in pieces.iter().enumerate() {
            let (control, data) = piece.strip_prefix("\x1b_G").unwrap().split_once(';').unwrap();
            assert!(control.contains("q=2") && data.len() <= KITTY_PIECE);
            assert_eq!(control.ends_with("m=0"), index + 1 == pieces.len());
            assert_eq!(control.contains("a=T"), index == 0);
            encoded.push_str(data);
        }
        let png = image::load_from_memory(&STANDARD.decode(encoded).unwrap()).unwrap();
        assert_eq!((png.width(), png.height()), (200, 100));
    }

    #[test]
    fn sixel_has_the_pictures_own_size() {
        let text = drawn(Graphics::Sixel, 64, 48);
        assert!(text.starts_with("\x1bP") && text.ends_with("\x1b\\\n"));
        let image = icy_sixel::SixelImage::decode(text.trim_end().as_bytes()).unwrap();
        assert_eq!(image.dimensions(), (64, 48));
    }

    /// Lives in a started program only: draws by viuer, on the program's own standard output.
    #[test]
    fn part() {
        let Ok(part) = std::env::var(PART) else { return };
        println!("<begin>");
        assert_eq!(part, "blocks");
        assert_eq!(drawn(Graphics::Blocks, 32, 33), "");
        println!("<end>");
    }

    /// What is between the marks that [`part`] writes around its picture.
    fn played(part: &str) -> String {
        let mut stage = Stage::play_in("render::media::draw::tests::part", part);
        stage.wait_for("end");
        let (how, output) = stage.end();
        assert_eq!(how, "0", "{output}");
        let (_, rest) = output.split_once("<begin>\r\n").unwrap();
        rest.split_once("<end>").unwrap().0.to_owned()
    }

    #[test]
    fn half_blocks_have_the_size_in_cells_and_end_on_a_new_line() {
        let picture = played("blocks");
        let rows: Vec<&str> = picture.lines().collect();
        assert_eq!(rows.len(), 3, "{picture:?}");
        for row in &rows {
            let blocks = row.chars().filter(|c| matches!(c, '\u{2580}' | '\u{2584}')).count();
            assert_eq!(blocks, 4, "{row:?}");
        }
        assert!(picture.contains("\x1b[38;2;") && picture.ends_with('\n'), "{picture:?}");
        assert!(!picture.contains("\x1b_G") && !picture.contains("\x1b[c"), "the terminal is asked nothing");
    }

    #[test]
    fn nothing_is_drawn_where_nothing_can_be() {
        assert_eq!(drawn(Graphics::None, 8, 8), "");
    }
}
