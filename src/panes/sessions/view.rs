//! The view itself: one line for each session, a filter, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Handle;
use unicode_width::UnicodeWidthStr;

use super::columns::{COLUMNS, GAP, NUMBERS, RowTexts, row_texts, status_role, widths};
use super::details;
use super::watch::{LIMIT, SharedBoard, Usage};
use crate::panes::find::Find;
use crate::panes::shell::{Appearance, KeyHelp, Press, Scroll, ScrollStep, Step, View, cut, pad, put};
use crate::render::sanitize;
use crate::theme::Role;
use bai_client::{Api, ComputeSession, DestroyOptions};
use bai_protocol::summary::SessionSummary;

/// The label of the input line for a filter.
const FILTER: &str = "filter";
/// Windows with this many rows show the details by default.
const ROOMY: u16 = 18;

/// An action outside of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Attach(String),
    Logs(String),
    Files(String),
}

pub(super) struct SessionsView {
    api: Api,
    shared: SharedBoard,
    rows: Vec<(SessionSummary, Option<Usage>)>,
    filter: Find,
    scroll: Scroll,
    action: Option<Action>,
    /// The session that waits for the user's answer before it is destroyed.
    to_destroy: Option<SessionSummary>,
    /// Whether to show details; `None` until the user has chosen.
    details: Option<bool>,
    /// Whether the last drawing had details.
    details_shown: bool,
    runtime: Option<Handle>,
}

impl SessionsView {
    pub(super) fn new(api: &Api, shared: SharedBoard, runtime: Option<Handle>) -> Self {
        Self {
            api: api.clone(),
            shared,
            rows: Vec::new(),
            filter: Find::default(),
            scroll: Scroll::default(),
            action: None,
            to_destroy: None,
            details: None,
            details_shown: false,
            runtime,
        }
    }

    pub(super) fn take_action(&mut self) -> Option<Action> {
        self.action.take()
    }

    /// Returns a handle for a session; shows an error in the view if there is none.
    pub(super) fn find(&mut self, id: &str) -> Option<ComputeSession> {
        let finding = async { tokio::time::timeout(LIMIT, ComputeSession::find(&self.api, id)).await };
        let problem = match self.runtime.as_ref()?.block_on(finding) {
            Ok(Ok(session)) => return Some(session),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the server does not answer".to_owned(),
        };
        self.shared.show_message(problem, true);
        None
    }

    fn selected(&self) -> Option<&SessionSummary> {
        self.rows.get(self.scroll.selected()).map(|(session, _)| session)
    }

    /// Updates the rows; the same session stays selected.
    fn refresh(&mut self) {
        let selected = self.selected().map(|session| session.id.clone());
        let shared = self.shared.lock();
        let row = |session: &SessionSummary| (session.clone(), shared.usage.get(&session.id).cloned());
        let fits = |(session, usage): &(SessionSummary, Option<Usage>)| {
            self.filter.is_empty()
                || row_texts(session, usage.as_ref()).iter().any(|text| self.filter.is_in(text))
        };
        self.rows = shared.sessions.iter().map(row).filter(fits).collect();
        drop(shared);
        self.scroll.set_count(self.rows.len());
        let is_selected = |id: String| self.rows.iter().position(|(session, _)| session.id == id);
        if let Some(row) = selected.and_then(is_selected) {
            self.scroll.select(row);
        }
    }

    fn leave_for(&mut self, action: impl FnOnce(String) -> Action) -> Step {
        let Some(session) = self.selected() else { return Step::Stay };
        if session.status.is_dead() {
            self.shared.lock().message = Some((format!("{} has ended", name_of(session)), true));
            return Step::Stay;
        }
        self.action = Some(action(session.id.clone()));
        Step::Leave
    }

