//! SVG to pixels, by resvg. An SVG cannot load files or addresses. A picture that would need too much memory or time is
//! refused before it is drawn. Fonts are loaded only if the picture contains text.

use std::sync::{Arc, OnceLock};

use image::RgbaImage;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, ID};
use resvg::usvg::roxmltree::{Document, ParsingOptions};
use resvg::usvg::{FontResolver, Group, ImageHrefResolver, ImageKind, Node, Options, Tree};

use super::canvas::Canvas;
use super::frame::{PictureError, Still};
use super::raster::is_modest;

/// A longer file is not shown as a picture.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The most elements and attributes.
const MAX_NODES: u32 = 500_000;

/// The most bytes that entities may expand to.
const MAX_GROWTH: usize = 16 * 1024 * 1024;

/// The most pixels that are drawn.
const MAX_PIXELS: u64 = 16 * 1024 * 1024;

/// The most memory for stacked layers, in bytes.
const MAX_LAYERS: u64 = 256 * 1024 * 1024;

/// The most pixels that all layers may touch: about as many as fit into the time limit.
const MAX_WORK: u64 = 4_000_000_000;

/// Draws the picture as large as it fits.
pub(super) fn still(bytes: &[u8], canvas: &Canvas) -> Result<Still, PictureError> {
    let tree = parse(bytes)?;
    let size = tree.size();
    // A size of less than a pixel, or larger than any screen, is scaled in proportion.
    let largest = size.width().max(size.height());
    let shrink = if largest > 1e6 { 1e6 / largest } else { 1.0 };
    let side = |side: f32| (side * shrink).ceil().max(1.0) as u32;
    let original = (side(size.width()), side(size.height()));
    let (width, height) = canvas.fit(original.0, original.1);
    let pixels = u64::from(width) * u64::from(height);
    let mut layers = Layers::default();
    layers.count(tree.root(), 1);
    if pixels > MAX_PIXELS || layers.deepest * pixels * 4 > MAX_LAYERS || layers.total * pixels > MAX_WORK {
        return Err(PictureError::TooLarge);
    }
    let mut pixmap = Pixmap::new(width, height).ok_or(PictureError::TooLarge)?;
    let scale = Transform::from_scale(width as f32 / size.width(), height as f32 / size.height());
    resvg::render(&tree, scale, &mut pixmap.as_mut());
    let pixels =
        RgbaImage::from_raw(width, height, pixmap.take_demultiplied()).ok_or(PictureError::TooLarge)?;
    Ok(Still { pixels, original })
}

fn parse(bytes: &[u8]) -> Result<Tree, PictureError> {
    let damaged = |why: &str| PictureError::Damaged(crate::render::sanitize::line(why, 100));
    if bytes.len() > MAX_BYTES {
        return Err(PictureError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| damaged("it is not UTF-8"))?;
    if grows(text) {
        return Err(PictureError::TooLarge);
    }
    // The files of matplotlib begin with a document type.
    let parsing = ParsingOptions { allow_dtd: true, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, parsing).map_err(|error| damaged(&error.to_string()))?;
    let fontdb = if text.contains("<text") { Arc::clone(fonts()) } else { Arc::default() };
    let options = Options {
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, data, _| embedded(data)),
            resolve_string: Box::new(|_, _| None),
        },
        font_resolver: FontResolver { select_font: any_font(), ..FontResolver::default() },
        fontdb,
        ..Options::default()
    };
    Tree::from_xmltree(&document, &options).map_err(|error| damaged(&error.to_string()))
}

/// Whether entities may make the text much longer. The parser refuses nested entities, but not a long entity that is
/// used often.
fn grows(text: &str) -> bool {
    let Some(start) = text.find("<!ENTITY") else { return false };
    let declarations = text.get(start..).and_then(|rest| rest.find("]>")).unwrap_or(text.len() - start);
    let named = text.bytes().filter(|byte| *byte == b'&').count();
    declarations.saturating_mul(named) > MAX_GROWTH
}

