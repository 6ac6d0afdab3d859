//! What code knows about the window in which a person sees its output.

use super::super::*;
use super::harness::{Session, pythons};
use bai_protocol::execute::{Script, Window};
use bai_testkit::test_venv;

const WINDOW: Window = Window { columns: 91, rows: 33, colors: true };
/// The variables of the session: the tests may run in a terminal with its own.
const CLEAN: [(&str, &str); 1] = [("NO_COLOR", "")];

fn window(columns: u16) -> Op {
    Op::Window(Some(Window { columns, ..WINDOW }))
}

async fn start(image: &str) -> Option<Session> {
    if resolve(image).is_err() {
        bai_testkit::leave_out(image);
        return None;
    }
    let mut session = Session::start_with(image, &CLEAN).await;
    session.send(Op::Window(Some(WINDOW))).await;
    session.run("").await;
    Some(session)
}

#[tokio::test]
async fn python_is_in_a_terminal_of_the_windows_size() {
    for python in pythons().await {
        let Some(mut session) = start(&python).await else { return };
        session
            .value("import os, shutil, sys, signal\ndef size(): return tuple(shutil.get_terminal_size())")
            .await;
        assert_eq!(session.value("size(), tuple(os.get_terminal_size(1))").await, "((91, 33), (91, 33))\n");
        assert_eq!(
            session.value("[s.isatty() for s in (sys.stdin, sys.stdout, sys.stderr)], os.isatty(1)").await,
            "([True, True, True], True)\n"
        );
        assert_eq!(session.value("os.system('echo $COLUMNS $LINES $FORCE_COLOR');").await, "91 33 3\n");
        // Descriptor 1 leads to a file.
        let elsewhere = "old = os.dup(1); f = open('f', 'w'); _ = os.dup2(f.fileno(), 1)\n\
                         seen = sys.stdout.isatty(); _ = os.dup2(old, 1); seen";
        assert_eq!(session.value(elsewhere).await, "False\n");
        // A change reaches a cell that runs, and its handler of the signal.
        session.value("seen = []; _ = signal.signal(signal.SIGWINCH, lambda *_: seen.append(size()))").await;
        session
            .send(Op::Code("print('ready', flush=True)\nwhile not seen: signal.pause()\nprint(seen, os.popen('echo $COLUMNS').read())".into()))
            .await;
        session.until_output("ready").await;
        session.send(window(120)).await;
        assert_eq!(session.finish().await.stdout().trim(), "[(120, 33)] 120");
        // The user's own value stays.
        session.value("os.environ['COLUMNS'] = '44'").await;
        session.send(window(60)).await;
        assert_eq!(
            session.value("os.environ['COLUMNS'], os.popen('echo $COLUMNS $LINES').read(), size()[0]").await,
            "('44', '44 33\\n', 44)\n"
        );
        session.value("del os.environ['COLUMNS']").await;
        session.send(Op::Window(None)).await;
        assert_eq!(
            session.value("size(), sys.stdout.isatty(), [n for n in os.environ if n in ('LINES', 'FORCE_COLOR', 'PAGER')]").await,
            "((80, 24), False, [])\n"
        );
    }
}

#[tokio::test]
async fn documentation_is_text_and_starts_no_pager() {
    for python in pythons().await {
        let Some(mut session) = start(&python).await else { return };
        let text = session.value("help(len)").await;
        assert!(text.contains("Help on built-in function len") && !text.contains('\u{8}'), "{text}");
    }
}

#[tokio::test]
async fn the_input_of_a_script_is_a_terminal_if_a_person_types_it() {
    let Some(mut session) = start("python").await else { return };
    for terminal in [true, false] {
        let script = Script { name: "-".to_owned(), terminal, ..Script::default() };
        let outcome = session.script("import sys; print(sys.stdin.isatty())", script, &[b"x"]).await;
        assert_eq!(outcome.stdout(), if terminal { "True\n" } else { "False\n" });
    }
}

#[tokio::test]
async fn colours_follow_the_window_and_the_users_wish() {
    let Some(mut session) = start("python").await else { return };
    let colors = "import os\nos.system('echo $FORCE_COLOR $CLICOLOR_FORCE $COLORTERM');";
    assert_eq!(session.value(colors).await, "3 1 truecolor\n");
    // What a program reads has no colours, and what this process writes to a file has none.
    for (code, none) in [
        ("os.popen('echo $FORCE_COLOR').read()", "'\\n'\n"),
        ("import subprocess; subprocess.run('echo $FORCE_COLOR', shell=True, stdout=-1).stdout", "b'\\n'\n"),
        ("'FORCE_COLOR' in os.environ", "False\n"),
    ] {
        assert_eq!(session.value(code).await, none, "{code}");
    }
    assert_eq!(session.value(colors).await, "3 1 truecolor\n");
    session.send(Op::Window(Some(Window { colors: false, ..WINDOW }))).await;
    assert_eq!(session.value(colors).await, "\n");
    let mut session = Session::start_with("python", &[("NO_COLOR", "1")]).await;
    session.send(Op::Window(Some(WINDOW))).await;
    assert_eq!(session.value(colors).await, "\n");
}