    fn destroy(&mut self) {
        let Some(session) = self.to_destroy.take() else { return };
        let (api, shared) = (self.api.clone(), self.shared.clone());
        let name = name_of(&session);
        let Some(runtime) = &self.runtime else { return };
        shared.show_message(format!("{name} is being destroyed"), false);
        runtime.spawn(async move {
            let destroyed = async {
                ComputeSession::find(&api, &session.id).await?.destroy(DestroyOptions::default()).await
            };
            match destroyed.await {
                Ok(()) => shared.show_message(format!("{name} is destroyed"), false),
                Err(error) => shared.show_message(error.to_string(), true),
            }
            shared.refresh.notify_one();
        });
    }
}

fn name_of(session: &SessionSummary) -> String {
    sanitize::name(session.name.as_deref().unwrap_or(&session.id), 60)
}

impl View for SessionsView {
    fn title(&self) -> String {
        format!("sessions · {}", self.api.endpoint())
    }

    fn state(&self) -> String {
        let shared = self.shared.lock();
        let total = shared.sessions.len();
        let mut state = match (&shared.problem, shared.loaded) {
            (Some(problem), _) => problem.clone(),
            (None, false) => "loading…".to_owned(),
            (None, true) if self.rows.len() == total && total == 1 => "1 session".to_owned(),
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
            ("Enter", "attach"),
            ("l", "log"),
            ("f", "files"),
            ("d", "destroy"),
            ("/", "filter"),
            ("i", if self.details_shown { "hide details" } else { "show details" }),
            ("a", "show ended"),
            ("r", "refresh"),
        ]
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let list = self.draw_details(area, buffer, appearance);
        let rows = self.scroll.window(usize::from(list.height.saturating_sub(1)));
        let shown = self.rows.get(rows.clone()).unwrap_or_default();
        let shown: Vec<RowTexts> =
            shown.iter().map(|(session, usage)| row_texts(session, usage.as_ref())).collect();
        let widths = widths(&shown, list.width.into());
        let heads = COLUMNS.map(|(head, ..)| head.to_owned());
        draw_line(&heads, &widths, list, 0, buffer, |_| appearance.style(Role::PaneHeader));
        if shown.is_empty() {
            let loaded = self.shared.lock().loaded;
            let text = match loaded {
                true if self.filter.is_empty() => "there is no session here",
                true => "no session matches",
                false => "",
            };
            put(buffer, list, 0, 1, text, appearance.style(Role::PaneMuted));
        }
        for (line, (row, texts)) in rows.zip(&shown).enumerate() {
            let line = u16::try_from(line + 1).unwrap_or(u16::MAX);
            let selected = row == self.scroll.selected();
            if selected {
                let blank = " ".repeat(list.width.into());
                put(buffer, list, 0, line, &blank, appearance.style(Role::PaneSelected));
            }
            draw_line(texts, &widths, list, line, buffer, |index| {
                match (selected, index, self.rows.get(row)) {
                    (true, ..) => appearance.style(Role::PaneSelected),
                    (_, 1, Some((session, _))) => appearance.style(status_role(&session.status)),
                    (_, 5.., _) => appearance.style(Role::PaneMuted),
                    _ => appearance.plain_text(),
                }
            });
        }
    }

    fn press(&mut self, press: Press) -> Step {
        if let Some(step) = ScrollStep::of(press) {
            self.scroll.go(step);
            return Step::Stay;
        }
        match press {
            Press::Enter => return self.leave_for(Action::Attach),
            Press::Char('l') => return self.leave_for(Action::Logs),
            Press::Char('f') => return self.leave_for(Action::Files),
            Press::Char('d') => {
                self.to_destroy = self.selected().cloned();
                return match self.to_destroy {
                    Some(_) => Step::Ask { label: "destroy it? y/N", initial: String::new() },
                    None => Step::Stay,
                };
            }
            Press::Char('/') => {
                return Step::Ask { label: FILTER, initial: self.filter.text().to_owned() };
            }
            Press::Char('i') => self.details = Some(!self.details_shown),
            Press::Char('a') => {
                let mut shared = self.shared.lock();
                shared.all = !shared.all;
                shared.loaded = false;
                drop(shared);
                self.shared.refresh.notify_one();
            }
            Press::Char('r') => self.shared.refresh.notify_one(),
            // Escape removes the filter first, and leaves the view only without one.
            Press::Escape if !self.filter.is_empty() => {
                self.filter = Find::default();
                self.refresh();
            }
            _ => return Step::Pass,
        }
        Step::Stay
    }

