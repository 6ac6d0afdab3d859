use super::*;
use proptest::prelude::*;

fn model(columns: u16, rows: u16, bytes: &[u8]) -> Model {
    let mut model = Model::new(columns, rows);
    model.feed(bytes);
    model
}

fn answers(bytes: &[u8]) -> String {
    String::from_utf8(model(80, 24, bytes).take_answers()).unwrap()
}

/// All visible cells with their styles.
fn picture(model: &Model) -> Vec<String> {
    model
        .glyphs()
        .filter(|glyph| glyph.character != ' ' || glyph.style != CellStyle::default())
        .map(|glyph| {
            format!(
                "{},{} {}{:?} {} {:?}",
                glyph.row, glyph.column, glyph.character, glyph.combining, glyph.width, glyph.style
            )
        })
        .collect()
}

#[test]
fn the_model_answers_queries() {
    assert_eq!(answers(b"\x1b[c"), "\x1b[?62;22c");
    assert!(answers(b"\x1b[>c").starts_with("\x1b[>0;"));
    assert_eq!(answers(b"\x1b[5n"), "\x1b[0n");
    assert_eq!(answers(b"ab\r\ncd\x1b[6n"), "\x1b[2;3R");
    assert_eq!(answers(b"\x1b]11;?\x07"), "\x1b]11;rgb:0000/0000/0000\x07");
    assert_eq!(answers(b"\x1b]4;1;?\x1b\\"), "\x1b]4;1;rgb:cdcd/0000/0000\x1b\\");
    assert!(answers(b"\x1b[>0q").starts_with("\x1bP>|bai-repl "));
    assert_eq!(answers(b"\x1bP$qm\x1b\\"), "\x1bP0$r\x1b\\");
    assert_eq!(answers(b"\x1bP$q q\x1b\\"), "\x1bP1$r2 q\x1b\\");
    assert_eq!(answers(b"\x1b[5 q\x1bP$q q\x1b\\"), "\x1bP1$r5 q\x1b\\");
    assert_eq!(answers(b"\x1bP$q qq\x1b\\"), "\x1bP0$r\x1b\\");
    assert_eq!(answers(b"\x1b[18t"), "\x1b[8;24;80t");
    assert_eq!(answers(b"\x1b[?2026$p"), "\x1b[?2026;2$y");
}

#[test]
fn a_hostile_program_cannot_send_keys_through_answers() {
    assert_eq!(answers(b"\x1b]0;rm -rf /\x07\x1b[21t\x1b[20t"), "", "the title is not reported");
    assert_eq!(answers(b"\x1b]52;c;?\x07"), "", "the clipboard is not reported");
    assert_eq!(answers(b"\x1bP$q\nrm -rf\n\x1b\\"), "\x1bP0$r\x1b\\");
    assert_eq!(answers(b"\x1b]50;?\x07\x05\x1bGQ"), "");
    let flood = answers(&b"\x1b[6n".repeat(100_000));
    assert!(flood.len() <= 64 * 1024);
}

#[test]
fn titles_are_one_short_printable_line() {
    let long = format!("\x1b]2;a\tb\u{202e}c{}\x07", "x".repeat(1000));
    let mut model = model(80, 24, long.as_bytes());
    assert!(model.title().starts_with("ab<U+202E>cx"), "{:?}", model.title());
    assert_eq!(model.title().chars().count(), 200);
    assert_eq!(model.take_events(), [ModelEvent::Title]);
    model.feed(b"\x1b[22t\x1b]0;other\x07\x1b[23t");
    assert!(model.title().starts_with("ab<U+202E>cx"), "pushed and popped");
}

#[test]
fn bells_and_clipboard_requests_are_events() {
    let mut model = model(80, 24, b"\x07\x07\x07\x1b]52;c;aGVsbG8=\x07");
    assert_eq!(model.take_events(), [ModelEvent::Bell, ModelEvent::Clipboard("hello".into())]);
    model.feed(b"\x1b]52;c;not base64!\x07");
    assert_eq!(model.take_events(), []);
}

