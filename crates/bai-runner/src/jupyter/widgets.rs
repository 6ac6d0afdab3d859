//! Widgets of Jupyter as text: progress bars with their labels, alone or in boxes, as tqdm and ipywidgets make them. The kernel
//! keeps a model of each widget at its client, by messages of a comm. A display of such a widget is text here, and is updated
//! when a model in it changes. Other widgets are shown by their own text. This module does no I/O.

use bai_protocol::record::{ConsoleRecord, Display};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The type of a widget in a bundle of representations.
const VIEW: &str = "application/vnd.jupyter.widget-view+json";
/// The name of the comms that widgets use.
const TARGET: &str = "jupyter.widget";
/// How a model refers to another one.
const REFERENCE: &str = "IPY_MODEL_";
/// The most models that are kept. A kernel that makes more shows the others by their own text.
const MOST_MODELS: usize = 10_000;
/// Boxes inside of boxes that are shown.
const MAX_DEPTH: usize = 8;
/// The width of a bar, in cells.
const BAR: usize = 24;
/// The eighths of a cell from left to right.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The widgets of a kernel.
#[derive(Debug, Default)]
pub(super) struct Widgets {
    models: HashMap<String, Map<String, Value>>,
    /// The widgets that were displayed, and the text of each.
    shown: Vec<(String, String)>,
}

impl Widgets {
    /// Handles a message about a comm. Returns the displays that change with it.
    pub(super) fn receive(&mut self, kind: &str, content: &Map<String, Value>) -> Vec<ConsoleRecord> {
        let Some(id) = content.get("comm_id").and_then(Value::as_str) else { return Vec::new() };
        let data = content.get("data").and_then(Value::as_object);
        let state = data.and_then(|data| data.get("state")).and_then(Value::as_object);
        match (kind, state) {
            ("comm_open", Some(state)) => {
                if content.get("target_name").and_then(Value::as_str) == Some(TARGET)
                    && self.models.len() < MOST_MODELS
                {
                    self.models.insert(id.to_owned(), state.clone());
                }
                return Vec::new();
            }
            ("comm_msg", Some(state)) => {
                let is_update =
                    data.and_then(|data| data.get("method")).and_then(Value::as_str) == Some("update");
                let Some(model) = self.models.get_mut(id).filter(|_| is_update) else { return Vec::new() };
                model.extend(state.clone());
            }
            ("comm_close", _) => {
                self.models.remove(id);
            }
            _ => return Vec::new(),
        }
        self.changed()
    }

    /// The displays whose text has changed.
    fn changed(&mut self) -> Vec<ConsoleRecord> {
        let mut shown = std::mem::take(&mut self.shown);
        let mut changed = Vec::new();
        for (id, text) in &mut shown {
            // A widget that was closed leaves the screen.
            let now = self.line(id).unwrap_or_default();
            if now != *text {
                *text = now;
                changed.push(record(id, text, true));
            }
        }
        shown.retain(|(id, _)| self.models.contains_key(id));
        self.shown = shown;
        changed
    }

    /// The display of a bundle that is a widget with a text. `None` for any other bundle.
    pub(super) fn display(&mut self, bundle: &Map<String, Value>) -> Option<ConsoleRecord> {
        let id = bundle.get(VIEW)?.get("model_id")?.as_str()?;
        let text = self.line(id)?;
        self.shown.retain(|(shown, _)| shown != id);
        let display = record(id, &text, false);
        self.shown.push((id.to_owned(), text));
        Some(display)
    }

    /// A widget as it is displayed, if it has a text.
    fn line(&self, id: &str) -> Option<String> {
        let model = self.models.get(id)?;
        let text = self.text(id, MAX_DEPTH)?;
        // A bar beside others has its numbers there.
        Some(match progress(model) {
            Some(Progress { value, most, .. }) => format!("{text} {value}/{most}\n"),
            None => text + "\n",
        })
    }

