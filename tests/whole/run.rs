//! Batch mode: `bai-repl run` uploads, builds and executes; many cases; Ctrl-C; the same at the prompt.

use super::daemon::{Daemon, ProxiedEngine};
use bai_testkit::{FakeTerminal, Sandbox, code_of, need};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

const PROGRAM: &str = "#include <stdio.h>\n#include \"answer.h\"\nint main(int n, char **a) {\n    char name[64] = \"\";\n    \
    if (n > 2 && scanf(\"%63s\", name) == 1) printf(\"hello %s\\n\", name);\n    printf(\"%d\\n\", ANSWER);\n    return n;\n}\n";

/// Writes a C project with a Makefile and a header in its own folder.
fn c_project(sandbox: &Sandbox) {
    std::fs::create_dir(sandbox.work().join("include")).unwrap();
    sandbox.write("include/answer.h", "#define ANSWER 42\n");
    sandbox.write("program.c", PROGRAM);
    sandbox.write("Makefile", "main: program.c include/answer.h\n\tcc -Iinclude -o main program.c\n");
}

fn events(stdout: &str) -> Vec<Value> {
    stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn input_that_cannot_reach_a_step_is_reported() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    // On such a server each step is a run of its own, without input.
    link.hide("whole-batch");
    sandbox.write("given", "data");
    let step = ["-q", "run", "bash", "--exec", "sleep 0.1; exit 3"];
    let reports = |input: Stdio| {
        let output = sandbox.command(&step).stdin(input).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        String::from_utf8_lossy(&output.stderr).contains("standard input did not reach the program")
    };
    let file = || std::fs::File::open(sandbox.work().join("given")).unwrap();
    let (end, mut other) = std::io::pipe().unwrap();
    other.write_all(b"data").unwrap();
    assert!(reports(end.into()), "a pipe");
    drop(other);
    assert!(reports(file().into()), "a file");
    let mut read = file();
    std::io::copy(&mut read, &mut std::io::sink()).unwrap();
    let (empty, _open) = std::io::pipe().unwrap();
    let (closed, _) = std::io::pipe().unwrap();
    for (what, input) in
        [("read", read.into()), ("empty", empty.into()), ("closed", closed.into()), ("null", Stdio::null())]
    {
        assert!(!reports(input), "{what}");
    }
}

#[test]
fn a_project_with_a_makefile_is_built_and_run() {
    if !need("make") {
        return;
    }
    let sandbox = Sandbox::new();
    c_project(&sandbox);
    let run = sandbox.run(&["run", "gcc", "."]);
    assert_eq!((run.code, run.stdout.lines().last()), (Some(1), Some("42")), "{}", run.stderr);
    let steps: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("bai-repl: ")).collect();
    assert_eq!(steps, ["bai-repl: build", "bai-repl: execute"]);
    // The files are built in the session.
    assert!(!sandbox.work().join("main").exists());
    let run = sandbox.run_with_stdin(&["-q", "run", "gcc", ".", "--exec", "./main a b"], b"Ann\n");
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stdout.ends_with("hello Ann\n42\n"), "{}", run.stdout);
}

#[test]
fn a_step_that_a_signal_has_ended_is_reported_as_a_cell_is() {
    let sandbox = Sandbox::new();
    let run = |arguments: &[&str]| {
        let run = sandbox.run(&[&["-q", "run"], arguments].concat());
        (run.code, run.stderr)
    };
    for (signal, code, sentence) in [
        (
            "KILL",
            137,
            "The program was ended by signal SIGKILL (the system does this when memory runs out).\n",
        ),
        ("TERM", 143, "The program was ended by signal SIGTERM.\n"),
    ] {
        let command = format!("kill -{signal} $$");
        assert_eq!(run(&["python", "--exec", &command]), (Some(code), sentence.to_owned()));
        let (exit, stderr) = run(&["python", "--build", &command]);
        assert!(exit == Some(127) && stderr.starts_with(sentence), "{stderr}");
        assert!(stderr.contains(&format!("the step build ended with exit code {code}")), "{stderr}");
    }
}

