//! Languages with a persistent interpreter under our driver: variables live from cell to cell, and completion comes from
//! the live namespace. A row has the names of the interpreter and its arguments; the driver is a file in `drivers`.
//! Python needs a longer search, so it is in `python.rs`.

use super::batch;
use super::drivers;
use super::error::StartError;
use super::image::ImageName;
use super::language::{FoundImage, Heuristic, KernelInfo, Language, Launch, Resolved};
use super::own_program::OwnProgram;
use super::search_paths::SearchPaths;
use super::tool::{self, FoundTool, Tool};
use super::wire::Dialect;
use bai_protocol::language as table;
use nix::sys::signal::Signal;
use std::ffi::OsString;
use std::path::Path;

/// One language.
#[derive(Debug)]
pub(super) struct Scripted {
    row: &'static table::Language,
    /// The name of the missing program in errors.
    title: &'static str,
    install: &'static str,
    tool: Tool,
    /// The arguments that make the interpreter read the driver from its control pipe. `{in}`, `{out}` and `{aside}` are
    /// the numbers of the driver's pipes. An argument that begins with `{again}` is repeated [`AGAIN`] times.
    args: &'static [&'static str],
    /// How the language's own program runs a script.
    program: OwnProgram,
    driver: &'static str,
    dialect: Dialect,
    default_env: &'static [(&'static str, &'static str)],
    remove_env: &'static [&'static str],
    /// See [`Launch::wake`].
    wake: Option<Signal>,
}

/// The table.
pub(super) static ALL: &[Scripted] = &[
    Scripted {
        row: &table::BASH,
        title: "bash 4 or later",
        install: "install it, for example with `apt install bash`",
        tool: Tool { ask: &["--version"], homes: &[] },
        args: &[
            "--noprofile",
            "--norc",
            "-c",
            "IFS= read -r -d '' -u {in} _bai_driver; eval \"$_bai_driver\"",
            "bash",
            "{in}",
            "{out}",
            "{aside}",
        ],
        program: OwnProgram { code: &["-c", "{code}", "bash"], input: &["-s", "--"], ..OwnProgram::DEFAULT },
        driver: drivers::BASH,
        dialect: Dialect::Words,
        default_env: &[("TERM", "dumb")],
        remove_env: &["BASH_ENV", "PS4"],
        wake: None,
    },
    Scripted {
        row: &table::NODEJS,
        title: "Node.js 16 or later",
        install: "install it, for example with `apt install nodejs` or `nvm install --lts`",
        tool: Tool { ask: &["--version"], homes: &[".nvm/versions/node/*/bin", ".volta/bin", ".asdf/shims"] },
        args: &["-e", NODE_LOADER, "{in}", "{out}", "{aside}"],
        program: OwnProgram { code: &["-e", "{code}", "--"], input: &["-"], ..OwnProgram::DEFAULT },
        driver: drivers::NODE,
        dialect: Dialect::Json,
        default_env: &[],
        remove_env: &["NODE_OPTIONS", "NODE_REPL_EXTERNAL_MODULE"],
        wake: None,
    },
    Scripted {
        row: &table::RUBY,
        title: "Ruby 2.5 or later",
        install: "install it, for example with `apt install ruby`",
        tool: Tool {
            ask: &["--version"],
            homes: &[".rbenv/versions/*/bin", ".rvm/rubies/*/bin", ".asdf/shims"],
        },
        args: &["-EUTF-8", "-e", RUBY_LOADER, "{in}", "{out}", "{aside}"],
        program: OwnProgram {
            prompts: &["-r", "{folder}/prompts.rb"],
            prompts_file: Some(("prompts.rb", "$stdout.sync = true\n")),
            code: &["-e", "{code}", "--"],
            input: &["-"],
            ..OwnProgram::DEFAULT
        },
        driver: drivers::RUBY,
        dialect: Dialect::Words,
        default_env: &[],
        remove_env: &[],
        wake: None,
    },
    Scripted {
        row: &table::PERL,
        title: "Perl 5.20 or later",
        install: "install it, for example with `apt install perl`",
        tool: Tool {
            ask: &["-e", "print $^V"],
            homes: &["perl5/perlbrew/perls/*/bin", ".plenv/versions/*/bin"],
        },
        args: &["-e", PERL_LOADER, "{in}", "{out}", "{aside}"],
        program: OwnProgram {
            // A pragma that is switched off again, with a statement between.
            prompts: &["-Mstrict;$|=1;no strict"],
            code: &["-e", "{code}", "--"],
            input: &["-"],
            ..OwnProgram::DEFAULT
        },
        driver: drivers::PERL,
        dialect: Dialect::Words,
        default_env: &[],
        remove_env: &["PERL5DB", "PERL_SIGNALS"],
        wake: None,
    },
    Scripted {
        row: &table::PHP,
        title: "PHP 7.4 or later",
        install: "install it, for example with `apt install php-cli`",
        tool: Tool { ask: &["-n", "--version"], homes: &[".phpenv/versions/*/bin"] },
        args: &[
            "-d",
            "display_errors=0",
            "-d",
            "log_errors=0",
            "-d",
            "html_errors=0",
            "-r",
            PHP_LOADER,
            "--",
            "{in}",
            "{out}",
            "{aside}",
        ],
        program: OwnProgram {
            code: &["-r", "{code}", "--"],
            input: &["--"],
            tag: "<?",
            ..OwnProgram::DEFAULT
        },
        driver: drivers::PHP,
        dialect: Dialect::Words,
        default_env: &[],
        remove_env: &[],
        wake: Some(Signal::SIGURG),
    },
    Scripted {
        row: &table::LUA,
        title: "Lua 5.1 or later",
        install: "install it, for example with `apt install lua5.4`",
        tool: Tool { ask: &["-e", "print(_VERSION)"], homes: &[] },
        args: &["-e", LUA_LOADER, "{again}-erequire'_bai'()"],
        program: OwnProgram {
            prompts: &["-e", "io.stdout:setvbuf('no')"],
            // With arguments it wants a file.
            code: &["-e", "{code}", "/dev/null"],
            input: &["-"],
            ..OwnProgram::DEFAULT
        },
        driver: drivers::LUA,
        dialect: Dialect::Words,
        default_env: &[],
        remove_env: &["LUA_INIT", "LUA_INIT_5_2", "LUA_INIT_5_3", "LUA_INIT_5_4"],
        wake: None,
    },
    Scripted {
        row: &table::R,
        title: "R 4 or later",
        install: "install it, for example with `apt install r-base-core`",
        tool: Tool { ask: &["--version"], homes: &[] },
        args: &["-e", R_LOADER, "{in}", "{out}", "{aside}"],
        program: OwnProgram { input: &["-"], default_env: &[("LANG", "C.UTF-8")], ..OwnProgram::DEFAULT },
        driver: drivers::R,
        dialect: Dialect::Words,
        // Without it R would treat every text as bytes.
        default_env: &[("LANG", "C.UTF-8")],
        remove_env: &["R_DEFAULT_PACKAGES"],
        wake: None,
    },
    Scripted {
        row: &table::OCTAVE,
        title: "GNU Octave",
        install: "install it, for example with `apt install octave`",
        tool: Tool { ask: &["--version"], homes: &[] },
        args: &["--quiet", "--no-history", "--no-gui", "--eval", OCTAVE_LOADER],
        program: OwnProgram {
            options: &["--quiet", "--no-history", "--no-gui"],
            default_env: &[("LANG", "C.UTF-8")],
            ..OwnProgram::DEFAULT
        },
        driver: drivers::OCTAVE,
        dialect: Dialect::Paragraphs,
        default_env: &[("LANG", "C.UTF-8")],
        remove_env: &[],
        wake: None,
    },
];

