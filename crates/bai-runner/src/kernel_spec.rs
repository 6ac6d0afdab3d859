//! What a kernel is made from.

use super::image::ImageName;
use std::path::PathBuf;

/// What a kernel is made from.
#[derive(Debug, Clone)]
pub struct KernelSpec {
    /// The folder that the code runs in.
    pub workdir: PathBuf,
    /// Variables on top of our own environment, which is passed on without its secrets. The search for the
    /// interpreter heeds them too (`PATH`, `VIRTUAL_ENV`).
    pub env: Vec<(String, String)>,
    /// What to run.
    pub image: ImageName,
    /// The interpreter or compiler to run it with, when it is known and need not be searched for.
    pub executable: Option<PathBuf>,
}

impl KernelSpec {
    /// A kernel of an image such as `python` or `gcc:12` that works in the folder `workdir`, in our own environment.
    pub fn new(image: &str, workdir: impl Into<PathBuf>) -> Self {
        KernelSpec {
            workdir: workdir.into(),
            env: Vec::new(),
            image: ImageName::parse(image),
            executable: None,
        }
    }
}
