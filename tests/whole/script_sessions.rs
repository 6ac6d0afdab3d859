//! Code without a prompt in sessions with a name, which it does not end.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox, code_of, need};

#[test]
fn a_session_with_a_name_begins_with_the_environment_of_its_creator() {
    let sandbox = Sandbox::new();
    // The engine starts without them.
    sandbox.run(&["-t", "first", "-c", "pass", "python"]).expect(0, "");
    let environment = sandbox.work().join("venv");
    let bin = environment.join("bin");
    let real = sandbox.run(&["-c", "import sys; print(sys.executable)", "python"]).stdout;
    let mut venv = sandbox.program(real.trim());
    assert!(venv.args(["-m", "venv", "--without-pip"]).arg(&environment).status().unwrap().success());
    let code = "import os, sys; print(os.environ.get('EXPORTED'), 'BACKEND_SECRET_KEY' in os.environ, sys.executable)";
    let mut command = sandbox.command(&["-t", "second", "-c", code, "python"]);
    command.env("EXPORTED", "here").env("VIRTUAL_ENV", &environment).env("BACKEND_SECRET_KEY", "hush");
    let output = command.output().unwrap();
    let wanted = format!("here False {}\n", bin.join("python").display());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        wanted,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    sandbox.run(&["-t", "third", "-c", code, "python"]).expect(0, &format!("None False {real}"));
}

#[test]
fn a_script_in_a_session_with_a_name_has_arguments_and_the_sessions_variables() {
    let sandbox = Sandbox::new();
    for (image, program, first, code, printed) in [
        ("bash", "bash", "x=5", "echo \"$x $1 $2\"", "5 a b it's\n"),
        ("ruby", "ruby", "x = 5", "puts x, ARGV.inspect", "5\n[\"a b\", \"it's\"]\n"),
        ("perl", "perl", "my $x = 5;", "print \"$x $ARGV[1]\\n\"", "5 it's\n"),
        ("lua", "lua", "x = 5", "print(x, arg[0], arg[2])", "5\t-c\tit's\n"),
        ("nodejs", "node", "var x = 5", "console.log(x, process.argv[3])", "5 it's\n"),
        ("php", "php", "$x = 5;", "echo $x, $argv[1];", "5a b"),
    ] {
        if need(program) {
            let name = format!("work-{image}");
            sandbox.run(&["-q", "-t", &name, "-c", first, image]).expect(0, "");
            sandbox.run(&["-q", "-t", &name, "-c", code, image, "a b", "it's"]).expect(0, printed);
        }
    }
}

