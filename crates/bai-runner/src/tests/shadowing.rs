//! A folder whose files have the names of modules. Only the user's own code loads them, as under a plain interpreter.

use super::super::resolve;
use super::harness::{LIMIT, Session, pythons};
use bai_protocol::complete::CompletionRequest;
use std::path::Path;
use tempfile::TempDir;
use tokio::time::timeout;

/// Modules outside the standard library that Python or the driver could look for.
const OTHERS: &[&str] =
    &["jedi", "parso", "IPython", "numpy", "matplotlib", "PIL", "pip", "colorama", "sitecustomize"];

/// The names of all modules of the newest Python's standard library, and others.
async fn names() -> Vec<String> {
    let mut session = Session::start(&pythons().await[0]).await;
    let code = "import sys, pkgutil\n\
                names = set(sys.builtin_module_names) | {module.name for module in pkgutil.iter_modules()}\n\
                print(*sorted(names | set(getattr(sys, 'stdlib_module_names', ()))))";
    let names = session.value(code).await;
    names.split_whitespace().chain(OTHERS.iter().copied()).map(str::to_owned).collect()
}

/// Writes a module of each name: it notes its name in a log, and cannot be imported.
fn write_modules(folder: &Path, names: &[String]) {
    for name in names {
        let code = format!(
            "open({:?}, 'a').write('{name} ')\nraise ImportError('{name} is shadowed')\n",
            folder.join("log")
        );
        std::fs::write(folder.join(format!("{name}.py")), code).unwrap();
    }
}

fn log(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("log")).unwrap_or_default()
}

async fn complete(session: &Session, text: &str) -> Vec<String> {
    let request = CompletionRequest::at(text, text.len());
    timeout(LIMIT, session.kernel.complete(request)).await.unwrap().suggestions
}

#[tokio::test]
async fn modules_in_the_folder_are_not_loaded_by_the_driver() {
    let names = names().await;
    assert!(names.len() > 200, "{names:?}");
    for python in pythons().await {
        let folder = tempfile::tempdir().unwrap();
        write_modules(folder.path(), &names);
        let mut session = Session::start_in(&python, folder).await;
        assert_eq!(session.value("print(6 * 7)").await, "42\n", "{python}");
        assert_eq!(session.value("import sys; sys.path[0]").await, "''\n", "{python}");
        for (code, error) in [
            ("(1 +\n  1/0)", "ZeroDivisionError"),
            ("print(6 *", "SyntaxError"),
            ("sys.pth", "AttributeError"),
            ("prnt", "NameError"),
            ("raise ValueError('ä') from KeyError()", "ValueError"),
        ] {
            let text = session.run(code).await.stderr();
            assert!(text.contains(error) && !text.contains("shadowed"), "{python}: {text}");
        }
        assert!(complete(&session, "prin").await.contains(&"print".to_owned()), "{python}");
        assert_eq!(complete(&session, "from sys import getrecur").await, ["getrecursionlimit"], "{python}");
        assert_eq!(complete(&session, "import keywo").await, ["keyword"], "{python}");
        session.value("def write(flush): pass").await;
        assert_eq!(complete(&session, "write(flu").await, ["flush="], "{python}");
        assert_eq!(complete(&session, "'a'.upper().lo").await, [""; 0], "{python}");
        let shown = session.value("class H:\n    def _repr_html_(self): return '<b>'\nH()").await;
        assert_eq!(shown, "", "{python}");
        assert!(session.value("len?").await.contains("Return the number"), "{python}");
        assert!(session.value("H??").await.contains("Signature"), "{python}");
        assert_eq!(session.value("1;").await, "", "{python}");
        assert_eq!(session.run_with("input('? ')", &["yes"]).await.stdout(), "? 'yes'\n", "{python}");
        for code in ["!true", "%time 1", "%timeit -n 1 -r 1 1", "%pip --version", "%who", "%nothing"] {
            let text = session.run(code).await.stderr();
            assert!(!text.contains("shadowed"), "{python}: {code}: {text}");
        }
        if !python.ends_with(":3.6") && !python.ends_with(":3.7") {
            let code = "class A:\n    def __await__(self): return iter(())\nawait A()";
            assert_eq!(session.value(code).await, "", "{python}");
        }
        assert_eq!(log(&session.folder), "", "{python}");
        // The user's own import is what it is in any Python.
        let text = session.run("import colorsys").await.stderr();
        assert!(text.contains("ImportError: colorsys is shadowed"), "{python}: {text}");
        assert_eq!(log(&session.folder), "colorsys ", "{python}");
    }
}

#[tokio::test]
async fn modules_in_the_folder_belong_to_the_user() {
    for python in pythons().await {
        let folder = tempfile::tempdir().unwrap();
        for name in ["types", "ast", "inspect", "tokenize", "colorsys", "helper"] {
            std::fs::write(folder.path().join(format!("{name}.py")), "mine = True\n").unwrap();
        }
        std::fs::write(
            folder.path().join("late.py"),
            "def f():\n    import colorsys\n    return colorsys.mine\n",
        )
        .unwrap();
        let mut session = Session::start_in(&python, folder).await;
        assert_eq!(
            session.value("import late, helper; helper.mine, late.f()").await,
            "(True, True)\n",
            "{python}"
        );
        let shown = "class Shown:\n    def __repr__(self):\n        import secret\n        return secret.name\nShown()";
        std::fs::write(session.folder.path().join("secret.py"), "name = 'known'\n").unwrap();
        assert_eq!(session.value(shown).await, "known\n", "{python}");
        session.value("import ast").await;
        let text = session.run("(1 +\n  1/0)").await.stderr();
        assert!(
            text.starts_with("Traceback") && text.ends_with("ZeroDivisionError: division by zero\n"),
            "{python}: {text}"
        );
        assert!(!text.contains("described"), "{python}: {text}");
    }
}

