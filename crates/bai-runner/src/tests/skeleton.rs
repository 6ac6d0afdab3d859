//! The driver to copy, which `CONTRIBUTING.md` recommends, does all that a driver must do.

use super::super::language::Resolved;
use super::super::scripted::SKELETON;
use super::super::*;
use super::harness::{LIMIT, Session};
use bai_protocol::complete::CompletionRequest;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

async fn start() -> Session {
    let info = resolve("python").unwrap().info().clone();
    let folder = tempfile::tempdir().unwrap();
    let (workdir, image) = (folder.path().to_owned(), ImageName::parse("skeleton"));
    let spec = KernelSpec {
        workdir,
        env: Vec::new(),
        image,
        is_for_script: false,
        first_script: None,
        streams: ScriptStreams::default(),
        executable: None,
    };
    let started = Kernel::start_resolved(Resolved { language: &SKELETON, info }, spec);
    let (kernel, replies) = timeout(LIMIT, started).await.unwrap().unwrap();
    Session { kernel, replies, folder }
}

#[tokio::test]
async fn the_skeleton_runs_cells_and_keeps_definitions() {
    let mut session = start().await;
    assert_eq!(session.value("counted = 1\ndef greet(name): return 'hi ' + name\n").await, "");
    assert_eq!(session.value("greet('größe \\\\ ' + str(counted + 1))").await, "'hi größe \\\\ 2'\n");
    let outcome = session.run("1/0").await;
    assert_eq!(outcome.exit_code, 1);
    assert!(outcome.stderr().contains("ZeroDivisionError: division by zero"), "{}", outcome.stderr());
    assert_eq!(session.run("import sys; sys.exit(3)").await.exit_code, 3);
    let completion = session.kernel.complete(CompletionRequest::at("1 + coun", 8)).await;
    assert_eq!((completion.start, completion.suggestions), (Some(4), vec!["counted".to_owned()]));
}

#[tokio::test]
async fn the_skeleton_keeps_the_order_asks_and_can_be_interrupted() {
    let mut session = start().await;
    let code = "import sys\nfor i in range(50):\n  print(i)\n  sys.stderr.write('e%d\\n' % i)\n";
    let expected: Vec<String> = (0..50).flat_map(|i| [format!("O:{i}\n"), format!("E:e{i}\n")]).collect();
    assert_eq!(session.run(code).await.sequence(), expected);
    let outcome = session.run_with("print('hi ' + input('who? '))", &["Änn"]).await;
    assert_eq!(outcome.stdout(), "who? hi Änn\n");
    for _ in 0..2 {
        session.send(Op::Code("print('on', flush=True)\nwhile True: pass\n".to_owned())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        assert_eq!((outcome.exit_code, outcome.stderr().as_str()), (130, "Interrupted\n"));
    }
    session.send(Op::Interrupt).await;
    assert_eq!(session.value("6 * 7").await, "42\n");
    session.value("import atexit; atexit.register(lambda: open('end', 'w').write('bye')); None").await;
    timeout(LIMIT, session.kernel.shutdown()).await.unwrap();
    assert_eq!(std::fs::read_to_string(session.folder.path().join("end")).unwrap(), "bye");
}

/// Runs the program that plays the runner. Returns what it printed, and whether it found no fault.
async fn try_skeleton(input: &str) -> (String, bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/drivers/skeleton");
    let mut command = Command::new(&resolve("python").unwrap().info().executable);
    command.arg(folder.join("try")).arg(folder.join("driver.py")).env("PYTHONUTF8", "1").kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = timeout(LIMIT, child.wait_with_output()).await.unwrap().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.success())
}

#[tokio::test]
async fn the_skeleton_can_be_tried_without_the_runner() {
    let input =
        "x = 2\nfor i in 1, 2:\\n  print(i)\nprint(input())\n:interrupt while True: pass\n:complete x\n";
    let (printed, is_fine) = try_skeleton(&format!(":input ä\n{input}")).await;
    let expected = [
        r#"< {"say": "ready"}"#,
        "> run 2 x = 2",
        r#"< {"id": 2, "say": "started"}"#,
        r#"< {"code": 0, "id": 2, "say": "done"}"#,
        r"> run 3 for i in 1, 2:\n  print(i)",
        r#"< {"id": 3, "say": "started"}"#,
        "1 1",
        "1 2",
    ];
    assert_eq!(printed.lines().take(expected.len()).collect::<Vec<_>>(), expected, "{printed}");
    for line in ["1 ä", "> SIGINT", "2 Interrupted", r#"< {"code": 130, "id": 5, "say": "done"}"#] {
        assert!(printed.lines().any(|printed| printed == line), "{line}: {printed}");
    }
    assert!(printed.contains(r#""suggestions": ["x"]"#), "{printed}");
    assert!(is_fine && printed.ends_with("ended with exit code 0\n"), "{printed}");
    let (printed, is_fine) = try_skeleton("import os; os._exit(4)\n").await;
    assert!(printed.contains("the driver ended without `done`: exit code 4"), "{printed}");
    assert!(!is_fine);
}
