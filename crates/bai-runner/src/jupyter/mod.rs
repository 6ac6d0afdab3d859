//! Jupyter kernels of this machine as languages of the runner: `jupyter:python3` is the kernel that Jupyter calls
//! `python3`. Only this module speaks Jupyter's wire protocol.
//!
//! | File | Its job |
//! |---|---|
//! | `spec` | which kernels are installed, and how each is started |
//! | `connection_file` | where a kernel listens |
//! | `connection` | the sockets |
//! | `start` | the start of a kernel's process |
//! | `direct_output` | what the process writes past its messages |
//! | `kernel` | a running kernel, in the place of an interpreter under a driver |
//! | `cell`, `messages` | when a cell is over, and what the kernel's messages mean |
//! | `widgets` | progress bars of widgets as text |
//! | `window` | how a kernel learns the size of the window |

mod cell;
mod connection;
mod connection_file;
mod direct_output;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod kernel;
mod messages;
mod spec;
mod start;
mod widgets;
mod window;

use super::error::StartError;
use super::image::{ImageName, JUPYTER};
use super::language::{FoundImage, Heuristic, KernelInfo, Language, Launch, Resolved};
use super::search_paths::SearchPaths;
pub(super) use kernel::JupyterKernel;
pub(super) use spec::{Kernelspec, of_language};
use std::path::Path;

/// All installed Jupyter kernels.
pub(super) struct Jupyter;

/// The image name that asks for a kernel.
pub(super) fn image_of(kernel: &Kernelspec) -> String {
    format!("{JUPYTER}{}", kernel.name)
}

/// The language of the installed kernel that an image name asks for, as Jupyter names it.
pub fn language_of(image: &str) -> Option<String> {
    let image = ImageName::parse(image);
    Some(spec::find(image.jupyter_kernel()?, &SearchPaths::of_this_process())?.language())
}

impl Language for Jupyter {
    fn name(&self) -> &'static str {
        "jupyter"
    }

    fn find(&'static self, image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError> {
        let name = image.jupyter_kernel().unwrap_or_default();
        let kernel = spec::find(name, search_paths).ok_or_else(|| StartError::NoJupyterKernel {
            name: name.to_owned(),
            known: known(search_paths),
        })?;
        let (language, version) = (self.name(), kernel.title().to_owned());
        Ok(Resolved {
            language: self,
            info: KernelInfo { language, version, executable: kernel.file, shell: None, note: None },
        })
    }

    fn find_all(&self, search_paths: &SearchPaths) -> Vec<FoundImage> {
        let describe = |kernel: Kernelspec| FoundImage {
            name: image_of(&kernel),
            language: self.name(),
            version: kernel.title().to_owned(),
            executable: kernel.file,
            origin: "Jupyter kernel",
        };
        spec::all(search_paths).into_iter().map(describe).collect()
    }

    fn init(&self, _executable: &Path, _pipes: [i32; 3]) -> Option<Launch> {
        None
    }

    fn is_jupyter(&self) -> bool {
        true
    }

    fn build_heuristic(&self, _executable: &Path, _workdir: &Path) -> Heuristic {
        Heuristic::Done(Some("no program to build: there is no Makefile".to_owned()), 0)
    }

    fn execute_heuristic(&self, _executable: &Path, _workdir: &Path) -> Heuristic {
        let sentence = "no program to run: a Jupyter kernel has no programs, so the step needs a command";
        Heuristic::Done(Some(sentence.to_owned()), 127)
    }
}

/// The installed kernels, as a clause.
fn known(search_paths: &SearchPaths) -> String {
    let names: Vec<String> = spec::all(search_paths).into_iter().map(|kernel| kernel.name).collect();
    if names.is_empty() {
        let folders = spec::folders(search_paths);
        let folders: Vec<_> = folders.iter().map(|folder| folder.display().to_string()).collect();
        return format!("none is installed in {}", folders.join(", "));
    }
    format!("installed are {}", names.join(", "))
}
