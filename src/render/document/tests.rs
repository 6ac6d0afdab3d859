use std::sync::Arc;

use proptest::prelude::*;
use unicode_width::UnicodeWidthStr;

use super::*;
use crate::terminal::ColorDepth;
use crate::theme::{Signs, Theme};

fn skin(depth: Option<ColorDepth>, unicode: bool) -> DocumentStyle {
    let theme = Arc::new(Theme::named("dark").unwrap());
    DocumentStyle { theme, depth, signs: Signs::new(unicode), unicode, links: depth.is_some() }
}

/// Lays out a document without styles.
fn plain(blocks: &[Block], width: usize) -> String {
    let skin = skin(None, true);
    paint(&lay_out(blocks, PageSize { width, rows: None }, &skin).0, &skin)
}

fn data(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/html/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn table(html: &str) -> Arc<Table> {
    let blocks = read_html(html);
    blocks
        .iter()
        .find_map(|block| if let Block::Table(table) = block { Some(Arc::clone(table)) } else { None })
        .unwrap()
}

#[test]
fn a_data_frame_with_two_levels_on_both_sides_keeps_its_shape() {
    insta::assert_snapshot!(plain(&read_html(&data("multiindex.html")), 80), @r##"
                 people             area
                     count  share    km²
    city   year
    ────────────────────────────────────
    Seoul  2024  9411440.0  0.182  605.2
           2025  9335734.0    NaN  605.2
    Busan  2024  3293362.0  0.064  770.0
           2025        NaN  0.063  770.0
    "##);
    let table = table(&data("multiindex.html"));
    assert_eq!((table.index, table.columns(), table.rows.len()), (2, 5, 4));
    assert_eq!(table.column_name(3), "people.share");
    assert!(table.is_data);
}

#[test]
fn a_data_frame_without_rows_and_columns_says_so() {
    let html =
        r#"<table border="1" class="dataframe"><thead><tr><th></th></tr></thead><tbody></tbody></table>"#;
    assert_eq!(plain(&read_html(html), 80).trim(), "[empty table]");
}

#[test]
fn a_table_truncated_by_pandas_is_still_a_table() {
    insta::assert_snapshot!(plain(&read_html(&data("truncated.html")), 80), @r##"
                 c0          c1          c2  ...         c27         c28         c29
    ────────────────────────────────────────────────────────────────────────────────
      0    0.000000    0.142857    0.285714  ...    3.857143    4.000000    4.142857
      1    4.285714    4.428571    4.571429  ...    8.142857    8.285714    8.428571
      2    8.571429    8.714286    8.857143  ...   12.428571   12.571429   12.714286
    ...         ...         ...         ...  ...         ...         ...         ...
     97  415.714286  415.857143  416.000000  ...  419.571429  419.714286  419.857143
     98  420.000000  420.142857  420.285714  ...  423.857143  424.000000  424.142857
     99  424.285714  424.428571  424.571429  ...  428.142857  428.285714  428.428571
    100 rows × 30 columns
    "##);
}

#[test]
fn columns_are_aligned_by_content_and_wide_characters_line_up() {
    let text = plain(&read_html(&data("mixed.html")), 100);
    insta::assert_snapshot!(text, @r##"
       name                                born        age  ok     share  note
    ──────────────────────────────────────────────────────────────────────────────────────────
    0  Ann                                 1990-01-02   35  True     12%  <b>bold?</b> & so on
    1  Bartholomew the Younger of Nowhere  2001-12-31   24  False   3.5%
    2  王小明                              NaT           7  None    100%  naïve ✓ 😀
    "##);
    insta::assert_snapshot!(plain(&read_html(&data("mixed.html")), 40), @r##"
       name      born      …  note
    ──────────────────────────────────
    0  Ann       1990-01…  …  <b>bold…
    1  Barthol…  2001-12…  …
    2  王小明    NaT       …  naïve ✓…
    "##);
}

#[test]
fn no_line_of_a_table_is_wider_than_the_window_and_no_number_is_cut() {
    for name in ["multiindex.html", "truncated.html", "mixed.html"] {
        let blocks = read_html(&data(name));
        for width in 20..130 {
            let text = plain(&blocks, width);
            assert!(text.lines().all(|line| line.width() <= width), "{name} {width}:\n{text}");
        }
    }
    // Every number that is shown is a value of the table.
    let table = table(&data("truncated.html"));
    let numbers: Vec<&str> = table.rows.iter().flatten().map(String::as_str).collect();
    for width in 20..60 {
        for line in plain(&read_html(&data("truncated.html")), width).lines().skip(2) {
            for word in line.split_whitespace().filter(|word| word.contains('.')) {
                assert!(numbers.contains(&word), "{width}: {word}");
            }
        }
    }
}

#[test]
fn polars_and_plain_tables_are_read_too() {
    let html = "<table><tr><th>k</th><th>v</th></tr><tr><td>a<br>b</td><td>1</td></tr><tr><td>c</td><td>-2.5e3</td></tr></table>";
    insta::assert_snapshot!(plain(&read_html(html), 60), @r##"
    k         v
    ───────────
    a b       1
    c    -2.5e3
    "##);
    let spans =
        "<table><tr><td rowspan=2>a</td><td colspan=2>b</td></tr><tr><td>c</td><td>d</td></tr></table>";
    let table = table(spans);
    assert_eq!(table.rows, [["a", "b", ""], ["", "c", "d"]]);
    let prose = "<table><tr><td>short</td><td>a long text that does not fit into the window and is therefore broken into lines</td></tr></table>";
    assert_eq!(plain(&read_html(prose), 40).lines().count(), 3);
}

#[test]
fn html_can_be_read() {
    let html = "<html><head><title>no</title><style>p{}</style></head><body><h1>Report</h1><p>Some <b>strong</b> and\n\n <i>light</i> words, \
        <code>x = 1</code>, <a href='https://example.com/a'>a link</a>.<br>Next line<p>Unclosed<ul><li>one<li>two <ol><li>in<li>ner</ol><li>three</ul>\
        <blockquote>said<blockquote>twice</blockquote></blockquote><pre><code class='language-python'>def f():\n    return 1\n</code></pre><hr>\
        <script>alert(1)</script><img alt='a plot' src=x><input type=checkbox checked>done &amp; dusted &lt;tag&gt;";
    insta::assert_snapshot!(plain(&read_html(html), 50), @r##"
    Report
    ══════

    Some strong and light words, x = 1, a link
    (https://example.com/a).
    Next line

    Unclosed

    • one
    • two
      1. in
      2. ner
    • three

    │ said
    │
    │ │ twice

      def f():
          return 1

    ──────────────────────────────────────────────────

    [a plot][x] done & dusted <tag>
    "##);
}

#[test]
fn markdown_can_be_read() {
    let text = "# Title\n\nSome *light* and **strong** text with `code`, ~~gone~~ and [a link](https://example.com), which goes on \
        for longer than a line.\n\n- one\n- two\n  1. inner\n  2. more\n\n> quoted\n> text\n\n```python\ndef f(x):\n    return x\n```\n\n\
        | a | b |\n|---|--:|\n| x | 1 |\n| yy | 22 |\n\n- [x] done\n- [ ] open\n\nInline $\\alpha^2$ and\n\n$$\\frac{a}{b}$$\n\n<b>html</b>\n\n---\nEnd[^1]\n\n[^1]: note\n";
    insta::assert_snapshot!(plain(&read_markdown(text), 50), @r##"
    Title
    ═════

    Some light and strong text with code, gone and a
    link (https://example.com), which goes on for
    longer than a line.

    • one
    • two
      1. inner
      2. more

    │ quoted text

      def f(x):
          return x

    a    b
    ──────
    x    1
    yy  22

    • [x] done
    • [ ] open

    Inline α² and

      a/b

    html

    ──────────────────────────────────────────────────

    End[1]

    [1] note
    "##);
}

#[test]
fn common_formulas_are_written_in_unicode_and_others_as_they_came() {
    for (source, shown) in [
        (r"x^2 + y_1", "x² + y₁"),
        (r"\alpha \leq \beta", "α ≤ β"),
        (r"\frac{1}{2}", "1/2"),
        (r"\frac{a+b}{c}", "(a+b)/c"),
        (r"\sqrt{x}", "√x"),
        (r"\sqrt[3]{x+1}", "∛(x+1)"),
        (r"e^{-\frac{x^2}{2\sigma^2}}", "e^(-x²/(2σ²))"),
        (r"\sum_{i=1}^{n} i", "∑ᵢ₌₁ⁿ i"),
        (r"\lim_{x \to 0} \frac{\sin x}{x}", "lim_(x → 0) (sin x)/x"),
        (r"\mathbb{R}^n", "ℝⁿ"),
        (r"\hat{y} = \mathbf{X}\beta", "ŷ = Xβ"),
        (r"\left( a \right)", "( a )"),
        (r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}", "(a b; c d)"),
        (r"\begin{aligned} a &= 1 \\ b &= 2 \end{aligned}", "a = 1\nb = 2"),
        (r"\int_0^\infty f(x)\,dx", "∫₀^∞ f(x) dx"),
        (r"\displaystyle x^{2}", "x²"),
    ] {
        let unicode = latex::to_unicode(source).map(|text| unicode_nfc(&text));
        assert_eq!(unicode.as_deref(), Some(unicode_nfc(shown).as_str()), "{source}");
    }
    for source in [
        r"\unknown{x}",
        r"\frac{a}",
        r"{",
        r"}",
        r"\begin{tikz} x \end{tikz}",
        r"\",
        "x^",
        r"\begin{pmatrix} a",
        r"a % b",
    ] {
        assert_eq!(latex::to_unicode(source), None, "{source}");
        assert!(!plain(&read_latex(&format!("${source}$")), 40).is_empty());
    }
    assert_eq!(plain(&read_latex("$\\displaystyle x^{2}$"), 40), "  x²\n");
    assert_eq!(latex::to_unicode(&"{".repeat(100_000)), None);
    assert!(latex::to_unicode(&"^".repeat(10_000)).is_some());
}

/// Composes the accents of the test as the program does.
fn unicode_nfc(text: &str) -> String {
    text.replace('ŷ', "y\u{302}")
}

#[test]
fn json_is_indented_in_its_order_and_folded_when_long() {
    let text = r#"{"zeta": [1, 2.5, -3e10, true, null], "alpha": {"deep": {"er": ["text with \"quotes\" and \u001b[31m", {}]}}, "e": []}"#;
    insta::assert_snapshot!(plain(&read_json(text).unwrap(), 80), @r##"
    {
      "zeta": [1, 2.5, -30000000000.0, true, null],
      "alpha": {
        "deep": {
          "er": ["text with \"quotes\" and \u001b[31m", {}]
        }
      },
      "e": []
    }
    "##);
    let long = format!("[{}]", vec!["{\"a\": [[1]]}"; 10_000].join(","));
    let shown = plain(&read_json(&long).unwrap(), 80);
    assert!(shown.contains("… 9945 more") && shown.lines().count() < 500, "{}", shown.lines().count());
    for wrong in ["", "{", "[1,]", "nonsense", &"[".repeat(100_000)] {
        assert!(read_json(wrong).is_none());
    }
    let deep = format!("{}1{}", "[[1,2],".repeat(60), "]".repeat(60));
    assert!(plain(&read_json(&deep).unwrap(), 80).contains("… 2"));
}

#[test]
fn links_are_given_to_terminals_that_know_them_if_they_lead_to_the_web() {
    let html = "<a href='https://x.org/a b\u{1b}]8;;'>one</a> <a href='javascript:alert(1)'>two</a> <a href='file:///etc/passwd'>three</a>";
    let skin = skin(Some(ColorDepth::Ansi16), true);
    let text = paint(&lay_out(&read_html(html), PageSize { width: 80, rows: None }, &skin).0, &skin);
    assert_eq!(text.matches("\x1b]8;;").count(), 2, "{text:?}");
    assert!(text.contains("\x1b]8;;https://x.org/a%20b%1B]8;;\x1b\\"), "{text:?}");
    assert_eq!(
        plain(&read_html("<a href='https://x.org'>one</a> <a href='https://y.org'>https://y.org</a>"), 80),
        "one (https://x.org) https://y.org\n"
    );
}

#[test]
fn text_between_tags_is_harmless() {
    let html = "<p>a&#27;[2Jb &#x202e;c</p><table><tr><td>x&#27;]0;t&#7;</td></tr></table><script>alert(1)</script><style>p{}</style>";
    let text = plain(&read_html(html), 80);
    assert!(!text.contains(['\x1b', '\u{202e}', '\x07']) && !text.contains("alert"), "{text:?}");
    let markdown = plain(
        &read_markdown("a\x1b[2Jb `\x1b]0;t\x07` \u{202e}\n\n```\n\x1bc\n```\n| \x1b[1m |\n|--|\n"),
        80,
    );
    assert!(!markdown.contains(['\x1b', '\u{202e}', '\x07']), "{markdown:?}");
}

#[test]
fn oversized_documents_end_within_the_limits() {
    assert_eq!(plain(&read_html(&"<div>".repeat(100_000)), 80), "");
    let deep = format!("{}core{}", "<b>".repeat(50_000), "</b>".repeat(50_000));
    assert_eq!(plain(&read_html(&deep), 80), "core\n");
    for nested in ["<ul><li>x", "<blockquote>y", "<ol><li><blockquote>z", "<table><tr><td>t"] {
        let text = plain(&read_html(&nested.repeat(5_000)), 80);
        assert!(text.lines().all(|line| line.width() <= 80), "{nested}");
    }
    for nested in ["> ", "- ", "1. ", "*", "[", "![", "`", "<", "$"] {
        plain(&read_markdown(&nested.repeat(2_000)), 80);
    }
    let many = format!("<table>{}", format!("<tr>{}</tr>", "<td>1</td>".repeat(1_000)).repeat(1_000));
    let text = plain(&read_html(&many), 80);
    assert!(text.contains("[the first 4.0 MiB of 9.5 MiB of HTML]"), "{:?}", text.lines().last());
    let span = "<table><tr><td rowspan=1000000000 colspan=1000000000>x</td></tr><tr><td>y</td></tr></table>";
    assert!(plain(&read_html(span), 80).contains('x'));
    let spans = format!("<table>{}", "<tr><td colspan=2000>x</td></tr>".repeat(2_000));
    assert!(plain(&read_html(&spans), 80).lines().count() > 1_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_html_is_laid_out_in_the_window(
        html in "(?s)(<(/?)(p|b|ul|ol|li|table|tr|td|th|thead|blockquote|h1|a href='http://x'|br|td rowspan=3|td colspan=2)>|[a-z0-9 \u{1b}\u{9b}한é&;.]{0,12}){0,40}",
        width in 20_usize..90,
    ) {
        let text = plain(&read_html(&html), width);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
        for line in text.lines() {
            prop_assert!(line.width() <= width.max(40), "{width}: {line:?}");
        }
    }

    #[test]
    fn any_text_is_some_html_markdown_latex_and_perhaps_json(text in "(?s).{0,400}") {
        for blocks in [read_html(&text), read_markdown(&text), read_latex(&text)] {
            prop_assert!(!plain(&blocks, 40).contains('\x1b'));
        }
        let _ = read_json(&text);
    }

    #[test]
    fn any_markdown_is_laid_out_in_the_window(
        text in "(?s)(#|- |\\d\\. |> |\\*|_|`|```|\\$|\\||\n|  |\\[x\\]\\(http://y\\)|[a-z \u{1b}한]{0,10}){0,60}",
        width in 20_usize..90,
    ) {
        let shown = plain(&read_markdown(&text), width);
        prop_assert!(!shown.contains('\x1b'));
    }

    #[test]
    fn any_formula_ends(source in "(\\\\[a-z]{1,6}|\\{|\\}|\\^|_|&|[a-z0-9+ ]){0,60}") {
        let _ = latex::to_unicode(&source);
    }

    #[test]
    fn csv_is_read_back_by_the_rules(cells in proptest::collection::vec("[a,\"\n ]{0,6}", 1..6)) {
        let table = Table { rows: vec![cells.clone()], align: vec![Align::Left; cells.len()], ..Table::default() };
        let csv = table.to_csv();
        prop_assert_eq!(unquoted(csv.strip_suffix("\r\n").unwrap()), cells);
    }
}

/// Reads one record of RFC 4180.
fn unquoted(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => {
                cell.push('"');
                rest.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[test]
fn what_a_terminal_cannot_play_is_told_and_a_bar_is_drawn() {
    let shown = |html: &str| plain(&read_html(html), 80);
    let link = "https://example.com/a.mp3";
    assert_eq!(
        shown(&format!("<audio controls><source src='{link}'>No audio here.</audio>")),
        format!("{link}\n")
    );
    assert_eq!(
        shown(&format!("<iframe width='400' src='{link}'></iframe>after")),
        format!("{link}\n\nafter\n")
    );
    assert_eq!(shown("<video src='data:video/mp4;base64,AA'>none</video>"), "");
    let bar = |done: usize, numbers: &str| format!("[{:-<40}] {numbers}\n", "=".repeat(done));
    assert_eq!(shown("<progress style='width:60ex' max='3' value='1'></progress>"), bar(13, "1/3"));
    assert_eq!(shown("<progress max='0' value='7'>old</progress>"), bar(0, "7/0"));
    assert_eq!(shown("<meter value='2'>"), bar(40, "2/1"));
}

#[test]
fn text_that_is_all_of_a_document_has_the_whole_width() {
    assert_eq!(plain(&read_html("<pre>┏━━┓\n┃ab┃</pre>"), 20), "┏━━┓\n┃ab┃\n");
    assert_eq!(plain(&read_html("<p>is</p><pre>code</pre>"), 20), "is\n\n  code\n");
}
