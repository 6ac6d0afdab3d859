#[path = "displays.rs"]
mod displays;
#[path = "golden.rs"]
mod golden;
#[path = "progress.rs"]
mod progress;

use std::cell::RefCell;
use std::rc::Rc;

use super::*;
use crate::render::PartialLine;
use crate::terminal::ColorDepth;

/// A writer whose output the test can read.
#[derive(Clone, Default)]
struct SharedBuffer(Rc<RefCell<Written>>);

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    calls: usize,
    fails: Option<io::ErrorKind>,
}

impl SharedBuffer {
    /// The output, with `^` for ESC.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow().bytes).replace('\x1b', "^")
    }

    fn fail(&self, kind: io::ErrorKind) {
        self.0.borrow_mut().fails = Some(kind);
    }
}

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.0.borrow_mut();
        if let Some(kind) = written.fails {
            return Err(kind.into());
        }
        written.calls += 1;
        written.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Bench {
    console: Console<SharedBuffer, SharedBuffer>,
    out: SharedBuffer,
    err: SharedBuffer,
}

fn bench(change: impl FnOnce(&mut ConsoleOptions)) -> Bench {
    let screen = Screen::ideal(ColorDepth::Ansi16);
    let theme =
        Theme::parse("test", "name = 'test'\n[styles]\nstderr = 'red'\nnote = { dim = true }\n").unwrap();
    let size = Size { cols: 80, rows: 24, pixels: None };
    let mut options = ConsoleOptions { repl: true, ..ConsoleOptions::new(screen, size, Arc::new(theme)) };
    change(&mut options);
    let (out, err) = (SharedBuffer::default(), SharedBuffer::default());
    let mut console = Console::new(out.clone(), err.clone(), options);
    console.begin_cell();
    Bench { console, out, err }
}

fn repl() -> Bench {
    bench(|_| {})
}

/// A script whose streams go to files.
fn script() -> Bench {
    bench(|options| {
        options.repl = false;
        (options.screen.stdout_tty, options.screen.stderr_tty) = (false, false);
        options.screen.colors = ColorDepth::None;
    })
}

impl Bench {
    fn stdout(&mut self, text: &str) {
        let _flow = self.console.record(&ConsoleRecord::Stdout(text.into())).unwrap();
    }

    fn stderr(&mut self, text: &str) {
        let _flow = self.console.record(&ConsoleRecord::Stderr(text.into())).unwrap();
    }

    fn media(&mut self, mime: &str, data: &str) {
        let record = ConsoleRecord::Media { mime: mime.into(), data: data.into() };
        assert_eq!(self.console.record(&record).unwrap(), Flow::Open);
        self.flush();
    }

    fn flush(&mut self) {
        assert_eq!(self.console.flush().unwrap(), Flow::Open);
    }
}

#[test]
fn on_a_terminal_the_streams_are_distinguished_and_keep_their_colours() {
    let mut bench = repl();
    bench.stdout("a\x1b[32mb");
    bench.stderr("oh \x1b[1mno\x1b[0m!\n");
    bench.stdout("c");
    bench.flush();
    assert_eq!(bench.out.text(), "a^[32mb^[31moh ^[1mno^[22m!\n^[32mc^[0m");
    assert_eq!(bench.err.text(), "");
    bench.stdout("d");
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    bench.stdout("e");
    bench.flush();
    assert!(
        bench.out.text().ends_with("^[32md^[0me"),
        "a new cell begins without colours: {}",
        bench.out.text()
    );
}

#[test]
fn a_program_behind_a_pipe_gets_the_bytes_as_they_came() {
    let mut bench = script();
    let text = "a\x1b]0;x\x07\x1b[31mb\r\n\0\u{9b}";
    bench.stdout(text);
    bench.stderr(text);
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    assert_eq!(bench.out.0.borrow().bytes, text.as_bytes());
    assert_eq!(bench.err.0.borrow().bytes, text.as_bytes());
}

