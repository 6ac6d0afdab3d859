//! What a kernel keeps of its output, in real kernels.

use super::*;

/// A cell that is kept under this id.
fn kept(id: &str, code: &str) -> String {
    format!("#bai-repl: run {{\"id\": \"{id}\", \"marks\": true}}\n{code}")
}

/// A cell that prints the lines that were kept under an id.
fn lines_of(id: &str) -> String {
    format!(
        "import glob, os\nfolder = os.path.expanduser('~/.ipython/profile_default/output-of-s/')\n\
         names = sorted(glob.glob(folder + '{id}.*'), key=lambda name: int(name.rpartition('.')[2]))\n\
         print(b''.join(open(name, 'rb').read() for name in names).decode('utf-8'))"
    )
}

/// What the cell that prints kept lines has printed.
fn lines(outputs: &[Value]) -> Vec<Value> {
    let printed: String =
        outputs.iter().filter(|part| part[0] == "stdout").map(|part| part[1].as_str().unwrap()).collect();
    printed.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines without the cuts between pieces of one text, which are the kernel's.
fn joined(lines: Vec<Value>) -> Vec<Value> {
    let mut joined: Vec<Value> = Vec::new();
    for line in lines {
        match joined.last_mut() {
            Some(last) if last[0] == line[0] && line[1].is_string() => {
                let text = last[1].as_str().unwrap().to_owned();
                assert_eq!(line[2], last[2].as_u64().unwrap() + text.chars().count() as u64);
                last[1] = json!(text + line[1].as_str().unwrap());
            }
            _ => joined.push(line),
        }
    }
    joined
}

#[test]
fn output_is_kept_in_order_with_its_place_and_its_end() {
    let code = "import sys\nprint('ä')\nprint('e', file=sys.stderr)\n\
                from IPython.display import *\ndisplay(HTML('<b>'), Image(data=b'\\x89PNG', format='png'))\n\
                get_ipython().system('echo of a child')\nprint('z')\n7";
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            kept("one", code),
            kept("two", "1/0"),
            kept("three", "import sys; sys.exit(3)"),
            "print('not kept')\nIn".into(),
            lines_of("one"),
            lines_of("two"),
            lines_of("three"),
            "os.listdir(folder)".into(),
        ];
        let came = outputs(python, &cells);
        let one = joined(lines(&came[5]));
        let kinds: Vec<_> = one.iter().map(|line| line[0].as_str().unwrap()).collect();
        assert_eq!(kinds, ["stdout", "stderr", "media", "media", "stdout", "end"], "{one:?}");
        assert_eq!((&one[0], &one[1]), (&json!(["stdout", "ä\n", 0]), &json!(["stderr", "e\n", 0])));
        assert_eq!((&one[2][2], &one[3][2]), (&json!(0), &json!(1)));
        assert!(one[2][1][1].as_str().unwrap().contains("<b>"));
        assert_eq!(
            (&one[3][1][0], &one[3][1][1].as_str().unwrap()[..22]),
            (&json!("image/png"), "data:image/png;base64,")
        );
        assert_eq!(one[4][2], 2);
        let shown = one[4][1].as_str().unwrap().replace('\r', "");
        assert_eq!(shown, "of a child\nz\n7\n");
        assert_eq!(one[5], json!(["end", 0, 0]));
        let two = lines(&came[6]);
        assert!(
            two[0][0] == "stderr" && two[0][1].as_str().unwrap().contains("ZeroDivisionError"),
            "{two:?}"
        );
        assert_eq!(two.last().unwrap(), &json!(["end", 1, 0]));
        assert_eq!(lines(&came[7]).last().unwrap(), &json!(["end", 3, 0]));
        // The first line is no part of the cell, and other cells are not kept.
        assert!(!text(&came[4]).contains("bai-repl") && text(&came[4]).contains("'1/0'"), "{came:?}");
        assert_eq!(text(&came[8]).matches('.').count(), 3, "{came:?}");
    });
}

