//! Code without a prompt: `-c`, a file, or standard input. Which output goes to which stream, and the exit codes.

use super::daemon::ProxiedEngine;
use bai_testkit::{FakeTerminal, Gate, Sandbox, need, pyenv_root};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

#[test]
fn standard_output_is_exactly_what_the_program_printed() {
    let sandbox = Sandbox::new();
    sandbox.run_with_stdin(&["python"], b"print(6*7)").expect(0, "42\n");
    sandbox.run(&["-c", "print('a'); print('b', end='')", "python"]).expect(0, "a\nb");
    sandbox.run(&["-c", "", "python"]).expect(0, "");
}

#[test]
fn every_byte_of_standard_output_arrives() {
    const CODE: &str = "import sys; w = sys.stdout.buffer; _ = w.write(bytes(range(256)) * 300)
_ = w.write('ä\u{10ffff}\u{10ff80}\u{fffd}'.encode() + b'\\xf0\\x9f'); _ = w.flush()";
    let sandbox = Sandbox::new();
    sandbox.write("main.py", CODE);
    let mut wanted: Vec<u8> = (0..=255).cycle().take(256 * 300).collect();
    wanted.extend("ä\u{10ffff}\u{10ff80}\u{fffd}".as_bytes());
    wanted.extend(b"\xf0\x9f");
    for arguments in [
        &["-q", "-c", CODE, "python"][..],
        &["-q", "--transport", "poll", "-c", CODE, "python"],
        &["-q", "run", "-c", CODE, "python"],
        &["-q", "run", "python", "main.py"],
        &["-q", "run", "python", "main.py", "--exec", "python3 main.py $n", "--exec-range", "n=case:1"],
    ] {
        let output = sandbox.command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(!String::from_utf8_lossy(&output.stderr).contains("U+FFFD"), "{arguments:?}");
        assert!(output.stdout == wanted, "{arguments:?}: {} bytes", output.stdout.len());
    }
    // As JSON, output is text.
    let code = "import sys; _ = sys.stdout.buffer.write(b'a\\xff\\xf4\\x8f\\xbf\\xbf'); sys.stdout.flush()";
    let run = sandbox.run(&["--json", "-c", code, "python"]);
    assert!(run.stdout.contains("\"a\u{fffd}\u{10ffff}\""), "{}", run.stdout);
}

#[test]
fn bytes_that_a_server_replaces_are_reported_once() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("byte-output");
    let code = "import os\nos.write(1, b'a\\xff\\xff'); _ = os.write(1, '\u{10ffff}'.encode())";
    for transport in ["ws", "poll"] {
        let run = sandbox.run(&["-q", "--transport", transport, "-c", code, "python"]);
        run.expect(0, "a\u{fffd}\u{fffd}\u{10ffff}");
        assert_eq!(run.stderr.matches("U+FFFD").count(), 1, "{}", run.stderr);
        let run = sandbox.run(&["-q", "--transport", transport, "-c", "print('é')", "python"]);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("é\n", ""));
    }
}

#[test]
fn a_signal_ends_a_script_after_its_program_where_a_cut_run_blocks_the_session() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("abandonable-runs");
    sandbox.run(&["-t", "work", "-p", "1", "python"]).expect(0, "1\n");
    let (go, ended) = (sandbox.work().join("go"), sandbox.work().join("ended"));
    let _gate = Gate::at(&go);
    let code = format!(
        "try:\n  print('on', flush=True)\n  open({go:?}).readline()\nexcept KeyboardInterrupt:\n  open({ended:?}, 'w').close()"
    );
    let mut script = sandbox.command(&["-t", "work", "-c", &code, "python"]).spawn().unwrap();
    let mut said = BufReader::new(script.stdout.take().unwrap()).lines();
    assert_eq!(said.next().unwrap().unwrap(), "on");
    kill(Pid::from_raw(script.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(script.wait().unwrap().signal(), Some(Signal::SIGTERM as i32));
    assert!(ended.exists());
}

#[test]
fn a_script_that_shows_half_a_character_goes_on() {
    let sandbox = Sandbox::new();
    let code = "display({'text/html': '<b>cut \\ud83d</b>'}, raw=True)\nprint('on')";
    sandbox.run(&["-c", code, "python"]).expect(0, "cut \u{fffd}\non\n");
}

#[test]
fn a_file_is_run_and_sees_the_folder_it_was_started_in() {
    let sandbox = Sandbox::new();
    sandbox.write("data.txt", "content");
    sandbox.write("main.py", "import os\nprint(open('data.txt').read(), os.getcwd())\n");
    let work = sandbox.work().canonicalize().unwrap();
    sandbox.run(&["python", "main.py"]).expect(0, &format!("content {}\n", work.display()));
}

#[test]
fn the_exit_code_is_the_remote_programs() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-c", "import sys; sys.exit(3)", "python"]).expect(3, "");
    sandbox.run(&["-c", "raise SystemExit", "python"]).expect(0, "");
    let failed = sandbox.run(&["-c", "print('before'); 1/0", "python"]);
    failed.expect(1, "before\n");
    assert!(failed.stderr.contains("ZeroDivisionError: division by zero"), "{}", failed.stderr);
}

