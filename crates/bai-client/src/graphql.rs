//! GraphQL queries (`docs/wire` §2.5): the two transports, and the errors that come beside status 200.

use super::api::Api;
use super::error::{ClientError, ErrorKind};
use bai_protocol::version::ApiVersion;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

impl Api {
    /// Sends a query and returns its data.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] before 19.09; [`ErrorKind::Refused`] for what the server says beside 200; else what
    /// any request says.
    pub(super) async fn graphql(
        &self,
        what: &str,
        query: &str,
        variables: Value,
    ) -> Result<Value, ClientError> {
        let version = self.version().await.map_err(|error| error.with_what(what))?;
        if version < since("v4.20190615") {
            return Err(ClientError::new(ErrorKind::Unsupported, what, "the server is older than 19.09"));
        }
        // Wrapped in `data` from 21.09 on, bare before.
        let path = if version >= since("v6.20210815") { "/admin/gql" } else { "/admin/graphql" };
        let body = json!({"query": query, "variables": variables});
        let reply: Value = self.request(what, Method::POST, path).json(&body)?.send().await?.json()?;
        data(what, reply)
    }
}

/// Reads a version constant of this program.
pub(super) fn since(version: &str) -> ApiVersion {
    version.parse().unwrap_or(bai_protocol::version::NEWEST)
}

fn data(what: &str, mut reply: Value) -> Result<Value, ClientError> {
    let said = reply.pointer("/errors/0/message").and_then(Value::as_str);
    if let Some(said) = said {
        return Err(ClientError::new(ErrorKind::Refused, what, said));
    }
    let data = reply.get_mut("data").map(Value::take).unwrap_or(reply);
    if data.is_object() {
        return Ok(data);
    }
    Err(ClientError::new(ErrorKind::Server, what, "the reply has no data"))
}

/// Reads one field of a query's data.
pub(super) fn field<T: DeserializeOwned>(what: &str, data: &mut Value, name: &str) -> Result<T, ClientError> {
    let value = data.get_mut(name).map(Value::take).unwrap_or_default();
    serde_json::from_value(value).map_err(|error| {
        ClientError::new(ErrorKind::Server, what, format!("the reply is not what was agreed: {error}"))
            .with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_of_every_server_generation_are_read() {
        for body in [json!({"data": {"x": 1}, "errors": null}), json!({"x": 1})] {
            let mut data = data("x", body).unwrap();
            assert_eq!(field::<u8>("x", &mut data, "x").unwrap(), 1);
            assert_eq!(field::<Vec<u8>>("x", &mut data, "y").unwrap_err().kind(), ErrorKind::Server);
        }
    }

    #[test]
    fn errors_in_a_reply_with_status_200_are_errors() {
        let body = json!({"data": null, "errors": [{"message": "no field x"}]});
        let error = data("list the sessions", body).unwrap_err();
        assert_eq!(error.to_string(), "could not list the sessions: no field x");
        assert_eq!(data("x", json!([])).unwrap_err().kind(), ErrorKind::Server);
    }
}
