//! The themes view: the names at the left and a sample at the right, all in the selected theme.

use std::io;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::runtime::Handle;
use unicode_width::UnicodeWidthStr;

use super::shell::{self, Appearance, KeyHelp, Press, Scroll, ScrollStep, Step, View, ViewWaker, pad, put};
use crate::render::sanitize;
use crate::theme::{ListedTheme, Role, Theme, sample};

/// Shows the themes until the user chooses one; returns `None` if the user keeps `current`. Works as `shell::show`.
///
/// # Errors
/// When standard input or output is not a terminal.
pub fn choose_theme(
    runtime: &Handle,
    themes: Vec<ListedTheme>,
    current: &str,
    appearance: &Appearance,
) -> io::Result<Option<String>> {
    let waker = ViewWaker::new()?;
    let mut view = ThemesView::new(themes, current, appearance.clone());
    shell::show(runtime, &waker, &mut view, appearance, true)?;
    Ok(view.chosen)
}

struct Row {
    name: String,
    label: String,
    theme: Result<Arc<Theme>, String>,
}

struct ThemesView {
    themes: Vec<Row>,
    scroll: Scroll,
    appearance: Appearance,
    chosen: Option<String>,
    message: Option<(String, bool)>,
}

impl ThemesView {
    fn new(themes: Vec<ListedTheme>, current: &str, appearance: Appearance) -> Self {
        let themes: Vec<_> = themes
            .into_iter()
            .map(|listed| Row {
                label: listed.label(),
                name: listed.name,
                theme: listed.theme.map(Arc::new).map_err(|error| error.to_string()),
            })
            .collect();
        let mut scroll = Scroll::default();
        scroll.set_count(themes.len());
        scroll.select(themes.iter().position(|row| row.name == current).unwrap_or(0));
        let mut view = Self { themes, scroll, appearance, chosen: None, message: None };
        view.preview();
        view
    }

    fn selected(&self) -> Option<&Row> {
        self.themes.get(self.scroll.selected())
    }

    fn preview(&mut self) {
        if let Some(Row { theme: Ok(theme), .. }) = self.selected() {
            self.appearance = self.appearance.with_theme(Arc::clone(theme));
        }
    }

    fn choose(&mut self) -> Step {
        match self.selected() {
            Some(Row { name, theme: Ok(_), .. }) => {
                self.chosen = Some(name.clone());
                Step::Leave
            }
            Some(Row { theme: Err(problem), .. }) => {
                self.message = Some((problem.clone(), true));
                Step::Stay
            }
            None => Step::Leave,
        }
    }
}

impl View for ThemesView {
    fn title(&self) -> String {
        "themes".to_owned()
    }

    fn state(&self) -> String {
        match self.selected() {
            Some(Row { theme: Ok(theme), .. }) if theme.is_light() => "for a light background".to_owned(),
            Some(Row { theme: Ok(_), .. }) => "for a dark background".to_owned(),
            Some(Row { theme: Err(_), .. }) => "cannot be used".to_owned(),
            None => String::new(),
        }
    }

    fn keys(&self) -> Vec<KeyHelp> {
        vec![("↑ ↓", "preview"), ("Enter", "choose")]
    }

    fn appearance(&self) -> Option<Appearance> {
        Some(self.appearance.clone())
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
        let widest = self.themes.iter().map(|row| row.label.width() + 2).max().unwrap_or(0);
        let left = u16::try_from(widest).unwrap_or(u16::MAX).min(area.width);
        for (line, row) in self.scroll.window(area.height.into()).enumerate() {
            let line = u16::try_from(line).unwrap_or(u16::MAX);
            let Some(Row { label, theme, .. }) = self.themes.get(row) else { continue };
            let style = match () {
                () if row == self.scroll.selected() => appearance.style(Role::PaneSelected),
                () if theme.is_err() => appearance.style(Role::PaneBad),
                () => appearance.plain_text(),
            };
            put(buffer, area, 0, line, &pad(&format!(" {label}"), left.into()), style);
        }
        let right = Rect {
            x: area.x.saturating_add(left).saturating_add(2),
            width: area.width.saturating_sub(left.saturating_add(2)),
            ..area
        };
        match self.selected() {
            Some(Row { theme: Err(problem), .. }) => draw_problem(right, buffer, appearance, problem),
            _ => draw_sample(right, buffer, appearance),
        }
    }

    fn press(&mut self, press: Press) -> Step {
        if let Some(step) = ScrollStep::of(press) {
            self.scroll.go(step);
            self.preview();
            return Step::Stay;
        }
        match press {
            Press::Enter => self.choose(),
            _ => Step::Pass,
        }
    }

    fn message(&mut self) -> Option<(String, bool)> {
        self.message.take()
    }
}

/// Shows why a theme cannot be used, in as many rows as that takes.
fn draw_problem(area: Rect, buffer: &mut Buffer, appearance: &Appearance, problem: &str) {
    let text: Vec<char> = sanitize::line(problem, 1_000).chars().collect();
    for (row, part) in (0..area.height).zip(text.chunks(usize::from(area.width).max(1))) {
        let part: String = part.iter().collect();
        put(buffer, area, 0, row, &part, appearance.style(Role::PaneBad));
    }
}

fn draw_sample(area: Rect, buffer: &mut Buffer, appearance: &Appearance) {
    for (row, line) in (0..area.height).zip(sample::lines()) {
        let mut column = 0;
        for (role, text) in line {
            let style = role.map_or(appearance.plain_text(), |role| appearance.style(role));
            column = put(buffer, area, column, row, text, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shell::tests::{press, shown};
    use super::*;
    use crate::theme::Library;

    #[test]
    fn the_selected_theme_is_previewed_and_chosen() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("aaa.toml"), "[styles]\nprompt = 'x'\n").unwrap();
        let themes = Library::new(Some(folder.path().to_owned())).list();
        let last = themes.last().unwrap().name.clone();
        let mut view = ThemesView::new(themes, "dark", Appearance::plain());
        assert_eq!(view.selected().unwrap().name, "dark");
        press(&mut view, &[Press::Down]);
        let text = shown(&mut view, 70, 20);
        assert!(text.contains("for a light background") && text.contains("ValueError"), "{text}");
        press(&mut view, &[Press::Home]);
        let text = shown(&mut view, 70, 20);
        assert!(text.contains("aaa (cannot be used)") && !text.contains("ValueError"), "{text}");
        press(&mut view, &[Press::Enter]);
        assert!(view.message().is_some_and(|(text, bad)| bad && text.contains("aaa.toml:2")));
        press(&mut view, &[Press::End]);
        assert_eq!(view.press(Press::Enter), Step::Leave);
        assert_eq!(view.chosen.as_deref(), Some(last.as_str()));
        for width in 0..30 {
            shown(&mut view, width, 4);
        }
    }
}
