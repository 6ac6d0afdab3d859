//! Completion from the live namespace.

use super::super::Op;
use super::harness::{LIMIT, Session, pythons};
use bai_protocol::complete::{Completion, CompletionRequest};
use bai_testkit::test_venv;
use std::path::{Path, PathBuf};
use tokio::time::timeout;

async fn complete(session: &Session, text: &str) -> Completion {
    // The cursor is where the bar is, or at the end.
    let position = text.find('|').unwrap_or(text.len());
    session.kernel.complete(CompletionRequest::at(&text.replacen('|', "", 1), position)).await
}

/// The text with its first suggestion in place.
async fn first(session: &Session, text: &str) -> String {
    let completion = complete(session, text).await;
    let code: String = text.split('|').next().unwrap().chars().take(completion.start.unwrap_or(0)).collect();
    format!("{code}{}", completion.suggestions.first().map_or("-", String::as_str))
}

#[tokio::test]
async fn names_complete_from_the_live_namespace() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        std::fs::create_dir(session.folder.path().join("data_dir")).unwrap();
        std::fs::write(session.folder.path().join("data.csv"), "").unwrap();
        std::fs::write(session.folder.path().join("helpers.py"), "def assist(): pass\nCONSTANT = 1").unwrap();
        let code = "import os, collections\nclass Thing:\n    colour = 1\n    _hidden = 2\n    def method(self, width, height=1): pass\n\
                    thing = Thing(); words = {'alpha': 1, \"be'ta\": thing}; rows = [thing]; ünï = 1\n\
                    def long_function_name(first_argument, *, only_by_name=None): pass";
        session.value(code).await;
        for (text, expected) in [
            ("thi", "thing"),
            ("ünï = thi", "ünï = thing"),
            ("x = thing.co", "x = thing.colour"),
            ("os.path.ba", "os.path.basename"),
            ("words['al", "words['alpha']"),
            ("words[\"be", "words[\"be'ta\"]"),
            ("words['al|']", "words['alpha"),
            ("words[\"be'ta\"].col", "words[\"be'ta\"].colour"),
            ("rows[0].meth", "rows[0].method"),
            ("'abc'.upp", "'abc'.upper"),
            ("[1, 2].app", "[1, 2].append"),
            ("import collec", "import collections"),
            ("import os.pa", "import os.path"),
            ("import os, collections.ab", "import os, collections.abc"),
            ("from os import getc", "from os import getcwd"),
            ("from helpers import ass", "from helpers import assist"),
            ("from os imp", "from os import"),
            ("from xml.do", "from xml.dom"),
            ("open('data.c", "open('data.csv"),
            ("open('data_", "open('data_dir/"),
            ("long_function_name(fir", "long_function_name(first_argument="),
            ("long_function_name(1, onl", "long_function_name(1, only_by_name="),
            ("thing.method(wid", "thing.method(width="),
            ("Thing().method(x for x in thi", "Thing().method(x for x in thing"),
            ("long_fun", "long_function_name"),
            ("whi", "while"),
            ("pri", "print"),
            ("def f(parameter):\n    return para", "def f(parameter):\n    return parameter"),
            ("x = 1 # thi", "-"),
            ("words['nothing", "words[-"),
            ("1.re", "1.-"),
        ] {
            assert_eq!(first(&session, text).await, expected, "{python}: {text}");
        }
        let names = complete(&session, "thing.").await.suggestions;
        assert_eq!(names[..2], ["colour", "method"], "{python}");
        let place = |name: &str| names.iter().position(|n| n == name).unwrap();
        assert!(
            place("method") < place("_hidden") && place("_hidden") < place("__class__"),
            "{python}: {names:?}"
        );
        assert!(
            complete(&session, "long_function_name(first_argument=1, ").await.suggestions[0]
                == "only_by_name="
        );
    }
}

/// Names whose keys are odd, and what completes.
const ODD_KEYS: &str = r#"
import enum
class Colour(enum.IntEnum): red = 1
class Text(str):
  def __repr__(self): return '<Text>'
class Own:
  def _ipython_key_completions_(self): return ['column one', 'column two']
  def __getitem__(self, key): return Own()
class Bad(dict):
  def keys(self): raise SystemExit
d = {'a/Circle': {'in': {'ner': 1}}, 'b c': 1, 5: 3, 55: 4, b'spam': 1, "q'u\"ote": 1, 'tab\t\u2028': 1, 'back\\slash': 1,
     Colour.red: 1, Text('text'): 1, None: 1, float('nan'): 1, 'ünï🐍': 1}
t = {(1, 'x', 2.5): 1, (1, 'y'): 2, (2, 'z'): 3, 'one': 4, 1: 5, (None, 1): 6}
own, bad, n, k = Own(), Bad(a=1), 1, 'a/Circle'
"#;