/// Decodes a picture inside the picture.
fn embedded(data: Arc<Vec<u8>>) -> Option<ImageKind> {
    if !is_modest(&data) {
        return None;
    }
    match image::guess_format(&data).ok()? {
        image::ImageFormat::Png => Some(ImageKind::PNG(data)),
        image::ImageFormat::Jpeg => Some(ImageKind::JPEG(data)),
        image::ImageFormat::Gif => Some(ImageKind::GIF(data)),
        image::ImageFormat::WebP => Some(ImageKind::WEBP(data)),
        _ => None,
    }
}

/// The fonts of this machine, loaded once in some milliseconds.
fn fonts() -> &'static Arc<Database> {
    static FONTS: OnceLock<Arc<Database>> = OnceLock::new();
    FONTS.get_or_init(|| {
        let mut fonts = Database::new();
        fonts.load_system_fonts();
        Arc::new(fonts)
    })
}

/// The requested font, or a plain one: text in another font is better than no text.
fn any_font() -> resvg::usvg::FontSelectionFn<'static> {
    let default_selector = FontResolver::default_font_selector();
    Box::new(move |font, fonts| default_selector(font, fonts).or_else(|| plain(fonts)))
}

fn plain(fonts: &Database) -> Option<ID> {
    let usual = ["DejaVu Sans", "Liberation Sans", "Noto Sans"];
    let named =
        |name: &str| fonts.faces().find(|face| face.families.iter().any(|(family, _)| family == name));
    usual.into_iter().find_map(named).or_else(|| fonts.faces().next()).map(|face| face.id)
}

/// Counts the layers that a picture needs. At worst each is as large as the picture.
#[derive(Default)]
struct Layers {
    deepest: u64,
    total: u64,
}

