//! The sessions that live, as a board: their states as they change, what they use, a filter, and what can be done with
//! one: go to it, look at its log or its files, end it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use unicode_width::UnicodeWidthStr;

use super::find::Find;
use super::shell::{self, Bell, KeyHelp, Look, Press, Scroll, ScrollStep, Step, View, pad, put};
use super::{follow_log, show_files};
use crate::client::{Api, ComputeSession, DestroyOptions};
use crate::protocol::status::SessionStatus;
use crate::protocol::summary::SessionSummary;
use crate::render::sanitize;
use crate::theme::Role;

/// How often the server is asked.
const OFTEN: Duration = Duration::from_secs(2);
/// How long it may take to answer.
const LIMIT: Duration = Duration::from_secs(15);

/// Shows the sessions until the person leaves the board or wants to go to one, whose id is then given. As
/// `shell::show`.
///
/// # Errors
/// When standard input and output are no terminal.
pub fn show_sessions(
    runtime: &Handle,
    api: &Api,
    look: &Look,
    editor_waits: bool,
) -> io::Result<Option<String>> {
    let mut view = Board::new(api, Bell::new()?, Some(runtime.clone()));
    let watch = Watch(runtime.spawn(watch(api.clone(), view.at.clone())).abort_handle());
    let outcome = loop {
        shell::show(runtime, &view.at.bell.clone(), &mut view, look, editor_waits)?;
        match view.wish.take() {
            None => break None,
            Some(Wish::Attach(id)) => break Some(id),
            Some(Wish::Logs(id)) => {
                if let Some(session) = view.find(runtime, api, &id) {
                    follow_log(runtime, session, look, editor_waits)?;
                }
            }
            Some(Wish::Files(id)) => {
                if let Some(session) = view.find(runtime, api, &id) {
                    show_files(runtime, session, look, editor_waits)?;
                }
            }
        }
    };
    drop(watch);
    Ok(outcome)
}

/// Ends the asking when the board is closed.
struct Watch(tokio::task::AbortHandle);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is to be done outside of the board.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wish {
    Attach(String),
    Logs(String),
    Files(String),
}

/// What the board and its tasks share.
#[derive(Clone, Debug)]
struct At {
    shared: Arc<Mutex<Shared>>,
    /// Ask the server now.
    again: Arc<Notify>,
    bell: Bell,
}

#[derive(Debug, Default)]
struct Shared {
    sessions: Vec<SessionSummary>,
    /// Those that are over are wanted too.
    all: bool,
    loaded: bool,
    problem: Option<String>,
    remark: Option<(String, bool)>,
}

impl At {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, text: impl Into<String>, bad: bool) {
        self.lock().remark = Some((text.into(), bad));
        self.bell.ring();
    }
}

/// Asks for the sessions again and again.
async fn watch(api: Api, at: At) {
    loop {
        let all = at.lock().all;
        let asked = async { if all { api.sessions(&[]).await } else { api.live_sessions().await } };
        let answer = tokio::time::timeout(LIMIT, asked).await;
        {
            let mut shared = at.lock();
            match answer {
                Ok(Ok(mut sessions)) => {
                    // Rows that change places under the cursor would be ended by mistake.
                    sessions.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
                    shared.sessions = sessions;
                    (shared.problem, shared.loaded) = (None, true);
                }
                Ok(Err(error)) => shared.problem = Some(error.to_string()),
                Err(_) => shared.problem = Some("the server does not answer".to_owned()),
            }
        }
        at.bell.ring();
        tokio::select! {
            () = tokio::time::sleep(OFTEN) => {}
            () = at.again.notified() => {}
        }
    }
}

struct Board {
    api: Api,
    at: At,
    rows: Vec<SessionSummary>,
    filter: Find,
    scroll: Scroll,
    wish: Option<Wish>,
    /// The session that the question is about.
    doomed: Option<SessionSummary>,
    runtime: Option<Handle>,
}

impl Board {
    fn new(api: &Api, bell: Bell, runtime: Option<Handle>) -> Self {
        let at = At { shared: Arc::default(), again: Arc::default(), bell };
        Self {
            api: api.clone(),
            at,
            rows: Vec::new(),
            filter: Find::default(),
            scroll: Scroll::default(),
            wish: None,
            doomed: None,
            runtime,
        }
    }