#[test]
fn standard_error_of_the_program_is_ours() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["-q", "-c", "import sys; print('out'); print('err', file=sys.stderr)", "python"]);
    run.expect(0, "out\n");
    assert_eq!(run.stderr, "err\n");
}

#[test]
fn the_version_is_chosen_by_the_tag() {
    let sandbox = Sandbox::new();
    let has_36 = pyenv_root().is_some_and(|root| {
        let versions = std::fs::read_dir(root.join("versions")).unwrap();
        versions.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("3.6."))
    });
    let run = sandbox.run(&["-c", "import sys; print(sys.version_info[:2])", "python:3.6"]);
    if has_36 {
        run.expect(0, "(3, 6)\n");
    } else {
        // Another version is used, and a note reports it.
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        assert!(run.stderr.contains("3.6"), "{}", run.stderr);
    }
}

#[test]
fn variables_of_the_session_are_set_and_our_secrets_are_not() {
    let mut sandbox = Sandbox::new();
    for prefix in ["BACKEND", "SORNA"] {
        for name in ["ACCESS_KEY", "SECRET_KEY", "USER", "PASSWORD", "OTP"] {
            sandbox.set(&format!("{prefix}_{name}"), "hush");
        }
    }
    // The settings of other programs stay.
    sandbox.set("BACKEND_USER_SERVICE", "here");
    let code = "import os; print(os.environ['GREETING'], [*os.environ.values()].count('hush'), os.environ['BACKEND_USER_SERVICE'])";
    let greeting = "GREETING=hello = world";
    sandbox
        .run(&["--endpoint", "local", "-e", greeting, "-c", code, "python"])
        .expect(0, "hello = world 0 here\n");
    let step = "env | grep -c =hush; echo $GREETING";
    sandbox
        .run(&["--endpoint", "local", "-q", "run", "python", "--exec", step, "-e", greeting])
        .expect(0, "0\nhello = world\n");
    // What the command line names is the session's own.
    let step = "env | grep -c -e =me$ -e =hush$";
    let own = [
        "--endpoint",
        "local",
        "-q",
        "run",
        "python",
        "--exec",
        step,
        "-e",
        "BACKEND_USER=me",
        "-e",
        "BACKEND_OTP",
    ];
    sandbox.run(&own).expect(0, "2\n");
}

/// Scripts with their own program: the image, the file's name and text, and the words that run it.
const OWN_PROGRAMS: [(&str, &str, &str, &[&str]); 8] = [
    (
        "nodejs",
        "s.js",
        "console.log(process.argv.slice(2), __filename, require('./h').n); 6 * 7\nsetTimeout(() => { console.log('late'); process.exitCode = 3 }, 20)",
        &["node", "s.js"],
    ),
    ("nodejs", "fails.js", "(async () => { throw new Error('rejected') })()", &["node", "fails.js"]),
    ("ruby", "s.rb", "require_relative 'h'\np ARGV, $0, __FILE__, N, $stdin.read\n6 * 7", &["ruby", "s.rb"]),
    ("perl", "s.pl", "print \"@ARGV|$0\\n\", <STDIN>; exit 4", &["perl", "s.pl"]),
    ("php", "s.php", "<?php print_r($argv); echo __FILE__, stream_get_contents(STDIN);", &["php", "s.php"]),
    ("lua", "s.lua", "print(arg[0], ...) print(io.read('a')) return 6 * 7", &["lua", "s.lua"]),
    ("r", "s.R", "commandArgs(TRUE)\n6 * 7\ninvisible(3)", &["Rscript", "s.R"]),
    ("bash", "s.sh", "echo \"$0|$1|$#|$(cat)\"; exit 7", &["bash", "s.sh"]),
];

