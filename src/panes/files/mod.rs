//! The files of a session: folders are entered, texts and pictures looked at, files brought here and sent there, with how
//! far it is.

mod browser;
mod preview;
mod transfer;
mod work;

use std::io;

use tokio::runtime::Handle;

use super::shell::{self, Bell, Look};
use super::{image, show_text};
use bai_client::ComputeSession;
use browser::Browser;
use work::{Ask, Opened};

/// Shows the files of a session, beginning with a folder, until the person leaves them. As `shell::show`.
///
/// # Errors
/// When standard input and output are no terminal.
pub fn show_files(
    runtime: &Handle,
    session: ComputeSession,
    folder: &str,
    look: &Look,
    editor_waits: bool,
) -> io::Result<()> {
    let bell = Bell::new()?;
    let mut view = Browser::new(session.name(), folder, bell.clone(), look.clone());
    view.ask = Some(Ask { runtime: runtime.clone(), session });
    view.list();
    loop {
        shell::show(runtime, &bell, &mut view, look, editor_waits)?;
        match view.take_opened() {
            Some(Opened::Text { title, path, text }) => {
                show_text(runtime, &title, Some(&path), &text, look, editor_waits)?;
            }
            Some(Opened::Picture(exhibit)) => image::show(runtime, &exhibit, editor_waits)?,
            None => return Ok(()),
        }
    }
}
