//! Displays with an id, their updates and the clearing of a cell, as a terminal shows them and as a pipe gets them.

use super::*;
use crate::terminal::model::Model;
use bai_protocol::record::Display;
use proptest::prelude::*;

/// A console on a terminal, and that terminal.
struct Watched {
    bench: Bench,
    model: Model,
    /// The bytes that the terminal has got.
    fed: usize,
}

impl Watched {
    fn new(rows: u16, change: impl FnOnce(&mut ConsoleOptions)) -> Self {
        let mut watched = Watched {
            bench: bench(|options| {
                options.size.rows = rows;
                options.theme = Arc::new(Theme::plain());
                options.cell = Some((8, 16));
                options.synchronized = true;
                change(options);
            }),
            model: Model::new(80, rows),
            fed: 0,
        };
        // The cell begins below the code that was typed.
        watched.model.feed(b"> code\r\n");
        watched
    }

    fn show(&mut self, record: ConsoleRecord) {
        let _flow = self.bench.console.record(&record).unwrap();
    }

    fn display(&mut self, id: &str, update: bool, text: &str) {
        self.show(display(id, update, ConsoleRecord::Stdout(text.into())));
    }

    /// Ends the cell.
    fn end(&mut self) {
        let _flow = self.bench.console.end_cell().unwrap();
    }

    /// The screen without the empty lines at its end, and without the typed code.
    fn screen(&mut self) -> Vec<String> {
        self.bench.flush();
        let all = self.bench.out.0.borrow();
        let fresh = String::from_utf8_lossy(&all.bytes[self.fed..]).replace('\n', "\r\n");
        self.model.feed(fresh.as_bytes());
        self.fed = all.bytes.len();
        let mut rows: Vec<String> = self.model.rows().iter().map(|row| row.trim_end().to_owned()).collect();
        while rows.last().is_some_and(String::is_empty) {
            rows.pop();
        }
        rows.iter().skip_while(|row| *row == "> code").cloned().collect()
    }
}

fn display(id: &str, update: bool, record: ConsoleRecord) -> ConsoleRecord {
    ConsoleRecord::Display(Display { id: Some(id.into()), update, ..Display::of(record) })
}

fn picture() -> ConsoleRecord {
    ConsoleRecord::Media { mime: "image/svg+xml".into(), data: SVG.into() }
}

const SVG: &str =
    "<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'><rect width='64' height='64'/></svg>";

#[test]
fn an_update_takes_the_place_and_later_output_stays_below() {
    let mut watched = Watched::new(24, |_| {});
    watched.bench.stdout("before");
    watched.display("bar", false, "0 %\n");
    watched.bench.stdout("after\nunfinished");
    assert_eq!(watched.screen(), ["before", "0 %", "after", "unfinished"]);
    watched.display("bar", true, "50 %\nmore lines\n");
    watched.bench.stdout(" line\n");
    assert_eq!(watched.screen(), ["before", "50 %", "more lines", "after", "unfinished line"]);
    watched.display("bar", true, "\x1b[32mdone\x1b[0m\n");
    watched.bench.stdout("end\n");
    watched.end();
    assert_eq!(watched.screen(), ["before", "done", "after", "unfinished line", "end"]);
    let bytes = watched.bench.out.text();
    assert_eq!(bytes.matches("^[?2026h").count(), 2);
    assert_eq!(bytes.matches("^[?2026l").count(), 2);
}

#[test]
fn all_displays_of_an_id_change_and_others_stay() {
    let mut watched = Watched::new(24, |options| options.graphics = Graphics::Sixel);
    watched.display("a", false, "a1\n");
    watched.show(display("picture", false, picture()));
    watched.display("a", false, "a1\n");
    watched.bench.stdout("text\n");
    watched.display("a", true, "a2\n");
    watched.show(display("picture", true, picture()));
    watched.end();
    assert_eq!(watched.screen(), ["a2", "", "", "", "", "a2", "text"]);
    // It was drawn, drawn again below an update, and updated.
    assert_eq!(watched.bench.out.text().matches("^P").count(), 3);
}