#[test]
fn a_failed_build_is_127_with_the_compilers_output() {
    if !need("make") {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.write("main.c", "int main(void) { return nothing_of_that_name; }\n");
    sandbox.write("Makefile", "main: main.c\n\tcc -o main main.c\n");
    let run = sandbox.run(&["run", "gcc", "main.c", "Makefile", "--exec", "echo executed"]);
    assert_eq!(run.code, Some(127));
    assert!(run.stderr.contains("nothing_of_that_name"), "{}", run.stderr);
    assert!(
        run.stderr.contains("so the execute step is skipped") && !run.stdout.contains("executed"),
        "{run:?}"
    );
}

#[test]
fn python_files_keep_their_places_below_the_base() {
    let sandbox = Sandbox::new();
    std::fs::create_dir_all(sandbox.work().join("app/lib")).unwrap();
    sandbox
        .write("app/main.py", "from lib.part import word\nimport sys\nprint(word, sys.argv)\nsys.exit(5)\n");
    sandbox.write("app/lib/part.py", "word = 'here'\n");
    let run = sandbox.run(&["-q", "run", "python", "--basedir", "app", "app/main.py", "app/lib"]);
    run.expect(5, "here ['main.py']\n");
    let run = sandbox.run(&["run", "python", "--basedir", "app/lib", "app/main.py"]);
    run.expect_code(2);
    assert!(run.stderr.contains("--basedir"), "{}", run.stderr);
    sandbox.run(&["run", "python"]).expect_code(2);
    sandbox.run(&["run", "python", "no-such-file.py"]).expect_code(2);
    sandbox.run(&["-q", "run", "python", "-c", "print(6 * 7)"]).expect(0, "42\n");
    sandbox
        .run(&["-q", "run", "python", "--exec", "echo $HOME_OF_IT", "-e", "HOME_OF_IT=x"])
        .expect(0, "x\n");
}

#[test]
fn steps_are_events_for_programs() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["--json", "run", "python", "--build", "exit 3", "--exec", "echo x"]);
    run.expect_code(127);
    let kinds: Vec<String> = events(&run.stdout)
        .iter()
        .map(|event| format!("{} {} {}", event["event"], event["step"], event["exitCode"]).replace('"', ""))
        .collect();
    let expected =
        ["step-started build null", "step-finished clean 0", "step-finished build 3", "finished null 127"];
    assert_eq!(kinds, expected);
}

#[test]
fn many_cases_run_and_are_shown_in_their_order() {
    let sandbox = Sandbox::new();
    // The first case ends only after the second has.
    let code = "import os, sys, time\nhere, case = os.environ['HERE'], sys.argv[1]\n\
                while case == '1' and not os.path.exists(here): time.sleep(0.02)\n\
                print('case', case, os.environ['X'])\nif case == '2': open(here, 'w')\nsys.exit(case == '2' and 9)\n";
    sandbox.write("main.py", code);
    let here = format!("HERE={}", sandbox.work().join("here").display());
    let arguments = ["run", "python", "main.py", "-e", &here, "-e", "X=<$x>", "--env-range", "x=case:y"];
    let ranges = ["--exec", "python3 main.py $n", "--exec-range", "n=range:1,4", "--max-parallel", "3"];
    let run = sandbox.run(&[&arguments[..], &ranges].concat());
    run.expect(9, "case 1 <y>\ncase 2 <y>\ncase 3 <y>\n");
    let lines: Vec<&str> = run.stderr.lines().filter(|line| line.starts_with("bai-repl: case")).collect();
    assert_eq!(lines.len(), 3, "{}", run.stderr);
    assert!(lines[1].starts_with("bai-repl: case 2 of 3: x=y n=2: exit code 9, "), "{}", lines[1]);

    let run = sandbox.run(&[&["--json"], &arguments[..], &ranges].concat());
    run.expect_code(9);
    let events = events(&run.stdout);
    assert!(events.iter().all(|event| event["case"].is_u64()), "{}", run.stdout);
    let ended: Vec<_> = events.iter().filter(|event| event["event"] == "case-finished").collect();
    let codes: Vec<_> =
        ended.iter().map(|event| (event["case"].as_u64(), event["exitCode"].as_u64())).collect();
    assert_eq!(codes, [(Some(1), Some(0)), (Some(2), Some(9)), (Some(3), Some(0))]);
    for wrong in ["n=range:1", "m=case:a", "n=case", "n"] {
        let run = sandbox.run(&["run", "python", "--exec", "echo $n", "--exec-range", wrong]);
        assert_eq!(run.code, if wrong == "n=range:1" { Some(0) } else { Some(2) }, "{wrong}: {}", run.stderr);
    }
}