#[test]
fn in_a_script_each_stream_is_made_harmless_where_it_is_a_terminal() {
    let mut bench = bench(|options| {
        options.repl = false;
        options.screen.stdout_tty = false;
    });
    bench.stdout("\x1b]0;x\x07a");
    bench.stderr("\x1b]0;x\x07\x1b[32mb\n");
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    assert_eq!(bench.out.text(), "^]0;x\x07a");
    assert_eq!(bench.err.text(), "^[32mb\n^[0m", "no colour of ours: the streams are apart already");
}

#[test]
fn output_is_collected_until_the_batch_ends() {
    let mut bench = repl();
    for _ in 0..1000 {
        bench.stdout("tick\n");
    }
    assert_eq!(bench.out.0.borrow().calls, 0);
    bench.flush();
    assert_eq!(bench.out.0.borrow().calls, 1);
    assert_eq!(bench.out.0.borrow().bytes.len(), 5000);
}

#[test]
fn one_huge_line_takes_little_memory() {
    let mut bench = repl();
    bench.stdout(&"x".repeat(8 << 20));
    bench.flush();
    assert_eq!(bench.out.0.borrow().bytes.len(), 8 << 20);
    assert!(bench.console.out.buffer.capacity() <= 4 * PIECE, "{}", bench.console.out.buffer.capacity());
    assert_eq!(bench.console.take_partial_line().unwrap(), PartialLine::default());
}

#[test]
fn a_closed_pipe_is_not_an_error_and_a_full_disk_is() {
    for mut bench in [repl(), script()] {
        bench.out.fail(io::ErrorKind::BrokenPipe);
        bench.stdout("x");
        assert_eq!(bench.console.flush().unwrap(), Flow::Closed);
        assert_eq!(bench.console.text(Stream::Stdout, &"x".repeat(PIECE)).unwrap(), Flow::Closed);
        assert_eq!(bench.console.end_cell().unwrap(), Flow::Closed);
    }
    let mut bench = script();
    bench.out.fail(io::ErrorKind::StorageFull);
    bench.stdout("x");
    let error = bench.console.flush().unwrap_err();
    assert!(error.to_string().starts_with("cannot write to standard output: "), "{error}");
}

#[test]
fn a_prompt_starts_on_a_line_of_its_own() {
    let mut bench = repl();
    assert!(!bench.console.needs_newline());
    bench.stdout("no end");
    assert!(bench.console.needs_newline());
    assert_eq!(bench.console.fresh_line().unwrap(), Flow::Open);
    assert!(!bench.console.needs_newline());
    assert_eq!(bench.console.fresh_line().unwrap(), Flow::Open);
    assert_eq!(bench.out.text(), "no end\n");
    bench.stdout("50%\r");
    assert!(!bench.console.needs_newline());
}

#[test]
fn an_unfinished_line_becomes_the_prompt_of_a_question() {
    let mut bench = repl();
    bench.stdout("hello\n\x1b[1mYour");
    bench.flush();
    bench.stdout(" name\x1b[0m: ");
    let line = bench.console.take_partial_line().unwrap();
    assert_eq!(line, PartialLine { text: "\x1b[1mYour name\x1b[0m: ".into(), width: 11 });
    assert_eq!(bench.out.text(), "hello\n^[1mYour^[0m^[1m name^[0m: \r^[J");
    assert!(!bench.console.needs_newline());
    bench.console.line_was_read();
    assert_eq!(bench.console.take_partial_line().unwrap(), PartialLine::default());
}

#[test]
fn an_unfinished_line_that_has_wrapped_is_taken_from_all_its_rows() {
    let mut bench = bench(|options| options.size.cols = 10);
    bench.stdout("x\n");
    bench.stdout(&"y".repeat(25));
    assert_eq!(bench.console.take_partial_line().unwrap().width, 25);
    assert!(bench.out.text().ends_with("\r^[2A^[J"), "{}", bench.out.text());
}

#[test]
fn moves_between_lines_leave_no_prompt_behind() {
    let mut bench = repl();
    bench.stdout("one\ntwo\x1b[A");
    assert_eq!(bench.console.take_partial_line().unwrap(), PartialLine::default());
}

