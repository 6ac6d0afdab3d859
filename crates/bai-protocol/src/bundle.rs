//! Bundles of representations, as Jupyter and IPython give them: one result by MIME type. This module decides which of
//! them a terminal shows.

use super::record::{ConsoleRecord, Display, PictureSize};
use serde_json::{Map, Value};

/// Pictures that are sent as base64.
const PICTURES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"];
const SVG: &str = "image/svg+xml";
/// What a terminal draws itself.
const DRAWINGS: &[&str] = &["application/x-sorna-drawing", "application/vnd.sorna.gitgraph"];
/// Text in the order of preference, after pictures and before plain text.
const TEXTS: &[&str] = &["text/markdown", "text/latex", "application/json"];

/// A bundle that was displayed, with what Jupyter says beside it: `transient` has the id of the display. `None` for an empty
/// bundle.
pub fn displayed(
    bundle: Map<String, Value>,
    metadata: &Map<String, Value>,
    transient: &Map<String, Value>,
    update: bool,
) -> Option<ConsoleRecord> {
    let record = best(bundle)?;
    let size = match &record {
        ConsoleRecord::Media { mime, .. } => PictureSize::of_metadata(metadata, mime),
        _ => PictureSize::default(),
    };
    let id = transient.get("display_id").and_then(Value::as_str).map(str::to_owned);
    Some(Display { id, update, size, record: Box::new(record) }.into_record())
}

/// The record of the representation that a terminal shows best, or `None` for an empty bundle. Plain text is preferred to
/// LaTeX and JSON where it says more than that there is an object.
pub fn best(mut bundle: Map<String, Value>) -> Option<ConsoleRecord> {
    let mut take = |kind: &str| bundle.remove(kind).filter(|value| !value.is_null()).map(text);
    let media = |mime: &str, data: String| ConsoleRecord::Media { mime: mime.to_owned(), data };
    for &mime in PICTURES {
        if let Some(data) = take(mime) {
            // Base64 comes in lines from some kernels.
            let data: String = data.split_ascii_whitespace().collect();
            return Some(media(mime, format!("data:{mime};base64,{data}")));
        }
    }
    if let Some(svg) = take(SVG) {
        return Some(media(SVG, svg));
    }
    if let Some(html) = take("text/html") {
        return Some(ConsoleRecord::Html(html));
    }
    for &mime in DRAWINGS {
        if let Some(data) = take(mime) {
            return Some(media(mime, data));
        }
    }
    let plain = take("text/plain");
    let says_nothing = |text: &String| text.starts_with('<') && text.ends_with(" object>");
    for &mime in TEXTS {
        if mime != "text/markdown" && plain.as_ref().is_some_and(|text| !says_nothing(text)) {
            break;
        }
        if let Some(data) = take(mime) {
            return Some(media(mime, data));
        }
    }
    match plain {
        Some(text) => Some(ConsoleRecord::Stdout(text + "\n")),
        None => bundle.into_iter().next().map(|(mime, value)| media(&mime, text(value))),
    }
}

/// The text of a string, or the JSON of any other value.
pub fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