    fn text(&self, id: &str, depth: usize) -> Option<String> {
        let model = self.models.get(id).filter(|_| depth > 0)?;
        let word = |key: &str| model.get(key).and_then(Value::as_str).unwrap_or_default();
        let hidden = model.get("layout").and_then(|layout| self.referred(layout)).is_some_and(|layout| {
            let is = |key: &str, value: &str| layout.get(key).and_then(Value::as_str) == Some(value);
            is("display", "none") || is("visibility", "hidden")
        });
        if hidden {
            return Some(String::new());
        }
        if let Some(progress) = progress(model) {
            let bar = bar(progress.share);
            let description = plain(word("description"));
            return Some(if description.is_empty() { bar } else { format!("{description} {bar}") });
        }
        match word("_model_name") {
            "HTMLModel" | "HTMLMathModel" | "LabelModel" => Some(plain(word("value"))),
            "HBoxModel" | "BoxModel" => self.children(model, " ", depth),
            "VBoxModel" => self.children(model, "\n", depth),
            _ => None,
        }
    }

    /// The texts of a box's children. `None` if one has no text.
    fn children(&self, model: &Map<String, Value>, between: &str, depth: usize) -> Option<String> {
        let children = model.get("children")?.as_array()?;
        let id = |child: &Value| child.as_str()?.strip_prefix(REFERENCE).map(str::to_owned);
        let texts: Option<Vec<String>> =
            children.iter().map(|child| self.text(&id(child)?, depth - 1)).collect();
        let texts: Vec<String> = texts?.into_iter().filter(|text| !text.is_empty()).collect();
        Some(texts.join(between))
    }

    fn referred(&self, reference: &Value) -> Option<&Map<String, Value>> {
        self.models.get(reference.as_str()?.strip_prefix(REFERENCE)?)
    }
}

fn record(id: &str, text: &str, update: bool) -> ConsoleRecord {
    // A widget that is gone takes no line.
    let text = if text.trim().is_empty() { String::new() } else { text.to_owned() };
    let shown = Display::of(ConsoleRecord::Stdout(text));
    ConsoleRecord::Display(Display { id: Some(format!("widget {id}")), update, ..shown })
}

/// The state of a progress bar.
struct Progress {
    share: f64,
    value: Value,
    most: Value,
}

fn progress(model: &Map<String, Value>) -> Option<Progress> {
    let name = model.get("_model_name")?.as_str()?;
    if !matches!(name, "IntProgressModel" | "FloatProgressModel") {
        return None;
    }
    let number = |key: &str| model.get(key).and_then(Value::as_f64).unwrap_or_default();
    let (least, most, value) = (number("min"), number("max"), number("value"));
    let share = if most > least { (value - least) / (most - least) } else { 0.0 };
    let value = |key: &str| model.get(key).cloned().unwrap_or_default();
    Some(Progress { share: share.clamp(0.0, 1.0), value: value("value"), most: value("max") })
}

fn bar(share: f64) -> String {
    let eighths = (share * (BAR * 8) as f64).round() as usize;
    let whole = eighths / 8;
    let mut bar = "█".repeat(whole);
    if whole < BAR {
        bar.extend(EIGHTHS.get(eighths % 8));
        bar.push_str(&" ".repeat(BAR - whole - 1));
    }
    format!("|{bar}|")
}

