//! Group A of the project's list of bad inputs, with its numbers, and properties over arbitrary input.

mod checker;

use super::{Attributes, Cursor, Pen, Policy, Sanitizer};
use crate::terminal::ColorDepth;
use checker::{damage, violation};
use proptest::prelude::*;

/// Returns the output of a stream in a window of 80×24 for these pieces.
fn shown<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    shown_in(80, 24, Policy::Terminal, pieces)
}

fn shown_in<'a>(cols: u16, rows: u16, policy: Policy, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let (mut cursor, mut pen) = (Cursor::new(cols, rows), Pen::new(ColorDepth::TrueColor, false));
    let mut sanitizer = Sanitizer::new(policy, Attributes::default());
    let mut out = Vec::new();
    for piece in pieces {
        sanitizer.push(piece, &mut cursor, &mut pen, &mut out);
    }
    sanitizer.finish(&mut cursor, &mut pen, &mut out);
    pen.reset(&mut out);
    out
}

/// The number in the list, the input, and the output.
const GROUP_A: &[(&str, &[u8], &str)] = &[
    ("1 title", b"a\x1b]0;x\x07b", "ab"),
    ("1 title, ST", b"a\x1b]2;x\x1b\\b", "ab"),
    ("1 title report", b"a\x1b[21tb", "ab"),
    ("2 DECRQSS", b"a\x1bP$q\"p\x1b\\b", "ab"),
    ("2 DECRQSS with a line feed", b"a\x1bP$q\ncommand\n\x1b\\b", "ab"),
    ("2 XTGETTCAP", b"a\x1bP+q544e\x1b\\b", "ab"),
    ("2 graphics", b"a\x1bGQb", "aQb"),
    ("2 font query", b"a\x1b]50;?\x07b", "ab"),
    ("2 ENQ", b"a\x05b", "a^Eb"),
    ("3 DSR", b"a\x1b[5nb", "ab"),
    ("3 CPR", b"a\x1b[6nb\x1b[?6nc", "abc"),
    ("3 DA1, DA2, DA3", b"a\x1b[cb\x1b[>cc\x1b[=cd", "abcd"),
    ("3 XTVERSION", b"a\x1b[>qb", "ab"),
    ("3 colour queries", b"a\x1b]10;?\x07\x1b]11;?\x1b\\\x1b]4;1;?\x07b", "ab"),
    ("3 DECID, DECRQM", b"a\x1bZb\x1b[?2026$pc", "abc"),
    ("4 clipboard write", b"a\x1b]52;c;aGk=\x07b", "ab"),
    ("4 clipboard read", b"a\x1b]52;c;?\x1b\\b", "ab"),
    ("4 clipboard, not base64, line feed", b"a\x1b]52;c;!!\nrm -rf ~\n\x07b", "ab"),
    ("5 link", b"see \x1b]8;;file:///etc/passwd\x1b\\here\x1b]8;;\x1b\\.", "see here."),
    ("5 link with controls", b"\x1b]8;;javascript:\x01\x02\x1b\\text", "text"),
    ("5 link, never closed", b"\x1b]8;;http://x\x07text", "text"),
    ("6 notifications", b"a\x1b]9;x\x07\x1b]99;;x\x1b\\\x1b]777;notify;x\x07b", "ab"),
    ("6 iTerm2", b"a\x1b]1337;File=name=eA==:AAAA\x07\x1b]1337;SetUserVar=x=eA==\x07b", "ab"),
    ("6 folder, forged prompt", b"a\x1b]7;file://x/\x07\x1b]133;A\x07\x1b]133;C\x1b\\b", "ab"),
    ("7 kitty graphics by file name", b"a\x1b_Gt=f,a=T;L2V0Yy9wYXNzd2Q=\x1b\\b", "ab"),
    ("7 sixel", b"a\x1bPq#0;2;0;0;0~-~\x1b\\b", "ab"),
    ("7 PM and SOS", b"a\x1b^x\x1b\\b\x1bXy\x1b\\c", "abc"),
    ("8 absolute moves", b"a\x1b[Hb\x1b[5;5Hc\x1b[3dd\x1b[2fe", "abcde"),
    ("8 erasing the screen", b"a\x1b[2Jb\x1b[3Jc\x1b[1Jd", "abcd"),
    ("8 alternate screen", b"a\x1b[?1049hb\x1b[?47hc", "abc"),
    ("8 drawn alternate screen", b"a\x1b[?1049hb\x1b[Hc\x1b[31md\n\x1b[?1049le", "abe"),
    ("8 alternate screen that is never left", b"a\x1b[?1049h\x1b[2Jb", "a"),
    ("8 scroll region", b"a\x1b[5;10rb", "ab"),
    (
        "8 mouse, focus, paste, cursor",
        b"a\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004l\x1b[?25lb",
        "ab",
    ),
    ("8 keyboard modes", b"a\x1b[>1u\x1b[=5u\x1b[<9u\x1b[>4;2mb", "ab"),
    ("8 reset, save and restore", b"a\x1bcb\x1b7c\x1b8d\x1b[!pe", "abcde"),
    ("8 character sets", b"a\x1b(0qqq\x0e\x1b)0b\x0f", "aqqq^Nb^O"),
    ("8 index, reverse index", b"a\x1bDb\x1bMc\x1bEd", "abcd"),
    ("8 colours left on", b"\x1b[31mred", "\x1b[31mred\x1b[0m"),
    (
        "9 C1 as UTF-8",
        "a\u{9b}31mb\u{9d}0;x\u{9c}c\u{90}q\u{9c}d\u{9f}G\u{9c}e".as_bytes(),
        "a\x1b[31mbcde\x1b[0m",
    ),
    ("9 C1 without a function", "a\u{85}b\u{84}c".as_bytes(), "a<U+0085>b<U+0084>c"),
    ("9 raw C1", b"a\x9b31mb\x9d0;x\x07c", "a\u{fffd}31mb\u{fffd}0;x^Gc"),
    ("9 cancelled", b"a\x1b[3\x18b\x1b]0;x\x1ac\x1bP\x18d", "abcd"),
    ("9 never ends", b"a\x1b[31", "a"),
    ("9 interrupted by another", b"a\x1b[3\x1b[1mb\x1b]0;x\x1b[0mc", "a\x1b[1mb\x1b[0mc"),
    ("9 interrupted by a line feed", b"a\x1b[3\nb", "a\nb"),
    ("9 interrupted by a character", "a\x1b[3éb\x1bßc".as_bytes(), "aébßc"),
    ("10 editing", b"a\x1b[65535@b\x1b[9Lc\x1b[9Md\x1b[9Se\x1b[9Tf\x1b[9Xg\x1b[9Ph\x1b[65535bi", "abcdefghi"),
    ("10 twenty digits", b"a\x1b[99999999999999999999Ab\x1b[99999999999999999999mc", "abc"),
    ("11 carriage return", b"secret\rpublic", "secret\rpublic"),
    ("11 backspace past column 0", b"ab\x08\x08\x08\x08c", "ab\x08\x08c"),
    ("12 overrides", "a\u{202e}b\u{2066}c\u{2069}".as_bytes(), "a<U+202E>b<U+2066>c<U+2069>"),
    ("12 tags, invisible", "a\u{e0041}\u{2060}\u{feff}\u{ad}b".as_bytes(), "ab"),
    ("12 joined emoji", "👩‍👩‍👧!".as_bytes(), "👩‍👩‍👧!"),
    ("12 private use", "\u{e0b0}\u{f0001}".as_bytes(), "\u{e0b0}\u{f0001}"),
    ("12 separators", "a\u{2028}b".as_bytes(), "a<U+2028>b"),
    ("13 invalid UTF-8", b"a\xffb\xc3(c\xe2\x82d", "a\u{fffd}b\u{fffd}(c\u{fffd}d"),
    ("13 overlong", b"\xc0\xaf\xe0\x80\xaf", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
    ("13 surrogate", b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
    ("13 NUL, DEL, BEL", b"a\0b\x7fc\x07d", "a^@b^?c^Gd"),
    ("13 cut at the end", b"a\xe2\x82", "a\u{fffd}"),
    ("13 vertical tab, form feed", b"a\x0bb\x0cc", "a^Kb^Lc"),
    ("15 our own prompt", "python ❯ saved to x".as_bytes(), "python ❯ saved to x"),
    // Output that programs need.
    ("a bar of tqdm", b"\r 50%|##  |\r100%|####|\n", "\r 50%|##  |\r100%|####|\n"),
    ("two bars of tqdm", b"a\n\rb\x1b[A\rc\n\r", "a\n\rb\x1b[1A\rc\n\r"),
    (
        "a bar of pip",
        b"\x1b[?25l   \x1b[32m--\x1b[0m\r\x1b[2K\x1b[?25hdone\n",
        "   \x1b[32m--\r\x1b[0m\x1b[2Kdone\n",
    ),
    ("moves up to the first line", b"1\n2\n3\x1b[9A\rX\x1b[9B", "1\n2\n3\x1b[2A\rX\x1b[2B"),
    ("moves within the line", b"ab\x1b[5Dc\x1b[999Cd\x1b[3Ge\x1b[Gf", "ab\x1b[2Dc\x1b[78Cd\x1b[3Ge\x1b[1Gf"),
    ("lines up and down", b"1\n2\x1b[Fx\x1b[Ey\x1b[9Fz", "1\n2\r\x1b[1Ax\r\x1b[1By\r\x1b[1Az"),
    ("erasing in the line", b"ab\x1b[K\x1b[1K\x1b[2K\x1b[3K\x1b[?K", "ab\x1b[0K\x1b[1K\x1b[2K"),
    ("erasing below", b"a\x1b[Jb\x1b[0Jc", "a\x1b[0Jb\x1b[0Jc"),
];

#[test]
fn bad_inputs_of_group_a_are_shown_as_specified() {
    for (name, input, expected) in GROUP_A {
        let out = shown([*input]);
        assert_eq!(String::from_utf8_lossy(&out), *expected, "{name}");
        assert_eq!(violation(&out), None, "{name}");
        assert_eq!(damage(&out, 80, 24), None, "{name}");
    }
}

#[test]
fn the_result_is_independent_of_where_the_input_is_split() {
    for (name, input, expected) in GROUP_A {
        for cut in 0..=input.len() {
            let (a, b) = input.split_at(cut);
            assert_eq!(String::from_utf8_lossy(&shown([a, b])), *expected, "{name}, cut at {cut}");
        }
        let bytes = shown(input.chunks(1));
        assert_eq!(String::from_utf8_lossy(&bytes), *expected, "{name}, byte by byte");
    }
}

#[test]
fn a_plain_text_policy_keeps_only_text() {
    for (name, input, _) in GROUP_A {
        for policy in [Policy::Plain, Policy::Dumb] {
            let (mut cursor, mut pen) = (Cursor::new(80, 24), Pen::new(ColorDepth::None, true));
            let mut sanitizer = Sanitizer::new(policy, Attributes::default());
            let mut out = Vec::new();
            sanitizer.push(input, &mut cursor, &mut pen, &mut out);
            sanitizer.finish(&mut cursor, &mut pen, &mut out);
            assert!(!out.contains(&0x1b), "{name}, {policy:?}");
            assert_eq!(violation(&out), None, "{name}, {policy:?}");
            let moves: &[u8] = match policy {
                Policy::Plain => b"\r\x08",
                _ => b"",
            };
            assert!(!out.iter().any(|byte| moves.contains(byte)), "{name}, {policy:?}");
        }
        let input = String::from_utf8_lossy(input);
        for out in [super::name(&input, usize::MAX), super::line(&input, usize::MAX)] {
            assert!(!out.contains(|c: char| c.is_control()), "{name}: {out:?}");
            assert_eq!(violation(out.as_bytes()), None, "{name}: {out:?}");
        }
    }
}

#[test]
fn raw_output_is_unchanged() {
    for (name, input, _) in GROUP_A {
        assert_eq!(shown_in(80, 24, Policy::Raw, [*input]), *input, "{name}");
    }
}

/// Feeds `piece` until `total` bytes are written. Returns the largest size of the state, and the length of the output.
fn flood(start: &[u8], piece: &[u8], total: usize) -> (usize, usize) {
    let (mut cursor, mut pen) = (Cursor::new(80, 24), Pen::new(ColorDepth::TrueColor, false));
    let mut sanitizer = Sanitizer::new(Policy::Terminal, Attributes::default());
    let mut out = Vec::new();
    sanitizer.push(start, &mut cursor, &mut pen, &mut out);
    let (mut written, mut fed) = (out.len(), 0);
    while fed < total {
        out.clear();
        sanitizer.push(piece, &mut cursor, &mut pen, &mut out);
        written += out.len();
        fed += piece.len();
    }
    (sanitizer.parameters.capacity(), written)
}

#[test]
fn a_sequence_that_never_ends_takes_no_memory() {
    let digits = vec![b'1'; 64 * 1024];
    let many = "1;".repeat(32 * 1024).into_bytes();
    let text = vec![b'x'; 64 * 1024];
    for (start, piece) in [
        (&b"\x1b]0;"[..], &text),
        (b"\x1bP", &text),
        (b"\x1b_G", &text),
        (b"\x1b[", &digits),
        (b"\x1b[", &many),
        (b"\x1b ", &vec![b' '; 64 * 1024]),
    ] {
        let (memory, written) = flood(start, piece, 4 << 20);
        assert!(memory <= 1024, "{start:?}: {memory}");
        assert_eq!(written, 0, "{start:?}");
    }
}

#[test]
fn an_unfinished_string_that_swallowed_text_is_reported() {
    let (mut cursor, mut pen) = (Cursor::new(80, 24), Pen::new(ColorDepth::TrueColor, false));
    let mut sanitizer = Sanitizer::new(Policy::Terminal, Attributes::default());
    let mut out = Vec::new();
    sanitizer.push(b"a\x1b]0;title\x07b\x1b]lost text", &mut cursor, &mut pen, &mut out);
    assert_eq!(sanitizer.finish(&mut cursor, &mut pen, &mut out), 9);
    assert_eq!(sanitizer.finish(&mut cursor, &mut pen, &mut out), 0);
    sanitizer.push(b"c", &mut cursor, &mut pen, &mut out);
    assert_eq!(out, b"abc", "the next cell is shown again");
}

#[test]
fn ten_thousand_joining_characters_are_cut() {
    let pile = format!("e{}f", "\u{301}".repeat(10_000));
    let out = shown([pile.as_bytes()]);
    assert_eq!(out.len(), 1 + 16 * 2 + 1);
    let out = shown(pile.as_bytes().chunks(1));
    assert_eq!(out.len(), 1 + 16 * 2 + 1, "also across pieces");
}

#[test]
fn a_wide_character_at_the_last_column_counts_as_on_the_next_line() {
    let mut input = "x".repeat(79);
    input.push_str("한\x1b[5A\x1b[2K");
    let out = shown([input.as_bytes()]);
    assert!(out.ends_with("한\x1b[1A\x1b[2K".as_bytes()), "{}", String::from_utf8_lossy(&out));
    assert_eq!(damage(&out, 80, 24), None);
}

#[test]
fn streams_have_colours_and_sequences_of_their_own() {
    let (mut cursor, mut pen) = (Cursor::new(80, 24), Pen::new(ColorDepth::TrueColor, false));
    let red = Attributes { fg: Some(crate::theme::Color::Ansi(1)), ..Attributes::default() };
    let mut stdout = Sanitizer::new(Policy::Terminal, Attributes::default());
    let mut stderr = Sanitizer::new(Policy::Terminal, red);
    let mut out = Vec::new();
    stdout.push("a\x1b[32mb한".as_bytes().get(..8).unwrap(), &mut cursor, &mut pen, &mut out);
    stderr.push(b"E\x1b[1mF\x1b[0mG\x1b[34mH\x1b[39mI\x1b]", &mut cursor, &mut pen, &mut out);
    stdout.push("한c".as_bytes().get(1..).unwrap(), &mut cursor, &mut pen, &mut out);
    pen.reset(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "a\x1b[32mb\x1b[31mE\x1b[1mF\x1b[22mG\x1b[34mH\x1b[31mI\x1b[32m한c\x1b[0m"
    );
}

/// A generator of pieces of hostile output.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let csi = ("[0-9;:?>$ ]{0,12}", "[@-~]")
        .prop_map(|(parameters, last)| format!("\x1b[{parameters}{last}").into_bytes());
    let moves = (0..30_u32, prop::sample::select(b"ABCDEFGKJ".to_vec()))
        .prop_map(|(n, last)| format!("\x1b[{n}{}", char::from(last)).into_bytes());
    let fixed = prop::sample::select(GROUP_A.iter().map(|(_, input, _)| input.to_vec()).collect::<Vec<_>>());
    prop_oneof![
        4 => prop::string::string_regex("[ -~]{0,40}").unwrap().prop_map(String::into_bytes),
        2 => "\\PC{0,12}".prop_map(String::into_bytes),
        3 => prop::sample::select(vec![b"\n".to_vec(), b"\r".to_vec(), b"\t".to_vec(), b"\x08".to_vec(), b"\n\n\n".to_vec()]),
        2 => csi,
        4 => moves,
        3 => fixed,
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => "[한국漢字😀👩‍]{1,9}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn only_what_is_allowed_comes_out(
        fragments in prop::collection::vec(fragment(), 0..40),
        (cols, rows) in prop_oneof![Just((80_u16, 24_u16)), (2..30_u16, 2..12_u16)],
        piece in 1..50_usize,
    ) {
        let input = fragments.concat();
        let out = shown_in(cols, rows, Policy::Terminal, [&input[..]]);
        prop_assert_eq!(violation(&out), None);
        prop_assert_eq!(damage(&out, cols, rows), None, "{:?}", String::from_utf8_lossy(&out));
        let cut = shown_in(cols, rows, Policy::Terminal, input.chunks(piece));
        prop_assert_eq!(out, cut);
    }

    #[test]
    fn plain_text_passes_unchanged(text in "[ -~\n가-힣一-龥а-я]{0,300}") {
        prop_assert_eq!(shown([text.as_bytes()]), text.as_bytes());
    }
}
