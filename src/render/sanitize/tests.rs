use super::{Attributes, Cursor, Pen, Policy, Sanitizer};
use crate::terminal::ColorDepth;

fn shown(input: &[u8]) -> String {
    let (mut cursor, mut pen) = (Cursor::new(80, 24), Pen::new(ColorDepth::TrueColor, false));
    let mut sanitizer = Sanitizer::new(Policy::Terminal, Attributes::default());
    let mut out = Vec::new();
    sanitizer.push(input, &mut cursor, &mut pen, &mut out);
    sanitizer.finish(&mut cursor, &mut pen, &mut out);
    pen.lift(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_title_is_not_set() {
    assert_eq!(shown(b"a\x1b]0;x\x07b"), "ab");
}
