//! The editor: rustyline on the thread that owns the keyboard, for cells and for the input of programs. It returns text; this
//! module runs no code.

mod external;
mod helper;
mod keys;
mod late_replies;
mod notifier;
mod paste;
mod plain;
mod scrolling;
mod search;
mod state;
mod stop;
mod typed_ahead;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustyline::config::{BellStyle, Builder};
use rustyline::error::ReadlineError;
use rustyline::history::History;
use rustyline::{Behavior, ColorMode, CompletionType, EditMode, Event, EventHandler, KeyEvent};
use unicode_width::UnicodeWidthStr;

use super::completion::Completer;
use super::folded_text::FoldedTexts;
use super::highlight::Highlight;
use super::history::{Histories, HistoryKind};
use super::language::Language;
use super::paint::Paint;
use super::terminal_pane::VisitPane;
use crate::render::PartialLine;
use crate::terminal::Screen;
use crate::theme::Role;
use helper::EditorHelper;
use keys::{ExternalEditorKey, KeyHandler};
use plain::{PlainReader, ReadStop, plain_cell};
use state::{EditorEnd, Mode, SharedEditorState};

pub(super) use external::edit as edit_outside;
pub(super) use notifier::Notifier;
pub(super) use stop::{AnswerStop, StopReason};

/// The key bindings of the editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keymap {
    /// As in Emacs and most shells.
    #[default]
    Emacs,
    /// As in vi.
    Vi,
}

/// The result of reading a cell.
#[derive(Debug)]
pub(super) enum CellRead {
    /// A cell, or a command.
    Cell(String),
    /// Ctrl-C: the typed text is discarded.
    Cancelled,
    /// Ctrl-D on an empty line, or the terminal is gone.
    End,
    /// The keyboard cannot be read.
    Failed(io::Error),
}

/// The result of reading an answer.
#[derive(Debug)]
pub(super) enum AnswerRead {
    /// A line, and the lines that were pasted after it; the last of them may be incomplete.
    Line { text: String, rest: Option<String> },
    /// The program does not wait for the answer any more; the text that was typed.
    Unwanted { typed: String },
    /// Ctrl-C; the text that was typed, if it came before the editor had the keyboard.
    Interrupted { typed: String },
    /// The user leaves the prompt from the pane; the text that was typed.
    Detached { typed: String },
    /// The key of the pane came before the editor had the keyboard; the text that was typed.
    Pane { typed: String },
    /// Ctrl-D on an empty line, or the terminal is gone.
    End,
    /// The keyboard cannot be read.
    Failed(io::Error),
}

impl AnswerRead {
    /// This answer, if the editing was to end for `reason`. After Ctrl-C the program asks no more: what was typed then is not for it.
    fn unless_stopped(self, reason: Option<StopReason>) -> Self {
        match (self, reason) {
            (AnswerRead::Line { text, rest }, Some(StopReason::Interrupted)) => {
                AnswerRead::Interrupted { typed: format!("{text}\n{}", rest.unwrap_or_default()) }
            }
            (AnswerRead::End, Some(StopReason::Interrupted)) => {
                AnswerRead::Interrupted { typed: String::new() }
            }
            (answer, _) => answer,
        }
    }
}

/// What an editor is made from.
pub(super) struct EditorParts {
    pub(super) language: Arc<dyn Language>,
    pub(super) completer: Arc<Completer>,
    pub(super) paint: Paint,
    pub(super) screen: Screen,
    pub(super) keymap: Keymap,
    pub(super) history: Option<PathBuf>,
    /// True, once, after Ctrl-C arrived as a signal.
    pub(super) interrupted: Interrupted,
    /// The control character that opens the pane, and the function that shows it.
    pub(super) pane: (u8, VisitPane),
}

/// True, once, after Ctrl-C arrived as a signal.
pub(super) type Interrupted = Arc<dyn Fn() -> bool + Send + Sync>;

