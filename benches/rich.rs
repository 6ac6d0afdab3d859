//! Text with structure, from the record to the bytes for the screen: a table of 1,000 rows and 20 columns as pandas
//! writes it, whole and folded, and Markdown with code.

use bai_repl::protocol::record::ConsoleRecord;
use bai_repl::render::{Console, ConsoleOptions};
use bai_repl::terminal::{ColorDepth, Graphics, Screen, Size};
use bai_repl::theme::Theme;
use std::fmt::Write;
use std::io::sink;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TIMES: usize = 30;

fn options(max_lines: Option<usize>) -> ConsoleOptions {
    ConsoleOptions {
        repl: true,
        screen: Screen {
            stdin_tty: true,
            stdout_tty: true,
            stderr_tty: true,
            dumb: false,
            no_color: false,
            colors: ColorDepth::TrueColor,
            unicode: true,
        },
        size: Size { cols: 200, rows: 50, pixels: None },
        theme: Arc::new(Theme::named("dark").expect("a theme that ships")),
        raw: false,
        graphics: Graphics::None,
        synchronized: false,
        cell: None,
        background: None,
        max_rows: None,
        links: true,
        local: true,
        max_lines,
        media_dir: None,
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

fn measure(what: &str, record: &ConsoleRecord, max_lines: Option<usize>) {
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let mut console = Console::new(sink(), sink(), options(max_lines));
            let began = Instant::now();
            let _flow = console.record(record).expect("a sink takes all");
            let _flow = console.flush().expect("a sink takes all");
            began.elapsed()
        })
        .collect();
    times.sort();
    let middle = times.get(TIMES / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    println!(
        "{what:<44} {:>8.2} ms, at worst {:>8.2} ms",
        middle.as_secs_f64() * 1e3,
        worst.as_secs_f64() * 1e3
    );
}

fn main() {
    measure("1,000×20 table, all rows", &data_frame(1_000, 20), None);
    measure("1,000×20 table, folded at 1,000 lines", &data_frame(1_000, 20), Some(1_000));
    measure("10,000×20 table, folded at 1,000 lines", &data_frame(10_000, 20), Some(1_000));
    let markdown =
        "# Title\n\nSome *text* with `code`.\n\n```python\ndef f(x):\n    return x\n```\n\n".repeat(50);
    let markdown = ConsoleRecord::Media { mime: "text/markdown".into(), data: markdown };
    measure("Markdown of 50 sections with code", &markdown, None);
}
