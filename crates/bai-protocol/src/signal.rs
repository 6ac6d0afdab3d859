//! What reaches a program from outside while it runs (`docs/wire` §13.2): the signals that its client gets, and that nobody
//! reads its output any more. For servers with [`crate::capability::Capability::Signals`].

use serde::{Deserialize, Serialize};

/// A signal for the program of a run, in the body of an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal")]
#[non_exhaustive]
pub enum RunSignal {
    /// SIGTERM.
    #[serde(rename = "TERM")]
    Terminate,
    /// SIGHUP.
    #[serde(rename = "HUP")]
    HangUp,
    /// SIGINT for the program alone, which does not end its question as an interrupt does. For servers with
    /// [`crate::capability::Capability::ScriptTerminals`], as the next five.
    #[serde(rename = "INT")]
    Interrupt,
    /// SIGQUIT.
    #[serde(rename = "QUIT")]
    Quit,
    /// SIGUSR1.
    #[serde(rename = "USR1")]
    User1,
    /// SIGUSR2.
    #[serde(rename = "USR2")]
    User2,
    /// Stops it, as Ctrl-Z does. When it has stopped, that is told by [`crate::record::ConsoleRecord::Terminal`].
    #[serde(rename = "TSTP")]
    Suspend,
    /// Lets it go on.
    #[serde(rename = "CONT")]
    Continue,
    /// Nobody reads this stream any more: a program that writes to it gets SIGPIPE, or the error EPIPE if it ignores that.
    #[serde(rename = "PIPE")]
    ReaderGone {
        /// The stream.
        stream: OutputStream,
    },
}

/// A stream of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl RunSignal {
    /// Whether it ends a program that does nothing about it.
    pub fn ends(self) -> bool {
        !matches!(self, RunSignal::ReaderGone { .. } | RunSignal::Suspend | RunSignal::Continue)
    }

    /// The exit code of a program that it ends, as in a shell.
    pub fn exit_code(self) -> i32 {
        128 + match self {
            RunSignal::Terminate => 15,
            RunSignal::HangUp => 1,
            RunSignal::ReaderGone { .. } => 13,
            RunSignal::Interrupt => 2,
            RunSignal::Quit => 3,
            RunSignal::User1 => 10,
            RunSignal::User2 => 12,
            RunSignal::Suspend => 20,
            RunSignal::Continue => 18,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_signal_is_a_part_of_the_body() {
        for (signal, wire) in [
            (RunSignal::Terminate, json!({"signal": "TERM"})),
            (RunSignal::HangUp, json!({"signal": "HUP"})),
            (RunSignal::User1, json!({"signal": "USR1"})),
            (RunSignal::Suspend, json!({"signal": "TSTP"})),
            (
                RunSignal::ReaderGone { stream: OutputStream::Stderr },
                json!({"signal": "PIPE", "stream": "stderr"}),
            ),
        ] {
            assert_eq!(serde_json::to_value(signal).unwrap(), wire);
            let read: RunSignal = serde_json::from_value(wire).unwrap();
            assert_eq!(read, signal);
        }
        let read = |body: Value| serde_json::from_value::<RunSignal>(body).is_ok();
        assert!(read(json!({"runId": "x", "signal": "TERM"})));
        assert!(!read(json!({"signal": "KILL"})) && !read(json!({"runId": "x"})));
    }
}
