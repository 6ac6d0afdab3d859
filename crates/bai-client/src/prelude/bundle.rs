//! Rich results as the prelude sends them: an SVG record whose body is the JSON of a bundle of representations, or of another
//! message. Each becomes the record that an engine would send. An ordinary SVG is unchanged.

use crate::run::Place;
use bai_protocol::bundle;
use bai_protocol::record::ConsoleRecord;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The type of the prelude's answers to questions.
pub(super) const ANSWER: &str = "application/vnd.bai-repl.answer+json";
/// The type of the last record of a script, its exit code: no output is missing before it.
pub(crate) const END: &str = "application/vnd.bai-repl.end+json";
/// The type of the record that carries a bundle.
const CARRIER: &str = "image/svg+xml";
/// More than a mark has, in bytes.
const LARGEST_MARK: usize = 1000;
/// The beginning of a bundle's body. No SVG begins so.
const BEGINNING: &str = "{\"bai-repl\":";

/// A message of the prelude: one of these is there.
#[derive(Deserialize)]
struct Carried {
    data: Option<Map<String, Value>>,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    transient: Map<String, Value>,
    #[serde(default)]
    update: bool,
    clear: Option<Clear>,
    next_input: Option<NextInput>,
    #[serde(default)]
    leave: bool,
    at: Option<Place>,
}

#[derive(Deserialize)]
struct Clear {
    wait: bool,
}

#[derive(Deserialize)]
struct NextInput {
    text: String,
    replace: bool,
}

/// Unpacks the record of a bundle. Any other record is unchanged.
pub(crate) fn unpack(record: ConsoleRecord) -> ConsoleRecord {
    let ConsoleRecord::Media { mime, data } = &record else { return record };
    if mime != CARRIER || !data.starts_with(BEGINNING) {
        return record;
    }
    bai_protocol::json::from_slice(data.as_bytes()).ok().and_then(Carried::record).unwrap_or(record)
}

/// The place in the output that a record marks, if it is such a mark.
pub(crate) fn mark_in(record: &ConsoleRecord) -> Option<Place> {
    let ConsoleRecord::Media { mime, data } = record else { return None };
    if mime != CARRIER || !data.starts_with(BEGINNING) || data.len() > LARGEST_MARK {
        return None;
    }
    bai_protocol::json::from_slice::<Carried>(data.as_bytes()).ok()?.at
}

impl Carried {
    fn record(self) -> Option<ConsoleRecord> {
        if let Some(Clear { wait }) = self.clear {
            return Some(ConsoleRecord::Clear { wait });
        }
        if let Some(NextInput { text, replace }) = self.next_input {
            return Some(ConsoleRecord::NextInput { text, replace });
        }
        if self.leave {
            return Some(ConsoleRecord::Leave);
        }
        let mut bundle = self.data?;
        match bundle.remove(ANSWER).filter(|answer| !answer.is_null()) {
            Some(answer) => {
                Some(ConsoleRecord::Media { mime: ANSWER.to_owned(), data: bundle::text(answer) })
            }
            None => bundle::displayed(bundle, &self.metadata, &self.transient, self.update),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn media(mime: &str, data: &str) -> ConsoleRecord {
        ConsoleRecord::Media { mime: mime.to_owned(), data: data.to_owned() }
    }

    fn carried(bundle: Value) -> ConsoleRecord {
        unpack(media(CARRIER, &json!({"bai-repl": 1, "data": bundle}).to_string()))
    }

    #[test]
    fn an_ordinary_record_is_unchanged() {
        for record in [
            media(CARRIER, "<svg xmlns='http://www.w3.org/2000/svg'/>"),
            media(CARRIER, "{\"bai-repl\": 1, broken"),
            media(CARRIER, "{\"bai-repl\": 1, \"data\": {}}"),
            media(CARRIER, "{\"bai-repl\": 1, \"data\": 3}"),
            media("text/x", "{\"bai-repl\": 1, \"data\": {\"text/html\": \"<b>\"}}"),
            ConsoleRecord::Stdout("{\"bai-repl\": 1}".into()),
        ] {
            assert_eq!(unpack(record.clone()), record);
        }
    }

    #[test]
    fn the_best_representation_is_shown() {
        let table = json!({"text/plain": "   a\n0  1", "text/html": "<table></table>"});
        assert_eq!(carried(table), ConsoleRecord::Html("<table></table>".into()));
        let picture = json!({"text/html": "<img>", "image/png": "AA==", "text/plain": "x"});
        assert_eq!(carried(picture), media("image/png", "data:image/png;base64,AA=="));
        let markdown = json!({"text/plain": "Title", "text/markdown": "# Title"});
        assert_eq!(carried(markdown), media("text/markdown", "# Title"));
        assert_eq!(carried(json!({"image/svg+xml": "<svg/>", "text/html": "x"})), media(CARRIER, "<svg/>"));
    }

    #[test]
    fn informative_text_is_preferred_to_latex() {
        let sympy = json!({"text/plain": "x²", "text/latex": "$x^2$"});
        assert_eq!(carried(sympy), ConsoleRecord::Stdout("x²\n".into()));
        let latex = json!({"text/plain": "<IPython.core.display.Latex object>", "text/latex": "$x^2$"});
        assert_eq!(carried(latex), media("text/latex", "$x^2$"));
        let json =
            json!({"text/plain": "<IPython.core.display.JSON object>", "application/json": {"a": [1]}});
        assert_eq!(carried(json), media("application/json", r#"{"a":[1]}"#));
    }

    #[test]
    fn displays_keep_their_id_and_requests_arrive() {
        let unpacked = |content: Value| {
            let mut message = json!({"bai-repl": 1});
            message.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
            unpack(media(CARRIER, &message.to_string())).to_wire()
        };
        let update = json!({"data": {"text/plain": "x"}, "metadata": {}, "transient": {"display_id": "d"}, "update": true});
        let record = json!(["stdout", "x\n"]);
        assert_eq!(unpacked(update), json!(["display", {"id": "d", "update": true, "record": record}]));
        let sized = json!({"data": {"image/png": "AA=="}, "metadata": {"image/png": {"width": 5}}});
        assert_eq!(unpacked(sized)[1]["width"], 5);
        assert_eq!(unpacked(json!({"clear": {"wait": true}})), json!(["clear", {"wait": true}]));
        let next = json!({"text": "a = 1", "replace": false});
        assert_eq!(unpacked(json!({"next_input": next})), json!(["next-input", next]));
        assert_eq!(unpacked(json!({"leave": true})), json!(["leave", null]));
    }

    #[test]
    fn unknown_types_become_their_text_or_stay_unchanged() {
        let widget = json!({"text/plain": "IntSlider(value=1)", "application/vnd.x+json": {"model_id": "1"}});
        assert_eq!(carried(widget), ConsoleRecord::Stdout("IntSlider(value=1)\n".into()));
        assert_eq!(carried(json!({"application/x": 3, "text/plain": null})), media("application/x", "3"));
        assert_eq!(carried(json!({ANSWER: {"version": 1}})), media(ANSWER, r#"{"version":1}"#));
    }
}