#[test]
fn notes_have_lines_of_their_own_and_never_touch_a_scripts_output() {
    let mut bench = repl();
    bench.stdout("output");
    assert_eq!(bench.console.note("one\ntwo").unwrap(), Flow::Open);
    assert_eq!(bench.out.text(), "output\n^[2mone^[0m\n^[2mtwo^[0m\n");
    let mut bench = script();
    bench.stdout("output");
    assert_eq!(bench.console.note("one").unwrap(), Flow::Open);
    assert_eq!((bench.out.text().as_str(), bench.err.text().as_str()), ("output", "one\n"));
}

#[test]
fn a_dumb_terminal_gets_no_sequences() {
    let mut bench = bench(|options| {
        options.screen.dumb = true;
        options.screen.colors = ColorDepth::None;
    });
    bench.stdout("\x1b[31ma\x1b[2K\rb");
    bench.stderr("c\n");
    assert_eq!(bench.console.note("d").unwrap(), Flow::Open);
    bench.stdout("name: ");
    assert_eq!(bench.console.take_partial_line().unwrap(), PartialLine::default());
    assert_eq!(bench.out.text(), "a\rbc\nd\nname: ");
}

#[test]
fn without_colours_attributes_stay() {
    let mut bench = bench(|options| {
        options.screen.colors = ColorDepth::None;
        options.theme = Arc::new(Theme::named("monochrome").unwrap());
    });
    bench.stdout("\x1b[1;31ma\x1b[0mb");
    bench.stderr("c");
    bench.flush();
    assert_eq!(bench.out.text(), "^[1ma^[0mb^[2mc^[0m");
}

#[test]
fn an_unfinished_sequence_is_reported_at_the_end_of_the_cell() {
    let mut bench = repl();
    bench.stdout("a\x1b]0;all this");
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    assert!(
        bench.out.text().contains("[10 bytes of an unfinished escape sequence are not shown]"),
        "{}",
        bench.out.text()
    );
}

#[test]
fn raw_output_passes_and_is_cleaned_up_after() {
    let mut bench = bench(|options| options.raw = true);
    bench.stdout("\x1b]0;x\x07\x1b[?1049h");
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    let text = bench.out.text();
    assert!(text.starts_with("^]0;x\x07^[?1049h^[?1049l") && text.contains("^[?25h"), "{text}");
    bench.out.0.borrow_mut().bytes.clear();
    bench.stdout("plain\n");
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    assert_eq!(bench.out.text(), "plain\n");
}

/// A PNG of 2×3 pixels.
const PNG: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAC56t6BAAAAJklEQVR4AQEbAOT/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACBAYIAEMAFdTlTsEAAAAASUVORK5CYII=";

#[test]
fn a_picture_that_cannot_be_drawn_is_described() {
    let mut bench = repl();
    bench.stdout("x");
    bench.media("image/png", PNG);
    assert_eq!(bench.out.text(), "x\n^[2m[image/png, 2×3 pixels, 95 B; --media-dir DIR saves it]^[0m\n");
    let mut bench = script();
    bench.stdout("x\n");
    bench.media("image/png", PNG);
    assert_eq!(bench.out.text(), "x\n");
    assert_eq!(bench.err.text(), "[image/png, 2×3 pixels, 95 B; --media-dir DIR saves it]\n");
}

#[test]
fn a_picture_is_drawn_where_it_can_be_on_lines_of_its_own() {
    let mut bench = bench(|options| options.graphics = Graphics::Kitty);
    bench.stdout("x");
    bench.media("image/png", PNG);
    bench.stdout("y");
    bench.flush();
    let text = bench.out.text();
    assert!(text.starts_with("x\n^_Ga=T,f=100,q=2,m=0;iVBOR") && text.ends_with("^\\\ny"), "{text}");
}

#[test]
fn hostile_media_are_one_harmless_line() {
    let mut bench = repl();
    for (mime, data) in [
        ("image/png", "data:image/png;base64,AAAA"),
        ("image/png", "data:image/png;base64,!!"),
        ("image/png", "<html>"),
        ("image/svg+xml", "<svg><script>alert(1)</script></svg>"),
        ("application/x-sorna-drawing", "k5MAo"),
        ("x\x1b]0;t\x07\ny", "\x1b[2J"),
        ("", ""),
    ] {
        bench.out.0.borrow_mut().bytes.clear();
        bench.media(mime, data);
        let text = bench.out.text();
        assert!(text.starts_with("^[2m[") && text.ends_with("]^[0m\n"), "{mime:?}: {text:?}");
        assert_eq!(text.matches('\n').count(), 1, "{mime:?}: {text:?}");
    }
}

