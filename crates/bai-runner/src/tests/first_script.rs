//! The script that is expected first: its interpreter starts before it comes, and runs it alone.

use super::super::*;
use super::harness::{LIMIT, Session, at_least, gone, pythons};
use bai_protocol::execute::Script;
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

/// What Python imports at its start: it leaves the number of the process.
const NOTE: &str =
    "import os\nwith open(os.environ['STARTS'], 'a') as file: file.write('%d\\n' % os.getpid())\n";

/// A kernel for one script that expects this one.
async fn expecting(image: &str, code: &str, script: Script) -> Session {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("sitecustomize.py"), NOTE).unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let env = [("LC_ALL", "C.UTF-8".to_owned()), ("PYTHONPATH", at("site")), ("STARTS", at("starts"))];
    let spec = KernelSpec {
        env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        is_for_script: true,
        first_script: Some((code.to_owned(), script)),
        ..KernelSpec::new(image, folder.path())
    };
    let (kernel, replies) = timeout(LIMIT, Kernel::start(spec)).await.unwrap().unwrap();
    Session { kernel, replies, folder }
}

/// The numbers of the processes that have been started, one in a line.
fn starts(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("starts")).unwrap_or_default()
}

/// Waits for the first start.
async fn started(session: &Session) -> String {
    let first = async {
        loop {
            let starts = starts(session.folder.path());
            if starts.ends_with('\n') {
                return starts;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LIMIT, first).await.expect("nothing has been started")
}

fn script(arguments: &[&str]) -> Script {
    let args = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    Script { name: "-c".into(), args, last: true, ..Script::default() }
}

const CODE: &str = "import os, sys; print(os.getpid(), sys.argv[1:], open('run', 'a').write('x'))";

#[tokio::test]
async fn the_expected_script_finds_its_interpreter_and_nothing_of_it_runs_before() {
    for python in pythons().await {
        let mut session = expecting(&python, CODE, script(&["a"])).await;
        let pid = started(&session).await;
        assert!(!session.folder.path().join("run").exists(), "{python}");
        // It can ask at a terminal, which was not known before.
        let run = session.script(CODE, Script { tty: true, ..script(&["a"]) }, &[]).await;
        assert_eq!(run.stdout(), format!("{} ['a'] 1\n", pid.trim()), "{python}: {run:?}");
        assert_eq!((run.stderr().as_str(), run.exit_code), ("", 0), "{python}");
        assert_eq!(starts(session.folder.path()), pid, "{python}");
    }
}

#[tokio::test]
async fn another_script_than_the_expected_one_gets_its_own_interpreter() {
    for python in pythons().await {
        for (code, other) in [("print('other')", script(&["a"])), (CODE, script(&["b"]))] {
            let mut session = expecting(&python, CODE, script(&["a"])).await;
            let pid = started(&session).await;
            let run = session.script(code, other, &[]).await;
            assert_eq!((run.stderr().as_str(), run.exit_code), ("", 0), "{python}: {run:?}");
            let expected = if code == CODE { "['b'] 1\n" } else { "other\n" };
            assert!(run.stdout().ends_with(expected), "{python}: {run:?}");
            assert!(!run.stdout().contains(pid.trim()), "{python}: {run:?}");
            gone(&pid).await;
        }
    }
}

#[tokio::test]
async fn a_cell_in_the_place_of_the_expected_script_runs_too() {
    let mut session = expecting("python", CODE, script(&["a"])).await;
    started(&session).await;
    assert_eq!(session.value("6 * 7").await, "42\n");
}

#[tokio::test]
async fn an_interpreter_that_ends_before_its_script_comes_is_replaced_without_a_word() {
    for python in pythons().await {
        let mut session = expecting(&python, CODE, script(&["a"])).await;
        let pid = started(&session).await;
        let number = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
        nix::sys::signal::kill(number, nix::sys::signal::Signal::SIGKILL).unwrap();
        // Until the kernel knows it.
        let known = async {
            while Path::new(&format!("/proc/{number}")).exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, known).await.expect("its end was not noticed");
        let run = session.script(CODE, script(&["a"]), &[]).await;
        assert!(run.stdout().ends_with(" ['a'] 1\n"), "{python}: {run:?}");
        assert_eq!((run.stderr().as_str(), run.exit_code), ("", 0), "{python}: {run:?}");
    }
}

#[tokio::test]
async fn an_interpreter_whose_script_never_comes_ends_with_the_session() {
    for python in pythons().await {
        let session = expecting(&python, CODE, script(&["a"])).await;
        let pid = started(&session).await;
        timeout(LIMIT, session.kernel.shutdown()).await.unwrap();
        gone(&pid).await;
        assert!(!session.folder.path().join("run").exists(), "{python}");
        // And without a word to the kernel.
        let session = expecting(&python, CODE, script(&["a"])).await;
        let pid = started(&session).await;
        drop(session);
        gone(&pid).await;
    }
}

#[tokio::test]
async fn a_file_in_a_cycle_is_written_at_the_end_as_python_writes_it() {
    for python in pythons().await {
        // Also after collections of garbage.
        for before in ["", "keep = [Log() for _ in range(2000)]\n"] {
            let source = format!(
                "class Log:\n  def __init__(self): self.write = self._write\n  \
                 def _write(self, text): self.file.write(text)\n{before}\
                 log = Log(); log.file = open('left', 'w'); log.write('hello')"
            );
            let program = expecting(&python, &source, script(&[])).await;
            for mut session in [program, Session::start(&python).await] {
                let run = session.script(&source, script(&[]), &[]).await;
                assert_eq!((run.stderr().as_str(), run.exit_code), ("", 0), "{python}: {run:?}");
                let left = session.folder.path().join("left");
                // Python writes it after its last word.
                let written = async {
                    while std::fs::read(&left).unwrap_or_default() != b"hello" {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                };
                timeout(LIMIT, written).await.expect("nothing was written");
            }
        }
    }
}

#[tokio::test]
async fn a_script_that_is_interrupted_at_its_start_ends_as_python_does() {
    let code = "import time\nwhile True: time.sleep(0.001)";
    for python in at_least((3, 8)).await {
        for number in 0..8 {
            let mut session = expecting(&python, code, script(&[])).await;
            started(&session).await;
            session.send(Op::Script(code.to_owned(), script(&[]))).await;
            // It waits for the beginning of the script, or ends it while Python starts.
            session.send(Op::Interrupt).await;
            let run = session.finish().await;
            assert_eq!(run.exit_code, 130, "{python} {number}: {run:?}");
            let text = run.stderr();
            assert!(text.is_empty() || text.ends_with("KeyboardInterrupt\n"), "{python}: {text}");
            assert!(!text.contains("site"), "{python}: {text}");
        }
    }
}
