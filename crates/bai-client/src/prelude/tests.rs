//! The Python side, in real kernels: IPython 7 on CPython 3.6, and the current one.

mod keep;
mod scripts;

use super::{MARK, SOURCE, bring, cell};
use bai_protocol::record::ConsoleRecord;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Runs cells in a kernel, and prints the outputs of each.
const DRIVER: &str = include_str!("tests.py");

/// The outputs of each cell in one fresh kernel, as `[kind, content]`.
fn outputs(python: &Path, cells: &[String]) -> Vec<Vec<Value>> {
    outputs_with_answers(python, &cells.iter().map(|cell| json!(cell)).collect::<Vec<_>>())
}

/// The same; a cell may be a list, with the answers to its questions.
fn outputs_with_answers(python: &Path, cells: &[Value]) -> Vec<Vec<Value>> {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("driver.py");
    std::fs::write(&script, DRIVER).unwrap();
    std::fs::create_dir_all(folder.path().join(".ipython/profile_default")).unwrap();
    let list = folder.path().join("cells.json");
    std::fs::write(&list, serde_json::to_vec(cells).unwrap()).unwrap();
    let output = Command::new(python)
        .arg(&script)
        .arg(list)
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("BACKENDAI_SESSION_ID", "s")
        .env("IPYTHONDIR", folder.path())
        .env("JUPYTER_RUNTIME_DIR", folder.path())
        .env("JUPYTER_DATA_DIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// The prelude with a limit that no busy machine reaches.
fn patient_prelude() -> String {
    let prelude = SOURCE.replace("LIMIT = 4.0", "LIMIT = 100.0");
    assert_ne!(prelude, SOURCE);
    bring(&prelude)
}

fn ask(question: Value) -> String {
    format!("{MARK}{question}")
}

/// The one answer among the outputs of a question.
fn answer(outputs: &[Value]) -> Value {
    let answers: Vec<Value> = outputs.iter().filter_map(carried).collect();
    assert_eq!(answers.len(), 1, "{outputs:?}");
    answers[0][super::bundle::ANSWER].clone()
}

/// The bundle that an output carries.
fn carried(output: &Value) -> Option<Value> {
    Some(message(output)?["data"].clone())
}

/// The message of the prelude in an output.
fn message(output: &Value) -> Option<Value> {
    let body = output[1].get("image/svg+xml")?.as_str()?;
    Some(serde_json::from_str(body).unwrap())
}

fn text(output: &[Value]) -> String {
    let text: String = output.iter().map(|part| part[1]["text/plain"].as_str().unwrap_or_default()).collect();
    text.strip_suffix('\n').map_or(text.clone(), str::to_owned)
}

fn for_old_and_new_ipython(check: impl Fn(&Path)) {
    for environment in bai_testkit::ipython_environments() {
        check(&environment.join("bin/python"));
    }
}

/// The state that a user sees, as text, and what the history's database has of this session.
const STATE: &str = "(lambda shell, past: (past.writeout_cache(), (In, Out, _, _i, _ii, shell.execution_count, \
     [name for name in globals() if 'bai' in name], [row[0] for row in past.db.execute(\
     'SELECT line FROM history WHERE session = ?', (past.session_number,))]))[1])(\
     get_ipython(), get_ipython().history_manager)";

#[test]
fn the_prelude_leaves_no_trace_in_the_history() {
    let question = || ask(json!({"ask": "complete", "code": "valu", "at": 4}));
    for_old_and_new_ipython(|python| {
        let ours = [
            patient_prelude(),
            question(),
            "value = 1\nvalue".into(),
            question(),
            patient_prelude(),
            "2".into(),
            patient_prelude(),
            question(),
            STATE.into(),
        ];
        let with = outputs(python, &ours);
        let without = outputs(python, &["value = 1\nvalue".into(), "2".into(), STATE.into()]);
        assert_eq!(text(&with[8]), text(&without[2]));
        assert_eq!(answer(&with[0]), json!({"version": 1, "keeps": true}));
        assert_eq!(answer(&with[3]), json!({"suggestions": ["value"], "start": 0}));
        let everything: Vec<&Value> = with.iter().flatten().collect();
        assert!(!everything.iter().any(|part| part[0] == "stdout" || part[0] == "stderr"), "{everything:?}");
    });
}

#[test]
fn displays_clearing_and_requests_to_the_prompt_arrive_as_records() {
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            "from IPython.display import *\nh = display('a', display_id='x')\nprint('between')\nh.update('b')".into(),
            "print('old', end='')\nclear_output(wait=True)\nprint('new')".into(),
            "open('loaded.py', 'w').write('x = 1\\ny = 2\\n');".into(),
            "%load loaded.py".into(),
            "get_ipython().set_next_input('next')".into(),
            "get_ipython().payload_manager.write_payload({'source': 'edit_magic', 'filename': 'loaded.py'})".into(),
            "get_ipython().payload_manager.write_payload({'source': 'ask_exit'})".into(),
            "Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png', width=40)".into(),
        ];
        let came = outputs(python, &cells);
        let record = |cell: usize, output: usize| {
            let data = came[cell][output][1]["image/svg+xml"].as_str().unwrap_or_default().to_owned();
            super::unpack(ConsoleRecord::Media { mime: "image/svg+xml".into(), data }).to_wire()
        };
        let display = |update: bool, text: &str| json!(["display", {"id": "x", "update": update, "record": ["stdout", text]}]);
        assert_eq!(came[1][1], json!(["stdout", "between\n"]));
        assert_eq!((record(1, 0), record(1, 2)), (display(false, "'a'\n"), display(true, "'b'\n")));
        assert_eq!((&came[2][0], &came[2][2]), (&json!(["stdout", "old"]), &json!(["stdout", "new\n"])));
        assert_eq!(record(2, 1), json!(["clear", {"wait": true}]));
        let loaded = "# %load loaded.py\nx = 1\ny = 2\n";
        assert_eq!(record(4, 0), json!(["next-input", {"text": loaded, "replace": true}]));
        assert_eq!(record(5, 0), json!(["next-input", {"text": "next", "replace": false}]));
        assert_eq!(record(6, 0), json!(["next-input", {"text": "x = 1\ny = 2\n", "replace": false}]));
        assert_eq!(record(7, 0), json!(["leave", null]));
        let picture = record(8, 0);
        assert_eq!((&picture[1]["width"], &picture[1]["record"][1][0]), (&json!(40), &json!("image/png")));
    });
}