#[test]
fn marks_on_the_way_say_how_much_there_was() {
    for_old_and_new_ipython(|python| {
        let code = "import time\nfor n in range(40):\n    print(str(n) + 'x' * 20000)\n";
        let cells = [patient_prelude(), kept("many", code), lines_of("many")];
        let came = outputs(python, &cells);
        let (mut printed, mut marks) = (0, 0);
        for part in &came[1] {
            match message(part) {
                Some(mark) => {
                    assert_eq!(
                        mark["at"],
                        json!({"stdout": printed, "stderr": 0, "media": 0, "question": 0})
                    );
                    marks += 1;
                }
                None => printed += part[1].as_str().unwrap().chars().count(),
            }
        }
        assert!(marks > 1, "{marks}");
        let kept = joined(lines(&came[2]));
        assert_eq!((kept.len(), kept[0][1].as_str().unwrap().chars().count()), (2, printed));
    });
}

#[test]
fn the_oldest_files_make_way_and_a_new_kernel_begins_without_any() {
    let small = patient_prelude()
        .replace("SEGMENT = 1 << 19", "SEGMENT = 1 << 10")
        .replace("16 << 20, 64", "8 << 10, 64");
    for_old_and_new_ipython(|python| {
        let list = "import os\nfolder = os.path.expanduser('~/.ipython/profile_default/output-of-s/')\n\
                    sorted((int(name.rpartition('.')[2]), os.path.getsize(folder + name)) for name in os.listdir(folder) if name[0] == 'n')";
        let cells = [
            "import os\nfolder = os.path.expanduser('~/.ipython/profile_default/output-of-s/')\nos.makedirs(folder)\nopen(folder + 'n.99', 'w').close()".into(),
            small.clone(),
            kept("o", "pass"),
            "for mark in '.left', '.shown': open(folder + 'o' + mark, 'w').close()".into(),
            kept("n", "print('ä' * 10000)"),
            list.into(),
            "[name for name in os.listdir(folder) if name[0] == 'o']".into(),
        ];
        let came = outputs(python, &cells);
        let files: Vec<(usize, usize)> =
            serde_json::from_str(&text(&came[5]).replace('(', "[").replace(')', "]")).unwrap();
        assert_eq!(text(&came[6]).trim(), "[]", "marks of a run without files");
        assert_eq!(files.last().unwrap().0, 19, "{files:?}");
        assert!((6..=8).contains(&files.len()), "{files:?}");
        assert!(files[..files.len() - 1].iter().all(|file| file.1 == 1024), "{files:?}");
    });
}

#[test]
fn a_question_is_kept_until_it_is_answered() {
    for_old_and_new_ipython(|python| {
        let cells = [
            json!(patient_prelude()),
            json!([kept("asks", "a = input('who? ')\nprint('hello', a)"), "Ann"]),
            json!(lines_of("asks")),
        ];
        let came = outputs_with_answers(python, &cells);
        let expected = json!([
            ["stdout", "who? ", 0],
            ["question", false, 0],
            ["answered", null, 0],
            ["stdout", "hello Ann\n", 5],
            ["end", 0, 0]
        ]);
        assert_eq!(json!(joined(lines(&came[2]))), expected);
    });
}

#[test]
fn a_run_whose_last_question_got_no_answer_says_so_at_its_end() {
    let code = "try: input()\nexcept BaseException as error: print(type(error).__name__)\ninput()";
    for_old_and_new_ipython(|python| {
        let cells = [
            json!(patient_prelude()),
            json!([kept("first", code), Value::Null, "Ann"]),
            json!([kept("last", code), "Ann", Value::Null]),
            json!([kept("ends", "input()"), "\u{4}"]),
        ];
        let read = ["first", "last", "ends"].map(|id| json!(lines_of(id)));
        let came = outputs_with_answers(python, &[&cells[..], &read].concat());
        let lasts = came[4..].iter().map(|printed| {
            let lines = lines(printed);
            let last = lines.iter().rev().take(2).map(|line| line[0].as_str().unwrap().to_owned());
            last.collect::<Vec<_>>().join(" ")
        });
        let lasts: Vec<_> = lasts.collect();
        assert!(lasts[0].starts_with("end ") && !lasts[0].contains("unanswered"), "{came:?}");
        assert_eq!((lasts[1].as_str(), lasts[2].as_str()), ("end unanswered", "end stderr"), "{came:?}");
    });
}
