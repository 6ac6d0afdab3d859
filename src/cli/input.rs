//! Input for a program that runs without a prompt: lines or bytes of standard input, or of the keyboard.

use crate::terminal::{HeldKeys, SecretError, read_secret};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{Whence, lseek};
use secrecy::ExposeSecret;
use std::io::{BufRead, Read};
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError, mpsc};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// How many bytes are read in one step.
const READ_AT_ONCE: usize = 64 << 10;
/// When a piece has this many bytes, it is sent.
const LARGEST_PIECE: usize = 1 << 20;

/// The reply to a request for input.
#[derive(Debug)]
pub(super) enum InputReply {
    /// A line, without its newline.
    Line(Zeroizing<String>),
    /// Bytes, at least one.
    Piece(Vec<u8>),
    /// The input has ended.
    End,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A line.
    Line,
    /// A line that is not shown.
    Password,
    /// As many bytes as there are now.
    Piece,
}

/// The source of input.
#[derive(Debug)]
pub(super) struct InputSource {
    /// What is typed before the program begins, if it is held for it.
    held: Mutex<Option<HeldKeys>>,
    questions: Option<mpsc::Sender<(Wanted, oneshot::Sender<InputReply>)>>,
}

impl InputSource {
    /// A source without input, because standard input was the script.
    pub(super) fn empty() -> Self {
        InputSource { questions: None, held: Mutex::default() }
    }

    /// Standard input, terminal or not. It is read only on a request, and on its own thread, because a read cannot be
    /// cancelled.
    pub(super) fn from_stdin() -> Self {
        let (questions, receiver) = mpsc::channel::<(Wanted, oneshot::Sender<InputReply>)>();
        std::thread::spawn(move || {
            while let Ok((wanted, reply)) = receiver.recv() {
                // After an interrupt the run loop may not wait for the answer.
                let _ = reply.send(read(wanted));
            }
        });
        InputSource { questions: Some(questions), held: Mutex::default() }
    }

    /// Whether somebody has given input that nobody has read: a file or a pipe with something in it.
    pub(super) fn has_unread(&self) -> bool {
        self.questions.is_some() && is_unread()
    }

    /// The same, for a program whose terminal gets what these keys are.
    pub(super) fn holding(self, held: Option<HeldKeys>) -> Self {
        InputSource { held: Mutex::new(held), ..self }
    }

    /// What is held for the program, once.
    pub(super) fn take_held(&self) -> Option<HeldKeys> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Requests input. An answer that does not come is the end of the input.
    pub(super) fn ask(&self, wanted: Wanted) -> oneshot::Receiver<InputReply> {
        let (reply, answer) = oneshot::channel();
        if let Some(questions) = &self.questions {
            let _ = questions.send((wanted, reply));
        }
        answer
    }
}

fn is_unread() -> bool {
    let stdin = std::io::stdin();
    let Ok(status) = fstat(&stdin) else { return false };
    match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFREG => lseek(&stdin, 0, Whence::SeekCur).is_ok_and(|place| place < status.st_size),
        SFlag::S_IFIFO => {
            let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
            let is_ready = poll(&mut polled, PollTimeout::ZERO).is_ok_and(|count| count > 0);
            // The end alone is only a hang-up.
            is_ready
                && polled
                    .iter()
                    .any(|fd| fd.revents().is_some_and(|events| events.contains(PollFlags::POLLIN)))
        }
        _ => false,
    }
}

fn read(wanted: Wanted) -> InputReply {
    if wanted == Wanted::Piece {
        return read_piece();
    }
    if wanted == Wanted::Password {
        // The program has written its prompt.
        match read_secret(|| {}) {
            Ok(secret) => return InputReply::Line(Zeroizing::new(secret.expose_secret().to_owned())),
            Err(SecretError::Interrupted) => return InputReply::Interrupted,
            Err(SecretError::Eof) => return InputReply::End,
            Err(SecretError::NotATerminal | SecretError::Io(_)) => {}
        }
    }
    let mut line = Zeroizing::new(Vec::new());
    match std::io::stdin().lock().read_until(b'\n', &mut line) {
        Ok(length) if length > 0 => {
            let text = String::from_utf8_lossy(&line);
            InputReply::Line(Zeroizing::new(text.trim_end_matches('\n').trim_end_matches('\r').to_owned()))
        }
        _ => InputReply::End,
    }
}

/// Reads what standard input has now, and waits if it has nothing.
fn read_piece() -> InputReply {
    let mut stdin = std::io::stdin().lock();
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        bytes.extend_from_slice(&[0; READ_AT_ONCE]);
        let count = loop {
            match stdin.read(bytes.get_mut(start..).unwrap_or_default()) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // What cannot be read is at its end for the program too.
                result => break result.unwrap_or(0),
            }
        };
        bytes.truncate(start + count);
        if bytes.is_empty() {
            return InputReply::End;
        }
        if count == 0 || bytes.len() >= LARGEST_PIECE || !has_more() {
            return InputReply::Piece(bytes);
        }
    }
}

/// Whether standard input can be read without waiting.
fn has_more() -> bool {
    let stdin = std::io::stdin();
    let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}