#[test]
fn the_size_of_the_window_is_told_and_a_value_of_the_user_stays() {
    let size = "import os, shutil\nshutil.get_terminal_size().columns, os.environ.get('JUPYTER_COLUMNS')";
    // What tqdm and others ask: the streams, and without a window the system.
    let of_streams = "def size(*fd):\n    try: return tuple(os.get_terminal_size(*fd))\n    except OSError: pass\nsize(), size(1), size(os.open('/dev/null', 0))";
    let window = |columns: Value| ask(json!({"ask": "window", "COLUMNS": columns, "LINES": "30"}));
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            window(json!("91")),
            size.into(),
            "os.environ['COLUMNS'] = '44'".into(),
            window(json!("70")),
            size.into(),
            of_streams.into(),
            window(Value::Null),
            size.into(),
            of_streams.into(),
        ];
        let all = outputs(python, &cells);
        assert_eq!(
            [6, 9].map(|at: usize| text(&all[at])),
            ["((70, 30), (70, 30), None)", "(None, None, None)"]
        );
        let sizes = [2, 5, 8].map(|at: usize| text(&all[at]));
        assert_eq!(sizes, ["(91, '91')", "(44, '70')", "(44, None)"]);
    });
}

#[test]
fn rich_results_are_wrapped_and_others_are_unchanged() {
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            "from IPython.display import *\ndisplay(Markdown('# ä'))\nHTML('<b>x</b>')".into(),
            "display(Latex('$x$'))\ndisplay(JSON({'a': [1]}))".into(),
            "SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')".into(),
            "'text'".into(),
            "display({'text/html': '\\ud800', 'application/json': {'a': float('nan')}}, raw=True)".into(),
            "from IPython.utils.capture import capture_output\nwith capture_output() as caught:\n    \
             display(HTML('<i>'))\ncaught.outputs[0].data['text/html']"
                .into(),
        ];
        let came = outputs(python, &cells);
        assert_eq!(carried(&came[1][0]).unwrap()["text/markdown"], "# ä");
        assert_eq!(carried(&came[1][1]).unwrap()["text/html"], "<b>x</b>");
        assert_eq!(carried(&came[2][0]).unwrap()["text/latex"], "$x$");
        assert_eq!(carried(&came[2][1]).unwrap()["application/json"], json!({"a": [1]}));
        assert!(came[3][0][1]["image/svg+xml"].as_str().unwrap().starts_with("<svg"));
        assert_eq!(text(&came[4]), "'text'");
        assert_eq!(carried(&came[5][0]).unwrap(), json!({"text/html": "?"}));
        assert_eq!(text(&came[6]), "'<i>'");
    });
}