impl Layers {
    fn count(&mut self, group: &Group, above: u64) {
        let mut depth = above;
        if group.should_isolate() {
            // A mask and a clip path each need a layer, and a filter needs one for each step.
            let steps: usize = group.filters().iter().map(|filter| filter.primitives().len() + 2).sum();
            let own = 1
                + u64::from(group.mask().is_some()) * 2
                + u64::from(group.clip_path().is_some())
                + u64::try_from(steps).unwrap_or(u64::MAX);
            depth = depth.saturating_add(own);
            self.total = self.total.saturating_add(own);
        }
        self.deepest = self.deepest.max(depth);
        for node in group.children() {
            if let Node::Group(group) = node {
                self.count(group, depth);
            }
            // The layers of masks, clip paths, patterns and pictures inside the picture.
            node.subroots(|group| self.count(group, depth.saturating_add(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CANVAS: Canvas = Canvas::of_cells(20, 5);

    fn drawn(svg: &str) -> Result<Still, PictureError> {
        still_of_bytes(svg.as_bytes())
    }

    /// Runs on a thread with a large stack, as in the program.
    fn still_of_bytes(bytes: &[u8]) -> Result<Still, PictureError> {
        let bytes = bytes.to_vec();
        let limit = std::time::Duration::from_secs(120);
        crate::render::media::run_with_limit(limit, move || still(&bytes, &CANVAS))
            .expect("it takes too long")
    }

    fn within_a_picture(content: &str) -> String {
        format!(
            "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' \
             width='80' height='40'>{content}</svg>"
        )
    }

    fn opaque(still: &Still) -> usize {
        still.pixels.pixels().filter(|pixel| pixel.0[3] > 0).count()
    }

    #[test]
    fn shapes_and_text_are_drawn() {
        let still = drawn(&within_a_picture("<rect width='40' height='40' fill='#f00'/>")).unwrap();
        assert_eq!((still.original, still.pixels.dimensions()), ((80, 40), (80, 40)));
        assert_eq!(still.pixels.get_pixel(10, 10).0, [255, 0, 0, 255]);
        assert_eq!(still.pixels.get_pixel(60, 10).0[3], 0);
        if fonts().is_empty() {
            return;
        }
        let text = "<text x='5' y='30' font-family='No Such Font' font-size='30'>Wi</text>";
        assert!(opaque(&drawn(&within_a_picture(text)).unwrap()) > 50, "another font takes its place");
    }

    #[test]
    fn no_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.png");
        RgbaImage::from_pixel(40, 40, image::Rgba([255, 0, 0, 255])).save(&path).unwrap();
        for href in [path.display().to_string(), format!("file://{}", path.display())] {
            let image = format!("<image width='40' height='40' xlink:href='{href}'/>");
            assert_eq!(opaque(&drawn(&within_a_picture(&image)).unwrap()), 0, "{href}");
        }
        let embedded = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(std::fs::read(&path).unwrap())
        };
        let image = format!("<image width='40' height='40' xlink:href='data:image/png;base64,{embedded}'/>");
        assert!(opaque(&drawn(&within_a_picture(&image)).unwrap()) > 1000, "what it brings along is drawn");
    }

    #[test]
    fn bombs_are_refused_or_harmless() {
        let laughs: String =
            (1..10).map(|n| format!("<!ENTITY l{n} '{}'>", format!("&l{};", n - 1).repeat(10))).collect();
        let laughs = format!(
            "<!DOCTYPE svg [<!ENTITY l0 'lol'>{laughs}]><svg xmlns='http://www.w3.org/2000/svg'><text>&l9;</text></svg>"
        );
        assert!(drawn(&laughs).is_err());
        let long = format!(
            "<!DOCTYPE svg [<!ENTITY a '{}'>]><svg xmlns='http://www.w3.org/2000/svg'><text>{}</text></svg>",
            "x".repeat(100_000),
            "&a;".repeat(10_000)
        );
        assert_eq!(drawn(&long).err(), Some(PictureError::TooLarge));
        let external = "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg xmlns='http://www.w3.org/2000/svg'><text>&x;</text></svg>";
        assert!(drawn(external).is_err());
        let nested = "<g opacity='0.9'>".repeat(900) + "<rect width='9' height='9'/>" + &"</g>".repeat(900);
        let _ = drawn(&within_a_picture(&nested));
        let uses = "<g id='a'><rect width='1' height='1'/></g>".to_owned()
            + &(0..20)
                .map(|n| {
                    format!(
                        "<g id='u{n}'>{0}{0}</g>",
                        format!(
                            "<use xlink:href='#{}'/>",
                            if n == 0 { "a".to_owned() } else { format!("u{}", n - 1) }
                        )
                    )
                })
                .collect::<String>();
        let _ = drawn(&within_a_picture(&uses));
        let deep = "<g>".repeat(100_000);
        assert!(drawn(&within_a_picture(&deep)).is_err());
    }

    #[test]
    fn absurd_sizes_are_drawn_small_or_not_at_all() {
        for size in [
            "viewBox='0 0 1000000000 1000000000'",
            "width='1e9' height='1e9'",
            "width='1e9' height='1'",
            "width='0' height='0'",
            "width='-5' height='NaN'",
            "viewBox='0 0 0 0'",
            "viewBox='NaN inf 1 1'",
            "width='1e-9' height='1e-9'",
        ] {
            let svg =
                format!("<svg xmlns='http://www.w3.org/2000/svg' {size}><rect width='9' height='9'/></svg>");
            if let Ok(still) = drawn(&svg) {
                assert!(still.pixels.width() <= 160 && still.pixels.height() <= 80, "{size}");
            }
        }
    }

    #[test]
    fn scripts_are_ignored_and_nonsense_is_an_error() {
        let still = drawn(&within_a_picture("<script>alert(1)</script>")).unwrap();
        assert_eq!(opaque(&still), 0);
        for nonsense in ["", "<html/>", "<svg", "\u{0}", "<svg xmlns='http://www.w3.org/2000/svg'><g></svg>"]
        {
            assert!(matches!(drawn(nonsense), Err(PictureError::Damaged(_))), "{nonsense:?}");
        }
        assert!(still_of_bytes(&[0xff, 0xfe]).is_err());
        assert!(still_of_bytes(&[0x1f, 0x8b, 8, 0]).is_err(), "what is compressed is not unpacked");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_svg_fits_or_is_an_error(
            name in "rect|circle|path|text|g|use|image|mask|filter|linearGradient|pattern",
            attribute in "d|x|width|height|r|transform|opacity|filter|mask|fill|href|points|viewBox",
            value in "[-0-9eE., MLCAzZ#()a-z%]{0,30}",
        ) {
            let svg = within_a_picture(&format!("<{name} id='a' {attribute}='{value}'><rect width='5' height='5'/></{name}>"));
            if let Ok(still) = drawn(&svg) {
                prop_assert!(still.pixels.width() <= 160 && still.pixels.height() <= 80);
            }
        }
    }
}