#[test]
fn the_last_state_of_a_display_that_has_left_the_screen_is_shown_once_at_the_end() {
    let mut watched = Watched::new(6, |_| {});
    watched.display("bar", false, "0 %\n");
    watched.bench.stdout(&"line\n".repeat(9));
    for percent in 1..=100 {
        watched.display("bar", true, &format!("{percent} %\n"));
    }
    watched.display("of an earlier cell", true, "changed\n");
    assert_eq!(watched.screen(), ["line"; 5]);
    watched.end();
    assert_eq!(watched.screen(), ["line", "line", "line", "100 %", "changed"]);
}

#[test]
fn a_display_of_unknown_place_is_shown_at_the_end() {
    let unknown: [fn(&mut Watched); 3] = [
        |watched| watched.bench.console.resize(Size { cols: 40, rows: 24, pixels: None }),
        |watched| watched.bench.console.line_was_read(),
        |watched| {
            watched
                .bench
                .console
                .adjust(|options| (options.cell, options.graphics) = (None, Graphics::Sixel));
            watched.show(picture());
        },
    ];
    for happens in unknown {
        let mut watched = Watched::new(24, |_| {});
        watched.display("bar", false, "0 %\n");
        happens(&mut watched);
        watched.display("bar", true, "100 %\n");
        assert!(!watched.screen().contains(&"100 %".to_owned()));
        watched.end();
        assert_eq!(watched.screen().last().unwrap(), "100 %");
    }
}

#[test]
fn a_loop_that_clears_shows_one_frame() {
    for graphics in [Graphics::Sixel, Graphics::Kitty, Graphics::Iterm2] {
        let mut watched = Watched::new(12, |options| options.graphics = graphics);
        for frame in 0..50 {
            watched.show(ConsoleRecord::Clear { wait: true });
            watched.bench.stdout(&format!("frame {frame}\n"));
            watched.show(picture());
            let screen = watched.screen();
            assert_eq!(screen, [format!("frame {frame}")], "{graphics:?}");
        }
        watched.end();
        assert_eq!(watched.model.history(), 0, "{graphics:?}");
        let text = watched.bench.out.text();
        assert_eq!(text.matches("^[?2026h").count(), 49, "{graphics:?}");
        if graphics == Graphics::Kitty {
            assert_eq!(text.matches("^_Ga=d,d=I,i=").count(), 49);
        }
        watched.bench.stdout("after\n");
        assert_eq!(watched.screen().len(), 6);
    }
}

#[test]
fn what_is_cleared_at_once_is_gone_and_waiting_needs_output() {
    let mut watched = Watched::new(24, |_| {});
    watched.bench.stdout("one\ntwo");
    watched.show(ConsoleRecord::Clear { wait: false });
    assert_eq!(watched.screen(), [""; 0]);
    watched.display("bar", false, "bar\n");
    watched.show(ConsoleRecord::Clear { wait: true });
    watched.display("bar", true, "changed\n");
    assert_eq!(watched.screen(), ["changed"]);
    watched.bench.stderr("three\n");
    assert_eq!(watched.screen(), ["three"]);
    watched.display("bar", true, "cleared long ago\n");
    watched.show(ConsoleRecord::Clear { wait: true });
    watched.end();
    assert_eq!(watched.screen(), ["three"]);
    assert_eq!(watched.model.rows()[0].trim_end(), "> code", "other lines are not erased");
}

#[test]
fn long_output_is_cleared_as_far_as_it_is_on_the_screen() {
    let mut watched = Watched::new(6, |_| {});
    watched.bench.stdout(&"line\n".repeat(20));
    watched.show(ConsoleRecord::Clear { wait: true });
    watched.bench.stdout("next\n");
    assert_eq!(watched.screen(), ["next"]);
}

#[test]
fn a_pipe_gets_the_first_and_the_last_state_and_no_control_bytes() {
    let mut bench = script();
    let show = |bench: &mut Bench, record| {
        let _flow = bench.console.record(&record).unwrap();
    };
    let text = |id: &str, update, text: &str| display(id, update, ConsoleRecord::Stdout(text.into()));
    show(&mut bench, text("bar", false, "0 %\n"));
    show(&mut bench, text("same", false, "same\n"));
    for percent in 0..=100 {
        show(&mut bench, text("bar", true, &format!("{percent} %\n")));
        show(&mut bench, ConsoleRecord::Clear { wait: percent % 2 == 0 });
    }
    show(&mut bench, text("same", true, "same\n"));
    bench.stdout("text\n");
    let _flow = bench.console.end_cell().unwrap();
    assert_eq!(bench.out.text(), "0 %\nsame\ntext\n100 %\n");
}

