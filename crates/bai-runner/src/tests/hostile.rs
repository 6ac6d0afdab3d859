//! Programs that misbehave: the queue continues, records stay in order, and no process is left behind. `survival` has
//! Python code that damages its own interpreter.

use super::super::interpreter::DRIVER_PIPES;
use super::super::*;
use super::harness::{LIMIT, Session, gone};
use bai_protocol::byte_text;
use bai_testkit::Gate;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::time::timeout;

/// A program in the place of an interpreter.
fn interpreter(folder: &Path, text: &str) -> PathBuf {
    // Another process writes it: a child that our process forks in the meantime would hold it open for writing.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$0\" >interpreter; chmod +x interpreter";
    assert!(Command::new("sh").args(["-c", write, text]).current_dir(folder).status().unwrap().success());
    folder.join("interpreter")
}

async fn refused(image: &str, executable: Option<PathBuf>, env: &[(&str, &str)]) -> StartError {
    let folder = tempfile::tempdir().unwrap();
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let spec = KernelSpec {
        workdir: folder.path().to_owned(),
        env,
        image: ImageName::parse(image),
        is_for_script: false,
        first_script: None,
        streams: ScriptStreams::default(),
        executable,
    };
    timeout(LIMIT, Kernel::start(spec)).await.unwrap().unwrap_err()
}

#[tokio::test]
async fn a_missing_or_broken_interpreter_is_reported() {
    let nowhere = [("PATH", "/nowhere"), ("HOME", "/nowhere")];
    let error = refused("nodejs:20", None, &nowhere).await;
    assert!(matches!(&error, StartError::NoInterpreter { image, .. } if image == "nodejs:20"), "{error}");
    assert!(error.hint().contains("install"), "{}", error.hint());
    let error = refused("bash", Some("/nowhere/bash".into()), &[]).await;
    assert!(matches!(error, StartError::Spawn { .. }) && error.to_string().contains("/nowhere/bash"));
    let folder = tempfile::tempdir().unwrap();
    for (text, how) in [
        (
            "echo not today >&2; exit 3",
            "ended with exit code 3 before it was ready; its last output:\nnot today",
        ),
        ("kill -9 $$", "SIGKILL"),
        ("exec 1>&- 2>&-; exit 4", "exit code 4"),
    ] {
        let error = refused("bash", Some(interpreter(folder.path(), text)), &[]).await;
        assert!(matches!(&error, StartError::Died { .. }) && error.to_string().contains(how), "{error}");
    }
}

#[tokio::test]
async fn another_version_is_used_and_reported() {
    let version = resolve("bash").unwrap().info().version.clone();
    let (major, minor) = version.split_once('.').unwrap();
    assert!(!minor.starts_with("0."), "no minor version is older than {version}");
    let image = format!("bash:{major}.0");
    let note = resolve(&image).unwrap().info().note.clone().unwrap();
    assert_eq!(note, format!("{image} is not here; using {version}"));
    let error = resolve("bash:1.14").unwrap_err();
    assert!(error.to_string().starts_with("bash:1.14 is not here: this machine has "), "{error}");
}

#[tokio::test]
async fn an_interpreter_that_a_child_kills_is_replaced() {
    let mut session = Session::start("bash").await;
    assert_eq!(session.value("x=1; echo $x").await, "1\n");
    let outcome = session.run("echo last; sh -c 'kill -9 $PPID'; echo never").await;
    assert_eq!((outcome.exit_code, outcome.stdout().as_str()), (137, "last\n"), "{outcome:?}");
    assert!(outcome.stderr().contains("SIGKILL"), "{outcome:?}");
    assert_eq!(session.value("echo =$x=").await, "==\n");
}

#[tokio::test]
async fn a_step_that_kills_its_shell_ends_with_the_signal() {
    let mut session = Session::start("bash").await;
    session.send(Op::Exec(Step::Command("sh -c 'kill -9 $PPID'; true".into()))).await;
    assert_eq!(session.finish().await.exit_code, -9);
    assert_eq!(session.value("echo on").await, "on\n");
}

