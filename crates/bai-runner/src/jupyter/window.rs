//! The code that tells a Jupyter kernel about the window. The protocol has no message for it.

use serde_json::json;

const PYTHON: &str = include_str!("window.py");

/// Code that sets the variables of the window, without a trace in the user's namespace. `None` for languages in which
/// programs do not look at it.
pub(super) fn code(variables: &[(&'static str, Option<String>)], language: &str) -> Option<String> {
    let value = |name: &str| {
        let (_, value) = variables.iter().find(|(known, _)| *known == name)?;
        value.as_deref()
    };
    match language {
        "python" => {
            let mut pairs: Vec<_> =
                variables.iter().map(|(name, value)| json!([name, value.as_deref().unwrap_or("")])).collect();
            // Where rich asks in a notebook.
            pairs.push(json!(["JUPYTER_COLUMNS", value("COLUMNS").unwrap_or("")]));
            pairs.push(json!(["JUPYTER_LINES", value("LINES").unwrap_or("")]));
            let (source, pairs) = (json!(PYTHON), json!(pairs));
            Some(format!("exec(compile({source}, '<bai-repl>', 'exec'), {{'VARIABLES': {pairs}}})"))
        }
        "r" => Some(format!("invisible(options(width = {}L))", value("COLUMNS").unwrap_or("80"))),
        "julia" => {
            let pairs = ["COLUMNS", "LINES"].map(|name| match value(name) {
                Some(value) => format!("ENV[{0}] = {1}; ", json!(name), json!(value)),
                None => format!("delete!(ENV, {}); ", json!(name)),
            });
            Some(format!("{}nothing", pairs.concat()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_that_wrap_at_the_window_are_told() {
        let variables = [("COLUMNS", Some("90".to_owned())), ("FORCE_COLOR", None)];
        let python = code(&variables, "python").unwrap();
        assert!(
            python.contains(r#"["COLUMNS","90"],["FORCE_COLOR",""],["JUPYTER_COLUMNS","90"]"#),
            "{python}"
        );
        assert_eq!(code(&variables, "r").unwrap(), "invisible(options(width = 90L))");
        assert_eq!(code(&[], "r").unwrap(), "invisible(options(width = 80L))");
        assert_eq!(code(&variables, "bash"), None);
    }
}
