//! `:image`: shows the last picture again in the whole window, saves it, or opens it in another program.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::command_actions::CommandResult;
use super::commands::ImageUse;
use super::state::{LoopAction, Repl};
use crate::render::ImageViewer;

/// The program that opens files as the user's desktop does.
const OPENER: &str = "xdg-open";

impl Repl {
    /// Shows, saves or opens the last picture.
    pub(super) fn image(&mut self, what: &ImageUse) -> CommandResult {
        let Some(image_viewer) = self.terminal.console.image_viewer() else {
            return self.say("there was no picture yet");
        };
        match what {
            ImageUse::Show => self.show_image(&image_viewer),
            ImageUse::Save(path) => self.save_image(&image_viewer, path),
            ImageUse::Open => self.open_image(&image_viewer),
            ImageUse::Unknown => {
                self.terminal.note("usage: :image [save FILE | open]").map(|()| LoopAction::Continue)
            }
        }
    }

    fn show_image(&mut self, image_viewer: &ImageViewer) -> CommandResult {
        if !image_viewer.can_be_drawn() || !self.terminal.screen.interactive() {
            return self.fail(
                "this terminal shows no pictures".to_owned(),
                Some(":image save FILE keeps it, :image open shows it elsewhere"),
            );
        }
        self.run_view(|runtime| crate::panes::image::show(runtime, image_viewer, true))
            .map(|_| LoopAction::Continue)
    }

    fn save_image(&mut self, image_viewer: &ImageViewer, path: &Path) -> CommandResult {
        let shown = path.display();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let bytes = match image_viewer.file(&extension) {
            Ok(bytes) => bytes,
            Err(problem) => return self.fail(format!("cannot save the picture: {problem}"), None),
        };
        let written = OpenOptions::new().write(true).create_new(true).open(path);
        match written.and_then(|mut file| file.write_all(&bytes)) {
            Ok(()) => self.say(&format!("saved in {shown}")),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.fail(format!("{shown} exists"), Some("choose another name"))
            }
            Err(error) => self.fail(format!("cannot save in {shown}: {error}"), None),
        }
    }

    fn open_image(&mut self, image_viewer: &ImageViewer) -> CommandResult {
        let path = match temporary(image_viewer) {
            Ok(path) => path,
            Err(problem) => return self.fail(format!("cannot save the picture: {problem}"), None),
        };
        let shown = path.display();
        let mut command = Command::new(OPENER);
        command.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(mut child) => {
                // The prompt does not wait for the viewer; a task reaps the process.
                self.runtime.spawn_blocking(move || child.wait());
                self.say(&format!("opened {shown}"))
            }
            Err(_) => self.fail(
                format!("there is no {OPENER} here to open pictures with"),
                Some(&format!("the picture is in {shown}")),
            ),
        }
    }
}

/// Saves the picture in a temporary file, which is kept because the viewer's end is unknown.
fn temporary(image_viewer: &ImageViewer) -> Result<PathBuf, String> {
    let extension = image_viewer.extension();
    let bytes = image_viewer.file(extension)?;
    let file = tempfile::Builder::new().prefix("bai-repl-").suffix(&format!(".{extension}")).tempfile();
    let mut file = file.map_err(|error| error.to_string())?;
    file.write_all(&bytes).map_err(|error| error.to_string())?;
    file.keep().map(|(_, path)| path).map_err(|error| error.to_string())
}
