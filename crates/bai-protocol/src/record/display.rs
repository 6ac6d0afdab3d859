//! A displayed value (`docs/wire` §13.4): its record, and what a client that watches needs to show it in its place.

use super::ConsoleRecord;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A value that was displayed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Display {
    /// The name under which later displays of its cell, or of others, take its place.
    pub id: Option<String>,
    /// Whether it takes the place of the displays with this id.
    pub update: bool,
    /// The size that the program wants for a picture.
    #[serde(flatten)]
    pub size: PictureSize,
    /// What is shown.
    pub record: Box<ConsoleRecord>,
}

/// The size of a picture in pixels, as far as it is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PictureSize {
    /// The width.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The height.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

impl PictureSize {
    /// The size in the metadata of a bundle of representations: that of the picture's type, or else that of all.
    pub fn of_metadata(metadata: &Map<String, Value>, mime: &str) -> Self {
        let own = metadata.get(mime).and_then(Value::as_object);
        let size = |name| own.and_then(|own| number(own.get(name)?)).or_else(|| number(metadata.get(name)?));
        PictureSize { width: size("width"), height: size("height") }
    }

    /// Whether the program leaves the size open.
    pub fn is_open(self) -> bool {
        self == Self::default()
    }
}

/// A number of pixels, from a number or from a text such as `400px`.
fn number(value: &Value) -> Option<u32> {
    let pixels = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().trim_end_matches("px").parse().ok()?,
        _ => return None,
    };
    (1.0..=1e6).contains(&pixels).then_some(pixels as u32)
}

impl Display {
    /// A display without an id.
    pub fn of(record: ConsoleRecord) -> Self {
        Display { id: None, update: false, size: PictureSize::default(), record: Box::new(record) }
    }

    /// Reads the payload of the record `display`.
    ///
    /// # Errors
    /// Returns the payload if it has no record.
    pub(super) fn from_wire(mut payload: Value) -> Result<Self, Value> {
        let record = payload.get_mut("record").map(Value::take).and_then(ConsoleRecord::from_wire);
        let record = record.and_then(ConsoleRecord::plain);
        let Some(record) = record else { return Err(payload) };
        Ok(Display {
            id: payload.get("id").and_then(Value::as_str).map(str::to_owned),
            update: super::flag(&payload, "update"),
            size: PictureSize {
                width: payload.get("width").and_then(number),
                height: payload.get("height").and_then(number),
            },
            record: Box::new(record),
        })
    }

    /// The record of this display: its own one if there is no more to say about it.
    pub fn into_record(self) -> ConsoleRecord {
        match self {
            Display { id: None, update: false, size, record } if size.is_open() => *record,
            display => ConsoleRecord::Display(display),
        }
    }
}

impl<'de> Deserialize<'de> for Display {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payload = Value::deserialize(deserializer)?;
        Display::from_wire(payload).map_err(|_| serde::de::Error::custom("a display without a record"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_size_of_a_picture_is_that_of_its_own_type() {
        let size = |metadata: Value| {
            let size = PictureSize::of_metadata(metadata.as_object().unwrap(), "image/png");
            (size.width, size.height)
        };
        assert_eq!(size(json!({"image/png": {"width": 400, "height": 300.5}})), (Some(400), Some(300)));
        assert_eq!(size(json!({"width": "200px", "image/png": {"height": "100"}})), (Some(200), Some(100)));
        assert_eq!(size(json!({"image/jpeg": {"width": 400}, "height": "50%"})), (None, None));
        assert_eq!(size(json!({"width": -1, "height": 1e9})), (None, None));
    }

    #[test]
    fn a_display_without_more_is_its_record() {
        let record = ConsoleRecord::Html("<b>".into());
        assert_eq!(Display::of(record.clone()).into_record(), record);
        let named = Display { id: Some("a".into()), ..Display::of(record) };
        assert_eq!(named.clone().into_record(), ConsoleRecord::Display(named));
    }
}
