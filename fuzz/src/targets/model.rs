//! The screen model with arbitrary bytes. The window is resized and scrolled in between.
//!
//! The input is the program's output. A byte 0xff, which never occurs in text, is followed by a new size or a scroll.

use bai_repl::terminal::model::{Direction, Model, SelectionKind};

/// Output, with resizes and scrolls.
pub fn model(bytes: &[u8]) {
    let mut model = Model::new(20, 6);
    for piece in bytes.split_inclusive(|byte| *byte == 0xff) {
        let (head, text) = piece.split_at(piece.len().min(3));
        if let [what, a, b] = *head {
            match what % 5 {
                0 => model.resize(a.into(), u16::from(b) % 64),
                1 => model.scroll(i32::from(a as i8)),
                2 => {
                    model.select(a.into(), b.into(), SelectionKind::Words);
                    model.select_to(b.into(), a.into());
                    let _ = model.selected_text();
                }
                3 => {
                    model.search("x", if a % 2 == 0 { Direction::Older } else { Direction::Newer });
                }
                _ => model.scroll_to_bottom(),
            }
        }
        model.feed(text);
        let (columns, rows) = model.size();
        assert!(model.glyphs().all(|glyph| glyph.column < columns && glyph.row < rows));
        let _ = (model.cursor(), model.repaint(), model.take_answers(), model.take_events(), model.title());
    }
}
