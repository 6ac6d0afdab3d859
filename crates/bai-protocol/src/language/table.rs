//! The table: one row for each language. To add a language, begin here, and add the row to [`ALL`]. The tests of all
//! crates then report what is missing.

use super::arguments::Quotes;
use super::{Arguments, Language, Needs, Rule, Syntax};

/// All languages. In a folder with programs of several languages, a batch run takes the first language of this list.
pub static ALL: &[&Language] = &[
    &RUST, &PYTHON, &C, &CPP, &GOLANG, &HASKELL, &FORTRAN, &OCAML, &NODEJS, &R, &JULIA, &RUBY, &LUA, &PHP,
    &PERL, &OCTAVE, &SCHEME, &SQLITE, &JAVA, &BASH,
];

/// The defaults of a way to set arguments: a list of texts.
const COMMA: Arguments =
    Arguments { before: "", between: ", ", after: "", quotes: Quotes::Single, has_name: false, tag: "" };

/// The output of a compiler, under its usual names.
const MAIN: &[Rule] = &[Rule::program("main"), Rule::program("a.out")];

/// Rust.
pub static RUST: Language = Language {
    name: "rust",
    aliases: &["rustc"],
    programs: &["rustc"],
    extensions: &["rs"],
    grammar: "Rust",
    syntax: Syntax { quotes: "", long_quotes: "\"", question_mark_in_names: true, ..Syntax::C_LIKE },
    is_compiled: true,
    build: &[Rule::file("Cargo.toml", "cargo build"), Rule::file("main.rs", "{tool} -o main main.rs")],
    execute: &[
        Rule::program("target/debug/*"),
        Rule::program("target/release/*"),
        Rule::program("main"),
        Rule::program("a.out"),
    ],
    ..Language::UNKNOWN
};

/// Python. The prompt has a parser for its syntax, which is more than a row can describe.
pub static PYTHON: Language = Language {
    runs_folders: true,
    name: "python",
    aliases: &["cpython", "py", "ipython"],
    hints: &["python", "jupyter", "conda", "torch", "tensorflow", "keras", "ngc-", "scikit"],
    programs: &["python", "python3"],
    extensions: &["py"],
    grammar: "Python",
    takes_prelude: true,
    build: &[
        Rule::file("setup.py", "{tool} -m pip install {user} -e ."),
        Rule::file("pyproject.toml", "{tool} -m pip install {user} -e ."),
    ],
    leave: &["exit", "quit", "exit()", "quit()", "exit(0)", "quit(0)", "sys.exit()", "sys.exit(0)"],
    execute: &[Rule::file("main.py", "{tool} main.py")],
    arguments: Some(Arguments {
        before: "import sys; sys.argv = [",
        after: "]; ",
        quotes: Quotes::Double(""),
        has_name: true,
        ..COMMA
    }),
    ..Language::UNKNOWN
};

/// C.
pub static C: Language = Language {
    name: "c",
    aliases: &["gcc", "clang", "cc"],
    programs: &["gcc", "cc", "clang"],
    extensions: &["c"],
    grammar: "C",
    syntax: Syntax::C_LIKE,
    is_compiled: true,
    build: &[Rule::file("main.c", "{tool} -Wall -o main {sources} -lrt -lm -pthread -ldl")],
    execute: MAIN,
    ..Language::UNKNOWN
};

/// C++.
pub static CPP: Language = Language {
    name: "cpp",
    aliases: &["c++", "g++", "cxx", "clang++"],
    programs: &["g++", "c++", "clang++"],
    extensions: &["cpp", "cc", "cxx"],
    grammar: "C++",
    syntax: Syntax::C_LIKE,
    is_compiled: true,
    build: &[Rule::file("main.cpp", "{tool} -Wall -o main {sources} -lrt -lm -pthread -ldl")],
    execute: MAIN,
    ..Language::UNKNOWN
};

/// Go.
pub static GOLANG: Language = Language {
    name: "golang",
    aliases: &["go"],
    programs: &["go"],
    extensions: &["go"],
    grammar: "Go",
    syntax: Syntax { long_quotes: "`", ..Syntax::C_LIKE },
    is_compiled: true,
    build: &[
        Rule::file("go.mod", "{tool} build -o main ."),
        Rule::file("main.go", "{tool} build -o main {sources}"),
    ],
    execute: MAIN,
    ..Language::UNKNOWN
};