    fn typed(&mut self, label: &'static str, line: &str) {
        if label == FILTER {
            self.filter = Find::new(line);
            self.refresh();
        }
    }

    fn entered(&mut self, label: &'static str, line: &str) {
        if label != FILTER && matches!(line, "y" | "Y" | "yes") {
            self.destroy();
        }
    }

    fn woken(&mut self) -> bool {
        self.refresh();
        false
    }

    fn message(&mut self) -> Option<(String, bool)> {
        self.shared.lock().message.take()
    }
}

impl SessionsView {
    /// Draws the details if they are switched on and fit. Returns the area of the list.
    fn draw_details(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) -> Rect {
        let show = self.details.unwrap_or(area.height >= ROOMY);
        // The heading and the selected line stay visible.
        let room = area.height.saturating_sub(3);
        let selected = self.rows.get(self.scroll.selected()).filter(|_| show && room > 0);
        self.details_shown = selected.is_some();
        let Some((session, usage)) = selected else { return area };
        let height = details::height(session, usage.as_ref()).min(room.max(area.height / 2));
        let list = Rect { height: area.height - height, ..area };
        let below = Rect { y: area.y + list.height, height, ..area };
        details::draw(session, usage.as_ref(), below, buffer, appearance);
        list
    }
}

/// Draws texts in their columns.
fn draw_line(
    texts: &RowTexts,
    widths: &[usize],
    area: Rect,
    row: u16,
    buffer: &mut Buffer,
    style: impl Fn(usize) -> ratatui::style::Style,
) {
    let mut column = 0_u16;
    for (index, (text, &width)) in texts.iter().zip(widths).enumerate().filter(|(_, (_, width))| **width > 0)
    {
        let text = sanitize::name(text, width);
        let aligned = if NUMBERS.contains(&index) {
            let text = cut(&text, width);
            format!("{}{text}", " ".repeat(width.saturating_sub(text.width())))
        } else {
            pad(&text, width)
        };
        put(buffer, area, column, row, &aligned, style(index));
        column = column.saturating_add(u16::try_from(width + GAP).unwrap_or(u16::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::super::watch::BoardState;
    use super::*;
    use crate::panes::shell::ViewWaker;
    use crate::panes::shell::tests::{press, shown};
    use bai_protocol::live_stat::LiveStat;
    use serde_json::json;

    fn session(id: &str, name: &str, status: &str) -> SessionSummary {
        serde_json::from_value(json!({
            "session_id": id, "name": name, "status": status, "image": "cr.example/stable/python:3.13",
            "occupied_slots": "{\"cpu\": \"2\", \"mem\": \"1073741824\", \"cuda.shares\": \"0.5\", \"x\": \"0\"}",
        }))
        .unwrap()
    }

    fn board(sessions: Vec<SessionSummary>) -> SessionsView {
        let api = Api::new(bai_client::ApiOptions::new("http://127.0.0.1:1")).unwrap();
        let mut board = SessionsView::new(&api, SharedBoard::new(ViewWaker::new().unwrap()), None);
        *board.shared.lock() = BoardState { sessions, loaded: true, ..BoardState::default() };
        board.woken();
        board
    }

    #[test]
    fn sessions_are_listed_with_their_resources_and_filtered() {
        let mut board = board(vec![
            session("1", "train", "RUNNING"),
            session("2", "\u{1b}]0;x\u{7}data", "PULLING"),
            session("3", "broken", "ERROR"),
        ]);
        let text = shown(&mut board, 120, 7);
        assert!(text.contains("train") && text.contains("2 cpu 1.0 GiB cuda.shares 0.5"), "{text}");
        assert!(!text.contains('\u{1b}') && text.contains("3 sessions"), "{text}");
        board.typed(FILTER, "err");
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
        board.shared.lock().sessions.insert(0, session("0", "new", "PREPARING"));
        board.woken();
        assert_eq!(board.selected().map(|session| session.id.as_str()), Some("2"));
        assert_eq!(board.press(Press::Char('l')), Step::Leave);
        assert_eq!(board.action, Some(Action::Logs("2".into())));
        board.shared.lock().sessions.clear();
        board.woken();
        assert_eq!(board.press(Press::Enter), Step::Stay, "there is no session to attach to");
        board.shared.lock().sessions.push(session("3", "gone", "TERMINATED"));
        board.woken();
        assert_eq!(board.press(Press::Enter), Step::Stay, "it has ended");
        assert!(board.message().is_some_and(|(text, bad)| bad && text.contains("gone has ended")));
        board.shared.lock().sessions.clear();
        board.woken();
        assert!(shown(&mut board, 60, 6).contains("there is no session here"));
    }

    #[test]
    fn a_session_is_destroyed_only_after_a_yes() {
        let mut board = board(vec![session("1", "a", "RUNNING")]);
        let asked = Step::Ask { label: "destroy it? y/N", initial: String::new() };
        assert_eq!(board.press(Press::Char('d')), asked);
        board.typed("destroy it? y/N", "y");
        board.entered("destroy it? y/N", "n");
        board.typed(FILTER, "y");
        board.entered(FILTER, "y");
        assert!(board.to_destroy.is_some());
        board.entered("destroy it? y/N", "y");
        assert!(board.to_destroy.is_none());
    }

    #[test]
    fn usage_is_shown_and_details_if_they_fit() {
        let mut board = board(vec![session("1", "train", "RUNNING"), session("2", "idle", "RUNNING")]);
        let stat = LiveStat::of(&json!({
            "cpu_util": {"current": "1532", "capacity": "1000", "pct": "153.20"},
            "mem": {"current": "536870912", "capacity": "1073741824"},
            "cuda_util": {"current": "45", "capacity": "100"},
            "cuda_mem": {"current": "2147483648", "capacity": "8589934592"},
            "io_read": {"current": "4096", "capacity": null},
            "net_rx": {"current": "2048.5", "capacity": null},
        }));
        board.shared.lock().set_usage([("1".to_owned(), stat)].into());
        board.woken();
        insta::assert_snapshot!(shown(&mut board, 80, 22), @r"
         sessions · http://127.0.0.1:1                                       2 sessions
        NAME   STATUS     CPU   MEMORY    GPU  IMAGE                 HAS
        train  RUNNING  153 %  512 MiB   45 %  cr.example/stable/p…  2 cpu 1.0 GiB cuda…
        idle   RUNNING                         cr.example/stable/p…  2 cpu 1.0 GiB cuda…








        ── train ───────────────────────────────────────────────────────────────────────
         cpu                          █  153 % of a core
         memory    ━━━━━━━━━━──────────  512 MiB of 1.0 GiB
         cuda      ━━━━━━━━━───────────  45 % · 2.0 GiB of 8.0 GiB
         io        4.0 KiB read · 2.0 KiB/s in
         status    RUNNING
         image     cr.example/stable/python:3.13
         has       2 cpu 1.0 GiB cuda.shares 0.5
         id        1
         Enter attach  l log  f files  d destroy  / filter  i hide details  ? help
        ");
        let text = shown(&mut board, 40, 12);
        assert!(text.contains("train  RUNNING  153 %  512 MiB") && !text.contains("of a core"), "{text}");
        press(&mut board, &[Press::Char('i')]);
        let text = shown(&mut board, 40, 12);
        assert!(text.contains("512 MiB of 1.0 GiB") && text.contains("idle"), "{text}");
        press(&mut board, &[Press::Char('i'), Press::Down]);
        assert!(!shown(&mut board, 80, 22).contains("memory"));
    }
}
