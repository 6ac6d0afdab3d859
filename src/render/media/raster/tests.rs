use super::*;
use image::RgbaImage;
use image::{ImageFormat, Rgba};

const CANVAS: Canvas = Canvas::of_cells(20, 5);

fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let pixels = RgbaImage::from_fn(width, height, |x, y| Rgba([x as u8, y as u8, 200, 255]));
    let image = DynamicImage::ImageRgba8(pixels);
    let image = if format == ImageFormat::Jpeg { DynamicImage::ImageRgb8(image.into_rgb8()) } else { image };
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn read(bytes: Vec<u8>) -> Result<Still, PictureError> {
    still(&bytes, &CANVAS)
}

fn error(bytes: Vec<u8>) -> PictureError {
    read(bytes).expect_err("it must not be shown")
}

#[test]
fn every_format_is_read_by_its_content_and_scaled() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp]
    {
        let found = read(encoded(320, 180, format)).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!(found.original, (320, 180));
        assert_eq!(found.pixels.dimensions(), (142, 80));
    }
    let small = read(encoded(32, 20, ImageFormat::Png)).unwrap();
    assert_eq!(small.pixels.dimensions(), (32, 20));
}

/// Returns a PNG that claims this size and contains almost no data.
fn png_that_says(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = encoded(1, 1, ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[test]
fn pictures_that_claim_to_be_huge_are_refused() {
    for (width, height) in
        [(60_000, 60_000), (1 << 31, 1), (0x7fff_ffff, 0x7fff_ffff), (9_999, 9_999), (1, 10_001)]
    {
        let error = error(png_that_says(width, height));
        assert!(
            matches!(error, PictureError::TooLarge | PictureError::Damaged(_)),
            "{width}x{height}: {error:?}"
        );
    }
    // A JPEG of 65,535 on each side: the frame header contains the size.
    let mut jpeg = encoded(16, 16, ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert_eq!(error(jpeg), PictureError::TooLarge);
}

#[test]
fn broken_pictures_are_errors() {
    let whole = encoded(64, 64, ImageFormat::Png);
    assert!(matches!(error(whole[..whole.len() / 2].to_vec()), PictureError::Damaged(_)));
    assert!(matches!(error(whole[..20].to_vec()), PictureError::Damaged(_)));
    assert_eq!(error(b"<html>".to_vec()), PictureError::Unknown);
    assert_eq!(error(Vec::new()), PictureError::Unknown);
    let mut noise = encoded(64, 64, ImageFormat::Jpeg);
    noise.truncate(30);
    assert!(matches!(error(noise), PictureError::Damaged(_)));
}

/// Returns a GIF with a red frame and then this many blue ones, each with a delay of zero.
fn gif(blue: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    let frame = |color| image::Frame::new(RgbaImage::from_pixel(4, 4, Rgba(color)));
    encoder.encode_frame(frame([255, 0, 0, 255])).unwrap();
    for _ in 0..blue {
        encoder.encode_frame(frame([0, 0, 255, 255])).unwrap();
    }
    drop(encoder);
    bytes
}

#[test]
fn the_first_frame_is_shown_and_the_others_follow_one_by_one() {
    let bytes = gif(2_000);
    assert_eq!(read(bytes.clone()).unwrap().pixels.get_pixel(0, 0).0, [255, 0, 0, 255]);
    let shared: Arc<[u8]> = bytes.into();
    let mut playing = frames(&shared, CANVAS).unwrap();
    let first = playing.next().unwrap().unwrap();
    assert_eq!(first.pixels.get_pixel(0, 0).0, [255, 0, 0, 255]);
    assert_eq!(first.delay, DEFAULT_DELAY, "a delay of zero would be a flood");
    assert_eq!(playing.next().unwrap().unwrap().pixels.get_pixel(3, 3).0, [0, 0, 255, 255]);
    assert_eq!(playing.count(), 1_999);
}

/// A WebP with a red frame of 80 ms and a blue one with a delay of zero.
const WEBP: &str = "UklGRoQAAABXRUJQVlA4WAoAAAACAAAAAwAAAwAAQU5JTQYAAAAAAAAAAABBTk1GKAAAAAAAAAAAAAMAAAMAAFAAAAJWUDhMDwAAAC8DwAAABxD9j/4HIqL/AQBBTk1GKAAAAAAAAAAAAAMAAAMAAAAAAABWUDhMDwAAAC8DwAAABxDR//4HIqL/AQA=";

#[test]
fn a_webp_that_moves_shows_its_first_frame_and_plays() {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(WEBP).unwrap();
    assert_eq!(read(bytes.clone()).unwrap().pixels.get_pixel(3, 3).0, [255, 0, 0, 255]);
    let shared: Arc<[u8]> = bytes.into();
    let playing: Vec<_> = frames(&shared, CANVAS).unwrap().map(Result::unwrap).collect();
    // The decoder blends frames, so the blue is not exact.
    let is_blue = |frame: &Frame| frame.pixels.get_pixel(0, 0).0[2] > 250;
    let seen: Vec<_> = playing.iter().map(|frame| (is_blue(frame), frame.delay)).collect();
    assert_eq!(seen, [(false, Duration::from_millis(80)), (true, DEFAULT_DELAY)]);
}

#[test]
fn a_still_picture_has_no_frames() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp] {
        assert!(frames(&encoded(8, 8, format).into(), CANVAS).is_none(), "{format:?}");
    }
}

#[test]
fn frames_that_are_cut_end_with_an_error() {
    let mut bytes = gif(100);
    bytes.truncate(bytes.len() / 2);
    let shared: Arc<[u8]> = bytes.into();
    let results: Vec<_> = frames(&shared, CANVAS).unwrap().collect();
    assert!(results.len() > 10 && results.first().unwrap().is_ok());
}

/// Returns a JPEG whose EXIF data contain the orientation of the camera.
fn turned_jpeg(orientation: u8) -> Vec<u8> {
    let jpeg = encoded(32, 16, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend_from_slice(&[0xff, 0xe1]);
    bytes.extend_from_slice(&u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    bytes.extend_from_slice(&exif);
    bytes.extend_from_slice(&jpeg[2..]);
    bytes
}

#[test]
fn a_photograph_is_turned_as_the_camera_was_held() {
    assert_eq!(read(turned_jpeg(1)).unwrap().original, (32, 16));
    for orientation in [5, 6, 7, 8] {
        let turned = read(turned_jpeg(orientation)).unwrap();
        assert_eq!((turned.original, turned.pixels.dimensions()), ((16, 32), (16, 32)), "{orientation}");
    }
    // In the original, red increases to the right; after the rotation it increases downwards.
    let turned = read(turned_jpeg(6)).unwrap().pixels;
    assert!(turned.get_pixel(8, 31).0[0] > turned.get_pixel(8, 0).0[0] + 20);
}
