//! Progress bars of real programs look the same through the console as in a terminal.

use super::*;
use crate::terminal::model::Model;

/// Returns the screen of a terminal after these bytes, with line ends as the terminal's driver makes them.
fn screen(bytes: &[u8]) -> Vec<String> {
    let mut model = Model::new(80, 24);
    let text: Vec<u8> =
        bytes.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect();
    model.feed(&text);
    model
        .glyphs()
        .filter(|glyph| glyph.character != ' ')
        .map(|glyph| format!("{},{} {} {:?}", glyph.row, glyph.column, glyph.character, glyph.style))
        .collect()
}

#[test]
fn recorded_bars_look_as_they_do_in_a_terminal() {
    for name in ["tqdm", "rich", "pip", "r"] {
        let path = format!("{}/tests/data/progress/{name}.stream", env!("CARGO_MANIFEST_DIR"));
        let stream = std::fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&stream).into_owned();
        for (piece, stream) in [(usize::MAX, Stream::Stdout), (7, Stream::Stdout), (1, Stream::Stderr)] {
            let mut bench = bench(|options| {
                options.theme = Arc::new(Theme::plain());
                options.screen.colors = ColorDepth::TrueColor;
            });
            // The screens are compared after each piece and not only at the end, because a user may look at any moment.
            let mut raw = String::new();
            let mut chars = text.chars().peekable();
            let mut looks = 0;
            while chars.peek().is_some() {
                let part: String = chars.by_ref().take(piece).collect();
                let _flow = bench.console.text(stream, &part).unwrap();
                raw.push_str(&part);
                looks += 1;
                if looks % 97 == 0 {
                    bench.flush();
                    assert_eq!(
                        screen(&bench.out.0.borrow().bytes),
                        screen(raw.as_bytes()),
                        "{name} after {looks}"
                    );
                }
            }
            bench.flush();
            let shown = screen(&bench.out.0.borrow().bytes);
            assert!(shown.len() > 40, "{name}");
            assert_eq!(shown, screen(text.as_bytes()), "{name} in pieces of {piece}");
        }
    }
}
