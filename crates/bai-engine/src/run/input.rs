//! What a client sends to a program that waits for input.

use bai_protocol::binary_frame::InputBytes;
use bai_runner::Op;

/// Input for a program that waits for it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RunInput {
    /// A line, without its newline.
    Line(String),
    /// A piece of a stream of bytes.
    Piece(InputBytes<'static>),
}

impl RunInput {
    pub(crate) fn into_op(self) -> Op {
        match self {
            RunInput::Line(text) => Op::Input(text),
            RunInput::Piece(InputBytes { bytes, end, ahead }) => {
                Op::InputPiece { bytes: bytes.into_owned(), end, ahead }
            }
        }
    }
}