#[test]
fn output_after_a_display_is_not_kept_without_end() {
    let mut watched = Watched::new(24, |_| {});
    watched.display("bar", false, "bar\n");
    // A line that overwrites itself stays on the screen.
    for _ in 0..100 {
        watched.bench.stdout(&format!("\r{}", "x".repeat(70)).repeat(1000));
        watched.bench.flush();
        assert!(watched.bench.console.out.kept() < 5 << 20);
    }
    watched.display("bar", true, "end\n");
    watched.end();
    assert_eq!(watched.screen().last().unwrap(), "end");
}

/// What a cell can do.
#[derive(Clone, Debug)]
enum Act {
    Print(usize),
    Display(usize, usize),
    Update(usize, usize),
    Picture,
    Note,
    Clear(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..4usize).prop_map(Act::Print),
        3 => (0..3usize, 1..4usize).prop_map(|(id, lines)| Act::Display(id, lines)),
        6 => (0..3usize, 1..4usize).prop_map(|(id, lines)| Act::Update(id, lines)),
        1 => Just(Act::Picture),
        1 => Just(Act::Note),
        1 => any::<bool>().prop_map(Act::Clear),
    ]
}

proptest! {
    /// Where all fits on the screen, it shows what a list of blocks shows.
    #[test]
    fn the_screen_is_a_list_of_blocks(acts in proptest::collection::vec(act(), 0..16)) {
        let mut watched = Watched::new(90, |options| options.graphics = Graphics::Sixel);
        // Each block with the id of its display.
        let mut blocks: Vec<(Option<usize>, Vec<String>)> = Vec::new();
        let mut late: Vec<(usize, Vec<String>)> = Vec::new();
        let (mut clears, mut cleared) = (false, [false; 3]);
        for (number, act) in acts.iter().enumerate() {
            let lines = |count: usize| (0..count).map(|line| format!("{number}.{line}")).collect::<Vec<_>>();
            let text = |count: usize| lines(count).join("\n") + "\n";
            let prints = matches!(act, Act::Print(_) | Act::Display(..) | Act::Picture);
            if prints && std::mem::take(&mut clears) {
                blocks.iter().for_each(|(id, _)| if let Some(id) = id { cleared[*id] = true });
                late.drain(..).for_each(|(id, _)| cleared[id] = true);
                blocks.clear();
            }
            match *act {
                Act::Print(count) => {
                    watched.bench.stdout(&text(count));
                    blocks.push((None, lines(count)));
                }
                Act::Display(id, count) => {
                    watched.display(&id.to_string(), false, &text(count));
                    cleared[id] = false;
                    late.retain(|(name, _)| *name != id);
                    blocks.push((Some(id), lines(count)));
                }
                Act::Update(id, count) => {
                    watched.display(&id.to_string(), true, &text(count));
                    let mut any = false;
                    for (_, block) in blocks.iter_mut().filter(|(name, _)| *name == Some(id)) {
                        *block = lines(count);
                        any = true;
                    }
                    if !any && !cleared[id] {
                        match late.iter_mut().find(|(name, _)| *name == id) {
                            Some((_, block)) => *block = lines(count),
                            None => late.push((id, lines(count))),
                        }
                    }
                }
                Act::Picture => {
                    watched.show(picture());
                    blocks.push((None, vec![String::new(); 4]));
                }
                Act::Note => {
                    let _flow = watched.bench.console.note(&format!("note {number}")).unwrap();
                    blocks.push((None, vec![format!("note {number}")]));
                }
                Act::Clear(wait) => {
                    watched.show(ConsoleRecord::Clear { wait });
                    clears = true;
                    if !wait {
                        clears = false;
                        blocks.iter().for_each(|(id, _)| if let Some(id) = id { cleared[*id] = true });
                        late.drain(..).for_each(|(id, _)| cleared[id] = true);
                        blocks.clear();
                    }
                }
            }
        }
        watched.end();
        let mut expected: Vec<String> = blocks.into_iter().flat_map(|(_, block)| block).collect();
        expected.extend(late.into_iter().flat_map(|(_, block)| block));
        while expected.last().is_some_and(String::is_empty) {
            expected.pop();
        }
        prop_assert_eq!(watched.screen(), expected);
    }
}