#[test]
fn a_script_runs_as_its_languages_own_program_runs_it() {
    let sandbox = Sandbox::new();
    sandbox.write("h.js", "exports.n = 5");
    sandbox.write("h.rb", "N = 5");
    let arguments = ["a b", "-x", "--json", "ü"];
    for (image, name, text, words) in OWN_PROGRAMS {
        if !need(words[0]) {
            continue;
        }
        sandbox.write(name, text);
        let mut own = sandbox.program("sh");
        own.args(["-c", "printf 'one\\ntwo' | \"$@\"", "sh"]).args(words).args(arguments);
        let own = own.current_dir(sandbox.work()).output().unwrap();
        let ours = sandbox.run_with_stdin(&[&["-q", image, name], &arguments[..]].concat(), b"one\ntwo");
        assert_eq!(ours.stdout, String::from_utf8_lossy(&own.stdout), "{name}: {}", ours.stderr);
        assert_eq!(ours.code, own.status.code(), "{name}: {}", ours.stderr);
    }
}

#[test]
fn a_script_has_arguments_and_shows_no_value_in_a_kernel_that_knows_no_scripts() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("scripts");
    sandbox.write("s.py", "from __future__ import annotations\nimport sys\nprint(sys.argv, __file__)\n6 * 7");
    sandbox.run(&["-q", "python", "s.py", "a b", "--json"]).expect(0, "['s.py', 'a b', '--json'] s.py\n");
    sandbox.run(&["-q", "-c", "import sys\nsys.argv[1:]", "python", "a"]).expect(0, "");
    sandbox.run(&["-q", "-p", "6 * 7", "python"]).expect(0, "42\n");
    if need("octave-cli") {
        let refused = sandbox.run(&["-q", "-c", "1", "octave", "a"]);
        refused.expect(2, "");
        assert!(
            refused.stderr.contains("takes no arguments for a script of this language"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn what_was_found_out_about_interpreters_is_kept_for_later_runs() {
    use std::os::unix::fs::PermissionsExt;
    let sandbox = Sandbox::new();
    let print = ["-c", "print(6 * 7)", "python"];
    sandbox.run(&print).expect(0, "42\n");
    let folder = sandbox.home().join(".cache/bai-repl/interpreters");
    let drivers = || {
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let is_driver = |file: &std::path::PathBuf| file.to_str().unwrap().contains("/driver-");
        files.filter(is_driver).collect::<Vec<_>>()
    };
    let [driver] = &drivers()[..] else { panic!("{:?}", drivers()) };
    let whole = std::fs::read(driver).unwrap();
    assert_eq!(driver.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    // A file that is damaged, or that another user could have written, is not used.
    std::fs::write(driver, &whole[..whole.len() / 2]).unwrap();
    sandbox.run(&print).expect(0, "42\n");
    assert_eq!(std::fs::read(driver).unwrap(), whole);
    std::fs::write(driver, b"").unwrap();
    std::fs::set_permissions(driver, std::fs::Permissions::from_mode(0o666)).unwrap();
    sandbox.run(&print).expect(0, "42\n");
    // That of another release goes.
    let name = driver.file_name().unwrap().to_str().unwrap();
    let other = folder.join(format!("driver-0000{}", &name["driver-0000".len()..]));
    std::fs::write(&other, "").unwrap();
    std::fs::remove_file(driver).unwrap();
    sandbox.run(&print).expect(0, "42\n");
    assert_eq!(drivers(), std::slice::from_ref(driver));
    sandbox.run(&["images"]).expect_code(0);
    let first = sandbox.run(&["images"]).stdout;
    assert!(std::fs::read_to_string(folder.join("versions.json")).unwrap().contains("python"));
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(sandbox.run(&["images"]).stdout, first);
}

#[test]
fn a_script_may_have_another_encoding_than_utf8() {
    let sandbox = Sandbox::new();
    let latin = b"# -*- coding: latin-1 -*-\ntext = 'gr\xfc\xdfe'\nprint(len(text), text)\n";
    std::fs::write(sandbox.work().join("latin.py"), latin).unwrap();
    sandbox.run(&["python", "latin.py"]).expect(0, "5 gr\u{fc}\u{df}e\n");
    sandbox.run_with_stdin(&["python"], latin).expect(0, "5 gr\u{fc}\u{df}e\n");
    std::fs::write(sandbox.work().join("none.py"), b"print('\xfc')\n").unwrap();
    let run = sandbox.run(&["python", "none.py"]);
    run.expect(1, "");
    assert!(run.stderr.contains("SyntaxError"), "{}", run.stderr);
    if need("ruby") {
        let latin = b"# coding: iso-8859-1\nputs 'gr\xfc\xdfe'.encode('UTF-8')\n";
        std::fs::write(sandbox.work().join("latin.rb"), latin).unwrap();
        sandbox.run(&["ruby", "latin.rb"]).expect(0, "gr\u{fc}\u{df}e\n");
    }
    if need("bash") {
        std::fs::write(sandbox.work().join("latin.sh"), b"echo 'gr\xfc\xdfe'\n").unwrap();
        let run = sandbox.run(&["-t", "work", "bash", "latin.sh"]);
        run.expect(127, "");
        assert!(run.stderr.contains("latin.sh is not UTF-8"), "{}", run.stderr);
    }
}

#[test]
fn a_signal_interrupts_a_script_of_a_server_that_passes_none_and_its_last_words_arrive() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("signals");
    let code = "import time\ntry:\n  print('on', flush=True)\n  while True: time.sleep(.01)\nexcept KeyboardInterrupt:\n  print('off')";
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut script = sandbox.command(&["-c", code, "python"]).spawn().unwrap();
        let mut said = BufReader::new(script.stdout.take().unwrap()).lines();
        assert_eq!(said.next().unwrap().unwrap(), "on");
        // `timeout` and shells send one to the program and one to its process group.
        for _ in 0..2 {
            kill(Pid::from_raw(script.id().try_into().unwrap()), signal).unwrap();
        }
        assert_eq!(said.next().unwrap().unwrap(), "off");
        assert_eq!(script.wait().unwrap().signal(), Some(signal as i32));
    }
}

#[test]
fn what_a_build_prints_goes_to_standard_error() {
    let sandbox = Sandbox::new();
    let steps = ["-q", "run", "bash", "--clean", "echo clean", "--build", "echo built", "--exec", "echo ran"];
    let run = sandbox.run(&steps);
    run.expect(0, "ran\n");
    assert_eq!(run.stderr, "clean\nbuilt\n");
}

#[test]
fn every_byte_of_a_flood_arrives() {
    let sandbox = Sandbox::new();
    let code = "for i in range(200000): print(i)\nprint('x' * 3_000_000)";
    let run = sandbox.run(&["-c", code, "python"]);
    let mut expected: String = (0..200_000).map(|i| format!("{i}\n")).collect();
    expected.push_str(&"x".repeat(3_000_000));
    expected.push('\n');
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(run.stdout == expected, "{} bytes instead of {}", run.stdout.len(), expected.len());
}

#[test]
fn a_closed_pipe_is_success_where_the_program_does_not_see_it() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    link.hide("signals");
    let mut child = sandbox.command(&["-c", "while True: print('y')", "python"]).spawn().unwrap();
    let mut first = [0; 2];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"y\n");
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_full_disk_is_reported() {
    let sandbox = Sandbox::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sandbox.command(&["-c", "print('x' * 100000)", "python"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("No space left"), "{stderr}");
}

#[test]
fn a_full_disk_is_no_interrupt_for_a_script() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "s.py",
        "import os, sys, time\ntry:\n  while True: os.write(1, b'y\\n'); time.sleep(.01)\n\
         except OSError: print('saved', file=sys.stderr)\nexcept KeyboardInterrupt: print('interrupted', file=sys.stderr)",
    );
    sandbox.write("s.sh", "trap '' PIPE; while echo y 2>/dev/null; do :; done; echo saved >&2");
    let said = "bai-repl: cannot write to standard output: No space left on device (os error 28)\n";
    for (words, own) in [(&["-q", "--json", "python", "s.py"][..], ""), (&["-q", "bash", "s.sh"], "saved\n")]
    {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = sandbox.command(words).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((&*stderr, output.status.code()), (&*format!("{own}{said}"), Some(1)), "{words:?}");
    }
}

