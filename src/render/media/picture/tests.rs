use super::*;
use crate::render::media::fit::Cells;
use image::{ImageFormat, Rgba};

const CANVAS: Canvas = Canvas { room: Cells { cols: 20, rows: 5 }, cell: (8, 16) };

fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let pixels = RgbaImage::from_fn(width, height, |x, y| Rgba([x as u8, y as u8, 200, 255]));
    let image = DynamicImage::ImageRgba8(pixels);
    let image = if format == ImageFormat::Jpeg { DynamicImage::ImageRgb8(image.into_rgb8()) } else { image };
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn read(bytes: Vec<u8>) -> Result<Picture, PictureError> {
    picture(&bytes.into(), CANVAS)
}

fn error(bytes: Vec<u8>) -> PictureError {
    read(bytes).err().expect("it must not be shown")
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

/// A PNG that says it is of this size and has next to no data.
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
    // JPEG of 65,535 on each side: the size stands in the frame header.
    let mut jpeg = encoded(16, 16, ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].fill(0xff);
    assert_eq!(error(jpeg), PictureError::TooLarge);
}

#[test]
fn broken_pictures_are_told() {
    let whole = encoded(64, 64, ImageFormat::Png);
    assert!(matches!(error(whole[..whole.len() / 2].to_vec()), PictureError::Damaged(_)));
    assert!(matches!(error(whole[..20].to_vec()), PictureError::Damaged(_)));
    assert_eq!(error(b"<html>".to_vec()), PictureError::Unknown);
    assert_eq!(error(Vec::new()), PictureError::Unknown);
    let mut noise = encoded(64, 64, ImageFormat::Jpeg);
    noise.truncate(30);
    assert!(matches!(error(noise), PictureError::Damaged(_)));
}

#[test]
fn of_many_frames_the_first_is_shown() {
    let mut bytes = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
        let frame = |color| image::Frame::new(RgbaImage::from_pixel(4, 4, Rgba(color)));
        encoder.encode_frame(frame([255, 0, 0, 255])).unwrap();
        for _ in 0..100 {
            encoder.encode_frame(frame([0, 0, 255, 255])).unwrap();
        }
    }
    let found = read(bytes).unwrap();
    assert_eq!(found.pixels.get_pixel(0, 0).0, [255, 0, 0, 255]);
}