/// Text before the cursor, or with a bar at the cursor, and with its first suggestion.
const KEYS: &[(&str, &str)] = &[
    ("d[", "d['a/Circle']"),
    ("d[ ", "d[ 'a/Circle']"),
    ("x = [d[", "x = [d['a/Circle']"),
    ("d['a/Circle'][", "d['a/Circle']['in']"),
    ("d['a/Circle']['in']['n", "d['a/Circle']['in']['ner']"),
    ("d[k]['", "d[k]['in']"),
    (r#"d["b"#, r#"d["b c"]"#),
    ("d['''b", "d['''b c''']"),
    ("d[u'b", "d[u'b c']"),
    ("d[r'b", "d[r'b c']"),
    ("d[b's", "d[b'spam']"),
    (r#"d[B""#, r#"d[B"spam"]"#),
    ("d['b |']", "d['b c"),
    ("d['b |]", "d['b c'"),
    ("d[|]", "d['a/Circle'"),
    ("d[5", "d[5]"),
    ("d['q", r#"d['q\'u"ote']"#),
    (r#"d["q"#, r#"d["q'u\"ote"]"#),
    (r"d['q\'u", r#"d['q\'u"ote']"#),
    ("d['tab", r"d['tab\t\u2028']"),
    (r"d['tab\t", r"d['tab\t\u2028']"),
    ("d['back", r"d['back\\slash']"),
    (r"d['back\\s", r"d['back\\slash']"),
    ("d['te", "d['text']"),
    ("d['ü", "d['ünï🐍']"),
    ("t[", "t[1"),
    ("t[1, ", "t[1, 'x', "),
    ("t[1, 'x', ", "t[1, 'x', 2.5]"),
    ("t[n, 'y", "t[n, 'y']"),
    ("t[(2, ", "t[(2, 'z')]"),
    ("t[(", "t[(1, "),
    ("t[(2, '|)]", "t[(2, 'z'"),
    ("d[t[1, ", "d[t[1, 'x', "),
    ("own['co", "own['column one']"),
    ("own[own['column t", "own[own['column two']"),
    ("d[k", "d[k"),
];

/// What is no key, or cannot be written, has no suggestion.
const NO_KEYS: &[&str] =
    &[r"d['back\", r"d['\8", "d[r'q", "bad['", "nothing['", "d['nothing", "d[f'a", "[1]['"];

#[tokio::test]
async fn keys_complete_with_their_quotes() {
    let mut sessions = Session::start_with_ipython().await;
    for python in pythons().await {
        sessions.push(Session::start(&python).await);
    }
    for (number, mut session) in sessions.into_iter().enumerate() {
        session.value(ODD_KEYS).await;
        for (text, expected) in KEYS {
            assert_eq!(first(&session, text).await, *expected, "{number}: {text}");
        }
        for text in NO_KEYS {
            assert_eq!(complete(&session, text).await.suggestions, [""; 0], "{text}");
        }
        let all = complete(&session, "d[").await.suggestions.join(" ");
        let shown = r#"'a/Circle'] 'b c'] 5] 55] b'spam'] 'q\'u"ote'] 'tab\t\u2028'] 'back\\slash'] 1] 'text'] 'ünï🐍']"#;
        assert_eq!(all, shown);
        // Nothing was printed, not even a warning.
        assert_eq!(session.value("n").await, "1\n");
    }
}

#[tokio::test]
async fn columns_and_labels_complete() {
    let Some(mut session) = Session::start_in_test_venv().await else { return };
    let code = "import pandas, numpy\ndf = pandas.DataFrame({'column one': [1], 'other': [2]}, index=['row'])\n\
                fields = numpy.zeros(1, dtype=[('field', int)])";
    session.value(code).await;
    for (text, expected) in [
        (r#"df["co"#, r#"df["column one"]"#),
        ("df[", "df['column one']"),
        ("df['other'][", "df['other']['row']"),
        ("df.loc['r", "df.loc['row']"),
        ("df.loc[:, 'o", "df.loc[:, 'other']"),
        ("df.at['row', 'co", "df.at['row', 'column one']"),
        ("fields['", "fields['field']"),
    ] {
        assert_eq!(first(&session, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn completion_works_while_a_cell_runs_and_with_hostile_objects() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "class Bad:\n    def __getattr__(self, name): raise SystemExit(name)\n    def __dir__(self): raise KeyboardInterrupt\n\
                    class Odd:\n    def __dir__(self): return [1, 'one', None]\n\
                    bad = Bad(); odd = Odd(); many = dict.fromkeys('k%d' % n for n in range(5000))";
        session.value(code).await;
        session.send(Op::Code("print('on')\nwhile True: pass".into())).await;
        session.until_output("on\n").await;
        assert_eq!(first(&session, "odd.o").await, "odd.one", "{python}");
        complete(&session, "bad.x").await;
        complete(&session, "bad.x.").await;
        assert_eq!(complete(&session, "many['").await.suggestions.len(), 1000);
        assert_eq!(complete(&session, "((((").await.start, Some(4));
        assert_eq!(complete(&session, "\"\"\"\n").await, Completion::default());
        assert_eq!(first(&session, "odd.o").await, "odd.one", "{python}");
        session.send(Op::Interrupt).await;
        assert!(session.finish().await.stderr().ends_with("KeyboardInterrupt\n"), "{python}");
    }
}

/// Code whose names jedi finds, and what it completes.
const UNEVALUATED: &str =
    "class Thing:\n    colour = 1\ndef make() -> Thing: raise SystemExit('was called')\nmade = Thing()";

/// Asks until jedi answers: the first question only loads it, and the first one about a module may take longer than an
/// answer may.
async fn jedi_completes(session: &mut Session, (text, completed): (&str, &str)) {
    let answered = async {
        while first(session, text).await != completed {
            session.value("import time; time.sleep(0.01)").await;
        }
    };
    timeout(LIMIT, answered).await.unwrap_or_else(|_| panic!("jedi never completes {text}"));
}

/// The files of jedi's cache in a folder.
fn cached(cache: &Path) -> Vec<PathBuf> {
    let entries =
        |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries(&cache.join("jedi")).flat_map(|folder| entries(&folder)).collect()
}

#[tokio::test]
async fn a_cache_that_a_killed_session_left_half_written_is_made_anew() {
    let Some(venv) = test_venv() else { return };
    let cache = tempfile::tempdir().unwrap();
    let env = [("VIRTUAL_ENV", venv), ("XDG_CACHE_HOME", cache.path().to_str().unwrap())];
    // Each question reads another file of the cache.
    let (strings, paths) =
        (("'a'.upper().swapc", "'a'.upper().swapcase"), ("where().absol", "where().absolute"));
    let code = "def where() -> 'pathlib.Path': raise SystemExit('was called')\nimport pathlib";
    let mut session = Session::start_with("python", &env).await;
    session.value(code).await;
    jedi_completes(&mut session, strings).await;
    jedi_completes(&mut session, paths).await;
    let files = cached(cache.path());
    assert!(!files.is_empty());
    let mut session = Session::start_with("python", &env).await;
    session.value(code).await;
    // It is made anew as often as a session leaves it so.
    for question in [strings, paths] {
        for file in &files {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, b"half of a pickle").unwrap();
        }
        jedi_completes(&mut session, question).await;
    }
}

/// A jedi that does not answer before its gate is open, and counts the questions that it works at.
const SLOW_JEDI: &str = "
import threading
gate = threading.Event()
active = most = 0
class settings:
    cache_directory = 'jedi-cache'
class Interpreter:
    def __init__(self, code, namespaces): pass
    def complete(self):
        global active, most
        active += 1
        most = max(most, active)
        gate.wait()
        active -= 1
        return [type('Name', (), {'name': 'colour'})]
";

#[tokio::test]
async fn a_question_that_takes_jedi_long_is_not_asked_twice_at_once() {
    for python in pythons().await {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("jedi.py"), SLOW_JEDI).unwrap();
        let env = [("PYTHONPATH", folder.path().to_str().unwrap())];
        let mut session = Session::start_with(&python, &env).await;
        session.value(UNEVALUATED).await;
        session.value("import jedi, time").await;
        while session.value("jedi.active").await == "0\n" {
            assert_eq!(complete(&session, "make().col").await.suggestions, [""; 0], "{python}");
        }
        complete(&session, "make().col").await;
        session.value("jedi.gate.set()").await;
        jedi_completes(&mut session, ("make().col", "make().colour")).await;
        assert_eq!(session.value("jedi.most").await, "1\n", "{python}");
    }
}

#[tokio::test]
async fn a_module_that_another_thread_is_importing_stops_no_cell() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "import sys, types\nfor name in ('linecache', 'bdb', 'pdb', 'IPython.lib.pretty'):\n\
                    \x20 sys.modules[name] = types.ModuleType(name)";
        session.value(code).await;
        let value = "class P:\n  def __repr__(self): return 'P'\n  def _repr_pretty_(self, p, cycle): p.text('P')\nP()";
        assert_eq!(session.value(value).await, "P\n", "{python}");
        let outcome = session.run("import linecache; del sys.modules['linecache']; 1 / 0").await;
        assert!(outcome.stderr().ends_with("ZeroDivisionError: division by zero\n"), "{python}: {outcome:?}");
    }
}

#[tokio::test]
async fn unevaluated_names_complete_through_jedi() {
    let Some(mut session) = Session::start_in_test_venv().await else { return };
    session.value(UNEVALUATED).await;
    jedi_completes(&mut session, ("make().col", "make().colour")).await;
    assert_eq!(first(&session, "made.col").await, "made.colour");
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value(UNEVALUATED).await;
        if session.run("import jedi").await.exit_code != 0 {
            assert_eq!(complete(&session, "make().col").await.suggestions, [""; 0], "{python}");
            assert_eq!(first(&session, "made.col").await, "made.colour", "{python}");
        }
    }
}

#[tokio::test]
async fn a_name_with_half_a_character_does_not_hide_the_others() {
    let mut session = Session::start("python").await;
    session.value("class Odd:\n    def __dir__(self): return ['half\\ud83d', 'hall']\nodd = Odd()").await;
    let request = CompletionRequest::at("odd.ha", 6);
    let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
    assert!(completion.suggestions.contains(&"hall".to_owned()), "{completion:?}");
}
