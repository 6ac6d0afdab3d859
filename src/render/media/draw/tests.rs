use super::*;
use crate::render::media::canvas::Canvas;
use crate::terminal::tests::{PART, Stage};
use crate::theme::Rgb;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const CANVAS: Canvas = Canvas::of_cells(80, 24);

fn surface(graphics: Graphics) -> DrawingSurface {
    DrawingSurface { canvas: CANVAS, graphics, colors: ColorDepth::TrueColor, background: None }
}

fn drawn(graphics: Graphics, width: u32, height: u32) -> String {
    let pixels =
        RgbaImage::from_fn(width, height, |x, y| image::Rgba([x as u8, y as u8, (x * y) as u8, 255]));
    let mut out = Vec::new();
    EncodedPicture::new(pixels, &surface(graphics)).unwrap().inline(&mut out).unwrap();
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
        assert!(control.contains("q=2") && data.len() <= 4096);
        assert_eq!(control.ends_with("m=0"), index + 1 == pieces.len());
        assert_eq!(control.contains("a=T"), index == 0);
        encoded.push_str(data);
    }
    let png = image::load_from_memory(&STANDARD.decode(encoded).unwrap()).unwrap();
    assert_eq!((png.width(), png.height()), (200, 100));
}

#[test]
fn iterm2s_file_has_its_size_in_cells() {
    let text = drawn(Graphics::Iterm2, 64, 48);
    let file = text.strip_prefix("\x1b]1337;File=inline=1;size=").unwrap().strip_suffix("\x07\n").unwrap();
    let (arguments, data) = file.split_once(':').unwrap();
    assert!(arguments.contains(";width=8;height=3"), "{arguments}");
    let png = STANDARD.decode(data).unwrap();
    assert!(arguments.starts_with(&format!("{};", png.len())));
    assert_eq!(image::load_from_memory(&png).unwrap().width(), 64);
}

#[test]
fn sixel_has_the_pictures_own_size() {
    let text = drawn(Graphics::Sixel, 64, 48);
    assert!(text.starts_with("\x1bP") && text.ends_with("\x1b\\\n"));
    let image = icy_sixel::SixelImage::decode(text.trim_end().as_bytes()).unwrap();
    assert_eq!(image.dimensions(), (64, 48));
}

#[test]
fn transparent_pixels_show_the_background() {
    let mut half = RgbaImage::from_pixel(2, 1, image::Rgba([200, 100, 0, 128]));
    half.put_pixel(1, 0, image::Rgba([9, 9, 9, 0]));
    let background = Some(Rgb { r: 0, g: 0, b: 255 });
    flatten(&mut half, [0, 0, 255]);
    assert_eq!(half.get_pixel(0, 0).0, [100, 50, 127, 255]);
    assert_eq!(half.get_pixel(1, 0).0, [0, 0, 255, 255]);

    let clear = || RgbaImage::from_pixel(12, 12, image::Rgba([255, 0, 0, 0]));
    let sixel = |background| {
        let mut out = Vec::new();
        let surface = DrawingSurface { background, ..surface(Graphics::Sixel) };
        EncodedPicture::new(clear(), &surface).unwrap().inline(&mut out).unwrap();
        icy_sixel::SixelImage::decode(&out).unwrap()
    };
    assert_eq!(sixel(background).pixels[..4], [0, 0, 255, 255]);
    assert_eq!(sixel(None).pixels[3], 0, "where it is not known, it is the terminal's to show");
}

#[test]
fn drawing_at_a_place_moves_no_cursor_below() {
    let mut out = Vec::new();
    let drawn = EncodedPicture::new(RgbaImage::new(8, 16), &surface(Graphics::Kitty)).unwrap();
    drawn.at(Place { col: 4, row: 9 }, &mut out).unwrap();
    assert!(out.starts_with(b"\x1b[10;5H\x1b_G") && !out.ends_with(b"\n"));
}

#[test]
fn every_protocol_supports_every_size() {
    let means = [Graphics::None, Graphics::Sixel, Graphics::Iterm2, Graphics::Kitty, Graphics::KittyTmux];
    for graphics in means {
        for (width, height) in [(1, 1), (1, 384), (640, 1), (7, 7), (640, 384)] {
            let text = drawn(graphics, width, height);
            assert_eq!(text.len() > 1, graphics != Graphics::None, "{graphics:?} {width}×{height}");
        }
    }
}

/// Runs only in a child process: viuer draws on the standard output of the process.
#[test]
fn part() {
    let Ok(part) = std::env::var(PART) else { return };
    println!("<begin>");
    assert_eq!(part, "blocks");
    assert_eq!(drawn(Graphics::Blocks, 32, 33), "");
    println!("<end>");
}

/// Returns the output between the marks that [`part`] writes around its picture.
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
    assert!(!picture.contains("\x1b_G") && !picture.contains("\x1b[c"), "the terminal is not queried");
}