/// The editor.
pub(super) struct Editor {
    language: Arc<dyn Language>,
    completer: Arc<Completer>,
    paint: Paint,
    shared: SharedEditorState,
    folds: Arc<FoldedTexts>,
    prompt: (String, String),
    input: LineReader,
    interrupted: Interrupted,
    notifier: Notifier,
    /// What was typed for earlier programs, with its Enters, and is typed again at the next prompts.
    ahead: String,
}

enum LineReader {
    Rich(Box<rustyline::Editor<EditorHelper, Histories>>),
    Plain(PlainReader, Histories),
}

/// The prompt of a cell without and with its style.
fn prompt(language: &dyn Language, paint: &Paint) -> (String, String) {
    let text = format!("{} {}", language.name(), paint.signs().prompt);
    (format!("{text} "), format!("{} ", paint.text(Role::Prompt, &text)))
}

impl Editor {
    /// An editor on this terminal, and a sentence for the user if the history cannot be used.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub(super) fn new(parts: EditorParts) -> io::Result<(Self, Option<String>)> {
        let EditorParts { language, completer, paint, screen, keymap, history, interrupted, pane } = parts;
        let folds = Arc::new(FoldedTexts::default());
        let (histories, notice) = Histories::open(history.as_deref(), language.name(), Arc::clone(&folds));
        let shared = SharedEditorState::default();
        let prompt = prompt(&*language, &paint);
        let input = if screen.dumb || !screen.stdin_tty {
            LineReader::Plain(PlainReader::default(), histories)
        } else {
            let helper = EditorHelper {
                shared: shared.clone(),
                language: Arc::clone(&language),
                highlight: Highlight::new(language.grammar()),
                paint: paint.clone(),
                folds: Arc::clone(&folds),
                prompt_width: prompt.0.width(),
            };
            let keys = KeyHandler {
                shared: shared.clone(),
                language: Arc::clone(&language),
                completer: Arc::clone(&completer),
                folds: Arc::clone(&folds),
                recalled: histories.recalled(),
                interrupted: Arc::clone(&interrupted),
                pane_key: KeyEvent::ctrl(char::from(pane.0 | 0x40)),
                pane: pane.1,
            };
            LineReader::Rich(Box::new(rich(helper, keys, histories, screen, keymap)?))
        };
        let mut editor = Editor {
            language,
            completer,
            paint,
            shared,
            folds,
            prompt,
            input,
            interrupted,
            notifier: Notifier::default(),
            ahead: String::new(),
        };
        if let LineReader::Rich(rich) = &mut editor.input
            && let Ok(printer) = rich.create_external_printer()
        {
            editor.notifier = Notifier::through(printer, editor.shared.clone());
        }
        Ok((editor, notice))
    }

    /// Uses other styles from now on.
    pub(super) fn set_paint(&mut self, paint: Paint) {
        self.prompt = prompt(&*self.language, &paint);
        if let LineReader::Rich(rich) = &mut self.input
            && let Some(helper) = rich.helper_mut()
        {
            helper.paint = paint.clone();
        }
        self.paint = paint;
    }

    /// Reads a cell; `initial` is its initial text.
    pub(super) fn read_cell(&mut self, initial: &str) -> CellRead {
        let ahead = self.typed_ahead(initial);
        let initial = match &ahead {
            Ok(cell) => return self.show_typed(cell),
            Err(initial) => initial,
        };
        self.begin(Mode::Cell, true);
        let initial = self.folds.fold(initial).unwrap_or_else(|| initial.to_owned());
        match &mut self.input {
            LineReader::Plain(reader, _) => {
                plain_cell(reader, &*self.language, &self.paint, &self.prompt.0, &*self.interrupted)
            }
            LineReader::Rich(editor) => {
                if let Some(helper) = editor.helper_mut() {
                    helper.prompt_width = self.prompt.0.width();
                }
                self.notifier.set_editing(true);
                let result = read(editor, &self.shared, &self.prompt, &initial);
                self.notifier.set_editing(false);
                match result {
                    Ok((_, Some(EditorEnd::Cancelled))) | Err(ReadlineError::Interrupted) => {
                        CellRead::Cancelled
                    }
                    Ok((_, Some(EditorEnd::Detached))) => CellRead::End,
                    Ok((line, _)) => CellRead::Cell(self.folds.unfold(&line)),
                    Err(ReadlineError::Eof) => CellRead::End,
                    Err(error) => unless_gone(error).map_or(CellRead::End, CellRead::Failed),
                }
            }
        }
    }

    /// Reads a line for a program whose question is `prompt`; `initial` is its initial text. `stop` ends that.
    pub(super) fn read_answer(
        &mut self,
        prompt: &PartialLine,
        initial: &str,
        stop: &AnswerStop,
    ) -> AnswerRead {
        let completes = self.language.asks_for_code(&prompt.text);
        if completes {
            // The debugger may be in another frame than at its last question.
            self.completer.forget();
        }
        self.begin(Mode::Answer, completes);
        self.shared.lock().stop = stop.clone();
        let stopped = |typed: &str| match stop.reason() {
            Some(StopReason::Unwanted) => AnswerRead::Unwanted { typed: typed.to_owned() },
            Some(StopReason::Interrupted) => AnswerRead::Interrupted { typed: typed.to_owned() },
            Some(StopReason::Pane) => AnswerRead::Pane { typed: typed.to_owned() },
            None => AnswerRead::Interrupted { typed: String::new() },
        };
        match &mut self.input {
            LineReader::Plain(reader, _) => {
                match reader.line("", &|| stop.reason().is_some() || (self.interrupted)()) {
                    Ok(text) => AnswerRead::Line { text, rest: None },
                    Err(ReadStop::Interrupted) => stopped(initial),
                    Err(ReadStop::End) => AnswerRead::End,
                    Err(ReadStop::Failed(error)) => AnswerRead::Failed(error),
                }
            }
            LineReader::Rich(editor) => {
                if let Some(helper) = editor.helper_mut() {
                    helper.prompt_width = prompt.width;
                }
                editor.history_mut().choose(HistoryKind::Answers);
                self.notifier.set_editing(true);
                let result = stop.guard(|| read(editor, &self.shared, &prompt.text, initial));
                self.notifier.set_editing(false);
                let Some(result) = result else { return stopped(initial) };
                let answer = match result {
                    Err(ReadlineError::Interrupted) => {
                        stopped(&self.folds.unfold(&self.shared.lock().shadow.0))
                    }
                    Ok((_, Some(EditorEnd::Cancelled))) => AnswerRead::Interrupted { typed: String::new() },
                    Ok((typed, Some(EditorEnd::Detached))) => {
                        AnswerRead::Detached { typed: self.folds.unfold(&typed) }
                    }
                    Ok((typed, Some(EditorEnd::Pasted(pasted)))) => {
                        split_paste(&self.folds.unfold(&typed), &pasted)
                    }
                    Ok((text, None)) => AnswerRead::Line { text: self.folds.unfold(&text), rest: None },
                    Err(ReadlineError::Eof) => AnswerRead::End,
                    Err(error) => unless_gone(error).map_or(AnswerRead::End, AnswerRead::Failed),
                }
                .unless_stopped(stop.reason());
                if let AnswerRead::Line { text, .. } = &answer {
                    // Answers are kept in memory only: this cannot fail.
                    let _ = editor.history_mut().remember(text);
                }
                editor.history_mut().choose(HistoryKind::Cells);
                answer
            }
        }
    }

    /// Whether the line editing of the system is used.
    pub(super) fn is_plain(&self) -> bool {
        matches!(self.input, LineReader::Plain(..))
    }

    /// What was to appear above the last line, and was not drawn any more.
    pub(super) fn take_above(&self) -> String {
        std::mem::take(&mut self.shared.lock().above)
    }

    /// Shows notices while a line is edited.
    pub(super) fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    /// Adds a cell or a command to the history. Returns a sentence for the user if it cannot be saved.
    pub(super) fn remember(&mut self, cell: &str) -> Option<String> {
        self.histories_mut().remember(cell)
    }

    /// The cells of the history, oldest first.
    pub(super) fn history(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        match &self.input {
            LineReader::Rich(editor) => editor.history().cells(),
            LineReader::Plain(_, histories) => histories.cells(),
        }
    }

    fn histories_mut(&mut self) -> &mut Histories {
        match &mut self.input {
            LineReader::Rich(editor) => editor.history_mut(),
            LineReader::Plain(_, histories) => histories,
        }
    }

    fn begin(&mut self, mode: Mode, completes: bool) {
        self.histories_mut().recalled().forget();
        let mut state = self.shared.lock();
        let (late, last_key) = (std::mem::take(&mut state.late), state.last_key);
        let above = std::mem::take(&mut state.above);
        *state = state::EditorState { mode, completes, last_key, late, above, ..Default::default() };
    }
}

