//! The golden output of every kind of text record: three widths without colours, and four colour depths in a narrow
//! window.

use super::*;

const MARKDOWN: &str = "# Fit\n\nThe *mean* of **x** is `0.5`, see [the page](https://example.com/a).\n\n- one\n- two with $\\sigma^2$\n\n\
    ```python\nreturn None  # nothing\n```\n\n| name | score |\n|---|--:|\n| Ann | 12.5 |\n| Béla | 7 |\n";
const HTML: &str = "<h2>Run</h2><p>It took <b>3 s</b> and used <code>cuda:0</code>.</p><ol><li>load<li>train</ol><blockquote>fine</blockquote>";
const TABLE: &str = "<table class='dataframe'><thead><tr><th></th><th>city</th><th>people</th><th>area</th></tr></thead><tbody>\
    <tr><th>0</th><td>Seoul</td><td>9411440</td><td>605.2</td></tr><tr><th>1</th><td>서울시 강남구</td><td>NaN</td><td>39.5</td></tr></tbody></table>";
const JSON: &str = r#"{"lr": 0.01, "layers": [{"units": 64, "bias": true}, {"units": 1, "bias": null}], "name": "a rather long name for a model"}"#;
const LATEX: &str = "$$\\hat\\beta = (X^T X)^{-1} X^T y \\leq \\frac{1}{n}$$";
const TRACEBACK: &str = "Traceback (most recent call last):\n  File \"/srv/model.py\", line 12, in fit\n    raise ValueError('no data')\nValueError: no data\n";

fn records() -> Vec<ConsoleRecord> {
    let media = |mime: &str, data: &str| ConsoleRecord::Media { mime: mime.into(), data: data.into() };
    vec![
        ConsoleRecord::Html(TABLE.into()),
        ConsoleRecord::Html(HTML.into()),
        media("text/markdown", MARKDOWN),
        media("text/latex", LATEX),
        media("application/json", JSON),
        ConsoleRecord::Stdout("plain \x1b[32mgreen\x1b[0m text\n".into()),
        ConsoleRecord::Stderr(TRACEBACK.into()),
        ConsoleRecord::Log("a line of the log".into()),
    ]
}

fn shown(cols: u16, depth: ColorDepth, theme: Theme, links: bool) -> String {
    let mut bench = bench(|options| {
        options.size = Size { cols, rows: 40, pixels: None };
        options.screen.colors = depth;
        options.theme = Arc::new(theme.clone());
        options.links = links;
    });
    for record in records() {
        let _flow = bench.console.record(&record).unwrap();
        assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
        bench.out.0.borrow_mut().bytes.extend_from_slice(b"---\n");
    }
    bench.out.text()
}

fn plain(cols: u16) -> String {
    shown(cols, ColorDepth::None, Theme::plain(), false)
}

fn dark(depth: ColorDepth) -> String {
    shown(40, depth, Theme::named("dark").unwrap(), true)
}