#[test]
fn modes_are_reported() {
    let mut model = model(80, 24, b"\x1b[?9h");
    assert_eq!(model.modes().mouse, MouseProtocol::X10);
    model.feed(b"\x1b[?1000h\x1b[?1015h");
    assert_eq!(
        (model.modes().mouse, model.modes().mouse_encoding),
        (MouseProtocol::Normal, MouseEncoding::Urxvt)
    );
    model.feed(b"\x1b[?1003h\x1b[?1006h\x1b[?1h\x1b=\x1b[?2004h\x1b[?1004h\x1b[?47h");
    let modes = model.modes();
    assert_eq!((modes.mouse, modes.mouse_encoding), (MouseProtocol::Any, MouseEncoding::Sgr));
    assert!(modes.application_cursor && modes.application_keypad && modes.bracketed_paste && modes.focus);
    assert!(modes.alternate_screen);
    model.feed(b"\x1bc");
    assert_eq!(model.modes(), Modes { alternate_scroll: true, ..Modes::default() });
}

#[test]
fn a_synchronized_update_ends_by_itself() {
    let mut model = model(80, 24, b"\x1b[?2026hhalf");
    assert!(
        model
            .updating_until()
            .is_some_and(|end| end <= Instant::now() + std::time::Duration::from_millis(150))
    );
    assert_eq!(model.rows()[0], "half", "parsed, only not to be painted yet");
    model.feed(b"\x1b[?2026l");
    assert_eq!(model.updating_until(), None);
}

#[test]
fn combining_characters_are_bounded_and_deceptive_ones_dropped() {
    let text = format!("e{}x\u{202e}y\u{e0041}z", "\u{301}".repeat(10_000));
    let model = model(80, 24, text.as_bytes());
    assert_eq!(model.rows()[0], format!("e{}xyz", "\u{301}".repeat(8)));
}

#[test]
fn absurd_counts_cost_no_more_than_the_screen() {
    let mut model = Model::new(200, 50);
    for last in
        ['@', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'I', 'L', 'M', 'P', 'S', 'T', 'X', 'Z', 'b', 'd', 'e']
    {
        for count in ["65535", "99999999999999999999"] {
            let sequence = format!("x\x1b[{count}{last}\x1b[H");
            model.feed(sequence.repeat(100).as_bytes());
        }
    }
    let many = format!("\x1b[{}m\x1b[H\x1b[2Jok", "1;".repeat(10_000));
    model.feed(many.as_bytes());
    assert_eq!(model.rows()[0], "ok");
}

#[test]
fn scrollback_is_kept_found_and_left() {
    let mut model = Model::new(40, 5);
    for n in 0..200 {
        model.feed(format!("line {n} of Many\r\n").as_bytes());
    }
    assert_eq!(model.history(), 196);
    assert!(model.search("line 42 ", Direction::Older));
    assert_eq!(model.selected_text().as_deref(), Some("line 42 "));
    assert!(model.rows().iter().any(|row| row.contains("line 42 ")));
    assert!(model.search("many", Direction::Older), "case makes no difference");
    assert!(model.search("Many", Direction::Newer));
    assert!(!model.search("MANY", Direction::Older), "unless there are capitals");
    assert!(!model.search("(.*", Direction::Older), "a text, not a pattern");
    let before = model.scrolled_back();
    model.feed(b"more\r\n");
    assert_eq!(model.scrolled_back(), before + 1, "the window stays on what is read");
    assert_eq!(model.cursor(), None);
    model.scroll_to_bottom();
    assert_eq!(model.rows()[3], "more");
    assert!(model.cursor().is_some());
}

#[test]
fn a_match_is_followed_by_the_next_one_and_then_by_the_first() {
    let mut model = model(40, 5, b"a1\r\na2\r\na3");
    let mut seen = Vec::new();
    for _ in 0..4 {
        assert!(model.search("a", Direction::Older));
        seen.push(model.glyphs().find(|glyph| glyph.selected).unwrap().row);
    }
    assert_eq!(seen, [2, 1, 0, 2]);
    assert!(model.search("a", Direction::Newer));
    assert_eq!(model.glyphs().find(|glyph| glyph.selected).unwrap().row, 0);
}