fn rich(
    helper: EditorHelper,
    keys: KeyHandler,
    histories: Histories,
    screen: Screen,
    keymap: Keymap,
) -> io::Result<rustyline::Editor<EditorHelper, Histories>> {
    let config = Builder::new()
        .edit_mode(if keymap == Keymap::Vi { EditMode::Vi } else { EditMode::Emacs })
        // The highlighter removes control characters, so it is also used without colours.
        .color_mode(ColorMode::Forced)
        .bell_style(BellStyle::None)
        // The other way takes a second edit of ours, right after the first, for a wish to have the first undone.
        .completion_type(CompletionType::List)
        .behavior(if screen.stdout_tty { Behavior::Stdio } else { Behavior::PreferTerm })
        .build();
    let failed = |error: ReadlineError| io::Error::other(error.to_string());
    let mut editor = rustyline::Editor::with_history(config, histories).map_err(failed)?;
    editor.set_helper(Some(helper));
    let outside = Event::KeySeq(vec![KeyEvent::ctrl('X'), KeyEvent::ctrl('E')]);
    editor.bind_sequence(outside, EventHandler::Conditional(Box::new(ExternalEditorKey(keys.clone()))));
    editor.bind_sequence(Event::Any, EventHandler::Conditional(Box::new(keys)));
    Ok(editor)
}