#[test]
fn media_are_kept_in_a_folder_and_the_last_one_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let mut bench = bench(move |options| options.media_dir = Some(path));
    bench.media("image/png", PNG);
    bench.media("image/svg+xml", "<svg/>");
    assert!(folder.path().join("image-001.png").exists() && folder.path().join("image-001.svg").exists());
    assert!(bench.out.text().contains("saved to "), "{}", bench.out.text());
    assert_eq!(bench.console.last_medium().unwrap().bytes[..], b"<svg/>"[..]);
}

#[test]
fn html_and_text_media_are_read_as_text() {
    let mut bench = repl();
    assert_eq!(
        bench.console.record(&ConsoleRecord::Html("<p>a &#27;[2J <b>b</b></p>".into())).unwrap(),
        Flow::Open
    );
    bench.media("text/markdown", "# Title\n\x1b[2J- item");
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    let text = bench.out.text();
    assert!(
        text.contains("^[1mb^[0m")
            && text.contains("Title")
            && text.contains("• item\n")
            && !text.contains("[2J"),
        "{text}"
    );
    let mut bench = script();
    assert_eq!(bench.console.record(&ConsoleRecord::Html("<p>a</p>".into())).unwrap(), Flow::Open);
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    assert_eq!(bench.out.text(), "a\n", "it is what the program printed");
}

#[test]
fn html_that_a_script_draws_is_described() {
    let mut bench = script();
    let small = "<div id='plot'></div><script>draw()</script>";
    let large = format!("<script>{}</script>", "x".repeat(5 << 20));
    for html in [small, &large, "<p>text</p><script>draw()</script>"] {
        assert_eq!(bench.console.record(&ConsoleRecord::Html(html.into())).unwrap(), Flow::Open);
    }
    assert_eq!(bench.console.end_cell().unwrap(), Flow::Open);
    let line = |size: &str| format!("[text/html, drawn by a script, {size}; --media-dir DIR saves it]\n");
    assert_eq!(bench.err.text(), line("44 B") + &line("5.0 MiB"));
    assert_eq!(bench.out.text(), "text\n");
}

#[test]
fn records_of_other_kinds_are_described() {
    let mut bench = script();
    for record in [
        ConsoleRecord::Log("warn \x1b[31mdisk\n".into()),
        ConsoleRecord::Unknown { kind: "ho\x1b[2Jlogram".into(), payload: serde_json::Value::Null },
    ] {
        assert_eq!(bench.console.record(&record).unwrap(), Flow::Open);
    }
    assert_eq!(bench.out.text(), "");
    assert_eq!(bench.err.text(), "warn disk\n[a record of the unknown kind ho<U+001B>[2Jlogram]\n");
}

#[test]
fn a_resize_in_the_middle_of_a_cell_keeps_the_cell_inside_its_lines() {
    let mut bench = repl();
    bench.stdout("1\n2\n3");
    bench.console.resize(Size { cols: 10, rows: 3, pixels: None });
    bench.stdout("\x1b[5A\x1b[2K\r");
    bench.flush();
    assert_eq!(bench.out.text(), "1\n2\n3^[2K\r");
}

#[test]
fn a_full_screen_program_is_named_once_and_not_painted() {
    let mut bench = repl();
    bench.stdout("a\x1b[?1049h\x1b[2J\x1b[1;1Hpainted");
    bench.stdout("\x1b[?1049l\x1b[?1049h\x1b[Hagain\x1b[?1049lb\n");
    bench.flush();
    let text = bench.out.text();
    assert_eq!(text.matches(":pty COMMAND").count(), 1, "{text}");
    assert!(!text.contains("painted") && !text.contains("again") && text.ends_with("b\n"), "{text}");
}