#[test]
fn in_a_narrow_window() {
    insta::assert_snapshot!(plain(40), @r##"
       city            people   area
    ────────────────────────────────
    0  Seoul          9411440  605.2
    1  서울시 강남구      NaN   39.5
    ---
    Run

    It took 3 s and used cuda:0.

    1. load
    2. train

    │ fine
    ---
    Fit
    ═══

    The mean of x is 0.5, see the page
    (https://example.com/a).

    • one
    • two with σ²

      return None  # nothing

    name  score
    ───────────
    Ann    12.5
    Béla      7
    ---
      β̂ = (Xᵀ X)⁻¹ Xᵀ y ≤ 1/n
    ---
    {
      "lr": 0.01,
      "layers": [
        {"units": 64, "bias": true},
        {"units": 1, "bias": null}
      ],
      "name": "a rather long name for a model"
    }
    ---
    plain green text
    ---
    Traceback (most recent call last):
      File "/srv/model.py", line 12, in fit
        raise ValueError('no data')
    ValueError: no data
    ---
    a line of the log
    ---
    "##);
}

#[test]
fn in_a_window_of_80() {
    insta::assert_snapshot!(plain(80), @r##"
       city            people   area
    ────────────────────────────────
    0  Seoul          9411440  605.2
    1  서울시 강남구      NaN   39.5
    ---
    Run

    It took 3 s and used cuda:0.

    1. load
    2. train

    │ fine
    ---
    Fit
    ═══

    The mean of x is 0.5, see the page (https://example.com/a).

    • one
    • two with σ²

      return None  # nothing

    name  score
    ───────────
    Ann    12.5
    Béla      7
    ---
      β̂ = (Xᵀ X)⁻¹ Xᵀ y ≤ 1/n
    ---
    {
      "lr": 0.01,
      "layers": [
        {"units": 64, "bias": true},
        {"units": 1, "bias": null}
      ],
      "name": "a rather long name for a model"
    }
    ---
    plain green text
    ---
    Traceback (most recent call last):
      File "/srv/model.py", line 12, in fit
        raise ValueError('no data')
    ValueError: no data
    ---
    a line of the log
    ---
    "##);
}

#[test]
fn in_a_wide_window() {
    insta::assert_snapshot!(plain(200), @r##"
       city            people   area
    ────────────────────────────────
    0  Seoul          9411440  605.2
    1  서울시 강남구      NaN   39.5
    ---
    Run

    It took 3 s and used cuda:0.

    1. load
    2. train

    │ fine
    ---
    Fit
    ═══

    The mean of x is 0.5, see the page (https://example.com/a).

    • one
    • two with σ²

      return None  # nothing

    name  score
    ───────────
    Ann    12.5
    Béla      7
    ---
      β̂ = (Xᵀ X)⁻¹ Xᵀ y ≤ 1/n
    ---
    {
      "lr": 0.01,
      "layers": [
        {"units": 64, "bias": true},
        {"units": 1, "bias": null}
      ],
      "name": "a rather long name for a model"
    }
    ---
    plain green text
    ---
    Traceback (most recent call last):
      File "/srv/model.py", line 12, in fit
        raise ValueError('no data')
    ValueError: no data
    ---
    a line of the log
    ---
    "##);
}

#[test]
fn in_all_colours() {
    insta::assert_snapshot!(dark(ColorDepth::TrueColor), @r##"
    ^[1m   city            people   area^[0m
    ^[38;2;118;118;118m────────────────────────────────^[0m
    ^[38;2;108;182;255m0^[0m  Seoul          9411440  605.2
    ^[38;2;108;182;255m1^[0m  서울시 강남구  ^[3;38;2;154;154;154m    NaN^[0m   39.5
    ---
    ^[1;38;2;108;182;255mRun^[0m

    It took ^[1m3 s^[0m and used ^[38;2;141;219;140mcuda:0^[0m.

    ^[38;2;154;154;154m1. ^[0mload
    ^[38;2;154;154;154m2. ^[0mtrain

    ^[38;2;154;154;154m│ ^[0m^[3;38;2;154;154;154mfine^[0m
    ---
    ^[1;38;2;108;182;255mFit^[0m
    ^[38;2;154;154;154m═══^[0m

    The ^[3mmean^[0m of ^[1mx^[0m is ^[38;2;141;219;140m0.5^[0m, see ^]8;;https://example.com/a^\^[4;38;2;108;182;255mthe page^[0m^]8;;^\.

    ^[38;2;154;154;154m• ^[0mone
    ^[38;2;154;154;154m• ^[0mtwo with ^[38;2;229;201;123mσ²^[0m

      ^[38;2;201;162;242mreturn^[0m ^[38;2;227;167;111mNone^[0m  ^[3;38;2;154;154;154m# nothing^[0m

    ^[1mname  score^[0m
    ^[38;2;118;118;118m───────────^[0m
    Ann    12.5
    Béla      7
    ---
    ^[38;2;229;201;123m  β̂ = (Xᵀ X)⁻¹ Xᵀ y ≤ 1/n^[0m
    ---
    {
      ^[38;2;108;182;255m"lr"^[0m: ^[38;2;227;167;111m0.01^[0m,
      ^[38;2;108;182;255m"layers"^[0m: [
        {^[38;2;108;182;255m"units"^[0m: ^[38;2;227;167;111m64^[0m, ^[38;2;108;182;255m"bias"^[0m: ^[38;2;227;167;111mtrue^[0m},
        {^[38;2;108;182;255m"units"^[0m: ^[38;2;227;167;111m1^[0m, ^[38;2;108;182;255m"bias"^[0m: ^[38;2;227;167;111mnull^[0m}
      ],
      ^[38;2;108;182;255m"name"^[0m: ^[38;2;141;219;140m"a rather long name for a model"^[0m
    }
    ---
    plain ^[32mgreen^[0m text
    ---
    ^[38;2;242;139;148mTraceback (most recent call last):
      File ^[38;2;127;214;214m"/srv/model.py", line 12^[38;2;242;139;148m, in fit
        raise ValueError('no data')
    ^[1mValueError^[22m: no data
    ^[0m---
    ^[38;2;154;154;154ma line of the log^[0m
    ---
    "##);
}

#[test]
fn in_256_colours() {
    insta::assert_snapshot!(dark(ColorDepth::Ansi256), @r##"
    ^[1m   city            people   area^[0m
    ^[38;5;243m────────────────────────────────^[0m
    ^[38;5;75m0^[0m  Seoul          9411440  605.2
    ^[38;5;75m1^[0m  서울시 강남구  ^[3;38;5;247m    NaN^[0m   39.5
    ---
    ^[1;38;5;75mRun^[0m

    It took ^[1m3 s^[0m and used ^[38;5;114mcuda:0^[0m.

    ^[38;5;247m1. ^[0mload
    ^[38;5;247m2. ^[0mtrain

    ^[38;5;247m│ ^[0m^[3;38;5;247mfine^[0m
    ---
    ^[1;38;5;75mFit^[0m
    ^[38;5;247m═══^[0m

    The ^[3mmean^[0m of ^[1mx^[0m is ^[38;5;114m0.5^[0m, see ^]8;;https://example.com/a^\^[4;38;5;75mthe page^[0m^]8;;^\.

    ^[38;5;247m• ^[0mone
    ^[38;5;247m• ^[0mtwo with ^[38;5;186mσ²^[0m

      ^[38;5;183mreturn^[0m ^[38;5;179mNone^[0m  ^[3;38;5;247m# nothing^[0m

    ^[1mname  score^[0m
    ^[38;5;243m───────────^[0m
    Ann    12.5
    Béla      7
    ---
    ^[38;5;186m  β̂ = (Xᵀ X)⁻¹ Xᵀ y ≤ 1/n^[0m
    ---
    {
      ^[38;5;75m"lr"^[0m: ^[38;5;179m0.01^[0m,
      ^[38;5;75m"layers"^[0m: [
        {^[38;5;75m"units"^[0m: ^[38;5;179m64^[0m, ^[38;5;75m"bias"^[0m: ^[38;5;179mtrue^[0m},
        {^[38;5;75m"units"^[0m: ^[38;5;179m1^[0m, ^[38;5;75m"bias"^[0m: ^[38;5;179mnull^[0m}
      ],
      ^[38;5;75m"name"^[0m: ^[38;5;114m"a rather long name for a model"^[0m
    }
    ---
    plain ^[32mgreen^[0m text
    ---
    ^[38;5;210mTraceback (most recent call last):
      File ^[38;5;116m"/srv/model.py", line 12^[38;5;210m, in fit
        raise ValueError('no data')
    ^[1mValueError^[22m: no data
    ^[0m---
    ^[38;5;247ma line of the log^[0m
    ---
    "##);
}

#[test]
fn in_sixteen_colours() {
    insta::assert_snapshot!(dark(ColorDepth::Ansi16), @r##"
    ^[1m   city            people   area^[0m
    ^[90m────────────────────────────────^[0m
    ^[94m0^[0m  Seoul          9411440  605.2
    ^[94m1^[0m  서울시 강남구  ^[3;90m    NaN^[0m   39.5
    ---
    ^[1;94mRun^[0m

    It took ^[1m3 s^[0m and used ^[92mcuda:0^[0m.

    ^[90m1. ^[0mload
    ^[90m2. ^[0mtrain

    ^[90m│ ^[0m^[3;90mfine^[0m
    ---
    ^[1;94mFit^[0m
    ^[90m═══^[0m

    The ^[3mmean^[0m of ^[1mx^[0m is ^[92m0.5^[0m, see ^]8;;https://example.com/a^\^[4;94mthe page^[0m^]8;;^\.

    ^[90m• ^[0mone
    ^[90m• ^[0mtwo with ^[93mσ²^[0m

      ^[95mreturn^[0m ^[33mNone^[0m  ^[3;90m# nothing^[0m

    ^[1mname  score^[0m
    ^[90m───────────^[0m
    Ann    12.5
    Béla      7
    ---
    ^[93m  β̂ = (Xᵀ X)⁻¹ Xᵀ y ≤ 1/n^[0m
    ---
    {
      ^[94m"lr"^[0m: ^[33m0.01^[0m,
      ^[94m"layers"^[0m: [
        {^[94m"units"^[0m: ^[33m64^[0m, ^[94m"bias"^[0m: ^[33mtrue^[0m},
        {^[94m"units"^[0m: ^[33m1^[0m, ^[94m"bias"^[0m: ^[33mnull^[0m}
      ],
      ^[94m"name"^[0m: ^[92m"a rather long name for a model"^[0m
    }
    ---
    plain ^[32mgreen^[0m text
    ---
    ^[91mTraceback (most recent call last):
      File ^[96m"/srv/model.py", line 12^[91m, in fit
        raise ValueError('no data')
    ^[1mValueError^[22m: no data
    ^[0m---
    ^[90ma line of the log^[0m
    ---
    "##);
}

#[test]
fn without_colours() {
    insta::assert_snapshot!(dark(ColorDepth::None), @r##"
    ^[1m   city            people   area^[0m
    ────────────────────────────────
    0  Seoul          9411440  605.2
    1  서울시 강남구  ^[3m    NaN^[0m   39.5
    ---
    ^[1mRun^[0m

    It took ^[1m3 s^[0m and used cuda:0.

    1. load
    2. train

    │ ^[3mfine^[0m
    ---
    ^[1mFit^[0m
    ═══

    The ^[3mmean^[0m of ^[1mx^[0m is 0.5, see ^]8;;https://example.com/a^\^[4mthe page^[0m^]8;;^\.

    • one
    • two with σ²

      return None  ^[3m# nothing^[0m

    ^[1mname  score^[0m
    ───────────
    Ann    12.5
    Béla      7
    ---
      β̂ = (Xᵀ X)⁻¹ Xᵀ y ≤ 1/n
    ---
    {
      "lr": 0.01,
      "layers": [
        {"units": 64, "bias": true},
        {"units": 1, "bias": null}
      ],
      "name": "a rather long name for a model"
    }
    ---
    plain green text
    ---
    Traceback (most recent call last):
      File "/srv/model.py", line 12, in fit
        raise ValueError('no data')
    ^[1mValueError^[0m: no data
    ---
    a line of the log
    ---
    "##);
}

#[test]
fn in_every_window_and_theme() {
    for theme in Theme::shipped().filter_map(Theme::named) {
        for cols in [1, 2, 7, 20] {
            let text = shown(cols, ColorDepth::Ansi256, theme.clone(), true);
            assert!(text.contains("Seoul") && !text.contains('\x07'));
        }
    }
}
