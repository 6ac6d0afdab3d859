//! The template language of service definitions (`docs/wire` §7.7): `{ports[0]}`, `{cmd[out]}`, `${{ name }}`.

use serde_json::Value;
use std::collections::BTreeMap;

/// The values of names.
pub(super) type Variables = BTreeMap<String, Value>;

/// Why a template cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TemplateError {
    #[error("{{{0}}} has no value")]
    Undefined(String),
    #[error("{0:?} has an unmatched brace")]
    Brace(String),
}

/// Fills in a template.
pub(super) fn fill(text: &str, variables: &Variables) -> Result<String, TemplateError> {
    let unpaired = || TemplateError::Brace(text.to_owned());
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at_checked(at).ok_or_else(unpaired)?;
        let (before, inner, close) = match (before.strip_suffix('$'), from.strip_prefix("{{")) {
            (Some(before), Some(inner)) => (before, inner, "}}"),
            _ => (before, from.strip_prefix('{').ok_or_else(unpaired)?, "}"),
        };
        let (name, after) = inner.split_once(close).ok_or_else(unpaired)?;
        if name.contains(['{', '}']) {
            return Err(unpaired());
        }
        filled.push_str(before);
        filled.push_str(&value(name.trim(), variables)?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The value of `name` or `name[key][key]…`.
fn value(expression: &str, variables: &Variables) -> Result<String, TemplateError> {
    let undefined = || TemplateError::Undefined(expression.to_owned());
    let (name, keys) = match expression.split_once('[') {
        Some((name, keys)) => (name, keys.strip_suffix(']').ok_or_else(undefined)?),
        None => (expression, ""),
    };
    let mut found = variables.get(name).ok_or_else(undefined)?;
    for key in keys.split("][").filter(|key| !key.is_empty()) {
        let key = key.trim_matches(['"', '\'']);
        let inside = match found {
            Value::Array(items) => key.parse::<usize>().ok().and_then(|at| items.get(at)),
            other => other.get(key),
        };
        found = inside.ok_or_else(undefined)?;
    }
    Ok(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_placeholder_syntaxes_are_filled_in() {
        let variables: Variables = [
            ("ports".to_owned(), json!([8080, 8081])),
            ("cmd".to_owned(), json!({"out": "한 x", "err": ""})),
            ("runtime_path".to_owned(), json!("/usr/bin/python")),
        ]
        .into();
        let fill = |text: &str| fill(text, &variables);
        assert_eq!(fill("--port={ports[0]},{ports[1]}").unwrap(), "--port=8080,8081");
        assert_eq!(fill("${{ runtime_path }} ${{cmd[out]}}{cmd[err]}$").unwrap(), "/usr/bin/python 한 x$");
        assert_eq!(fill("nothing $HOME").unwrap(), "nothing $HOME");
        for bad in ["{nope}", "{ports[2]}", "{ports[x]}", "{cmd[out", "{}", "{ports[0}"] {
            assert!(fill(bad).is_err(), "{bad}");
        }
        for bad in ["{", "}", "a}b", "{{ports[0]}}", "{a{b}"] {
            assert!(matches!(fill(bad), Err(TemplateError::Brace(_))), "{bad}");
        }
    }
}