#[test]
fn selections_join_wrapped_lines_and_grow_by_words() {
    let mut model = model(10, 4, b"hello brave new world");
    model.select(0, 0, SelectionKind::Cells);
    model.select_to(9, 1);
    assert_eq!(model.selected_text().as_deref(), Some("hello brave new worl"));
    model.select(7, 0, SelectionKind::Words);
    assert_eq!(model.selected_text().as_deref(), Some("brave"));
    model.clear_selection();
    assert_eq!(model.selected_text(), None);
}

#[test]
fn repainting_a_plain_terminal_shows_the_same() {
    let screens: [&[u8]; 4] = [
        b"plain\r\n\x1b[31mred\x1b[1;4:3;58;5;9mcurly\x1b[0;38;2;1;2;3;48;5;200mtrue\x1b[0m\x1b[7m rev ",
        "한글 テスト e\u{301} 😀\r\n\x1b(0lqqk\x1b(B\r\n\ttab".as_bytes(),
        b"\x1b[?1049h\x1b[?1003h\x1b[?1006h\x1b[?1h\x1b=\x1b[?2004h\x1b[5 q\x1b[10;10Hvim\x1b[42m",
        b"\x1b[?25l\x1b[4h\x1b[?7l\x1b[97;103mbright",
    ];
    for screen in screens {
        let original = model(60, 20, screen);
        let mut copy = model(60, 20, b"rubbish\x1b[41m\x1b[5;10r\x1b[?6h\x1b[?1000h\x1b(0");
        copy.feed(&original.repaint());
        assert_eq!(picture(&copy), picture(&original));
        assert_eq!(copy.cursor(), original.cursor());
        let without_screen = |modes: Modes| Modes { alternate_screen: false, ..modes };
        assert_eq!(without_screen(copy.modes()), without_screen(original.modes()));
        copy.feed(b"next");
        let mut original = original;
        original.feed(b"next");
        assert_eq!(picture(&copy), picture(&original), "what comes next looks the same");
    }
}

#[test]
fn many_resizes_with_wide_text_are_safe() {
    let mut model = Model::new(80, 24);
    let text = "漢字かな交じり文と한글と😀 family 👨‍👩‍👧 e\u{301}\r\n".repeat(30);
    for (n, (columns, rows)) in
        [(1, 1), (1000, 1000), (2, 1), (3, 2), (1, 1000), (1000, 1), (81, 23), (0, 0), (80, 24)]
            .into_iter()
            .cycle()
            .take(45)
            .enumerate()
    {
        model.feed(text.as_bytes());
        if n % 7 == 3 {
            model.feed(b"\x1b[?1049h");
        }
        model.resize(columns, rows);
        model.feed(text.as_bytes());
        if n % 5 == 4 {
            model.feed(b"\x1b[?1049l");
        }
        assert!(model.glyphs().count() > 0);
    }
    assert_eq!(model.size(), (80, 24));
}

#[test]
fn the_scrollback_of_a_wide_window_has_fewer_lines() {
    let mut model = Model::new(1000, 2);
    model.feed(&b"x\r\n".repeat(20_000));
    assert_eq!(model.history(), 2000);
    model.resize(100, 2);
    model.feed(&b"x\r\n".repeat(20_000));
    assert_eq!(model.history(), 10_000);
    model.resize(1000, 2);
    assert_eq!(model.history(), 2000);
}

#[test]
fn a_region_that_scrolls_below_a_scrolled_window_is_safe() {
    let mut model = model(20, 6, b"\x1b[M");
    model.scroll(1);
    model.feed(b"\n\x1b[M");
    assert_eq!(model.scrolled_back(), 1);
    assert_eq!(model.glyphs().count(), 120);
}

