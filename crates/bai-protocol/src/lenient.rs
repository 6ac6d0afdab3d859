//! Helpers for reading what servers really send: null where a value belongs, numbers in strings.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Null reads as the type's default.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Strings stay unchanged; numbers and booleans become their text; null and the text `"None"`,
/// which 26.x sends for an empty value (`docs/wire` §2.6), give `None`.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) if text == "None" => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

/// An exit code: an integer, an integral float or a numeric string. Any other value gives `None`. Codes out of range
/// saturate.
pub(super) fn exit_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let wide = match &value {
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|f| f as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    Ok(wide.map(|code| i32::try_from(code).unwrap_or(if code < 0 { i32::MIN } else { i32::MAX })))
}

/// A non-negative number. Any other value gives `None`.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_u64())
}

/// A list. Null, or a value that is not a list, gives the empty list; members of another type are left out.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(items) => {
            items.into_iter().filter_map(|item| serde_json::from_value(item).ok()).collect()
        }
        _ => Vec::new(),
    })
}

/// A value that may be written as text with JSON in it, as GraphQL's `JSONString` fields are.
fn unwrapped<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => serde_json::from_str(&text).unwrap_or_default(),
        other => other,
    })
}

/// A map to texts, or text with JSON in it; numbers become their text, and null is left out.
pub(super) fn slots<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let Value::Object(map) = unwrapped(deserializer)? else { return Ok(BTreeMap::new()) };
    let plain = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    Ok(map.into_iter().filter_map(|(key, value)| Some((key, plain(value)?))).collect())
}

/// A list, or text with a JSON list in it; members of another type are left out.
pub(super) fn list_in_text<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    list(unwrapped(deserializer)?).map_err(serde::de::Error::custom)
}
