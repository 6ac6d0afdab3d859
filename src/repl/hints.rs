//! What the user could do about an error of the client, in the words of this program: its flags and commands. The client
//! names none of these; it gives kinds and data.

use bai_client::{ClientError, ErrorKind};

/// The hint for an error, where there is one.
pub(crate) fn hint(error: &ClientError) -> Option<String> {
    let subject = error.subject().unwrap_or_default();
    let general = error.hint().map(str::to_owned);
    match error.kind() {
        ErrorKind::AlreadyExists => Some("--force replaces what is there".to_owned()),
        ErrorKind::LoginEnded => Some(format!("run: bai-repl login {subject}")),
        ErrorKind::LoggedInElsewhere => Some(match general {
            Some(general) => format!("{general}; --force ends that login"),
            None => "--force ends the other login".to_owned(),
        }),
        ErrorKind::NotATerminal => {
            Some(format!("`bai-repl app SESSION {subject}` opens it at a local address"))
        }
        ErrorKind::Tls => Some(match general {
            Some(general) => format!("{general}; --insecure skips the check"),
            None => "--insecure skips the check of the certificate".to_owned(),
        }),
        _ => general,
    }
}