/// Haskell. A cell is run by `runghc`, a program is built by `ghc`.
pub static HASKELL: Language = Language {
    name: "haskell",
    aliases: &["ghc"],
    programs: &["runghc", "runhaskell"],
    extensions: &["hs"],
    grammar: "Haskell",
    syntax: Syntax {
        line_comment: "--",
        block_comment: Some(("{-", "-}")),
        continues: &["do", "of", "where", "let", "->", "then", "else", "=", "$"],
        ..Syntax::PLAIN
    },
    is_compiled: true,
    build: &[Rule::file("main.hs", "{beside:ghc} --make -v0 -o main {sources}")],
    execute: MAIN,
    ..Language::UNKNOWN
};

/// Fortran.
pub static FORTRAN: Language = Language {
    name: "fortran",
    aliases: &["gfortran"],
    programs: &["gfortran"],
    extensions: &["f90", "f95", "f03", "f08", "f"],
    grammar: "Fortran (Modern)",
    syntax: Syntax {
        quotes: "\"'",
        line_comment: "!",
        openers: &["then"],
        starters: &["do", "program", "module", "subroutine", "function", "select", "interface"],
        closers: &["end", "enddo", "endif"],
        continues: &["&"],
        ..Syntax::PLAIN
    },
    is_compiled: true,
    build: &[Rule::file("main.f90", "{tool} -o main {sources}")],
    execute: MAIN,
    ..Language::UNKNOWN
};

/// OCaml. A cell is run by `ocaml`, a program is built by `ocamlopt`.
pub static OCAML: Language = Language {
    name: "ocaml",
    programs: &["ocaml"],
    extensions: &["ml"],
    grammar: "OCaml",
    syntax: Syntax {
        quotes: "",
        long_quotes: "\"",
        block_comment: Some(("(*", "*)")),
        openers: &["begin", "struct", "sig", "object", "do"],
        closers: &["end", "done"],
        continues: &["=", "in", "->", "then", "else", "|", "with", "of"],
        ..Syntax::PLAIN
    },
    is_compiled: true,
    build: &[
        Rule::file("dune-project", "dune build"),
        Rule::file("main.ml", "{beside:ocamlopt} -o main main.ml"),
    ],
    leave: &["exit", "quit", "exit 0", "#quit"],
    execute: MAIN,
    ..Language::UNKNOWN
};

/// JavaScript in Node.js.
pub static NODEJS: Language = Language {
    runs_folders: true,
    name: "nodejs",
    aliases: &["node", "javascript", "js"],
    programs: &["node", "nodejs"],
    extensions: &["js"],
    grammar: "JavaScript",
    syntax: Syntax { long_quotes: "`", regex: true, ..Syntax::C_LIKE },
    leave: &[".exit", "exit", "quit", "process.exit()", "process.exit(0)"],
    execute: &[
        Rule::file("main.js", "{tool} main.js"),
        // Node.js itself finds the program of a package.
        Rule::file("package.json", "{tool} ."),
        Rule::file("index.js", "{tool} ."),
    ],
    arguments: Some(Arguments {
        before: "process.argv.splice(2, Infinity, ",
        after: "); ",
        quotes: Quotes::Double(""),
        ..COMMA
    }),
    ..Language::UNKNOWN
};

/// R.
pub static R: Language = Language {
    name: "r",
    aliases: &["rstudio"],
    programs: &["Rscript"],
    extensions: &["R"],
    grammar: "R",
    syntax: Syntax {
        quotes: "",
        long_quotes: "\"'`",
        continues: &["+", "-", "*", "/", "^", "%", "<", ">", "<-", "=", "~", "|", "&", ",", "$", "@", "else"],
        ..Syntax::PLAIN
    },
    documentation: Some("?{}"),
    leave: &["q()", "quit()", "exit", "quit", "q('no')", "q(\"no\")"],
    execute: &[Rule::file("main.R", "{tool} main.R")],
    arguments: Some(Arguments {
        before: "commandArgs <- function(trailingOnly = FALSE) c(",
        after: "); ",
        quotes: Quotes::Double(""),
        ..COMMA
    }),
    ..Language::UNKNOWN
};

