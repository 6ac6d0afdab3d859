//! The messages of a Jupyter kernel, with arbitrary bytes.

use super::messages::KernelMessage;
use super::widgets::Widgets;

/// The parts of a message, with a byte 0xff between them.
pub fn jupyter(bytes: &[u8]) {
    let parts: Vec<_> = bytes.split(|byte| *byte == 0xff).collect();
    let Some(message) = KernelMessage::read(&parts) else { return };
    let _ = (
        message.output(),
        message.completions(),
        message.question(),
        message.payloads(),
        message.inspection(),
    );
    let mut widgets = Widgets::default();
    let _ = widgets.receive(&message.kind, message.content());
    let _ = message.displayed().and_then(|bundle| widgets.display(bundle));
    let _ = (message.state(), message.went_well(), message.waits(), message.exit_code());
}
