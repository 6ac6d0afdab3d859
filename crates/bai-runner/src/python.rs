//! Python as a language of the runner: its image names, how its driver is loaded, and the work of batch steps. The driver
//! itself is in `drivers/python`.

use super::batch;
use super::drivers;
use super::error::StartError;
use super::image::{ImageName, WantedVersion};
use super::language::{FoundImage, Heuristic, Invocation, KernelInfo, Language, Launch, Plan, Resolved};
use super::own_program::{OwnProgram, Scratch};
use super::python_search::{Candidate, Search, Version};
use super::search_paths::{SearchPaths, is_executable};
use super::wire::Dialect;
use bai_protocol::execute::Script;
use bai_protocol::language as table;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// CPython 3.6 and later.
pub(super) struct Python;

/// How Python takes a script.
const PROGRAM: OwnProgram = OwnProgram { code: &["-c", "{code}"], input: &["-"], ..OwnProgram::DEFAULT };

/// Makes an environment for what the steps of a session install.
const PROJECT_ENVIRONMENT: &str = include_str!("project_environment.py");

/// The first release with the option `-P`.
const SAFE_PATH: Version = Version { major: 3, minor: 11, patch: 0 };

/// Reads the driver up to a NUL from the control pipe. Everything else is in the driver, so the command line has no long
/// or secret text, and no file has to be written.
const LOADER: &str = "import os,sys
d=b''
while d[-1:]!=b'\\0':
 c=os.read(int(sys.argv[1]),65536)
 if not c: os._exit(1)
 d+=c
d,_,m=d[:-1].partition(b'\\1')
exec(compile(d.decode(),'<bai-repl driver>','exec'),{'__builtins__':__builtins__,'__name__':'_bai_repl','MODULES':m})";

/// Variables for a person at Python's own prompt.
const REMOVED: &[&str] = &["PYTHONSTARTUP", "PYTHONINSPECT"];

const INSTALL: &str =
    "install one, for example with `apt install python3`, `uv python install 3.12` or `pyenv install 3.12`";

impl Language for Python {
    fn name(&self) -> &'static str {
        table::PYTHON.name
    }

    fn find(&'static self, image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError> {
        let wanted = wanted(image);
        let found = Search::new(search_paths).best(wanted).map_err(|others| missing(image, &others))?;
        let exact = wanted.is_none_or(|wanted| found.is(wanted));
        let note = (!exact).then(|| format!("{image} is not here; using {}", found.version));
        let Candidate { executable, version, .. } = found;
        let info =
            KernelInfo { language: self.name(), version: version.to_string(), executable, shell: None, note };
        Ok(Resolved { language: self, info })
    }

    fn find_all(&self, search_paths: &SearchPaths) -> Vec<FoundImage> {
        let describe = |found: Candidate| FoundImage {
            name: format!("python:{}.{}", found.version.major, found.version.minor),
            language: self.name(),
            version: found.version.to_string(),
            executable: found.executable,
            origin: found.origin,
        };
        Search::new(search_paths).all().into_iter().map(describe).collect()
    }

    fn init(&self, _executable: &Path, pipes: [i32; 3]) -> Option<Launch> {
        // Unbuffered, so that output of native code through the C library keeps its order in the output of the cell.
        let mut args: Vec<OsString> = vec!["-u".into(), "-c".into(), LOADER.into()];
        args.extend(pipes.iter().map(|number| number.to_string().into()));
        Some(Launch {
            args,
            // Figures of a cell become pictures. Programs that a cell starts have no window either.
            // With a safe path, Python 3.13 does not look in the folder for what it needs itself for `-c`. The driver
            // removes the variable, and gives the user's code its folder back.
            default_env: &[("MPLBACKEND", "agg"), ("PYTHONSAFEPATH", "bai-repl")],
            first_in: Vec::new(),
            remove_env: REMOVED,
            source: drivers::python(),
            dialect: Dialect::Json,
            stdin: true,
            wake: None,
        })
    }

    fn init_script(
        &self,
        executable: &Path,
        pipes: [i32; 3],
        script: (&str, &Script),
        workdir: &Path,
        scratch: &Scratch,
        are_lent: bool,
    ) -> io::Result<Option<(Launch, Plan)>> {
        let mut plan = PROGRAM.plan(executable, script, workdir, scratch)?;
        let Some(Invocation { args, .. }) = plan.commands.pop() else { return Ok(None) };
        // The guest removes the variables.
        let folder = drivers::python_guest(scratch)?;
        let numbers = pipes.map(|number| number.to_string()).join(",");
        let guest = if are_lent { numbers + ";lent" } else { numbers };
        // At a terminal Python's own streams are as they should be, and so are those that lead to where its user wants.
        let default_env: &[_] = match script.1.pty.is_some() || are_lent {
            true => &[("MPLBACKEND", "agg")],
            false => &[("MPLBACKEND", "agg"), ("PYTHONUNBUFFERED", "bai-repl")],
        };
        let launch = Launch {
            args,
            default_env,
            first_in: vec![("PYTHONPATH", folder.into()), ("BAI_REPL_GUEST", guest.into())],
            remove_env: REMOVED,
            source: String::new(),
            dialect: Dialect::Json,
            stdin: true,
            wake: None,
        };
        Ok(Some((launch, plan)))
    }

    fn build_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        let mut work = batch::build(&table::PYTHON, executable, workdir);
        if let Heuristic::Run(Invocation { executable, args }) = &mut work
            && args.starts_with(&["-m".into(), "pip".into()])
        {
            // `-m` would find modules in the folder of the project first. The session's environment has this program.
            *executable = executable.with_file_name("pip");
            args.drain(..2);
        }
        work
    }

    fn runs_scripts(&self) -> bool {
        true
    }

    fn installs(&self) -> bool {
        true
    }

    fn make_environment(
        &self,
        python: &KernelInfo,
        environment: &Path,
        installs: bool,
    ) -> Option<Invocation> {
        // For `-c`, Python 3.13 itself would look for modules in the folder of the project.
        let has_safe_path = Version::parse(&python.version).is_some_and(|version| version >= SAFE_PATH);
        let mut args: Vec<OsString> = Vec::new();
        args.extend(has_safe_path.then(|| "-P".into()));
        args.extend(["-c".into(), PROJECT_ENVIRONMENT.into(), environment.into()]);
        args.extend(installs.then(|| "pip".into()));
        Some(Invocation { executable: python.executable.clone(), args })
    }

    fn tool_of(&self, environment: &Path) -> Option<PathBuf> {
        Some(environment.join("bin/python")).filter(|python| is_executable(python))
    }

    fn execute_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        batch::execute(&table::PYTHON, executable, workdir)
    }
}

fn missing(image: &ImageName, others: &[Candidate]) -> StartError {
    let image = image.to_string();
    if others.is_empty() {
        let looked = "the active environment, PATH, pyenv, uv and conda".to_owned();
        return StartError::NoInterpreter {
            image,
            language: "CPython 3.6 or later",
            looked,
            install: INSTALL,
        };
    }
    let here = others.iter().map(|found| found.version.to_string()).collect();
    StartError::NoSuchVersion { image, here }
}

/// The version that an image name requests: of `python` and `python:…` the tag is the version; images of
/// frameworks carry a mark such as `py36`.
fn wanted(image: &ImageName) -> Option<WantedVersion> {
    match image.name.as_str() {
        "python" | "python3" | "cpython" | "py" => image.leading_version().or_else(|| image.python_mark()),
        _ => image.python_mark(),
    }
}
