//! Rich results as the prelude sends them: an SVG record whose body is the JSON of a bundle of representations. Each
//! becomes the record that a terminal shows best. An ordinary SVG is unchanged.

use bai_protocol::bundle;
use bai_protocol::record::ConsoleRecord;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The type of the prelude's answers to questions.
pub(super) const ANSWER: &str = "application/vnd.bai-repl.answer+json";
/// The type of the record that carries a bundle.
const CARRIER: &str = "image/svg+xml";
/// The beginning of a bundle's body. No SVG begins so.
const BEGINNING: &str = "{\"bai-repl\":";

#[derive(Deserialize)]
struct Carried {
    data: Map<String, Value>,
}

/// Unpacks the record of a bundle. Any other record is unchanged.
pub(crate) fn unpack(record: ConsoleRecord) -> ConsoleRecord {
    let ConsoleRecord::Media { mime, data } = &record else { return record };
    if mime != CARRIER || !data.starts_with(BEGINNING) {
        return record;
    }
    bai_protocol::json::from_slice(data.as_bytes())
        .ok()
        .and_then(|Carried { data }| shown(data))
        .unwrap_or(record)
}

fn shown(mut bundle: Map<String, Value>) -> Option<ConsoleRecord> {
    match bundle.remove(ANSWER).filter(|answer| !answer.is_null()) {
        Some(answer) => Some(ConsoleRecord::Media { mime: ANSWER.to_owned(), data: bundle::text(answer) }),
        None => bundle::best(bundle),
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
    fn unknown_types_become_their_text_or_stay_unchanged() {
        let widget = json!({"text/plain": "IntSlider(value=1)", "application/vnd.x+json": {"model_id": "1"}});
        assert_eq!(carried(widget), ConsoleRecord::Stdout("IntSlider(value=1)\n".into()));
        assert_eq!(carried(json!({"application/x": 3, "text/plain": null})), media("application/x", "3"));
        assert_eq!(carried(json!({ANSWER: {"version": 1}})), media(ANSWER, r#"{"version":1}"#));
    }
}
