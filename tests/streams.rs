//! What real programs wrote, through our screen model, beside what tmux made of the same bytes.
//! `tests/data/streams/README.md` says how they were recorded.

use std::path::{Path, PathBuf};

use bai_repl::terminal::model::Model;

const COLUMNS: u16 = 80;
const ROWS: u16 = 24;

fn recordings() -> Vec<(String, Vec<u8>, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/streams");
    let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "stream"))
        .collect();
    found.sort();
    assert!(found.len() >= 10, "{found:?}");
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let screen = std::fs::read_to_string(path.with_extension("screen")).unwrap();
        (name, std::fs::read(path).unwrap(), screen)
    };
    found.into_iter().map(read).collect()
}

/// One entry for each cell: the character with what stands on it, and nothing for the second half of a wide one.
fn cells(rows: &[String]) -> Vec<String> {
    (0..usize::from(ROWS))
        .map(|row| rows.get(row).map(|row| row.trim_end().to_owned()).unwrap_or_default())
        .collect()
}

#[test]
fn the_model_shows_what_tmux_shows() {
    for (name, stream, screen) in recordings() {
        let mut model = Model::new(COLUMNS, ROWS);
        model.feed(&stream);
        let mut expected: Vec<String> = screen.lines().map(str::to_owned).collect();
        let cursor = expected.pop().unwrap();
        assert_eq!(cells(&model.rows()), cells(&expected), "{name}");
        let (column, row) = cursor.trim_start_matches("cursor ").trim().split_once(',').unwrap();
        let column = column.parse::<u16>().unwrap().min(COLUMNS - 1);
        if let Some(cursor) = model.cursor() {
            assert_eq!((cursor.column, cursor.row), (column, row.parse().unwrap()), "{name}");
        }
    }
}

#[test]
fn where_a_stream_is_cut_makes_no_difference() {
    for (name, stream, _) in recordings() {
        let mut whole = Model::new(COLUMNS, ROWS);
        whole.feed(&stream);
        let mut cut = Model::new(COLUMNS, ROWS);
        stream.iter().for_each(|byte| cut.feed(std::slice::from_ref(byte)));
        assert_eq!(cut.repaint(), whole.repaint(), "{name}");
        assert_eq!(cut.take_answers(), whole.take_answers(), "{name}");
    }
}

#[test]
fn what_is_repainted_is_what_was_shown() {
    for (name, stream, _) in recordings() {
        let mut model = Model::new(COLUMNS, ROWS);
        model.feed(&stream);
        let mut copy = Model::new(COLUMNS, ROWS);
        copy.feed(&model.repaint());
        assert_eq!(copy.rows(), model.rows(), "{name}");
        assert_eq!(copy.repaint(), model.repaint(), "{name}");
    }
}

#[test]
fn no_size_that_follows_does_harm() {
    for (_, stream, _) in recordings() {
        let mut model = Model::new(COLUMNS, ROWS);
        for (columns, rows) in [(1, 1), (200, 60), (2, 5), (79, 1), (80, 24)] {
            let (head, tail) = stream.split_at(stream.len() / 2);
            model.feed(head);
            model.resize(columns, rows);
            model.feed(tail);
        }
        assert_eq!(model.size(), (COLUMNS, ROWS));
    }
}
