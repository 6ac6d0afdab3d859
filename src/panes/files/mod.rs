//! The file browser for a session: it lists folders, shows texts and pictures, and downloads and uploads files with a
//! progress bar.

mod browser;
mod preview;
mod state;
mod transfer;
mod work;

use std::io;

use tokio::runtime::Handle;

use super::shell::{self, Appearance, ViewWaker};
use super::{image, show_text};
use bai_client::ComputeSession;
use browser::Browser;
use state::{OpenedFile, SessionAccess};

/// Shows the files of a session, starting with a folder, until the user leaves. Works as `shell::show`.
///
/// # Errors
/// When standard input or output is not a terminal.
pub fn show_files(
    runtime: &Handle,
    session: ComputeSession,
    folder: &str,
    appearance: &Appearance,
    editor_waits: bool,
) -> io::Result<()> {
    let waker = ViewWaker::new()?;
    let mut view = Browser::new(session.name(), folder, waker.clone(), appearance.clone());
    view.access = Some(SessionAccess { runtime: runtime.clone(), session });
    view.list();
    loop {
        shell::show(runtime, &waker, &mut view, appearance, editor_waits)?;
        match view.take_opened() {
            Some(OpenedFile::Text { title, path, text }) => {
                show_text(runtime, &title, Some(&path), &text, appearance, editor_waits)?;
            }
            Some(OpenedFile::Picture(image_viewer)) => image::show(runtime, &image_viewer, editor_waits)?,
            None => return Ok(()),
        }
    }
}