#[tokio::test]
async fn libraries_that_work_for_the_driver_do_not_load_modules_in_the_folder() {
    let Some(mut session) = Session::start_in_test_venv().await else { return };
    session.value("import matplotlib.pyplot as plt").await;
    write_modules(session.folder.path(), &names().await);
    let outcome = session.run("plt.plot([1, 2]); plt.title('$x$')\nNone").await;
    assert_eq!(outcome.sequence(), ["[image/png]"]);
    let known = async {
        while !complete(&session, "plt.figure().axe").await.contains(&"axes".to_owned()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, known).await.expect("jedi has no answer");
    assert_eq!(log(&session.folder), "");
}

/// A language, and files whose names it could look for.
struct Files {
    image: &'static str,
    names: &'static [&'static str],
    /// Their text, around the name of the log.
    text: [&'static str; 2],
    cells: &'static [&'static str],
}

const SCRIPTED: &[Files] = &[
    Files {
        image: "nodejs",
        names: &[
            "fs.js",
            "util.js",
            "inspector.js",
            "worker_threads.js",
            "stream.js",
            "module.js",
            "url.js",
            "path.js",
            "string_decoder.js",
            "vm.js",
            "cell.js",
            "index.js",
            "node_modules/fs/index.js",
            "node_modules/util/index.js",
            "node_modules/inspector/index.js",
            "node_modules/string_decoder/index.js",
        ],
        text: ["require('node:fs').appendFileSync('", "', __filename)"],
        cells: &["6 * 7", "throw new Error('x')", "await import('os'); 1", "({a: [1]})"],
    },
    Files {
        image: "ruby",
        names: &[
            "pp.rb",
            "prettyprint.rb",
            "io/console.rb",
            "stringio.rb",
            "rdoc.rb",
            "rdoc/ri/driver.rb",
            "set.rb",
            "did_you_mean.rb",
            "error_highlight.rb",
            "ripper.rb",
            "reline.rb",
            "json.rb",
            ".irbrc",
        ],
        text: ["File.write('", "', __FILE__, mode: 'a')"],
        cells: &["6 * 7", "1 / 0", "nosuch", "{a: [1] * 100}", "puts (", "_bai_doc('Array')"],
    },
    Files {
        image: "perl",
        names: &[
            "B.pm",
            "Fcntl.pm",
            "POSIX.pm",
            "Exporter.pm",
            "Pod/Text.pm",
            "Pod/Simple.pm",
            "mro.pm",
            "strict.pm",
            "warnings.pm",
            "Carp.pm",
            "feature.pm",
            "utf8.pm",
            ".perldb",
        ],
        text: ["open my $f, '>>', '", "'; print $f __FILE__; close $f; 1;"],
        cells: &["6 * 7", "die 'x'", "+{a => [1]}", "main::_bai_doc('print')", "main::_bai_doc('Carp')"],
    },
    Files {
        image: "php",
        names: &["php.ini", ".user.ini"],
        // A configuration that is a program too.
        text: ["auto_prepend_file = php.ini\n; <?php file_put_contents('", "', __FILE__);"],
        cells: &["6 * 7;", "throw new Exception('x');", "new Nosuch();", "_bai_doc('strlen');"],
    },
    Files {
        image: "lua",
        names: &[
            "_bai.lua",
            "string.lua",
            "table.lua",
            "io.lua",
            "os.lua",
            "debug.lua",
            "utf8.lua",
            "inspect.lua",
        ],
        text: ["local f = io.open('", "', 'a') f:write('loaded') f:close()"],
        cells: &["6 * 7", "error('x')", "{1, 2}", "_bai_doc('print')"],
    },
    Files {
        image: "bash",
        names: &[".bashrc", ".profile", ".bash_profile", "mktemp", "date", "cat"],
        text: ["echo loaded >>'", "'"],
        cells: &["echo 42", "nosuch", "read -t 0"],
    },
];

#[tokio::test]
async fn other_drivers_load_no_file_in_the_folder() {
    for Files { image, names, text: [before, after], cells } in SCRIPTED {
        if resolve(image).is_err() {
            bai_testkit::leave_out(image);
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let path_of_log = folder.path().join("log");
        for name in *names {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{before}{}{after}\n", path_of_log.display())).unwrap();
        }
        // A Perl that looks in the current folder, as before 5.26.
        let mut session = Session::start_all(image, &[("PERL_USE_UNSAFE_INC", "1")], folder).await;
        for cell in *cells {
            session.run(cell).await;
        }
        for text in ["pri", "STDIN.f", "require '", "$x->"] {
            complete(&session, text).await;
        }
        assert_eq!(log(&session.folder), "", "{image}");
    }
}
