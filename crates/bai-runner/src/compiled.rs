//! Languages in which a cell is a program: it is written to a scratch folder, compiled there if necessary, and run in the
//! session's folder. Each language has a row here. `compiled_cells.rs` turns a cell into a program.

use super::batch;
use super::compiled_cells as cells;
use super::error::StartError;
use super::image::ImageName;
use super::language::{Cell, FoundImage, Heuristic, Invocation, Language, Launch, Plan, Resolved};
use super::scripted;
use super::search_paths::SearchPaths;
use super::tool::Tool;
use bai_protocol::language as table;
use std::path::Path;

/// One language.
#[derive(Debug)]
pub(super) struct Compiled {
    row: &'static table::Language,
    /// The name of the missing program in errors.
    title: &'static str,
    install: &'static str,
    tool: Tool,
    /// Makes the files of a cell in the scratch folder: names and texts.
    files: fn(&str, &str) -> cells::Files,
    /// The commands that build and run the program. `{tool}` is the found compiler or interpreter, `{folder}` the scratch folder.
    commands: &'static [&'static [&'static str]],
}

const GCC: &str = "install one, for example with `apt install build-essential`";

/// The table.
pub(super) static ALL: &[Compiled] = &[
    Compiled {
        row: &table::C,
        title: "a C compiler",
        install: GCC,
        tool: Tool { ask: &["--version"], homes: &[] },
        files: cells::c,
        commands: &[
            &[
                "{tool}",
                "-Wall",
                "-o",
                "{folder}/cell",
                "{folder}/cell.c",
                "{folder}/input.c",
                "-lm",
                "-pthread",
                "-ldl",
            ],
            &["{folder}/cell"],
        ],
    },
    Compiled {
        row: &table::CPP,
        title: "a C++ compiler",
        install: GCC,
        tool: Tool { ask: &["--version"], homes: &[] },
        files: cells::cpp,
        commands: &[
            &[
                "{tool}",
                "-Wall",
                "-o",
                "{folder}/cell",
                "{folder}/cell.cpp",
                "{folder}/input.cpp",
                "-pthread",
            ],
            &["{folder}/cell"],
        ],
    },
    Compiled {
        row: &table::RUST,
        title: "a Rust compiler",
        install: "install one, for example with rustup or `apt install rustc`",
        tool: Tool { ask: &["--version"], homes: &[".cargo/bin"] },
        files: cells::rust,
        commands: &[
            &[
                "{tool}",
                "--edition=2021",
                "-Awarnings",
                "--remap-path-prefix={folder}/=",
                "-o",
                "{folder}/cell",
                "{folder}/cell.rs",
            ],
            &["{folder}/cell"],
        ],
    },
    Compiled {
        row: &table::GOLANG,
        title: "Go",
        install: "install it, for example with `apt install golang-go`",
        tool: Tool { ask: &["version"], homes: &["go/bin", ".go/bin"] },
        files: cells::go,
        commands: &[&["{tool}", "build", "-o", "{folder}/cell", "{folder}/cell.go"], &["{folder}/cell"]],
    },
    Compiled {
        row: &table::JAVA,
        title: "a Java development kit",
        install: "install one, for example with `apt install default-jdk-headless`",
        tool: Tool { ask: &["-version"], homes: &[".sdkman/candidates/java/*/bin"] },
        files: cells::java,
        commands: &[
            // Its messages contain the name of the file as given here.
            &[
                "sh",
                "-c",
                "cd \"$0\" && exec \"$@\"",
                "{folder}",
                "{tool}",
                "-encoding",
                "UTF-8",
                "-d",
                "classes",
                "@files",
            ],
            &["java", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "@{folder}/run"],
        ],
    },
    Compiled {
        row: &table::HASKELL,
        title: "the Glasgow Haskell Compiler",
        install: "install it, for example with `apt install ghc`",
        tool: Tool { ask: &["--version"], homes: &[".ghcup/bin"] },
        files: cells::haskell,
        commands: &[&["{tool}", "--ghc-arg=-tmpdir", "--ghc-arg={folder}", "{folder}/cell.hs"]],
    },
    Compiled {
        row: &table::SCHEME,
        title: "GNU Guile",
        install: "install it, for example with `apt install guile-3.0`",
        tool: Tool { ask: &["--version"], homes: &[] },
        files: cells::scheme,
        commands: &[&["{tool}", "--no-auto-compile", "-s", "{folder}/cell.scm"]],
    },
    Compiled {
        row: &table::FORTRAN,
        title: "a Fortran compiler",
        install: "install one, for example with `apt install gfortran`",
        tool: Tool { ask: &["--version"], homes: &[] },
        files: cells::fortran,
        commands: &[
            &["{tool}", "-cpp", "-J", "{folder}", "-o", "{folder}/cell", "{folder}/cell.f90"],
            // The prompt must be visible before the answer.
            &["env", "GFORTRAN_UNBUFFERED_PRECONNECTED=y", "{folder}/cell"],
        ],
    },
    Compiled {
        row: &table::OCAML,
        title: "OCaml",
        install: "install it, for example with `apt install ocaml-nox`",
        tool: Tool { ask: &["-version"], homes: &[".opam/*/bin"] },
        files: cells::ocaml,
        commands: &[&["{tool}", "-noinit", "{folder}/cell.ml"]],
    },
];

impl Language for Compiled {
    fn name(&self) -> &'static str {
        self.row.name
    }

    fn find(&'static self, image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError> {
        let info = scripted::find(
            self.row.name,
            self.title,
            self.install,
            self.tool.found(self.row, search_paths),
            image,
        )?;
        Ok(Resolved { language: self, info })
    }

    fn find_all(&self, search_paths: &SearchPaths) -> Vec<FoundImage> {
        scripted::find_all(self.row.name, self.tool.found(self.row, search_paths))
    }

    fn init(&self, _executable: &Path, _pipes: [i32; 3]) -> Option<Launch> {
        None
    }

    fn query(&self, cell: &Cell<'_>) -> Plan {
        let folder = cell.scratch.to_string_lossy();
        let tool = cell.executable.to_string_lossy();
        let fill = |argument: &str| argument.replace("{folder}", &folder).replace("{tool}", &tool);
        let files = (self.files)(cell.code, &folder);
        let files =
            files.into_iter().map(|(name, text)| (cell.scratch.join(name.as_ref()), text.into_bytes()));
        let command = |words: &&'static [&'static str]| {
            let (program, args) = words.split_first()?;
            let args: Vec<String> = args.iter().map(|argument| fill(argument)).collect();
            Some(Invocation::new(fill(program), &args))
        };
        let mut commands: Vec<_> = self.commands.iter().filter_map(command).collect();
        // The last one runs the program.
        commands.last_mut().into_iter().for_each(|program| program.args.extend_from_slice(cell.args));
        Plan { files: files.collect(), commands, input: None }
    }

    fn build_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        batch::build(self.row, executable, workdir)
    }

    fn execute_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        batch::execute(self.row, executable, workdir)
    }
}