#[test]
fn documentation_is_returned_and_pagers_are_printed() {
    for_old_and_new_ipython(|python| {
        let describe =
            |name: &str, detail: u8| ask(json!({"ask": "describe", "name": name, "detail": detail}));
        let cells = [
            patient_prelude(),
            "def area(r):\n    'Of a circle.'\n    return 3 * r ** 2".into(),
            describe("area", 0),
            describe("nothing.at.all", 0),
            "area?".into(),
            ask(json!({"ask": "dance"})),
            format!("{MARK}no JSON"),
        ];
        let came = outputs(python, &cells);
        let told = answer(&came[2])["text"].as_str().unwrap().to_owned();
        assert!(told.contains("Signature:") && told.contains("Of a circle."), "{told}");
        assert_eq!(answer(&came[3]), json!({"text": null}));
        assert!(
            came[4].iter().any(|part| part[0] == "stdout" && part[1].to_string().contains("Of a circle."))
        );
        for odd in &came[5..] {
            assert!(answer(odd)["error"].is_string());
        }
    });
}

#[test]
fn objects_that_never_answer_reach_the_time_limit() {
    for_old_and_new_ipython(|python| {
        let endless = "import time\nclass Endless:\n    def __dir__(self):\n        while True:\n            \
                       time.sleep(1)\nendless = Endless()";
        let cells = [
            cell(),
            endless.into(),
            ask(json!({"ask": "complete", "code": "endless.x", "at": 9})),
            "'alive'".into(),
        ];
        let came = outputs(python, &cells);
        assert_eq!(answer(&came[2]), json!({"error": "it took too long"}));
        assert_eq!(text(&came[3]), "'alive'");
    });
}

#[test]
fn half_a_character_does_not_block_the_kernel() {
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            "print('a\\ud83dz', end='')".into(),
            "display({'image/svg+xml': '<svg>\\ud83d</svg>', 'text/plain': '\\udc80'}, raw=True)".into(),
            "class Half:\n    def __repr__(self): return 'a\\ud83dz'\nHalf()".into(),
            "raise ValueError('a\\ud83dz')".into(),
            "'alive'".into(),
        ];
        let came = outputs(python, &cells);
        assert_eq!(came[1], [json!(["stdout", "a?z"])]);
        assert_eq!(came[2][0][1], json!({"image/svg+xml": "<svg>?</svg>", "text/plain": "?"}));
        assert_eq!(text(&came[3]), "a?z");
        assert_eq!(came[4], [json!(["stderr", "ValueError"])]);
        assert_eq!(text(&came[5]), "'alive'");
    });
}

#[test]
fn what_a_thread_prints_later_comes_with_a_cell() {
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            "import threading\nsteps = [threading.Event() for _ in range(4)]\n\
             def speak():\n    for n in (0, 2):\n        steps[n].wait(); print('step', n); steps[n + 1].set()\n\
             threading.Thread(target=speak).start()\n\
             class Waits:\n    def __dir__(self): steps[0].set(); steps[1].wait(); return ['known']\n\
             waits = Waits()"
                .into(),
            // The thread prints while this question is answered, and no cell runs.
            ask(json!({"ask": "complete", "code": "waits.kno", "at": 9})),
            "print('cell')".into(),
            "steps[2].set(); steps[3].wait();".into(),
            "import subprocess, sys; p = subprocess.run('seq 30000 >&2', shell=True); sys.stdout.close()".into(),
        ];
        let came = outputs(python, &cells);
        assert!(answer(&came[2])["suggestions"].to_string().contains("known"), "{came:?}");
        let printed = |outputs: &[Value]| -> String {
            outputs
                .iter()
                .filter(|output| output[0] == "stdout" || output[0] == "stderr")
                .filter_map(|output| output[1].as_str())
                .collect()
        };
        assert_eq!(
            (printed(&came[3]), printed(&came[4])),
            ("step 0\ncell\n".to_owned(), "step 2\n".to_owned())
        );
    });
}

#[test]
fn a_link_in_the_home_folder_leads_to_the_process() {
    let link = "import os\nlink = os.path.expanduser('~/.ipython/profile_default/process-of-s')\n\
                os.path.islink(link), os.path.samefile(link, '/proc/self')";
    for_old_and_new_ipython(|python| {
        let came = outputs(python, &[patient_prelude(), link.into(), patient_prelude(), link.into()]);
        assert_eq!([text(&came[1]), text(&came[3])], ["(True, True)", "(True, True)"]);
    });
}

#[test]
fn a_link_in_the_home_folder_is_there_while_a_cell_runs() {
    let link = "import os\nos.path.lexists(os.path.expanduser('~/.ipython/profile_default/cell-of-s'))";
    let question = json!({"ask": "complete", "code": "os.path.lexi", "at": 12});
    let later = "import threading\nwatch = os.path.expanduser('~/.ipython/profile_default/cell-of-s')\n\
                 get_ipython().kernel._bai_seen = []\n\
                 seen = get_ipython().kernel._bai_seen\n\
                 class Looks:\n    @property\n    def value(self): seen.append(os.path.lexists(watch))\nlooks = Looks()";
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            link.into(),
            "1/0".into(),
            ask(question.clone()),
            later.into(),
            ask(json!({"ask": "describe", "name": "looks.value", "detail": 0})),
            "any(seen)".into(),
        ];
        let came = outputs(python, &cells);
        assert_eq!([text(&came[1]), text(&came[6])], ["True", "False"]);
    });
}