#[tokio::test]
async fn every_language_tells_children_the_size() {
    for (image, code) in [
        ("bash", "sh -c 'echo $COLUMNS $LINES ${FORCE_COLOR-none}'"),
        (
            "nodejs",
            "process.stdout.write(child_process.execSync('echo $COLUMNS $LINES ${FORCE_COLOR-none}')); undefined",
        ),
        ("ruby", "print `echo $COLUMNS $LINES ${FORCE_COLOR-none}`"),
        ("perl", "print `echo \\$COLUMNS \\$LINES \\${FORCE_COLOR-none}`; ()"),
        ("php", "echo shell_exec('echo $COLUMNS $LINES ${FORCE_COLOR-none}');"),
        ("r", "cat(system('echo $COLUMNS $LINES ${FORCE_COLOR-none}', intern = TRUE), sep = '\\n')"),
        ("octave", "[~, t] = system('echo $COLUMNS $LINES ${FORCE_COLOR-none}'); printf('%s', t)"),
    ] {
        let Some(mut session) = start(image).await else { continue };
        assert_eq!(session.value(code).await, "91 33 3\n", "{image}");
        session.send(Op::Window(Some(Window { columns: 70, colors: false, ..WINDOW }))).await;
        assert_eq!(session.value(code).await, "70 33 none\n", "{image}");
    }
}

#[tokio::test]
async fn languages_know_the_size_in_their_own_way() {
    for (image, code, value) in [
        ("r", "cat(getOption('width'), '\\n')", "91 \n"),
        (
            "nodejs",
            "[process.stdout.columns, process.stdout.getWindowSize()[1], process.stdout.isTTY]",
            "[ 91, 33, true ]\n",
        ),
        ("ruby", "require 'io/console'; IO.console.winsize", "=> [33, 91]\n"),
        ("bash", "echo $COLUMNS", "91\n"),
    ] {
        let Some(mut session) = start(image).await else { continue };
        assert_eq!(session.value(code).await, value, "{image}");
        session.send(window(70)).await;
        assert_eq!(session.value(code).await, value.replace("91", "70"), "{image}");
        session.send(window(71)).await;
        assert_eq!(session.value(code).await, value.replace("91", "71"), "{image}");
    }
}

#[tokio::test]
async fn bash_keeps_the_size_after_a_cell_that_exits() {
    let Some(mut session) = start("bash").await else { return };
    session.run("exit 3").await;
    session.send(window(70)).await;
    assert_eq!(session.value("echo $COLUMNS").await, "70\n");
    session.value("COLUMNS=50").await;
    session.send(window(60)).await;
    assert_eq!(session.value("echo $COLUMNS $LINES").await, "50 33\n");
}

#[tokio::test]
async fn programs_of_cells_and_steps_know_the_window() {
    let Some(mut session) = start("bash").await else { return };
    session.send(Op::Exec(Step::Command("echo $COLUMNS $LINES $FORCE_COLOR".to_owned()))).await;
    assert_eq!(session.finish().await.stdout(), "91 33 3\n");
    session.send(Op::Window(None)).await;
    session.send(Op::Exec(Step::Command("echo ${FORCE_COLOR-none}".to_owned()))).await;
    assert_eq!(session.finish().await.stdout(), "none\n");
}

#[tokio::test]
async fn a_jupyter_kernel_learns_the_size_without_a_trace() {
    let Some(venv) = test_venv() else { return };
    let mut session = Session::start_with("jupyter:python3", &[("VIRTUAL_ENV", venv)]).await;
    for columns in [91, 70] {
        session.send(window(columns)).await;
        let size = session
            .value("import os, shutil\nshutil.get_terminal_size().columns, os.environ['JUPYTER_COLUMNS']")
            .await;
        assert_eq!(size, format!("({columns}, '{columns}')\n"));
    }
    assert_eq!(
        session.value("len(In), [n for n in dir() if 'bai' in n or 'VARIABLES' in n]").await,
        "(4, [])\n"
    );
}