/// Reads one line. Bytes that are not UTF-8 make rustyline fail and forget the line; then it starts again with the same line.
fn read<P: rustyline::Prompt + ?Sized>(
    editor: &mut rustyline::Editor<EditorHelper, Histories>,
    shared: &SharedEditorState,
    prompt: &P,
    initial: &str,
) -> rustyline::Result<(String, Option<EditorEnd>)> {
    shared.lock().has_history = !editor.history().is_empty();
    let mut result = editor.readline_with_initial(prompt, (initial, ""));
    // The limit is for a keyboard that sends only such bytes.
    for _ in 0..100 {
        match &result {
            Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {}
            _ => break,
        }
        let (line, cursor) = shared.lock().shadow.clone();
        let (left, right) = line.split_at_checked(cursor).unwrap_or((&line, ""));
        result = editor.readline_with_initial(prompt, (left, right));
    }
    result.map(|line| (line, shared.lock().ending.take()))
}

/// The error. `None` if it means that the terminal is gone.
fn unless_gone(error: ReadlineError) -> Option<io::Error> {
    match error {
        ReadlineError::Errno(nix_error) if nix_error as i32 == libc::EIO => None,
        ReadlineError::Io(error) if error.raw_os_error() == Some(libc::EIO) => None,
        ReadlineError::Io(error) => Some(error),
        other => Some(io::Error::other(other.to_string())),
    }
}

/// Splits a paste: its first line is added to the typed text, the others are for the next questions.
fn split_paste(typed: &str, pasted: &str) -> AnswerRead {
    let (first, rest) = pasted.split_once('\n').unwrap_or((pasted, ""));
    AnswerRead::Line { text: format!("{typed}{first}"), rest: (!rest.is_empty()).then(|| rest.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_feeds_this_question_and_the_next() {
        let parts = |typed, pasted| match split_paste(typed, pasted) {
            AnswerRead::Line { text, rest } => (text, rest),
            other => panic!("{other:?}"),
        };
        assert_eq!(parts("x", "a\nb\nc"), ("xa".into(), Some("b\nc".into())));
        assert_eq!(parts("", "a\n"), ("a".into(), None));
    }
}
