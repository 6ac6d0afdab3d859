//! The specification of a kernel.

use super::error::StartError;
use super::image::ImageName;
use super::language::Resolved;
use super::registry;
use super::script_streams::ScriptStreams;
use super::search_paths::SearchPaths;
use bai_protocol::execute::Script;
use std::path::PathBuf;

/// The specification of a kernel.
#[derive(Debug, Clone)]
pub struct KernelSpec {
    /// The folder that the code runs in.
    pub workdir: PathBuf,
    /// Variables on top of our own environment, which the kernel gets without its secrets. The search for the interpreter
    /// uses them too (`PATH`, `VIRTUAL_ENV`).
    pub env: Vec<(String, String)>,
    /// The image to run.
    pub image: ImageName,
    /// Whether it is for one script alone. Where the language has a program of its own that one runs the script, and an
    /// interpreter for cells starts only if it is needed.
    pub is_for_script: bool,
    /// The script that is expected first, with its code, if it is for one script alone: an interpreter that can run it starts at
    /// once, and waits for it. If another one comes, that gets an interpreter of its own.
    pub first_script: Option<(String, Script)>,
    /// The streams that such a script gets from its client.
    pub streams: ScriptStreams,
    /// The interpreter or compiler. `None` searches for it.
    pub executable: Option<PathBuf>,
}

impl KernelSpec {
    /// A kernel of an image such as `python` or `gcc:12` that works in the folder `workdir`, in our own environment.
    pub fn new(image: &str, workdir: impl Into<PathBuf>) -> Self {
        KernelSpec {
            workdir: workdir.into(),
            env: Vec::new(),
            image: ImageName::parse(image),
            is_for_script: false,
            first_script: None,
            streams: ScriptStreams::default(),
            executable: None,
        }
    }

    /// Finds the interpreter for the image. Reads files and may run interpreters to ask for their version, so call it where blocking
    /// for some milliseconds is allowed.
    ///
    /// # Errors
    /// When no language accepts the image, or its interpreter is missing.
    pub fn find(&self) -> Result<Resolved, StartError> {
        registry::resolve_image(&self.image, &SearchPaths::of_this_process().with(&self.env))
    }
}