#[test]
fn a_closed_standard_output_is_not_an_error() {
    let sandbox = Sandbox::new();
    let binary = bai_testkit::binary();
    let mut shell = sandbox.program("sh");
    shell.arg("-c").arg(format!("'{binary}' -c 'print(1)' python >&-"));
    let output = shell.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn json_gives_one_object_for_each_event() {
    let sandbox = Sandbox::new();
    let code = "import sys; print('a'); print('b', file=sys.stderr); sys.exit(4)";
    let run = sandbox.run(&["--json", "-c", code, "python"]);
    assert_eq!(run.code, Some(4), "{}", run.stderr);
    let events: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |kind: &str| -> String {
        let of_kind = events.iter().filter(|e| e["event"] == "console" && e["type"] == kind);
        of_kind.filter_map(|e| e["data"].as_str()).collect()
    };
    assert_eq!((text("stdout").as_str(), text("stderr").as_str()), ("a\n", "b\n"));
    let last = events.last().unwrap();
    assert_eq!((&last["event"], &last["exitCode"]), (&"finished".into(), &4.into()));
}

#[test]
fn a_picture_is_saved_where_it_cannot_be_shown() {
    let sandbox = Sandbox::new();
    let code = "class P:\n    def _repr_png_(self):\n        import base64\n        return base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==')\nP()";
    let run = sandbox.run(&["--media-dir", "plots", "-p", code, "python"]);
    run.expect(0, "");
    let saved: Vec<_> = std::fs::read_dir(sandbox.work().join("plots")).unwrap().flatten().collect();
    assert_eq!(saved.len(), 1);
    assert_eq!(saved[0].path().extension().unwrap(), "png");
    assert!(std::fs::read(saved[0].path()).unwrap().starts_with(b"\x89PNG"));
    let run = sandbox.run(&["-p", code, "python"]);
    run.expect(0, "");
    assert!(run.stderr.contains("image/png"), "{}", run.stderr);
}

#[test]
fn no_process_or_file_is_left_behind() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-c", "print(1)", "python"]).expect(0, "1\n");
    let left: Vec<_> = std::fs::read_dir(sandbox.work()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn another_version_than_requested_is_reported_on_standard_error() {
    let run = Sandbox::new().run(&["-c", "print(6 * 7)", "python:3.5"]);
    run.expect(0, "42\n");
    assert!(run.stderr.contains("python:3.5 is not here; using 3."), "{}", run.stderr);
    let run = Sandbox::new().run(&["-q", "-c", "print(6 * 7)", "python:3.5"]);
    run.expect(0, "42\n");
    assert_eq!(run.stderr, "");
}

#[test]
fn json_is_refused_where_the_output_is_for_people() {
    let sandbox = Sandbox::new();
    for arguments in [&["pty"][..], &["sessions"], &["themes", "dark"], &["login", "http://x"], &["serve"]] {
        let run = sandbox.run(&[arguments, &["--json"]].concat());
        run.expect(2, "");
        assert!(run.stderr.contains("'--json' cannot be used with"), "{arguments:?}: {}", run.stderr);
    }
    let end = FakeTerminal::start(&sandbox, &["--json", "python"]).wait_for_end();
    assert_eq!(end.code, 2, "{}", end.screen.all);
    assert!(end.screen.all.contains("--json cannot be used with the prompt"), "{}", end.screen.all);
}

#[test]
fn both_streams_of_a_session_in_one_file_keep_their_order() {
    let sandbox = Sandbox::new();
    let path = sandbox.work().join("both");
    let file = std::fs::File::create(&path).unwrap();
    let code = "import sys\nfor i in range(200):\n  print(i)\n  print(i, file=sys.stderr)";
    let mut command = sandbox.command(&["-q", "-t", "kept", "-c", code, "python"]);
    command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
    assert!(command.status().unwrap().success());
    let expected: String = (0..200).map(|i| format!("{i}\n{i}\n")).collect();
    assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
}