/// Julia.
pub static JULIA: Language = Language {
    name: "julia",
    programs: &["julia"],
    extensions: &["jl"],
    grammar: "Julia",
    syntax: Syntax {
        quotes: "",
        long_quotes: "\"",
        block_comment: Some(("#=", "=#")),
        openers: &["do"],
        starters: &[
            "function", "macro", "struct", "module", "if", "while", "for", "begin", "let", "try", "quote",
            "mutable",
        ],
        closers: &["end"],
        colon_words: true,
        ..Syntax::PLAIN
    },
    leave: &["exit()", "exit", "quit"],
    execute: &[Rule::file("main.jl", "{tool} main.jl")],
    arguments: Some(Arguments {
        before: "append!(empty!(ARGS), [",
        after: "]); ",
        quotes: Quotes::Double("$"),
        ..COMMA
    }),
    ..Language::UNKNOWN
};

/// Ruby.
pub static RUBY: Language = Language {
    name: "ruby",
    aliases: &["rb"],
    programs: &["ruby"],
    extensions: &["rb"],
    grammar: "Ruby",
    syntax: Syntax {
        quotes: "",
        long_quotes: "\"'`",
        regex: true,
        text_marks: &["<<~", "<<-"],
        openers: &["do"],
        starters: &["def", "class", "module", "if", "unless", "case", "while", "until", "for", "begin"],
        closers: &["end"],
        continues: &["\\", "&&", "||", ",", "."],
        question_mark_in_names: true,
        colon_words: true,
        ..Syntax::PLAIN
    },
    documentation: Some("defined?(_bai_doc) ? _bai_doc('{}') : puts('{} is not known here')"),
    leave: &["exit", "quit", "exit()", "quit()"],
    execute: &[Rule::file("main.rb", "{tool} main.rb")],
    arguments: Some(Arguments { before: "ARGV.replace([", after: "]); ", ..COMMA }),
    ..Language::UNKNOWN
};

/// Lua.
pub static LUA: Language = Language {
    name: "lua",
    programs: &["lua", "luajit"],
    extensions: &["lua"],
    grammar: "Lua",
    syntax: Syntax {
        quotes: "\"'",
        line_comment: "--",
        block_comment: Some(("--[[", "]]")),
        openers: &["function", "do", "then", "repeat"],
        closers: &["end", "until", "elseif"],
        ..Syntax::PLAIN
    },
    documentation: Some("(_bai_doc or print)('{}')"),
    leave: &["os.exit()", "exit", "quit"],
    execute: &[Rule::file("main.lua", "{tool} main.lua")],
    arguments: Some(Arguments {
        before: "arg = {[0] = ",
        after: "} ",
        quotes: Quotes::Double(""),
        has_name: true,
        ..COMMA
    }),
    ..Language::UNKNOWN
};

/// PHP.
pub static PHP: Language = Language {
    name: "php",
    programs: &["php"],
    extensions: &["php"],
    grammar: "PHP Source",
    syntax: Syntax { quotes: "", long_quotes: "\"'`", text_marks: &["<<<"], ..Syntax::C_LIKE },
    documentation: Some(
        "function_exists('_bai_doc') ? _bai_doc('{}') : print \"that name is not known here\\n\";",
    ),
    leave: &["exit", "quit", "exit()", "die"],
    execute: &[Rule::file("main.php", "{tool} main.php")],
    arguments: Some(Arguments {
        before: "$argv = [",
        after: "]; $argc = count($argv); ",
        has_name: true,
        tag: "<?php",
        ..COMMA
    }),
    ..Language::UNKNOWN
};

/// Perl.
pub static PERL: Language = Language {
    name: "perl",
    programs: &["perl"],
    extensions: &["pl"],
    grammar: "Perl",
    syntax: Syntax {
        quotes: "",
        long_quotes: "\"'`",
        regex: true,
        text_marks: &["<<~", "<<"],
        quote_words: &["q", "qq", "qw", "qr", "m", "s", "tr", "y"],
        ..Syntax::PLAIN
    },
    documentation: Some(
        "defined &main::_bai_doc ? main::_bai_doc('{}') : print \"that name is not known here\\n\"",
    ),
    leave: &["exit", "quit", "exit()", "exit 0"],
    execute: &[Rule::file("main.pl", "{tool} main.pl")],
    arguments: Some(Arguments { before: "@ARGV = (", after: "); ", ..COMMA }),
    ..Language::UNKNOWN
};

