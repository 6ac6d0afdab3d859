//! The trace log: a file that only its owner can read, and in which secrets are replaced.
//!
//! The workspace's own code never puts a secret into an event. The filter here is a second defence. It also drops events of
//! other crates below the level of warnings, because some of them contain whole requests.

use regex_lite::Regex;
use std::io::{self, Write};
use std::path::Path;
use std::sync::LazyLock;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Starts tracing into the file. `verbosity` is how often the flag was given; 0 means no trace.
pub(super) fn start(verbosity: u8, path: &Path) -> io::Result<()> {
    let level = match verbosity {
        0 => return Ok(()),
        1 => "debug",
        _ => "trace",
    };
    let file = bai_private::append_to_file(path)?;
    let ours = ["bai_repl", "bai_client", "bai_engine", "bai_runner", "bai_protocol"];
    let filter = EnvFilter::new(
        ours.iter().fold("warn".to_owned(), |filter, name| format!("{filter},{name}={level}")),
    );
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(Redacted(file.into()))
        .finish();
    // An error is ignored: a second subscriber in one process would be a bug, and only its log would be missing.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

struct Redacted(std::sync::Arc<std::fs::File>);

impl<'a> MakeWriter<'a> for Redacted {
    type Writer = RedactedLine;

    fn make_writer(&'a self) -> RedactedLine {
        RedactedLine { file: self.0.clone(), line: Vec::new() }
    }
}

/// Buffers one whole event, so that a secret is not split between two writes.
struct RedactedLine {
    file: std::sync::Arc<std::fs::File>,
    line: Vec<u8>,
}

impl Write for RedactedLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for RedactedLine {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        // An error is ignored: a full disk must not stop the program.
        let _ = (&*self.file).write_all(redact(&text).as_bytes());
    }
}

/// Replaces keys, signatures, cookies, tokens, passwords, and user names in URLs.
pub(super) fn redact(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let patterns = [
            (r"(?i)(credential=)[^\s,;]+", "$1[hidden]"),
            (
                r#"(?i)((?:authorization|cookie|x-backendai-(?:token|sessionid))["']?\s*[:=]\s*["']?)[^"'\r\n]+"#,
                "$1[hidden]",
            ),
            (
                r#"(?i)((?:secret|password|passwd|token|otp|access)(?:[_-]?key)?["']?\s*[:=]\s*["']?)[^\s"'&,;)}]+"#,
                "$1[hidden]",
            ),
            (r"(://)[^/\s@]+@", "$1[hidden]@"),
        ];
        patterns.into_iter().filter_map(|(pattern, with)| Some((Regex::new(pattern).ok()?, with))).collect()
    });
    PATTERNS
        .iter()
        .fold(text.to_owned(), |text, (pattern, with)| pattern.replace_all(&text, *with).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_remains_in_a_log_line() {
        let lines = [
            "Authorization: BackendAI signMethod=HMAC-SHA256, credential=AKIA:hush",
            "authorization=\"Bearer hush\"",
            "\"cookie\": \"AIOHTTP_SESSION=hush; other=hush\"",
            "X-BackendAI-Token: hush",
            "x-backendai-sessionid: hush",
            "GET http://user:hush@host/path",
            "GET /v2/proxy/auth?token=hush&app=x",
            "{\"secret_key\":\"hush\", \"password\": \"hush\"}",
            "secretkey=hush access_key=hush otp: hush",
        ];
        for line in lines {
            let shown = redact(line);
            assert!(!shown.contains("hush"), "{shown}");
        }
    }

    #[test]
    fn other_text_is_unchanged() {
        let line = "run 7d1f of session quiet-otter-3f2a: 101 from http://127.0.0.1:8091/stream/session/x/execute in 3 ms";
        assert_eq!(redact(line), line);
    }

    #[test]
    fn only_the_owner_can_read_the_log() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/bai-repl.log");
        start(2, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
