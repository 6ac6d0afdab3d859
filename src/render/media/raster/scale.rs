//! Scales a picture. A picture of the window's size takes tens of milliseconds.

use std::thread::Builder;

use image::{DynamicImage, RgbaImage};
use resvg::tiny_skia::{
    BlendMode, ColorU8, FilterQuality, IntSize, Paint, Pattern, Pixmap, PixmapMut, PixmapRef,
    PremultipliedColorU8, Rect, SpreadMode, Transform,
};

use crate::terminal::CONTAINED_THREAD;

/// More threads are not faster, because memory bandwidth is the limit.
const MAX_BANDS: usize = 4;

/// Scales an image. `None` if the size is zero or does not fit into memory.
pub(super) fn scale(image: DynamicImage, (width, height): (u32, u32)) -> Option<DynamicImage> {
    if (width, height) == (image.width(), image.height()) {
        return Some(image);
    }
    // To shrink a lot, whole blocks are averaged. A filter that reads only the four nearest pixels would skip some.
    if image.width().checked_div(width)? >= 2 || image.height().checked_div(height)? >= 2 {
        return Some(image.thumbnail_exact(width, height));
    }
    let opaque = !image.color().has_alpha();
    let original = premultiplied(image.into_rgba8(), opaque)?;
    let mut scaled = Pixmap::new(width, height)?;
    draw(original.as_ref(), &mut scaled)?;
    let bytes = if opaque { scaled.take() } else { scaled.take_demultiplied() };
    Some(DynamicImage::ImageRgba8(RgbaImage::from_raw(width, height, bytes)?))
}

/// Premultiplies the colours by their opacity, so that the colours of invisible pixels do not bleed into their
/// neighbours.
fn premultiplied(image: RgbaImage, opaque: bool) -> Option<Pixmap> {
    let size = IntSize::from_wh(image.width(), image.height())?;
    let mut pixels = Pixmap::from_vec(image.into_raw(), size)?;
    if !opaque {
        for pixel in pixels.pixels_mut() {
            *pixel = straight(*pixel).premultiply();
        }
    }
    Some(pixels)
}

/// Reinterprets the four bytes, which are not premultiplied yet.
fn straight(pixel: PremultipliedColorU8) -> ColorU8 {
    ColorU8::from_rgba(pixel.red(), pixel.green(), pixel.blue(), pixel.alpha())
}

/// Draws `original` at the size of `scaled`, in bands that are drawn in parallel.
fn draw(original: PixmapRef<'_>, scaled: &mut Pixmap) -> Option<()> {
    let (width, height) = (scaled.width(), scaled.height());
    let (x, y) = (width as f32 / original.width() as f32, height as f32 / original.height() as f32);
    let bands = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_BANDS));
    let rows = height.div_ceil(bands as u32);
    let bytes = rows as usize * width as usize * 4;
    std::thread::scope(|scope| {
        let bands = scaled.data_mut().chunks_mut(bytes).enumerate().map(|(number, band)| {
            let above = number as f32 * rows as f32;
            let place = Transform::from_scale(x, y).post_translate(0.0, -above);
            let thread = Builder::new().name(CONTAINED_THREAD.to_owned());
            thread.spawn_scoped(scope, move || draw_band(original, place, band, width)).ok()
        });
        // All threads start before the first is joined.
        let bands: Vec<_> = bands.collect();
        bands.into_iter().map(|band| band?.join().ok()?).collect()
    })
}

/// Draws a band of whole rows; `place` maps the original to it.
fn draw_band(original: PixmapRef<'_>, place: Transform, band: &mut [u8], width: u32) -> Option<()> {
    let height = u32::try_from(band.len()).ok()?.checked_div(width.checked_mul(4)?)?;
    let mut band = PixmapMut::from_bytes(band, width, height)?;
    let paint = Paint {
        shader: Pattern::new(original, SpreadMode::Pad, FilterQuality::Bilinear, 1.0, place),
        blend_mode: BlendMode::Source,
        anti_alias: false,
        ..Paint::default()
    };
    let whole = Rect::from_xywh(0.0, 0.0, width as f32, height as f32)?;
    band.fill_rect(whole, &paint, Transform::identity(), None);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, Rgba};

    fn scaled(image: RgbaImage, size: (u32, u32)) -> RgbaImage {
        scale(DynamicImage::ImageRgba8(image), size).unwrap().into_rgba8()
    }

    #[test]
    fn the_colours_of_invisible_pixels_do_not_bleed() {
        let half = |x, _| if x < 101 { Rgba([200, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) };
        let small = scaled(RgbaImage::from_fn(202, 100, half), (142, 70));
        assert_eq!(small.dimensions(), (142, 70));
        assert_eq!(small.get_pixel(2, 2).0, [200, 0, 0, 255]);
        assert_eq!(small.get_pixel(140, 68).0[3], 0);
        assert!(small.pixels().all(|pixel| pixel.0[1] == 0), "no green is seen");
    }

    #[test]
    fn every_size_keeps_the_edges_and_the_whole() {
        for size in [(1, 1), (3, 2), (50, 20), (99, 59), (101, 61), (150, 90), (640, 400)] {
            let image = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(100, 60, Rgb([10, 20, 30])));
            let scaled = scale(image, size).unwrap();
            assert_eq!((scaled.width(), scaled.height()), size);
            assert!(scaled.into_rgba8().pixels().all(|pixel| pixel.0 == [10, 20, 30, 255]), "{size:?}");
        }
    }

    #[test]
    fn a_ramp_stays_a_ramp() {
        let ramp = RgbaImage::from_fn(256, 4, |x, _| Rgba([x as u8, 0, 0, 255]));
        for width in [140, 180, 255, 300] {
            let scaled = scaled(ramp.clone(), (width, 4));
            let row: Vec<u8> = (0..width).map(|x| scaled.get_pixel(x, 2).0[0]).collect();
            assert!(row.is_sorted() && row[0] <= 1 && row[width as usize - 1] >= 254, "{width}: {row:?}");
        }
    }

    #[test]
    fn a_size_of_zero_is_refused() {
        assert!(scale(DynamicImage::new_rgb8(10, 10), (0, 10)).is_none());
        assert!(scale(DynamicImage::new_rgb8(10, 10), (8, 0)).is_none());
    }
}