#[tokio::test]
async fn ten_thousand_requests_are_answered_in_their_order() {
    let mut session = Session::start("bash").await;
    let kernel = session.kernel.clone();
    let sender = tokio::spawn(async move {
        for n in 0..10_000 {
            let op = match n % 4 {
                0 => Op::Clean(Step::Skip),
                1 => Op::Exec(Step::Skip),
                _ => Op::Code(format!("echo {n}")),
            };
            kernel.send(op).await.unwrap();
        }
    });
    for n in 0..10_000 {
        let outcome = session
            .until(|reply| matches!(reply, Reply::Finished { .. } | Reply::CleanFinished { .. }))
            .await;
        let text = if n % 4 > 1 { format!("{n}\n") } else { String::new() };
        assert_eq!((outcome.stdout(), outcome.exit_code), (text, 0));
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn an_interrupt_stops_the_active_request_and_not_the_queue() {
    let mut session = Session::start("bash").await;
    for code in ["echo on; while :; do sleep 0.01; done", "echo second", "echo third"] {
        session.send(Op::Code(code.into())).await;
    }
    session.until_output("on\n").await;
    session.send(Op::Interrupt).await;
    assert_ne!(session.finish().await.exit_code, 0);
    for text in ["second\n", "third\n"] {
        let outcome = session.finish().await;
        assert_eq!((outcome.stdout().as_str(), outcome.exit_code), (text, 0));
    }
}

#[tokio::test]
async fn a_restart_ends_a_program_that_ignores_interrupts() {
    let mut session = Session::start("bash").await;
    session
        .send(Op::Exec(Step::Command("trap '' INT; echo on $$; while :; do sleep 0.01; done".into())))
        .await;
    session.send(Op::Code("echo waits".into())).await;
    let mut text = String::new();
    while !text.ends_with('\n') {
        let Reply::Console(ConsoleRecord::Stdout(more)) = session.next().await else { panic!("{text:?}") };
        text.push_str(&more);
    }
    for _ in 0..20 {
        session.send(Op::Interrupt).await;
    }
    // Other requests are served meanwhile.
    session.send(Op::Status).await;
    assert!(matches!(session.next().await, Reply::Status(_)));
    session.kernel.restart().await.unwrap();
    assert_eq!(session.finish().await.exit_code, 137);
    assert_eq!(session.finish().await.exit_code, 137);
    gone(&text).await;
    assert_eq!(session.value("echo on").await, "on\n");
}

#[tokio::test]
async fn unread_input_is_dropped_or_waits_in_its_pipe() {
    let mut session = Session::start("bash").await;
    for n in 0..1000 {
        session.send(Op::Input(format!("unasked {n}"))).await;
    }
    assert_eq!(session.run_with("read x; echo $x", &["asked"]).await.stdout(), "asked\n");
    // One that asks, takes a byte, and then never reads again.
    session.send(Op::Exec(Step::Command("head -c 1; echo; exec sleep 1000".into()))).await;
    assert!(matches!(session.next().await, Reply::WaitingInput { .. }));
    session.send(Op::Input("y".repeat(10 << 20))).await;
    session.until_output("y\n").await;
    session.send(Op::Interrupt).await;
    assert_eq!(session.finish().await.exit_code, -2);
    assert_eq!(session.value("echo on").await, "on\n");
}

#[tokio::test]
async fn a_program_that_closes_its_output_ends_normally() {
    let mut session = Session::start("bash").await;
    let gate = Gate::at(&session.folder.path().join("gate"));
    session.send(Op::Exec(Step::Command("echo on; exec 1>&- 2>&-; read x < gate; exit 5".into()))).await;
    session.until_output("on\n").await;
    gate.open();
    assert_eq!(session.finish().await.exit_code, 5);
    assert_eq!(session.value("echo on").await, "on\n");
}

#[tokio::test]
async fn daemons_end_with_the_session() {
    let mut session = Session::start("bash").await;
    let started = Gate::at(&session.folder.path().join("started"));
    let daemon = "setsid sh -c 'echo $$; exec sleep 1000' & read x < started";
    session.send(Op::Exec(Step::Command(daemon.into()))).await;
    let mut pids = String::new();
    while !pids.ends_with('\n') {
        let Reply::Console(ConsoleRecord::Stdout(more)) = session.next().await else { panic!("{pids:?}") };
        pids.push_str(&more);
    }
    started.open();
    assert_eq!(session.finish().await.exit_code, 0);
    let own = session.value("setsid sleep 1000 & disown; echo $!").await;
    session.kernel.shutdown().await;
    gone(&pids).await;
    gone(&own).await;
}

#[tokio::test]
async fn a_compilation_that_never_ends_can_be_stopped() {
    let mut session = Session::start("gcc").await;
    // The compiler waits for input from the pipe.
    let _pipe = Gate::at(&session.folder.path().join("endless.h"));
    let include = format!("#include \"{}\"\n", session.folder.path().join("endless.h").display());
    session.send(Op::Code(format!("{include}int main(void) {{ return 0; }}"))).await;
    session.send(Op::Code("int main(void) { return 7; }".into())).await;
    session.send(Op::Interrupt).await;
    let stopped = session.finish().await;
    assert_ne!(stopped.exit_code, 0, "{stopped:?}");
    assert_eq!(session.finish().await.exit_code, 7);
    session.send(Op::Build(Step::Command("echo on; while :; do sleep 0.01; done".into()))).await;
    session.send(Op::Exec(Step::Command("echo never".into()))).await;
    session.until_output("on\n").await;
    session.send(Op::Interrupt).await;
    session.until(|reply| matches!(reply, Reply::BuildFinished { .. })).await;
    let skipped = session.finish().await;
    assert_eq!((skipped.exit_code, skipped.stdout().as_str()), (127, ""));
}

#[tokio::test]
async fn a_character_that_is_split_at_any_byte_is_joined() {
    let mut session = Session::start("bash").await;
    let bytes = "aé한😀".as_bytes();
    for at in 1..bytes.len() {
        let octal = |part: &[u8]| part.iter().map(|byte| format!("\\{byte:03o}")).collect::<String>();
        let (head, tail) = bytes.split_at(at);
        // Two programs write the halves; in between the first has been read.
        let code = format!("printf '{}'; printf '{}'", octal(head), octal(tail));
        assert_eq!(session.value(&code).await, "aé한😀", "cut at {at}");
    }
    let bytes = byte_text::text(b"a\xffb\xc3");
    assert_eq!(session.value("printf 'a\\377b\\303'").await, bytes);
}

/// Each language with a driver: code that writes to a descriptor bytes that are no message, or closes it.
const DESCRIPTORS: [(&str, &str, &str); 6] = [
    (
        "python",
        "import os; os.write({fd}, b'hello'); os.write({fd}, bytes(70000)); print('a'); print('b', file=__import__('sys').stderr); print('c')",
        "import os; os.close({fd}); print('a'); print('b', file=__import__('sys').stderr); display({'text/html': 'x'}, raw=True)",
    ),
    (
        "nodejs",
        "fs.writeSync({fd}, 'hello'); fs.writeSync({fd}, Buffer.alloc(70000)); console.log('a'); console.error('b'); console.log('c')",
        "fs.closeSync({fd}); console.log('a'); console.error('b'); console.log('c')",
    ),
    (
        "ruby",
        "i = IO.for_fd({fd}, 'w', autoclose: false); i.syswrite('hello'); i.syswrite(\"\\0\" * 70000); puts 'a'; $stderr.puts 'b'; puts 'c'; nil",
        "IO.for_fd({fd}).close; puts 'a'; $stderr.puts 'b'; puts 'c'",
    ),
    (
        "perl",
        "open my $h, '>&=', {fd}; syswrite $h, 'hello'; syswrite $h, \"\\0\" x 70000; print \"a\\n\"; print STDERR \"b\\n\"; print \"c\\n\";",
        "use POSIX (); POSIX::close({fd}); print \"a\\n\"; print STDERR \"b\\n\"; print \"c\\n\";",
    ),
    (
        "php",
        "$h = fopen('php://fd/{fd}', 'w'); fwrite($h, 'hello'); fwrite($h, str_repeat(\"\\0\", 70000)); fclose($h); echo \"a\\n\"; fwrite(STDERR, \"b\\n\"); echo \"c\\n\";",
        "",
    ),
    (
        "bash",
        "printf hello >&{fd}; head -c 70000 /dev/zero >&{fd}; echo a; echo b >&2; echo c",
        "exec {fd}>&-; echo a; echo b >&2; echo c",
    ),
];
/// The descriptors of the session's driver. It reads from the first one, and writes messages to the second.
fn driver_pipes(session: &Session) -> [String; 3] {
    let pipes = DRIVER_PIPES.lock().unwrap()[session.folder.path()];
    pipes.map(|number| number.to_string())
}

#[tokio::test]
async fn foreign_bytes_on_the_pipes_of_a_driver_are_skipped() {
    for (image, writes, _) in DESCRIPTORS {
        if resolve(image).is_err() {
            bai_testkit::leave_out(image);
            continue;
        }
        let mut session = Session::start(image).await;
        let [_, messages, aside] = driver_pipes(&session);
        for fd in [messages, aside] {
            for _ in 0..2 {
                let outcome = session.run(&writes.replace("{fd}", &fd)).await;
                assert_eq!(outcome.sequence(), ["O:a\n", "E:b\n", "O:c\n"], "{image}: {fd}");
            }
        }
    }
}

#[tokio::test]
async fn a_driver_whose_pipe_is_closed_is_ended_and_replaced() {
    for (image, _, closes) in DESCRIPTORS {
        if closes.is_empty() || resolve(image).is_err() {
            continue;
        }
        for is_read in [true, false] {
            let mut session = Session::start(image).await;
            let [reads, messages, _] = driver_pipes(&session);
            let fd = if is_read { reads } else { messages };
            let outcome = session.run(&closes.replace("{fd}", &fd)).await;
            // What was on its way before the pipe was closed still arrives.
            assert!(outcome.exit_code != 0 || is_read, "{image}: {fd}: {outcome:?}");
            session.send(Op::Code("1".to_owned())).await;
            session.finish().await;
        }
    }
}

#[tokio::test]
async fn every_number_that_a_program_exits_with_ends_the_cell() {
    for (image, code, exit_code) in [
        ("nodejs", "process.exit(2 ** 40 + 3)", 3),
        ("perl", "exit(2 ** 40 + 3)", 3),
        ("php", "exit(2 ** 40 + 3);", 3),
        ("bash", "exit 300", 44),
        ("lua", "os.exit(2 ^ 40 + 3)", 3),
        ("lua", "os.exit(1.5)", 1),
        ("lua", "os.exit(0 / 0)", 1),
        ("r", "quit(status = 1e12)", 1),
        ("r", "quit(status = integer())", 1),
        ("octave", "exit(2 ^ 40 + 3)", 3),
        ("octave", "exit(NaN)", 1),
        ("octave", "exit([4 5])", 4),
        ("sqlite", ".exit 1099511627779", 3),
    ] {
        if resolve(image).is_err() {
            bai_testkit::leave_out(image);
            continue;
        }
        let mut session = Session::start(image).await;
        let outcome = session.run(code).await;
        assert_eq!(
            (outcome.exit_code, outcome.stdout().as_str(), outcome.stderr().as_str()),
            (exit_code, "", ""),
            "{image}: {code}"
        );
    }
}
