//! The service definitions of an image, with arbitrary bytes.

use super::definition::Definition;
use super::template::Variables;
use bai_protocol::service::ServiceParameters;
use serde_json::json;

/// A definition file.
pub fn service(bytes: &[u8]) {
    let Ok(text) = serde_json::from_slice(bytes) else { return };
    let Ok(definition) = Definition::read(text) else { return };
    let variables: Variables = [("ports".to_owned(), json!([8080])), ("token".to_owned(), json!("x"))].into();
    let asked = ServiceParameters::default();
    if let Ok(words) = definition.words(&asked, &variables) {
        assert!(words.first().is_some_and(|word| !word.is_empty()));
    }
    let _ = definition.environment(&asked, &variables);
}
