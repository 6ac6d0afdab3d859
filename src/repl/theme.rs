//! `:theme`: another look from now on, for the prompt, the output and the views.

use std::sync::Arc;

use super::actions::Outcome;
use super::prompt::{Repl, Then};
use crate::theme::Theme;

impl Repl {
    /// Takes the theme that is named, or tells which there are.
    pub(super) fn theme(&mut self, name: Option<&str>) -> Outcome {
        let Some(name) = name else {
            let names = self.themes.names().join(", ");
            return self.say(&names);
        };
        match self.themes.find(name) {
            Ok(theme) => {
                self.use_theme(theme);
                self.stage.note(&format!(
                    "the theme is {name}; theme = \"{name}\" in the configuration keeps it"
                ))?;
                Ok(Then::Go)
            }
            Err(error) => self.fail(error.to_string(), None),
        }
    }

    fn use_theme(&mut self, theme: Theme) {
        self.stage.set_theme(Arc::new(theme));
        self.editor.set_paint(self.stage.paint.clone());
    }
}
