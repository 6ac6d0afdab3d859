//! Displays with an id, their updates, and what else is for a person who watches: clearing, the next input, leaving.

use super::super::{ConsoleRecord, Reply};
use super::harness::{Outcome, Session, pythons};
use serde_json::{Value, json};

/// The records of a cell as they are on the wire. The split of a text into records depends on the load of the machine.
fn records(outcome: &Outcome) -> Vec<Value> {
    let mut records: Vec<ConsoleRecord> = Vec::new();
    for reply in &outcome.replies {
        let Reply::Console(record) = reply else { continue };
        let rest = match records.last_mut() {
            Some(last) => last.append(record.clone(), usize::MAX).err(),
            None => Some(record.clone()),
        };
        records.extend(rest);
    }
    records.iter().map(ConsoleRecord::to_wire).collect()
}

fn shown(id: Option<&str>, update: bool, record: Value) -> Value {
    json!(["display", {"id": id, "update": update, "record": record}])
}

#[tokio::test]
async fn a_display_with_an_id_is_updated() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "handle = display('first', display_id='bar')\nprint('between')\nhandle.update(2)\nhandle.display('below')";
        let outcome = session.run(code).await;
        let expected = [
            shown(Some("bar"), false, json!(["stdout", "'first'\n"])),
            json!(["stdout", "between\n"]),
            shown(Some("bar"), true, json!(["stdout", "2\n"])),
            shown(Some("bar"), false, json!(["stdout", "'below'\n"])),
        ];
        assert_eq!(
            (records(&outcome).as_slice(), outcome.stderr().as_str()),
            (&expected[..], ""),
            "{python}"
        );
        let names = "one, two = display(display_id=True), display(display_id=True)\nprint(len(one.display_id), one.display_id == two.display_id)";
        assert_eq!(session.value(names).await, "32 False\n", "{python}");
        assert_eq!(session.value("display('x')").await, "'x'\n", "{python}: no handle without an id");
    }
}

#[tokio::test]
async fn the_metadata_of_a_picture_are_its_size() {
    let png = ["media", "data:image/png;base64,cG5n"];
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "class P:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n        return {'image/png': b'png', 'text/plain': 'P'}, {'image/png': {'width': 40.5, 'height': 30, 'more': object()}}\nP()";
        let outcome = session.run(code).await;
        let record = json!(["media", ["image/png", png[1]]]);
        let sized =
            json!(["display", {"id": null, "update": false, "width": 40, "height": 30, "record": record}]);
        assert_eq!(records(&outcome), std::slice::from_ref(&sized), "{python}: {outcome:?}");
        let code = "class Q:\n    def _repr_png_(self): return b'png', {'width': 40, 'height': '30px'}\nQ()";
        assert_eq!(records(&session.run(code).await), [sized], "{python}");
    }
}

#[tokio::test]
async fn what_is_for_a_watching_person_keeps_its_place_in_the_output() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "from _bai_repl import display as d\nprint(1)\nd.clear(wait=True)\nprint(2)\nd.next_input('x = 1\\n', replace=True)\nd.clear()\nd.leave()";
        let expected = [
            json!(["stdout", "1\n"]),
            json!(["clear", {"wait": true}]),
            json!(["stdout", "2\n"]),
            json!(["next-input", {"text": "x = 1\n", "replace": true}]),
            json!(["clear", {"wait": false}]),
            json!(["leave", null]),
        ];
        assert_eq!(records(&session.run(code).await), expected, "{python}");
    }
}

#[tokio::test]
async fn representations_that_cannot_be_sent_are_left_out() {
    let mut session = Session::start("python").await;
    let code = "from _bai_repl import display as d\nprint(d.publish({'application/json': {1, 2}}), d.publish({}), d.publish({'text/html': '<b>', 'text/plain': 'x'}, transient={'display_id': 7}, update=True))";
    let outcome = session.run(code).await;
    let update = shown(Some("7"), true, json!(["html", "<b>"]));
    assert_eq!(records(&outcome), [update, json!(["stdout", "False False True\n"])]);
    let latex = "d.publish({'text/latex': '$x$', 'text/plain': 'informative'})";
    assert_eq!(
        session.run(latex).await.replies[0],
        Reply::Console(ConsoleRecord::Stdout("informative\n".into()))
    );
}

#[tokio::test]
async fn the_functions_of_ipython_reach_the_prompt() {
    let Some(mut session) = Session::start_in_test_venv().await else { return };
    let code = "from IPython.display import Image, Pretty, clear_output, display, update_display\n\
                h = display('a', display_id='x')\nupdate_display('b', display_id='x')\nclear_output(wait=True)\n\
                display(Pretty('pretty'))\ndisplay(Image(data=b'\\x89PNG\\r\\n\\x1a\\n', format='png', width=30))";
    let expected = [
        shown(Some("x"), false, json!(["stdout", "'a'\n"])),
        shown(Some("x"), true, json!(["stdout", "'b'\n"])),
        json!(["clear", {"wait": true}]),
        json!(["stdout", "pretty\n"]),
    ];
    let outcome = session.run(code).await;
    let records = records(&outcome);
    assert_eq!((&records[..4], outcome.stderr().as_str()), (&expected[..], ""));
    assert_eq!((&records[4][1]["width"], &records[4][1]["record"][1][0]), (&json!(30), &json!("image/png")));
    let bar = session.run("from IPython.display import ProgressBar\nfor _ in ProgressBar(2): pass").await;
    let updates =
        bar.replies.iter().filter(|reply| matches!(reply, Reply::Console(ConsoleRecord::Display(_))));
    assert_eq!(updates.count(), 4, "{bar:?}");
}