    /// A handle for a session of the board; why there is none is told there.
    fn find(&mut self, runtime: &Handle, api: &Api, id: &str) -> Option<ComputeSession> {
        let found =
            runtime.block_on(async { tokio::time::timeout(LIMIT, ComputeSession::find(api, id)).await });
        match found {
            Ok(Ok(session)) => Some(session),
            Ok(Err(error)) => {
                self.at.tell(error.to_string(), true);
                None
            }
            Err(_) => {
                self.at.tell("the server does not answer", true);
                None
            }
        }
    }

    fn selected(&self) -> Option<&SessionSummary> {
        self.rows.get(self.scroll.at())
    }

    /// Takes over what has changed; the same session stays selected.
    fn refresh(&mut self) {
        let selected = self.selected().map(|session| session.id.clone());
        let shared = self.at.lock();
        let fits = |session: &&SessionSummary| {
            self.filter.is_empty() || words(session).iter().any(|word| self.filter.is_in(word))
        };
        self.rows = shared.sessions.iter().filter(fits).cloned().collect();
        drop(shared);
        self.scroll.set_count(self.rows.len());
        if let Some(row) = selected.and_then(|id| self.rows.iter().position(|session| session.id == id)) {
            self.scroll.select(row);
        }
    }

    fn leave_for(&mut self, wish: impl FnOnce(String) -> Wish) -> Step {
        let Some(session) = self.selected() else { return Step::Stay };
        self.wish = Some(wish(session.id.clone()));
        Step::Leave
    }

    fn destroy(&mut self) {
        let Some(doomed) = self.doomed.take() else { return };
        let (api, at) = (self.api.clone(), self.at.clone());
        let name = name_of(&doomed);
        let Some(runtime) = &self.runtime else { return };
        at.tell(format!("{name} is being destroyed"), false);
        runtime.spawn(async move {
            let destroyed = async {
                ComputeSession::find(&api, &doomed.id).await?.destroy(DestroyOptions::default()).await
            };
            match destroyed.await {
                Ok(()) => at.tell(format!("{name} is destroyed"), false),
                Err(error) => at.tell(error.to_string(), true),
            }
            at.again.notify_one();
        });
    }
}

fn name_of(session: &SessionSummary) -> String {
    sanitize::line(session.name.as_deref().unwrap_or(&session.id), 60)
}

/// What is shown of a session, in the order of the columns.
fn words(session: &SessionSummary) -> [String; 6] {
    let slots = &session.occupied_slots;
    let cpu = slots.get("cpu").cloned().unwrap_or_default();
    let memory = slots
        .get("mem")
        .and_then(|bytes| bytes.parse::<f64>().ok())
        // Sizes are positive, and what is too large is a mistake.
        .map(|bytes| indicatif::HumanBytes(bytes.max(0.0) as u64).to_string())
        .unwrap_or_default();
    let others: Vec<String> = slots
        .iter()
        .filter(|(name, amount)| !matches!(name.as_str(), "cpu" | "mem") && amount.as_str() != "0")
        .map(|(name, amount)| format!("{name} {amount}"))
        .collect();
    let used = [cpu_text(&cpu), memory, others.join(" ")].join(" ");
    [
        session.name.clone().unwrap_or_default(),
        session.status.to_string(),
        session.image.clone().unwrap_or_default(),
        used.trim().to_owned(),
        session.created_at.as_deref().map(age).unwrap_or_default(),
        session.status_info.clone().unwrap_or_default(),
    ]
}

fn cpu_text(cpu: &str) -> String {
    if cpu.is_empty() { String::new() } else { format!("{cpu} cpu") }
}