/// A row to copy when a language is added, with the driver in `drivers/skeleton`. Only a test runs it.
#[cfg(test)]
pub(super) static SKELETON: Scripted = Scripted {
    // Its entry in the table of languages.
    row: &table::PYTHON,
    title: "Python 3.6 or later",
    install: "install it, for example with `apt install python3`",
    tool: Tool { ask: &["--version"], homes: &[] },
    args: &["-I", "-c", super::sqlite::LOADER, "{in}", "{out}", "{aside}"],
    program: OwnProgram::DEFAULT,
    driver: drivers::SKELETON,
    dialect: Dialect::Words,
    default_env: &[],
    remove_env: &[],
    wake: None,
};

/// Reads the driver up to a NUL, into an environment of its own, in which the driver finds its pipes.
const R_LOADER: &str = "local({p<-commandArgs(TRUE);i<-fifo(paste0('/proc/self/fd/',p[1]),'rb',blocking=TRUE);s<-raw();\
repeat{b<-readBin(i,'raw',65536L);if(!length(b))quit(status=1);s<-c(s,b);if(s[length(s)]==0)break};\
s<-parse(text=rawToChar(s[-length(s)]),keep.source=FALSE,encoding='UTF-8');\
e<-list2env(list(PIPES=p,control_in=i),parent=baseenv());for(x in s)eval(x,e)})";

/// Reads the driver up to a NUL from the control pipe.
const NODE_LOADER: &str = "const p=process.argv.slice(1,4).map(Number),b=Buffer.alloc(65536);let s=[];\
for(;;){const n=require('fs').readSync(p[0],b,0,65536);if(!n)process.exit(1);\
s.push(Buffer.from(b.subarray(0,n)));if(b[n-1]===0)break}\
(0,eval)(Buffer.concat(s).toString('utf8').slice(0,-1))(p,require)";

/// The driver is evaluated in the scope of the top level's local variables. It adds none.
const RUBY_LOADER: &str = "eval(IO.for_fd(Integer(ARGV[0]), autoclose: false).gets(\"\\0\").chomp(\"\\0\"), \
TOPLEVEL_BINDING, '<bai-repl driver>', 1)";