#[test]
fn a_table_shows_the_cases_that_run() {
    let sandbox = Sandbox::new();
    let go = sandbox.work().join("go");
    let exec = format!("until [ -e {} ]; do sleep 0.05; done; echo this was $n", go.display());
    let arguments = ["run", "python", "--exec", &exec, "--exec-range", "n=case:first,second"];
    let terminal = FakeTerminal::start(&sandbox, &arguments);
    terminal.wait_until("both cases", |screen| {
        let line =
            |label: &str| screen.all.lines().any(|line| line.contains(label) && line.contains("execute"));
        screen.all.contains("0 of 2 cases") && line("n=first") && line("n=second")
    });
    std::fs::write(&go, "").unwrap();
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 0, "{}", end.screen.all);
    assert!(
        end.screen.has_line("this was first") && end.screen.has_line("this was second"),
        "{}",
        end.screen.all
    );
    assert!(!end.screen.all.contains("of 2 cases ("), "{}", end.screen.all);
}

#[test]
fn ctrl_c_ends_the_program_and_the_sweep() {
    let sandbox = Sandbox::new();
    for more in [&[][..], &["--exec-range", "n=range:0,50"]] {
        let arguments = ["--json", "run", "python", "--exec", "echo has begun $n; exec sleep 1000"];
        let mut child = sandbox.command(&[&arguments[..], more].concat()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("\"data\":\"has begun")));
        kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
        // The program writes its last output before it ends.
        let rest = lines.count();
        assert_eq!(code_of(child.wait().unwrap()), Some(130), "{rest} more lines");
    }
}

#[test]
fn a_named_session_stays_and_has_the_files() {
    let sandbox = Sandbox::new();
    sandbox.write("main.py", "open('made', 'w').write('by it')\n");
    sandbox.run(&["run", "-t", "work", "python", "main.py"]).expect(0, "");
    let kept =
        sandbox.run(&["run", "-q", "-t", "work", "python", "--exec", "cat made main.py | head -c 5", "--rm"]);
    kept.expect(0, "by it");
    // The interpreter needs a moment to end.
    let gone = sandbox.run(&["info", "work"]);
    assert!(gone.code == Some(123) || gone.stdout.contains("TERMINATING"), "{gone:?}");
    let stopped = sandbox.run(&["serve", "--stop"]);
    stopped.expect(0, "");
    assert!(stopped.stderr.contains("was stopped with its sessions"), "{}", stopped.stderr);
}

#[test]
fn node_finds_the_program_of_a_package() {
    if !need("node") {
        return;
    }
    for (files, expected) in [
        (&[("index.js", "console.log('index')")][..], "index\n"),
        (
            &[
                ("index.js", ""),
                ("package.json", "{\"main\": \"src/app\"}"),
                ("src/app.js", "console.log('app')"),
            ],
            "app\n",
        ),
        (&[("index.js", ""), ("main.js", "console.log('main')")], "main\n"),
    ] {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.work().join("src")).unwrap();
        for (name, content) in files {
            sandbox.write(name, content);
        }
        sandbox.run(&["-q", "run", "nodejs", "."]).expect(0, expected);
    }
}

