//! Measures the rendering from a record to the bytes for the screen: a pandas table of 1,000 rows and 20 columns, whole
//! and folded; Markdown with code; pictures with each protocol in a window of 200×50; and the memory that remains after
//! 100 plots. Half blocks go to standard output, so the table is printed when all is measured.

use bai_protocol::record::ConsoleRecord;
use bai_repl::render::{Console, ConsoleOptions};
use bai_repl::terminal::{ColorDepth, Graphics, Screen, Size};
use bai_repl::theme::Theme;
use base64::Engine;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use std::fmt::Write;
use std::io::{Cursor, sink};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMES: usize = 30;

/// How much of the output is shown, and with which graphics protocol.
#[derive(Clone, Copy)]
struct OutputMode {
    max_lines: Option<usize>,
    graphics: Graphics,
}

const TEXT: OutputMode = OutputMode { max_lines: None, graphics: Graphics::None };

fn options(mode: OutputMode) -> ConsoleOptions {
    let screen = Screen::ideal(ColorDepth::TrueColor);
    let theme = Arc::new(Theme::named("dark").expect("a theme that ships"));
    ConsoleOptions {
        repl: true,
        graphics: mode.graphics,
        cell: Some((8, 16)),
        links: true,
        local: true,
        max_lines: mode.max_lines,
        ..ConsoleOptions::new(screen, Size { cols: 200, rows: 50, pixels: None }, theme)
    }
}

fn data_frame(rows: usize, columns: usize) -> ConsoleRecord {
    let mut html = String::from(
        "<table border=\"1\" class=\"dataframe\">\n  <thead>\n    <tr style=\"text-align: right;\">\n      <th></th>\n",
    );
    for column in 0..columns {
        let _ = writeln!(html, "      <th>column {column}</th>");
    }
    html.push_str("    </tr>\n  </thead>\n  <tbody>\n");
    for row in 0..rows {
        let _ = writeln!(html, "    <tr>\n      <th>{row}</th>");
        for column in 0..columns {
            let _ = writeln!(html, "      <td>{:.6}</td>", (row * columns + column) as f64 / 7.0);
        }
        html.push_str("    </tr>\n");
    }
    html.push_str("  </tbody>\n</table>");
    ConsoleRecord::Html(html)
}

/// Returns the row of the table.
fn measure(what: &str, record: &ConsoleRecord, mode: OutputMode) -> String {
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let mut console = Console::new(sink(), sink(), options(mode));
            let began = Instant::now();
            let _flow = console.record(record).expect("a sink takes all");
            let _flow = console.flush().expect("a sink takes all");
            began.elapsed()
        })
        .collect();
    times.sort();
    let middle = times.get(TIMES / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    format!("{what:<44} {:>8.2} ms, at worst {:>8.2} ms", millis(middle), millis(worst))
}

/// Returns a picture whose colours change everywhere, as in a photograph.
fn picture(width: u32, height: u32, format: ImageFormat) -> ConsoleRecord {
    let pixel = |x: u32, y: u32| Rgb([(x / 3) as u8, (y / 2) as u8, ((x * y) >> 9) as u8 ^ (x as u8 & 15)]);
    let image = DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, pixel));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("memory takes all");
    let mime = format.to_mime_type();
    let data = base64::engine::general_purpose::STANDARD.encode(bytes.into_inner());
    ConsoleRecord::Media { mime: mime.into(), data: format!("data:{mime};base64,{data}") }
}

/// Returns a plot with three curves and a hundred words.
fn svg_plot() -> ConsoleRecord {
    let mut svg = String::from("<svg xmlns='http://www.w3.org/2000/svg' width='640' height='480'>");
    for curve in 0..3 {
        let points: String = (0..640)
            .map(|x| format!("{x},{:.1} ", 240.0 + 200.0 * (f64::from(x * (curve + 1)) / 60.0).sin()))
            .collect();
        let _ = write!(svg, "<polyline points='{points}' fill='none' stroke='#{curve}f6' stroke-width='2'/>");
    }
    for word in 0..100 {
        let (x, y) = (word % 10 * 64, word / 10 * 48 + 20);
        let _ = write!(svg, "<text x='{x}' y='{y}' font-size='10'>word {word}</text>");
    }
    ConsoleRecord::Media { mime: "image/svg+xml".into(), data: svg + "</svg>" }
}

/// Returns the resident memory of this process, in MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.and_then(|number| number.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// Returns the memory of a console that shows many plots of 640×480 pixels, one after another.
fn memory_of_plots() -> String {
    let mode = OutputMode { max_lines: None, graphics: Graphics::Kitty };
    let mut console = Console::new(sink(), sink(), options(mode));
    let plot = picture(640, 480, ImageFormat::Png);
    let mut show = |times: usize| {
        for _ in 0..times {
            let _flow = console.record(&plot).expect("a sink takes all");
        }
        resident()
    };
    let (one, hundred) = (show(1), show(99));
    format!("memory after 1 plot {one:.1} MB, after 100 {hundred:.1} MB")
}

fn main() {
    let mut rows = vec![memory_of_plots()];
    let pictures = [
        ("1080p PNG", picture(1920, 1080, ImageFormat::Png)),
        ("4,000×3,000 JPEG", picture(4000, 3000, ImageFormat::Jpeg)),
        ("SVG plot", svg_plot()),
    ];
    for (name, record) in &pictures {
        for graphics in Graphics::ALL.into_iter().filter(|graphics| *graphics != Graphics::None) {
            let mode = OutputMode { max_lines: None, graphics };
            rows.push(measure(&format!("{name}, {}", graphics.name()), record, mode));
        }
    }
    let folded = OutputMode { max_lines: Some(1_000), ..TEXT };
    rows.push(measure("1,000×20 table, all rows", &data_frame(1_000, 20), TEXT));
    rows.push(measure("1,000×20 table, folded at 1,000 lines", &data_frame(1_000, 20), folded));
    rows.push(measure("10,000×20 table, folded at 1,000 lines", &data_frame(10_000, 20), folded));
    let markdown =
        "# Title\n\nSome *text* with `code`.\n\n```python\ndef f(x):\n    return x\n```\n\n".repeat(50);
    let markdown = ConsoleRecord::Media { mime: "text/markdown".into(), data: markdown };
    rows.push(measure("Markdown of 50 sections with code", &markdown, TEXT));
    println!("\n{}", rows.join("\n"));
}