/// How long ago a server's time is, in its largest unit.
fn age(time: &str) -> String {
    let Ok(then) = time.parse::<Timestamp>() else { return String::new() };
    match Timestamp::now().duration_since(then).as_secs() {
        seconds @ ..60 => format!("{} s", seconds.max(0)),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn status_role(status: &SessionStatus) -> Role {
    match status {
        SessionStatus::Running => Role::PaneGood,
        SessionStatus::Error => Role::PaneBad,
        status if status.is_dead() => Role::PaneMuted,
        _ => Role::PaneBusy,
    }
}

/// Heads of the columns and their widths: the least and the most.
const COLUMNS: [(&str, usize, usize); 6] =
    [("NAME", 10, 32), ("STATUS", 9, 14), ("IMAGE", 12, 40), ("USES", 8, 30), ("AGE", 6, 8), ("", 0, 60)];
const GAP: usize = 2;

impl View for Board {
    fn title(&self) -> String {
        format!("sessions · {}", self.api.endpoint())
    }

    fn state(&self) -> String {
        let shared = self.at.lock();
        let total = shared.sessions.len();
        let mut state = match (&shared.problem, shared.loaded) {
            (Some(problem), _) => problem.clone(),
            (None, false) => "asking…".to_owned(),
            (None, true) if self.rows.len() == total => format!("{total} sessions"),
            (None, true) => format!("{} of {total} sessions", self.rows.len()),
        };
        if shared.all {
            state.push_str(", ended ones too");
        }
        state
    }

    fn keys(&self) -> Vec<KeyHelp> {
        vec![
            ("Enter", "go to it"),
            ("l", "log"),
            ("f", "files"),
            ("d", "destroy"),
            ("/", "filter"),
            ("a", "ended ones too"),
            ("r", "ask now"),
        ]
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look) {
        let room = usize::from(area.height.saturating_sub(1));
        let rows = self.scroll.window(room);
        let shown: Vec<[String; 6]> =
            self.rows.get(rows.clone()).unwrap_or_default().iter().map(words).collect();
        let widths = widths(&shown, area.width.into());
        let mut at = 0_u16;
        for ((head, ..), width) in COLUMNS.iter().zip(&widths) {
            put(buffer, area, at, 0, &pad(head, *width), look.style(Role::PaneHeader));
            at = at.saturating_add(u16::try_from(width + GAP).unwrap_or(u16::MAX));
        }
        if shown.is_empty() {
            let loaded = self.at.lock().loaded;
            let text = if loaded { "there is no session here" } else { "" };
            put(buffer, area, 0, 1, text, look.style(Role::PaneMuted));
        }
        for (line, (row, words)) in rows.zip(&shown).enumerate() {
            let line = u16::try_from(line + 1).unwrap_or(u16::MAX);
            let selected = row == self.scroll.at();
            let base = if selected { look.style(Role::PaneSelected) } else { look.plain_text() };
            if selected {
                put(buffer, area, 0, line, &" ".repeat(area.width.into()), base);
            }
            let mut at = 0_u16;
            for (index, (word, width)) in words.iter().zip(&widths).enumerate() {
                let style = match (selected, index, self.rows.get(row)) {
                    (true, ..) => base,
                    (_, 1, Some(session)) => look.style(status_role(&session.status)),
                    (_, 2.., _) => look.style(Role::PaneMuted),
                    _ => base,
                };
                put(buffer, area, at, line, &pad(&sanitize::line(word, *width), *width), style);
                at = at.saturating_add(u16::try_from(width + GAP).unwrap_or(u16::MAX));
            }
        }
    }

    fn press(&mut self, press: Press) -> Step {
        if let Some(step) = ScrollStep::of(press) {
            self.scroll.go(step);
            return Step::Stay;
        }
        match press {
            Press::Enter => return self.leave_for(Wish::Attach),
            Press::Char('l') => return self.leave_for(Wish::Logs),
            Press::Char('f') => return self.leave_for(Wish::Files),
            Press::Char('d') => {
                self.doomed = self.selected().cloned();
                return match self.doomed {
                    Some(_) => Step::Ask { label: "destroy it? y/N", initial: String::new() },
                    None => Step::Stay,
                };
            }
            Press::Char('/') => {
                return Step::Ask { label: "filter", initial: self.filter.text().to_owned() };
            }
            Press::Char('a') => {
                let mut shared = self.at.lock();
                shared.all = !shared.all;
                shared.loaded = false;
                drop(shared);
                self.at.again.notify_one();
            }
            Press::Char('r') => self.at.again.notify_one(),
            // What is filtered is shown again before the board is left.
            Press::Escape if !self.filter.is_empty() => {
                self.filter = Find::default();
                self.refresh();
            }
            _ => return Step::Pass,
        }
        Step::Stay
    }

    fn answer(&mut self, label: &'static str, line: &str, done: bool, given_up: bool) {
        if label == "filter" {
            self.filter = Find::new(line);
            self.refresh();
        } else if done && !given_up && matches!(line.trim(), "y" | "Y" | "yes") {
            self.destroy();
        }
    }

    fn woken(&mut self) -> bool {
        self.refresh();
        false
    }

    fn remark(&mut self) -> Option<(String, bool)> {
        self.at.lock().remark.take()
    }
}

/// Widths of the columns in a window: what is widest gives way first.
fn widths(shown: &[[String; 6]], room: usize) -> Vec<usize> {
    let mut widths: Vec<usize> = COLUMNS
        .iter()
        .enumerate()
        .map(|(index, (head, _, most))| {
            let words = shown.iter().filter_map(|words| words.get(index)).map(|word| word.width());
            words.chain([head.width()]).max().unwrap_or(0).min(*most)
        })
        .collect();
    let total = |widths: &[usize]| widths.iter().map(|width| width + GAP).sum::<usize>().saturating_sub(GAP);
    while total(&widths) > room {
        let over = |(index, width): &(usize, &usize)| {
            COLUMNS.get(*index).is_some_and(|(_, least, _)| **width > *least)
        };
        let widest = widths.iter().enumerate().filter(over).max_by_key(|(_, width)| **width);
        match widest.map(|(index, _)| index) {
            Some(index) => widths.iter_mut().skip(index).take(1).for_each(|width| *width -= 1),
            None if widths.len() > 1 => {
                widths.pop();
            }
            None => break,
        }
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::super::shell::tests::{press, shown};
    use super::*;
    use serde_json::json;

    fn session(id: &str, name: &str, status: &str) -> SessionSummary {
        serde_json::from_value(json!({
            "session_id": id, "name": name, "status": status, "image": "cr.example/stable/python:3.13",
            "occupied_slots": "{\"cpu\": \"2\", \"mem\": \"1073741824\", \"cuda.shares\": \"0.5\", \"x\": \"0\"}",
        }))
        .unwrap()
    }

    fn board(sessions: Vec<SessionSummary>) -> Board {
        let api = Api::new(crate::client::ApiOptions::new("http://127.0.0.1:1")).unwrap();
        let mut board = Board::new(&api, Bell::new().unwrap(), None);
        *board.at.lock() = Shared { sessions, loaded: true, ..Shared::default() };
        board.woken();
        board
    }

    #[test]
    fn sessions_are_shown_with_what_they_use_and_filtered() {
        let mut board = board(vec![
            session("1", "train", "RUNNING"),
            session("2", "\u{1b}]0;x\u{7}data", "PULLING"),
            session("3", "broken", "ERROR"),
        ]);
        let text = shown(&mut board, 90, 7);
        assert!(text.contains("train") && text.contains("2 cpu 1.00 GiB cuda.shares 0.5"), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("3 sessions"), "{text}");
        board.answer("filter", "err", false, false);
        let text = shown(&mut board, 90, 7);
        assert!(text.contains("1 of 3 sessions") && !text.contains("train"), "{text}");
        press(&mut board, &[Press::Escape]);
        assert_eq!(board.rows.len(), 3);
        for width in 0..60 {
            for height in 0..5 {
                shown(&mut board, width, height);
            }
        }
    }

    #[test]
    fn the_same_session_stays_selected_when_the_list_changes() {
        let mut board = board(vec![session("1", "a", "RUNNING"), session("2", "b", "RUNNING")]);
        press(&mut board, &[Press::Down]);
        board.at.lock().sessions.insert(0, session("0", "new", "PREPARING"));
        board.woken();
        assert_eq!(board.selected().map(|session| session.id.as_str()), Some("2"));
        assert_eq!(board.press(Press::Char('l')), Step::Leave);
        assert_eq!(board.wish, Some(Wish::Logs("2".into())));
        board.at.lock().sessions.clear();
        board.woken();
        assert_eq!(board.press(Press::Enter), Step::Stay, "there is none to go to");
        assert!(shown(&mut board, 60, 6).contains("there is no session here"));
    }

    #[test]
    fn nothing_is_destroyed_without_a_yes() {
        let mut board = board(vec![session("1", "a", "RUNNING")]);
        let asked = Step::Ask { label: "destroy it? y/N", initial: String::new() };
        for (line, done, given_up) in
            [("", true, false), ("n", true, false), ("y", false, false), ("y", true, true)]
        {
            assert_eq!(board.press(Press::Char('d')), asked);
            board.answer("destroy it? y/N", line, done, given_up);
            assert!(board.doomed.is_some(), "{line}");
        }
        board.answer("destroy it? y/N", "y", true, false);
        assert!(board.doomed.is_none());
    }
}