#[test]
fn text_that_is_shown_ends_its_line() {
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            "display('a')\ndisplay({'text/plain': 'b\\n'}, raw=True)\n'c'".into(),
            "Out, _".into(),
            "shell = get_ipython()\nshell._showtraceback(ValueError, 1, ['line'])\nshell._last_traceback"
                .into(),
        ];
        let came = outputs(python, &cells);
        let texts: Vec<_> = came[1].iter().map(|part| part[1]["text/plain"].as_str().unwrap()).collect();
        assert_eq!(texts, ["'a'\n", "b\n", "'c'\n"]);
        assert_eq!([text(&came[2]), text(&came[3])], ["({1: 'c'}, 'c')", "['line', '']"]);
    });
}

#[test]
fn output_without_a_window_has_no_colours_in_its_cell_alone() {
    let once = ask(json!({"ask": "window", "COLUMNS": null, "LINES": null, "colors": false, "once": true}));
    let window =
        |colors: bool| ask(json!({"ask": "window", "COLUMNS": "80", "LINES": "24", "colors": colors}));
    let colors = "print(get_ipython().colors.lower())";
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            once.clone(),
            colors.into(),
            colors.into(),
            window(false),
            colors.into(),
            once.clone(),
            colors.into(),
            colors.into(),
            window(true),
            colors.into(),
        ];
        let came = outputs(python, &cells);
        let printed: Vec<_> = came
            .iter()
            .flatten()
            .filter(|part| part[0] == "stdout")
            .map(|part| part[1].as_str().unwrap())
            .collect();
        assert_eq!(printed, ["nocolor\n", "neutral\n", "nocolor\n", "nocolor\n", "nocolor\n", "neutral\n"]);
    });
}

#[test]
fn a_breakpoint_stops_and_asks() {
    for_old_and_new_ipython(|python| {
        let stop = "import builtins, sys\nx = 3\ngetattr(builtins, 'breakpoint', __import__('pdb').set_trace)()\nx = 4";
        let cells = [json!(patient_prelude()), json!([stop, "print(x)", "c"]), json!("x")];
        let came = outputs_with_answers(python, &cells);
        let asked = came[1].iter().filter(|part| **part == json!(["asked", "ipdb> "])).count();
        assert_eq!((asked, text(&came[2]).as_str()), (2, "4"), "{came:?}");
        assert!(
            came[1].iter().any(|part| part[0] == "stdout" && part[1].as_str().unwrap().contains("3\n")),
            "{came:?}"
        );
    });
}

#[test]
fn a_question_that_is_interrupted_is_a_line_of_the_user() {
    for_old_and_new_ipython(|python| {
        let show = "get_ipython()._showtraceback = lambda kind, value, lines: print('\\n'.join(lines))";
        for ask in ["input('who? ')", "__import__('getpass').getpass('who? ')"] {
            let came =
                outputs_with_answers(python, &[json!(patient_prelude()), json!(show), json!([ask, null])]);
            let shown: String = came[2].iter().map(|part| part[1].as_str().unwrap_or_default()).collect();
            assert!(shown.contains("KeyboardInterrupt") && shown.contains("who? "), "{came:?}");
            assert!(!shown.contains("kernelbase"), "{shown}");
        }
    });
}

#[test]
fn a_traceback_is_without_our_frames() {
    for_old_and_new_ipython(|python| {
        let cells = [
            patient_prelude(),
            "import sys\nclass Text(str):\n    def __len__(self): raise ValueError('no length')\n\
             get_ipython()._showtraceback = lambda kind, value, lines: print('\\n'.join(lines))"
                .into(),
            "sys.stdout.write(Text('x'))".into(),
            "try:\n    sys.stdout.write(Text('x'))\nexcept ValueError:\n    1 / 0".into(),
            "%xmode Plain".into(),
            "sys.stdout.write(Text('x'))".into(),
        ];
        let came = outputs(python, &cells);
        let is_old = python.to_str().unwrap().contains("3.6");
        for (at, words) in [(2, "no length"), (3, "division by zero"), (5, "no length")] {
            // Before 3.7 no traceback can be made, and this form has no other place for it.
            if at == 5 && is_old {
                continue;
            }
            let shown: String = came[at].iter().map(|part| part[1].as_str().unwrap_or_default()).collect();
            assert!(shown.contains(words) && shown.contains("__len__"), "{came:?}");
            assert!(!shown.contains("bai-repl"), "{shown}");
        }
    });
}