#[test]
fn a_link_that_is_named_is_what_it_leads_to() {
    let sandbox = Sandbox::new();
    let elsewhere = sandbox.home().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("real.py"), "import sys; print('linked', sys.argv[0])").unwrap();
    std::os::unix::fs::symlink(elsewhere.join("real.py"), sandbox.work().join("link.py")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, sandbox.work().join("folder")).unwrap();
    for (named, executed) in [("link.py", "link.py"), ("./link.py", "link.py"), ("folder/", "folder/real.py")]
    {
        let run = sandbox.run(&["-q", "run", "python", named, "--exec", &format!("python3 {executed}")]);
        run.expect(0, &format!("linked {executed}\n"));
    }
}

#[test]
fn files_that_are_left_out_make_the_exit_code_of_a_success_1() {
    let sandbox = Sandbox::new();
    sandbox.write("main.py", "print('ran')");
    sandbox.write("fails.py", "raise SystemExit(7)");
    std::os::unix::fs::symlink("/etc/hostname", sandbox.work().join("outside")).unwrap();
    for (more, code, printed) in [
        (&[][..], 1, "ran\n"),
        (&["--exec", "python3 main.py $n", "--exec-range", "n=case:1,2"], 1, "ran\nran\n"),
        (&["--exec", "python3 fails.py"], 7, ""),
    ] {
        let run = sandbox.run(&[&["-q", "run", "python", "."][..], more].concat());
        run.expect(code, printed);
        assert!(run.stderr.contains("outside is left out"), "{}", run.stderr);
    }
}

/// A project with a build backend of its own, so that pip needs no network. It installs the module `mine`.
const BACKEND: &str = r#"
import base64, hashlib, os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    return build_wheel(folder)

def build_wheel(folder, config_settings=None, metadata_directory=None):
    files = {
        'mine.pth': os.path.join(os.getcwd(), 'src') + '\n',
        'mine-1.dist-info/METADATA': 'Metadata-Version: 2.1\nName: mine\nVersion: 1\n',
        'mine-1.dist-info/WHEEL': 'Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    record = ''.join('%s,,\n' % name for name in files) + 'mine-1.dist-info/RECORD,,\n'
    with zipfile.ZipFile(os.path.join(folder, 'mine-1-py3-none-any.whl'), 'w') as wheel:
        for name, text in list(files.items()) + [('mine-1.dist-info/RECORD', record)]:
            wheel.writestr(name, text)
    return 'mine-1-py3-none-any.whl'
"#;

/// All paths below a folder.
fn paths_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() && !path.ends_with("__pycache__") {
                todo.push(path.clone());
            }
            all.push(path);
        }
    }
    all.retain(|path| !path.to_string_lossy().contains("__pycache__"));
    all.sort();
    all
}

/// A sandbox with a project and an active environment, and the paths in that. `None` where Python cannot make one.
fn project(pip: Option<&str>) -> Option<(Sandbox, std::path::PathBuf)> {
    let mut sandbox = Sandbox::new();
    let active = sandbox.home().join("active");
    let made = sandbox.program("python3").args(["-m", "venv"]).args(pip).arg(&active).output().unwrap();
    if !made.status.success() {
        bai_testkit::leave_out("Python's venv with pip");
        return None;
    }
    sandbox.set("VIRTUAL_ENV", active.to_str().unwrap());
    sandbox.set("PATH", format!("{}/bin:{}", active.display(), std::env::var("PATH").unwrap()));
    let packages = paths_below(&active).into_iter().find(|path| path.ends_with("site-packages")).unwrap();
    std::fs::write(packages.join("theirs.py"), "known = 'known'\n").unwrap();
    std::fs::create_dir(sandbox.work().join("src")).unwrap();
    sandbox.write("src/mine.py", "answer = 42\n");
    sandbox.write("backend.py", BACKEND);
    sandbox.write(
        "pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n[project]\nname = 'mine'\nversion = '1'\n",
    );
    sandbox.write("main.py", "import mine, theirs, sys\nprint(mine.answer, theirs.known, sys.prefix)\n");
    Some((sandbox, active))
}