/// Cells run after this evaluation, not inside it: traces would show the whole driver.
const PERL_LOADER: &str = "package _bai; open our $control, '<&=', shift or die; our $text = ''; \
1 while \"\\0\" ne substr $text, -1 and sysread $control, $text, 65536, length $text; chop $text; \
eval qq{#line 1 \"<bai-repl driver>\"\\n$text}; die $@ if $@; serve()";

/// Each file of the driver begins with `<?php`.
const PHP_LOADER: &str = "eval((function () { global $argv; $pipe = fopen(\"php://fd/$argv[1]\", 'r'); \
for ($text = ''; substr($text, -1) !== \"\\0\"; $text .= $piece) { $piece = fread($pipe, 65536); \
if ($piece === '' || $piece === false) exit(1); } \
return str_replace(\"<?php\\n\", \"\\n\", substr($text, 0, -1)); })());";

const LUA_LOADER: &str = "local control, text = io.open('/dev/fd/{in}', 'rb'), {} \
repeat local byte = control:read(1) text[#text + 1] = byte until byte == '\\0' or not byte text[#text] = nil \
package.loaded._bai = assert((loadstring or load)(table.concat(text), '=<bai-repl driver>'))\
(control, '{out}', '{aside}')";

/// How often an argument that begins with `{again}` is repeated.
const AGAIN: usize = 1000;

/// Reads the driver up to its last line and the NUL after it. Octave reads a line without waiting for more.
const OCTAVE_LOADER: &str = "__bai_s='';__bai_i=fopen('/proc/self/fd/{in}','r');\
do __bai_l=fgetl(__bai_i);__bai_s=[__bai_s,__bai_l,char(10)];until strcmp(__bai_l,'% The end.');fread(__bai_i,1);\
eval(__bai_s);__bai_main__(__bai_i,fopen('/proc/self/fd/{out}','w'),fopen('/proc/self/fd/{aside}','w'));";

impl Language for Scripted {
    fn name(&self) -> &'static str {
        self.row.name
    }

    fn find(&'static self, image: &ImageName, search_paths: &SearchPaths) -> Result<Resolved, StartError> {
        Ok(Resolved {
            language: self,
            info: find(
                self.row.name,
                self.title,
                self.install,
                self.tool.found(self.row, search_paths),
                image,
            )?,
        })
    }

    fn find_all(&self, search_paths: &SearchPaths) -> Vec<FoundImage> {
        find_all(self.row.name, self.tool.found(self.row, search_paths))
    }

    fn init(&self, _executable: &Path, pipes: [i32; 3]) -> Option<Launch> {
        let [control_in, control_out, aside] = pipes.map(|number| number.to_string());
        let fill = |argument: &&str| {
            let (argument, count) =
                argument.strip_prefix("{again}").map_or((*argument, 1), |rest| (rest, AGAIN));
            let filled = argument.replace("{in}", &control_in).replace("{out}", &control_out);
            std::iter::repeat_n(OsString::from(filled.replace("{aside}", &aside)), count)
        };
        Some(Launch {
            args: self.args.iter().flat_map(fill).collect(),
            default_env: self.default_env,
            first_in: Vec::new(),
            remove_env: self.remove_env,
            source: self.driver.to_owned(),
            dialect: self.dialect,
            stdin: true,
            wake: self.wake,
        })
    }

    fn own_program(&self) -> Option<&OwnProgram> {
        Some(&self.program)
    }

    fn build_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        batch::build(self.row, executable, workdir)
    }

    fn execute_heuristic(&self, executable: &Path, workdir: &Path) -> Heuristic {
        batch::execute(self.row, executable, workdir)
    }
}

/// Chooses the program for an image among the found ones, or reports why there is none.
pub(super) fn find(
    language: &'static str,
    title: &'static str,
    install: &'static str,
    found: impl Iterator<Item = FoundTool>,
    image: &ImageName,
) -> Result<KernelInfo, StartError> {
    let wanted = image.version();
    let found = tool::best(found, wanted).map_err(|others| {
        let here: Vec<String> =
            tool::all(others.into_iter()).into_iter().map(|found| found.version.text).collect();
        if here.is_empty() {
            let (image, looked) = (image.to_string(), "PATH".to_owned());
            return StartError::NoInterpreter { image, language: title, looked, install };
        }
        StartError::NoSuchVersion { image: image.to_string(), here }
    })?;
    let note = (!found.fits(wanted)).then(|| format!("{image} is not here; using {}", found.version.text));
    Ok(KernelInfo { language, version: found.version.text, executable: found.executable, shell: None, note })
}

/// Every program of a language.
pub(super) fn find_all(language: &'static str, found: impl Iterator<Item = FoundTool>) -> Vec<FoundImage> {
    let describe = |found: FoundTool| FoundImage {
        name: match found.version.minor {
            Some(minor) => format!("{language}:{}.{minor}", found.version.major),
            None => format!("{language}:{}", found.version.major),
        },
        language,
        version: found.version.text,
        executable: found.executable,
        origin: found.origin,
    };
    tool::all(found).into_iter().map(describe).collect()
}