#[test]
fn half_of_a_wide_character_is_blank() {
    let model = model(10, 2, "漢字x\x1b[2G\x1b[P".as_bytes());
    let columns: Vec<u16> = model.glyphs().filter(|glyph| glyph.row == 0).map(|glyph| glyph.column).collect();
    assert!(columns.windows(2).all(|pair| pair[0] < pair[1]), "{columns:?}");
    assert!(model.glyphs().all(|glyph| glyph.column + u16::from(glyph.width) <= 10));
    assert_eq!(model.rows()[0], " 字x", "the first half of 漢 is left");
    let mut model = Model::new(10, 2);
    model.feed("漢字x\x1b[1G\x1b[P".as_bytes());
    model.select(0, 0, SelectionKind::Lines);
    assert_eq!(model.selected_text().as_deref(), Some(" 字x"));
    assert!(model.search("x", Direction::Older));
}

/// Sequences that random bytes rarely form.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let last = prop::sample::select(b"@ABCDEFGHIJKLMPSTXZ`abcdefghlmnpqrstu".to_vec());
    let private = prop::sample::select(vec!["", "?", ">", "=", "!"]);
    let parameters = prop::collection::vec(
        prop_oneof![
            Just(0_u32),
            1..10_u32,
            20..60_u32,
            Just(1000),
            Just(1047),
            Just(1049),
            Just(2026),
            any::<u32>()
        ],
        0..4,
    );
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        (private, parameters, last).prop_map(|(private, parameters, last)| {
            let parameters: Vec<String> = parameters.iter().map(u32::to_string).collect();
            let mut bytes = format!("\x1b[{private}{}", parameters.join(";")).into_bytes();
            bytes.push(last);
            bytes
        }),
        prop::sample::select(vec![
            "漢字",
            "😀👨‍👩‍👧",
            "e\u{301}\u{302}",
            "\r\n",
            "\t",
            "\x08",
            "\x1b(0",
            "\x0e",
            "\x0f",
            "\x1b7",
            "\x1b8",
            "\x1bM",
            "\x1bD",
            "\x1bE",
            "\x1bH",
            "\x1b#8",
            "\x1bc",
            "\x1b]4;1;#fff\x07",
            "\x1b]8;;http://x\x07",
            "\x1b[4h",
            "\x1b[?7l",
            "\x1b[?6h",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Feed(Vec<u8>),
    Resize(u16, u16),
    Scroll(i32),
    Select(u16, u16),
    Search(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => piece().prop_map(Step::Feed),
        2 => (prop_oneof![0..6_u16, 0..200_u16], prop_oneof![0..4_u16, 0..60_u16]).prop_map(|(c, r)| Step::Resize(c, r)),
        1 => (-50..50_i32).prop_map(Step::Scroll),
        1 => (0..210_u16, 0..70_u16).prop_map(|(c, r)| Step::Select(c, r)),
        1 => prop_oneof![9 => Just(Step::Scroll(0)), 1 => any::<bool>().prop_map(Step::Search)],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_handled_without_a_panic(steps in prop::collection::vec(step(), 1..80)) {
        let mut model = Model::new(20, 6);
        for step in steps {
            match step {
                Step::Feed(bytes) => model.feed(&bytes),
                Step::Resize(columns, rows) => model.resize(columns, rows),
                Step::Scroll(lines) => model.scroll(lines),
                Step::Select(column, row) => {
                    model.select(column / 2, row / 2, SelectionKind::Words);
                    model.select_to(column, row);
                    let _ = model.selected_text();
                }
                Step::Search(older) => {
                    model.search("字", if older { Direction::Older } else { Direction::Newer });
                }
            }
            let (columns, rows) = model.size();
            for glyph in model.glyphs() {
                prop_assert!(glyph.column < columns && glyph.row < rows);
                prop_assert!(!glyph.character.is_control());
            }
            let _ = (model.cursor(), model.repaint(), model.take_answers(), model.take_events());
        }
    }
}