#[test]
fn a_python_project_is_installed_for_its_session_only() {
    // The session's own commands find the project too.
    let installs = "pip install -q --no-build-isolation --no-deps --force-reinstall . && python main.py";
    let own = "pip install -q --no-build-isolation --no-deps .";
    for (pip, build, execute) in [
        (None, "*", "*"),
        (Some("--without-pip"), "*", "python main.py"),
        (None, "*", installs),
        (None, own, "*"),
        (
            Some("--without-pip"),
            "python -m pip --version || pip --version; python -m pip install -q --no-build-isolation -e .",
            "*",
        ),
    ] {
        let Some((sandbox, active)) = project(pip) else { return };
        let before = paths_below(&active);
        let run = sandbox.run(&["run", "python", ".", "--build", build, "--exec", execute]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let last = run.stdout.lines().last().unwrap();
        assert!(last.starts_with("42 known ") && !last.contains("active"), "{}", run.stdout);
        assert_eq!(paths_below(&active), before);
        let prefix = last.rsplit(' ').next().unwrap();
        assert!(!std::path::Path::new(prefix).exists(), "{prefix} is left");
    }
}

#[test]
fn files_of_a_project_are_not_loaded_by_what_builds_it() {
    for pip in [None, Some("--without-pip")] {
        let Some((sandbox, _)) = project(pip) else { return };
        // The backend is not beside the other files: Python finds those for the backend, as the project asks it to.
        std::fs::create_dir(sandbox.work().join("build_tools")).unwrap();
        std::fs::rename(sandbox.work().join("backend.py"), sandbox.work().join("build_tools/backend.py"))
            .unwrap();
        let text = std::fs::read_to_string(sandbox.work().join("pyproject.toml")).unwrap();
        sandbox.write("pyproject.toml", text.replace("['.']", "['build_tools']"));
        let log = sandbox.home().join("log");
        let code = "import pkgutil, sys\n\
                    for module in [m.name for m in pkgutil.iter_modules()] + ['pip', 'ensurepip']:\n    \
                    if module != 'backend': open(module + '.py', 'w').write(\n        \
                    'open(%r, \"a\").write(\"%s \")\\nraise ImportError()' % (sys.argv[1], module))";
        let made = sandbox
            .program("python3")
            .args(["-I", "-c", code])
            .arg(&log)
            .current_dir(sandbox.work())
            .status();
        assert!(made.unwrap().success());
        let run = sandbox.run(&["run", "python", ".", "--build", "*", "--exec", "pip --version"]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        assert_eq!(std::fs::read_to_string(&log).unwrap_or_default(), "", "{}", run.stdout);
    }
}

#[test]
fn what_a_build_installs_can_be_imported_in_the_live_session() {
    let Some((sandbox, active)) = project(None) else { return };
    let _daemon = Daemon::start(&sandbox);
    let before = paths_below(&active);
    let execute = |code: &str| sandbox.run(&["-q", "-t", "work", "-c", code, "python"]);
    execute("kept = 1").expect(0, "");
    for build in ["*", "pip install -q --no-build-isolation --no-deps --force-reinstall ."] {
        sandbox
            .run(&["-q", "run", "-t", "work", "python", ".", "--build", build, "--exec", "true"])
            .expect_code(0);
        execute("import mine, theirs; print(kept, mine.answer, theirs.known)").expect(0, "1 42 known\n");
        execute("import sys; del sys.modules['mine']").expect(0, "");
    }
    execute("import sys; print(len(sys.path) == len(set(sys.path)))").expect(0, "True\n");
    sandbox.run(&["restart", "work"]).expect_code(0);
    execute("import mine; print(mine.answer)").expect(0, "42\n");
    assert_eq!(paths_below(&active), before);
}