/// GNU Octave.
pub static OCTAVE: Language = Language {
    name: "octave",
    aliases: &["matlab"],
    programs: &["octave-cli", "octave"],
    extensions: &["m"],
    grammar: "MATLAB",
    syntax: Syntax {
        quotes: "\"'",
        line_comment: "%",
        other_comment: Some("#"),
        block_comment: Some(("%{", "%}")),
        transposes: true,
        starters: &["function", "if", "while", "for", "switch", "do", "try", "unwind_protect"],
        closers: &[
            "end",
            "endfunction",
            "endif",
            "endwhile",
            "endfor",
            "endswitch",
            "until",
            "end_try_catch",
            "end_unwind_protect",
        ],
        continues: &["...", "\\"],
        ..Syntax::PLAIN
    },
    documentation: Some("help {}"),
    leave: &["exit", "quit", "exit()", "quit()"],
    execute: &[Rule::file("main.m", "{tool} main.m")],
    ..Language::UNKNOWN
};

/// Scheme, in GNU Guile.
pub static SCHEME: Language = Language {
    name: "scheme",
    aliases: &["guile"],
    programs: &["guile"],
    extensions: &["scm"],
    grammar: "Lisp",
    syntax: Syntax {
        quotes: "",
        long_quotes: "\"",
        line_comment: ";",
        question_mark_in_names: true,
        colon_words: true,
        ..Syntax::PLAIN
    },
    leave: &["(exit)", "(quit)", ",q", "exit", "quit"],
    execute: &[Rule::file("main.scm", "{tool} --no-auto-compile -s main.scm")],
    ..Language::UNKNOWN
};

/// SQL in SQLite.
pub static SQLITE: Language = Language {
    name: "sqlite",
    aliases: &["sql"],
    programs: &["sqlite3"],
    extensions: &["sql"],
    grammar: "SQL",
    syntax: Syntax {
        quotes: "",
        long_quotes: "'\"",
        line_comment: "--",
        ends: Some((";", ".")),
        ..Syntax::C_LIKE
    },
    documentation: Some(".schema {}"),
    leave: &[".quit", ".exit", ".q", "exit", "quit"],
    execute: &[Rule::file("main.sql", "{tool} -batch -init main.sql :memory: .quit")],
    ..Language::UNKNOWN
};

/// Java. Its programs have the name of a class.
pub static JAVA: Language = Language {
    name: "java",
    aliases: &["openjdk", "jdk"],
    programs: &["javac"],
    extensions: &["java"],
    grammar: "Java",
    syntax: Syntax::C_LIKE,
    is_compiled: true,
    build: &[Rule { needs: Needs::Sources, command: "{tool} -encoding UTF-8 -d . {sources}" }],
    execute: &[
        Rule::file("main/Main.class", "{beside:java} main.Main"),
        Rule::file("Main.class", "{beside:java} Main"),
    ],
    ..Language::UNKNOWN
};

/// Bash. Where it is missing, another shell runs a program.
pub static BASH: Language = Language {
    name: "bash",
    aliases: &["sh", "shell"],
    programs: &["bash", "sh"],
    extensions: &["sh"],
    grammar: "Bourne Again Shell (bash)",
    syntax: Syntax {
        quotes: "",
        long_quotes: "\"'`",
        here_documents: true,
        openers: &["do", "if", "case"],
        closers: &["done", "fi", "esac"],
        continues: &["\\", "&&", "||", "|"],
        ..Syntax::PLAIN
    },
    leave: &["exit", "logout"],
    execute: &[Rule::file("main.sh", "{tool} main.sh")],
    arguments: Some(Arguments {
        before: "set -- ",
        between: " ",
        after: "; ",
        quotes: Quotes::Shell,
        ..COMMA
    }),
    ..Language::UNKNOWN
};
