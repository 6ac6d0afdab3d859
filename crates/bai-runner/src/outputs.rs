//! All that one program writes, in its order: standard output, standard error, and what its terminal gives beside them. How one
//! stream is read belongs to `output`.

use super::last_words::LastWords;
use super::output::Output;
use bai_protocol::record::{ConsoleRecord, TerminalChange};
use std::process::ExitStatus;

/// Where output comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Out,
    Err,
    /// A terminal that is not standard output.
    Screen,
}

impl Origin {
    /// Text from there.
    pub(super) fn record(self, text: String) -> ConsoleRecord {
        match self {
            Origin::Out => ConsoleRecord::Stdout(text),
            Origin::Err => ConsoleRecord::Stderr(text),
            Origin::Screen => ConsoleRecord::Terminal(TerminalChange::Output(text)),
        }
    }
}

/// The streams of a program that we read.
pub(super) struct Outputs {
    pub(super) out: Output,
    pub(super) err: Output,
    screen: Output,
    /// What was read and is to be told next.
    held: Option<ConsoleRecord>,
}

impl Outputs {
    /// A program without a terminal, or with one that is its standard output.
    pub(super) fn new(out: Output, err: Output) -> Self {
        Self::with_screen(out, err, Output::none())
    }

    /// A program whose terminal is not its standard output.
    pub(super) fn with_screen(out: Output, err: Output, screen: Output) -> Self {
        Outputs { out, err, screen, held: None }
    }

    /// Waits until one of them can be read. Cancel-safe.
    pub(super) async fn readable(&mut self) -> Origin {
        tokio::select! { biased;
            () = self.out.readable() => Origin::Out,
            () = self.err.readable() => Origin::Err,
            () = self.screen.readable() => Origin::Screen,
        }
    }

    /// A piece of what is there. What the terminal has comes first: it shows what was written to it before what another program
    /// shows later.
    pub(super) fn read(&mut self, from: Origin) -> Option<(Origin, String)> {
        if let Some(text) = self.screen.read_first() {
            return Some((Origin::Screen, text));
        }
        self.stream(from).read().map(|text| (from, text))
    }

    /// What comes after the end of the program, from its children, when there is `room` for it. How the program has ended, once all of them
    /// have closed the output, or nothing has come for long enough. Cancel-safe.
    pub(super) async fn after_end(
        &mut self,
        last_words: &mut LastWords,
        room: bool,
    ) -> Result<ConsoleRecord, ExitStatus> {
        if !room {
            return std::future::pending().await;
        }
        loop {
            if [&self.out, &self.err, &self.screen].iter().all(|stream| stream.is_closed()) {
                return Err(last_words.status());
            }
            let from = tokio::select! { biased;
                from = self.readable() => from,
                () = last_words.over() => return Err(last_words.status()),
            };
            if let Some((from, text)) = self.read(from) {
                last_words.heard();
                return Ok(from.record(text));
            }
        }
    }

    /// Stops watching this stream until one of them is waited for.
    pub(super) fn rest(&mut self, which: Origin) {
        self.stream(which).rest();
    }

    fn stream(&mut self, which: Origin) -> &mut Output {
        match which {
            Origin::Out => &mut self.out,
            Origin::Err => &mut self.err,
            Origin::Screen => &mut self.screen,
        }
    }

    /// Which of the two is told now; the other one waits.
    pub(super) fn tell(&mut self, first: Option<ConsoleRecord>, record: ConsoleRecord) -> ConsoleRecord {
        match first {
            Some(first) => {
                self.held = Some(record);
                first
            }
            None => record,
        }
    }

    /// What waits to be told.
    pub(super) fn take_held(&mut self) -> Option<ConsoleRecord> {
        self.held.take()
    }

    /// What was read, and what the terminal has.
    pub(super) fn drain_screen(&mut self, mut take: impl FnMut(ConsoleRecord)) {
        self.held.take().into_iter().for_each(&mut take);
        self.screen.drain(|text| take(Origin::Screen.record(text)));
    }

    /// All that was written before this call. `first`, which is looked at once all is read, gives what is told before it.
    pub(super) fn drain(
        &mut self,
        first: impl FnOnce() -> Option<ConsoleRecord>,
        take: impl FnMut(ConsoleRecord),
    ) {
        let mut records: Vec<_> = self.held.take().into_iter().collect();
        for origin in [Origin::Screen, Origin::Out, Origin::Err] {
            self.stream(origin).drain(|text| records.push(origin.record(text)));
        }
        first().into_iter().chain(records).for_each(take);
    }

    /// All that was written before the end, with characters that were cut off.
    pub(super) fn finish(&mut self, mut take: impl FnMut(ConsoleRecord)) {
        self.held.take().into_iter().for_each(&mut take);
        for origin in [Origin::Screen, Origin::Out, Origin::Err] {
            let stream = self.stream(origin);
            stream.drain(|text| take(origin.record(text)));
            stream.finish().into_iter().for_each(|text| take(origin.record(text)));
        }
    }
}
