//! The messages of a Jupyter kernel, with arbitrary bytes.

use super::messages::KernelMessage;

/// The parts of a message, with a byte 0xff between them.
pub fn jupyter(bytes: &[u8]) {
    let parts: Vec<_> = bytes.split(|byte| *byte == 0xff).collect();
    let Some(message) = KernelMessage::read(&parts) else { return };
    let _ =
        (message.output(), message.completions(), message.question(), message.pages(), message.inspection());
    let _ = (message.state(), message.went_well(), message.waits(), message.exit_code());
}
