//! The runtime type `app`, for images without a runtime type. It has services and batch commands, but no language.

use super::error::StartError;
use super::image::ImageName;
use super::language::{
    Cell, FoundImage, Heuristic, Invocation, KernelInfo, Language, Launch, NOT_RUN, Plan, Resolved,
};
use super::search_paths::SearchPaths;
use std::path::{Path, PathBuf};

const SHELL: &str = "/bin/sh";
/// The answer to a cell. Its exit code is that of a missing interpreter (`docs/wire` §3.4).
const NO_LANGUAGE: &str =
    "echo 'This session runs commands and services; it has no language for code.' >&2; exit 127";

/// The runtime type without a language.
pub(super) struct App;

impl Language for App {
    fn name(&self) -> &'static str {
        "app"
    }

    fn answers_to(&self, image: &ImageName) -> bool {
        image.as_str() == self.name()
    }

    fn find(&'static self, _image: &ImageName, _places: &SearchPaths) -> Result<Resolved, StartError> {
        let (version, executable) = (String::new(), PathBuf::from(SHELL));
        let info = KernelInfo { language: self.name(), version, executable, shell: None, note: None };
        Ok(Resolved { language: self, info })
    }

    fn find_all(&self, _places: &SearchPaths) -> Vec<FoundImage> {
        Vec::new()
    }

    fn init(&self, _executable: &Path, _pipes: [i32; 3]) -> Option<Launch> {
        None
    }

    fn query(&self, _cell: &Cell<'_>) -> Plan {
        Plan { commands: vec![Invocation::new(SHELL, &["-c", NO_LANGUAGE])], ..Plan::default() }
    }

    fn build_heuristic(&self, _executable: &Path, _workdir: &Path) -> Heuristic {
        Heuristic::Done(Some("no program to build: there is no Makefile".to_owned()), 0)
    }

    fn execute_heuristic(&self, _executable: &Path, _workdir: &Path) -> Heuristic {
        Heuristic::Done(Some("no program to run: this session has no language".to_owned()), NOT_RUN)
    }
}
