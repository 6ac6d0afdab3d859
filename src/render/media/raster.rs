//! Raster images: decodes and scales still images and the frames of animations, within limits.

mod scale;

use std::io::{BufRead, Cursor, Seek};
use std::sync::Arc;
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult, Limits,
};

use scale::scale;

use super::canvas::Canvas;
use super::frame::{Frame, Frames, PictureError, Still};

/// The most pixels on a side.
const MAX_SIDE: u32 = 10_000;

/// The most memory that a decoder may use, in bytes: enough for 33 megapixels.
const MAX_MEMORY: u64 = 128 * 1024 * 1024;

/// The most memory for what a PNG holds besides pixels, in bytes. A colour profile is inflated although it is not used, so
/// this also limits the time for a hostile one.
const MAX_PNG_METADATA: u64 = 8 * 1024 * 1024;

/// Shorter frames are shown for the default time, as browsers do. Authors rely on this.
const MIN_DELAY: Duration = Duration::from_millis(20);
const DEFAULT_DELAY: Duration = Duration::from_millis(100);

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    limits
}

/// A decoder for the format that follows from the content.
fn decoder(bytes: &[u8], limits: Limits) -> ImageResult<Box<dyn ImageDecoder + '_>> {
    let source = Cursor::new(bytes);
    match image::guess_format(bytes)? {
        ImageFormat::Png => Ok(Box::new(png_decoder(source, limits)?)),
        format => {
            let mut reader = ImageReader::with_format(source, format);
            reader.limits(limits);
            Ok(Box::new(reader.into_decoder()?))
        }
    }
}

fn png_decoder<R: BufRead + Seek>(source: R, limits: Limits) -> ImageResult<PngDecoder<R>> {
    let mut metadata = limits.clone();
    metadata.max_alloc = Some(MAX_PNG_METADATA);
    let mut decoder = PngDecoder::with_limits(source, metadata)?;
    decoder.set_limits(limits)?;
    Ok(decoder)
}

/// Decodes the first frame, applies the orientation of the camera, and scales the image. The format follows from the
/// content, not from the record's type.
pub(super) fn still(bytes: &[u8], canvas: &Canvas) -> Result<Still, PictureError> {
    let mut decoder = decoder(bytes, limits()).map_err(problem)?;
    if decoder.total_bytes() > MAX_MEMORY {
        return Err(PictureError::TooLarge);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(problem)?;
    let on_its_side = matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    let turned = |(width, height)| if on_its_side { (height, width) } else { (width, height) };
    let original = turned((image.width(), image.height()));
    // Scaled first, because rotating a smaller picture is faster.
    let mut image = scale(image, turned(canvas.fit(original.0, original.1))).ok_or(PictureError::TooLarge)?;
    image.apply_orientation(orientation);
    Ok(Still { pixels: image.into_rgba8(), original })
}

fn problem(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        ImageError::Unsupported(_) => PictureError::Unknown,
        other => PictureError::Damaged(crate::render::sanitize::line(&other.to_string(), 100)),
    }
}

/// Returns the frames of an animation, each decoded when it is needed. `None` for a still picture.
pub(super) fn frames(bytes: &Arc<[u8]>, canvas: Canvas) -> Option<Frames> {
    let source = || Cursor::new(Arc::clone(bytes));
    let frames = match image::guess_format(bytes).ok()? {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(source()).ok()?;
            decoder.set_limits(limits()).ok()?;
            decoder.into_frames()
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(source()).ok()?;
            decoder.set_limits(limits()).ok()?;
            decoder.has_animation().then(|| decoder.into_frames())?
        }
        ImageFormat::Png => {
            let decoder = png_decoder(source(), limits()).ok()?;
            decoder.is_apng().ok()?.then_some(())?;
            decoder.apng().ok()?.into_frames()
        }
        _ => return None,
    };
    let fitted = move |frame: Result<image::Frame, ImageError>| {
        let frame = frame.map_err(problem)?;
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let delay = Duration::from_millis(u64::from(numerator) / u64::from(denominator.max(1)));
        let pixels = frame.into_buffer();
        let size = canvas.fit(pixels.width(), pixels.height());
        let scaled = scale(DynamicImage::ImageRgba8(pixels), size).ok_or(PictureError::TooLarge)?;
        Ok(Frame {
            pixels: scaled.into_rgba8(),
            delay: if delay < MIN_DELAY { DEFAULT_DELAY } else { delay },
        })
    };
    // Some decoders repeat the same error forever.
    let mut broken = false;
    let until_broken = frames.take_while(move |frame| !std::mem::replace(&mut broken, frame.is_err()));
    Some(Box::new(until_broken.map(fitted)))
}

/// Whether an image inside an SVG is small enough to decode.
pub(super) fn is_modest(bytes: &[u8]) -> bool {
    let size = decoder(bytes, Limits::default()).map(|decoder| decoder.dimensions());
    size.is_ok_and(|(width, height)| u64::from(width) * u64::from(height) * 4 <= MAX_MEMORY / 4)
}

#[cfg(test)]
mod tests;