/// The text of a label, which may be a little HTML.
fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        match after.split_once('>') {
            // Without a letter or a slash it is no tag.
            Some((tag, behind)) if tag.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => {
                rest = behind
            }
            _ => {
                text.push('<');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    let text = entities.iter().fold(text, |text, (entity, c)| text.replace(entity, c));
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open(widgets: &mut Widgets, id: &str, state: Value) {
        let content = json!({"comm_id": id, "target_name": TARGET, "data": {"state": state}});
        assert!(widgets.receive("comm_open", content.as_object().unwrap()).is_empty());
    }

    fn update(widgets: &mut Widgets, id: &str, state: Value) -> Vec<ConsoleRecord> {
        let content = json!({"comm_id": id, "data": {"method": "update", "state": state}});
        widgets.receive("comm_msg", content.as_object().unwrap())
    }

    fn show(widgets: &mut Widgets, id: &str) -> Option<ConsoleRecord> {
        let bundle = json!({"text/plain": "own text", VIEW: {"model_id": id}});
        widgets.display(bundle.as_object().unwrap())
    }

    /// The widgets of tqdm.
    fn tqdm() -> Widgets {
        let mut widgets = Widgets::default();
        open(&mut widgets, "left", json!({"_model_name": "HTMLModel", "value": "Fit:&nbsp; 25%"}));
        open(
            &mut widgets,
            "bar",
            json!({"_model_name": "FloatProgressModel", "min": 0.0, "max": 4.0, "value": 1.0}),
        );
        open(
            &mut widgets,
            "right",
            json!({"_model_name": "HTMLModel", "value": " 1/4 [00:01&lt;00:03, 1.0it/s]"}),
        );
        let children = ["left", "bar", "right"].map(|id| format!("IPY_MODEL_{id}"));
        open(&mut widgets, "box", json!({"_model_name": "HBoxModel", "children": children}));
        widgets
    }

    #[test]
    fn a_bar_is_text_and_changes_with_its_models() {
        let mut widgets = tqdm();
        let text = |bar: &str, share: &str, rest: &str| format!("Fit: {share} |{bar:24}| {rest}\n");
        let first = text("██████", "25%", "1/4 [00:01<00:03, 1.0it/s]");
        assert_eq!(show(&mut widgets, "box"), Some(record("box", &first, false)));
        let changed = update(&mut widgets, "bar", json!({"value": 2.25}));
        let second = text("█████████████▌", "25%", "1/4 [00:01<00:03, 1.0it/s]");
        assert_eq!(changed, [record("box", &second, true)]);
        assert_eq!(update(&mut widgets, "bar", json!({"bar_style": "info"})), [], "the text is the same");
        assert_eq!(update(&mut widgets, "unknown", json!({"value": 1})), []);
        let content = json!({"comm_id": "box"});
        let gone = widgets.receive("comm_close", content.as_object().unwrap());
        assert_eq!(gone, [record("box", "", true)]);
        assert_eq!(update(&mut widgets, "bar", json!({"value": 4.0})), []);
    }

    #[test]
    fn a_bar_alone_has_its_numbers_and_others_have_their_own_text() {
        let mut widgets = Widgets::default();
        open(
            &mut widgets,
            "bar",
            json!({"_model_name": "IntProgressModel", "max": 10, "value": 5, "description": "Load"}),
        );
        let text = format!("Load |{:24}| 5/10\n", "█".repeat(12));
        assert_eq!(show(&mut widgets, "bar"), Some(record("bar", &text, false)));
        open(&mut widgets, "slider", json!({"_model_name": "IntSliderModel", "value": 5}));
        open(
            &mut widgets,
            "mixed",
            json!({"_model_name": "VBoxModel", "children": ["IPY_MODEL_bar", "IPY_MODEL_slider"]}),
        );
        open(&mut widgets, "self", json!({"_model_name": "HBoxModel", "children": ["IPY_MODEL_self"]}));
        for id in ["slider", "mixed", "self", "unknown"] {
            assert_eq!(show(&mut widgets, id), None, "{id}");
        }
    }

    #[test]
    fn numbers_out_of_range_make_a_bar() {
        for (value, max, full) in [(0, 0, 0), (7, 4, 24), (-1, 4, 0)] {
            let model = json!({"_model_name": "IntProgressModel", "max": max, "value": value});
            let share = progress(model.as_object().unwrap()).unwrap().share;
            assert_eq!(bar(share), format!("|{:24}|", "█".repeat(full)));
        }
    }

    #[test]
    fn a_label_may_have_tags() {
        assert_eq!(plain("<b>a</b> &lt;b&gt; 1 < 2 <br/>c"), "a <b> 1 < 2 c");
        assert_eq!(plain("<"), "<");
    }
}