#[test]
fn settings_that_an_existing_session_does_not_get_are_reported() {
    let sandbox = Sandbox::new();
    let print = "import os; print(os.environ['A'])";
    let first = sandbox.run(&["-t", "work", "-e", "A=1", "-c", print, "python"]);
    first.expect(0, "1\n");
    assert_eq!(first.stderr, "");
    let note = "the session work exists already; this had no effect: environment variables and resources";
    let flags = ["-t", "work", "-e", "A=2", "-r", "cpu=1"];
    let second = sandbox.run(&[&flags[..], &["-c", print, "python"]].concat());
    second.expect(0, "1\n");
    assert_eq!(second.stderr, format!("bai-repl: {note}\n"));
    assert_eq!(sandbox.run(&["-t", "work", "-c", print, "python"]).stderr, "");
    let tagged = |tag: &str| sandbox.run(&["-t", "other", "--tag", tag, "-c", "1", "python"]).stderr;
    let told = ["first", "first", "second"].map(|tag| tagged(tag).contains("no effect: tag"));
    assert_eq!(told, [false, false, true]);
    let run = sandbox.run(&[&["run"], &flags[..4], &["python", "--exec", "echo $A"]].concat());
    assert!(run.stderr.contains("no effect: environment variables\n"), "{}", run.stderr);
    let terminal = FakeTerminal::start(&sandbox, &[&flags[..], &["python"]].concat());
    terminal.wait_until("the note", |screen| screen.says(note));
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_script_is_told_that_the_interpreter_died_between_two_runs() {
    let sandbox = Sandbox::new();
    let pid = || {
        let run = sandbox.run(&["-t", "work", "-c", "import os; x = 1; print(os.getpid())", "python"]);
        run.expect_code(0);
        nix::unistd::Pid::from_raw(run.stdout.trim().parse().unwrap())
    };
    let sentence = "The python process was ended by signal SIGKILL (the system does this when memory runs out). \
                    A new one has been started; its variables are gone.\n";
    let died = |times: usize| {
        let is_said = || sandbox.run(&["logs", "work"]).stdout.matches(sentence).count() == times;
        assert!((0..200).any(|_| is_said()), "{}", sandbox.run(&["logs", "work"]).stdout);
    };
    nix::sys::signal::kill(pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    died(1);
    let script = ["-t", "work", "-c", "print('x' in globals())", "python"];
    let run = sandbox.run(&script);
    run.expect(0, "False\n");
    assert_eq!(run.stderr, sentence);
    // It is said once.
    assert_eq!(sandbox.run(&script).stderr, "");
    nix::sys::signal::kill(pid(), nix::sys::signal::Signal::SIGKILL).unwrap();
    died(2);
    let run = sandbox.run(&[&["--json"], &script[..]].concat());
    let first: serde_json::Value = serde_json::from_str(run.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first, serde_json::json!({"event": "console", "type": "stderr", "data": sentence}));
}

#[test]
fn what_a_program_prints_between_two_scripts_begins_the_next_one() {
    let sandbox = Sandbox::new();
    let gate = sandbox.work().join("gate");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let code = &format!(
        "import os, threading\n\
        def late():\n\
        \x20   open({gate:?}).read()\n\
        \x20   os.write(2, b'error\\n')\n\
        \x20   os.write(1, b'late \\xff\\n')\n\
        threading.Thread(target=late, daemon=True).start()"
    );
    for (flags, printed) in [(&[][..], "late \u{fffd}\nmine\n"), (&["--json"], "late \u{fffd}\\n")] {
        sandbox.run(&["-t", "work", "-c", code, "python"]).expect(0, "");
        std::fs::write(&gate, "").unwrap();
        let has_come = || sandbox.run(&["logs", "work"]).stdout.contains("late");
        assert!((0..200).any(|_| has_come()));
        let run = sandbox.run(&[flags, &["-t", "work", "-c", "print('mine')", "python"]].concat());
        assert!(run.stdout.contains(printed), "{run:?}");
        assert!(run.stderr.contains("error") || run.stdout.contains("error"), "{run:?}");
        sandbox.run(&["rm", "work"]).expect_code(0);
    }
}

#[test]
fn a_named_session_that_is_destroyed_afterwards_is_the_one_that_exists() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "x = 42", "python"]).expect_code(0);
    sandbox.run(&["-t", "work", "--rm", "-c", "print(x)", "python"]).expect(0, "42\n");
    sandbox.run(&["-t", "work", "-c", "print('x' in globals())", "python"]).expect(0, "False\n");
    let terminal = FakeTerminal::start(&sandbox, &["-t", "work", "--rm", "python"]);
    terminal.wait_for_prompt(PROMPT);
    terminal.run(PROMPT, "y = 1");
    terminal.leave();
    sandbox.run(&["-t", "work", "-c", "print('y' in globals())", "python"]).expect(0, "False\n");
}

#[test]
fn a_script_does_not_wait_longer_than_it_was_told_to() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "pass", "python"]).expect_code(0);
    let code = "print('begun', flush=True)\nwhile True: pass";
    let mut busy = sandbox.command(&["-t", "work", "-c", code, "python"]).spawn().unwrap();
    let mut begun = [0; 6];
    std::io::Read::read_exact(busy.stdout.as_mut().unwrap(), &mut begun).unwrap();
    let run = sandbox.run(&["-t", "work", "--max-wait", "1", "-c", "print(1)", "python"]);
    run.expect(124, "");
    assert!(run.stderr.contains("the code was not run: work has not answered for 1 s"), "{}", run.stderr);
    sandbox.run(&["interrupt", "work"]).expect_code(0);
    assert_eq!(code_of(busy.wait().unwrap()), Some(130));
    sandbox.run(&["-t", "work", "--max-wait", "60", "-c", "print(1)", "python"]).expect(0, "1\n");
}

#[test]
fn a_name_whose_session_runs_another_image_is_explained() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "print(1)", "python"]).expect_code(0);
    let other = sandbox.run(&["-t", "work", "-c", "echo 1", "bash"]);
    assert_eq!(other.code, Some(122), "{}", other.stderr);
    assert!(other.stderr.contains("a session of that name runs python"), "{}", other.stderr);
    assert!(other.stderr.contains("not bash"), "{}", other.stderr);
    assert!(other.stderr.contains("bai-repl attach work"), "{}", other.stderr);
    assert!(!other.stderr.contains("requested not to reuse"), "{}", other.stderr);
    assert_eq!(sandbox.run(&["-t", "work", "-c", "print(1)", "python"]).code, Some(0));
}
