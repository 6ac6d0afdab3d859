//! The streams of a Python script that are pipes, files or devices: they are those of this program itself, with nothing of ours between.
//! Each is compared with Python itself in the same line of a shell.

use super::script_signals::{Python, pythons};
use super::script_terminal::play;
use bai_testkit::{FakeTerminal, Gate, Sandbox, binary, code_of};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::pipe;
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

const SCRIPT: &str = "s.py";

/// The beginning of scripts that tell what they find: on a file, since their streams are what is looked at.
const TELLS: &str = "import fcntl, mmap, os, select, signal, stat, subprocess, sys\n\
                     def tell(*what):\n  with open('told', 'a') as told: told.write(repr(what) + '\\n')\n\
                     def kind(n): return stat.S_IFMT(os.fstat(n).st_mode)\n";

/// The words that run the script in a Python itself, and in us.
fn programs(python: &Python) -> [String; 2] {
    [
        format!("'{}' {SCRIPT}", python.program.display()),
        format!("'{}' -q {} {SCRIPT}", binary(), python.image),
    ]
}

fn shell(sandbox: &Sandbox, line: &str) -> Command {
    let mut shell = sandbox.program("bash");
    shell.args(["-o", "pipefail", "-c", line]).stdin(Stdio::null());
    shell
}

/// What a line of a shell leaves: its exit code, what it prints, and files.
type Left = (Option<i32>, String, String, Vec<Option<String>>);

fn left(sandbox: &Sandbox, line: &str) -> Left {
    sandbox.write("in", "one\ntwo\nthree\n");
    sandbox.write("log", "before\n");
    let output = shell(sandbox, line).output().unwrap();
    let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let files = ["in", "out", "err", "log", "told"].map(|name| {
        let file = sandbox.work().join(name);
        let text = std::fs::read_to_string(&file).ok();
        let _ = std::fs::remove_file(file);
        text
    });
    (code_of(output.status), out, error, files.into())
}

/// Runs each script in each line, with Python itself and with us.
#[track_caller]
fn alike(scripts: &[&str], lines: &[&str]) {
    let sandbox = Sandbox::new();
    for script in scripts {
        sandbox.write(SCRIPT, format!("{TELLS}{script}"));
        for line in lines {
            for python in pythons() {
                let [own, ours] =
                    programs(&python).map(|program| left(&sandbox, &line.replace("PROGRAM", &program)));
                assert_eq!(ours, own, "{}: {line}: {script}", python.image);
            }
        }
    }
}

#[test]
fn the_streams_of_a_script_are_the_users_own() {
    alike(
        &[
            "tell([(kind(n), os.isatty(n), oct(fcntl.fcntl(n, fcntl.F_GETFL))) for n in range(3)])",
            "for s in (sys.stdin, sys.stdout, sys.stderr):\n  tell(s.name, s.mode, s.encoding, s.errors, s.fileno(), \
             s.line_buffering, s.seekable(), s.newlines, type(s), type(s.buffer), type(s.buffer.raw), s is sys.__stdin__)",
            // What they are in the environment of a program that it starts.
            "subprocess.call(['sh', '-c', 'for n in 0 1 2; do stat -L -c %F /proc/self/fd/$n >> told; done; head -n1'])",
            "print(sys.stdin.read(), end='')\nprint('said', file=sys.stderr)\nsys.exit(3)",
            "os.write(1, b'first\\n')\nprint('second')\nos.write(1, b'third\\n')\nsubprocess.call(['echo', 'fourth'])",
        ],
        &[
            "PROGRAM < in > out 2> err",
            "cat in | PROGRAM 2> err | cat",
            "PROGRAM < in > out 2>&1",
            "PROGRAM < in 2>&1 | cat",
            "PROGRAM < /dev/null > /dev/null 2>> log",
            "PROGRAM < in >> log",
            "PROGRAM <> in 1<> log",
        ],
    );
}

#[test]
fn a_script_may_seek_map_and_open_its_streams_again() {
    alike(
        &[
            "tell(sys.stdin.readline(), sys.stdin.seek(0), sys.stdin.read(), sys.stdin.buffer.tell())",
            "with mmap.mmap(0, 0, prot=mmap.PROT_READ) as m: tell(m[:], m.size())",
            "tell(os.read(0, 4), os.lseek(0, 0, os.SEEK_CUR))",
            "tell(open('/dev/stdin').read())\nprint('end')",
            "print('a', flush=True)\nwith open('/dev/stdout', 'a') as out: out.write('b\\n')\nprint('c')",
            "print('a', flush=True)\ntell(os.lseek(1, 0, os.SEEK_CUR), os.fstat(1).st_size)",
            "tell(os.sendfile(1, 0, 0, 8))",
            "tell(select.select([0], [1], [], 0), os.fstat(0).st_size)",
            "tell(input('x? '), input('y? '))",
            "os.ftruncate(1, 3)",
        ],
        &["PROGRAM < in > out", "PROGRAM < in >> log", "(PROGRAM; cat) < in > out"],
    );
}

#[test]
fn the_order_and_the_buffers_of_the_output_are_pythons() {
    alike(
        &["for i in range(3000):\n  print(i)\n  print(i, file=sys.stderr)"],
        &[
            "PROGRAM > out 2>&1",
            "PYTHONUNBUFFERED=1 PROGRAM > out 2>&1",
            "PYTHONUNBUFFERED=1 PROGRAM 2>&1 | cat",
        ],
    );
}

#[test]
fn a_reader_that_has_gone_and_a_full_disk_end_a_script_as_they_end_python() {
    let scripts = [
        "print('a')",
        "for i in range(100000): print(i)",
        "print('a', flush=True)",
        "print('a')\nprint('b', file=sys.stderr)\nsys.exit(3)",
        "try:\n  while True: os.write(1, b'y\\n')\nexcept OSError as error: print(error.errno, file=sys.stderr)",
        "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\nfor i in range(100000): print(i)",
    ];
    alike(&scripts, &["PROGRAM > /dev/full", "PROGRAM 2> err > /dev/full"]);
    let [_, long, .., caught, default] = scripts;
    alike(&[long, caught, default], &["PROGRAM | head -1", "PROGRAM | head -1; echo ${PIPESTATUS[0]}"]);
}

#[test]
fn a_script_that_closes_its_streams_goes_on() {
    alike(
        &[
            "sys.stdout.close()\ntell(sys.stdout.closed)",
            "os.close(1)\ntell(1)\nsys.stdout = None",
            "os.close(0)\ntell(os.open('/dev/null', os.O_RDONLY))",
            "os.dup2(os.open('told', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)\nprint('there')",
            "os.closerange(0, 3)\ntell('closed')",
        ],
        &["PROGRAM < in > out 2> err", "cat in | PROGRAM | cat"],
    );
}

#[test]
fn twenty_megabytes_arrive_byte_for_byte() {
    let sandbox = Sandbox::new();
    let data: Vec<u8> = (0..20_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    sandbox.write("data", &data);
    for script in [
        "import shutil, sys\nshutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)",
        "import sys\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line)",
    ] {
        sandbox.write(SCRIPT, script);
        for python in pythons() {
            let [_, ours] = programs(&python);
            for line in
                ["cat data | PROGRAM | cat > out", "PROGRAM < data > out", "PROGRAM < data | cat > out"]
            {
                let status = shell(&sandbox, &line.replace("PROGRAM", &ours)).status().unwrap();
                assert!(status.success(), "{}: {line}", python.image);
                assert!(
                    std::fs::read(sandbox.work().join("out")).unwrap() == data,
                    "{}: {line}",
                    python.image
                );
            }
        }
    }
}

#[test]
fn a_script_has_a_socket_where_its_user_has_one() {
    let sandbox = Sandbox::new();
    sandbox.write(
        SCRIPT,
        "import os, socket, sys\nends = [socket.fromfd(n, socket.AF_UNIX, socket.SOCK_STREAM) for n in (0, 1)]\n\
         print([end.type for end in ends], ends[0].recv(9, socket.MSG_PEEK), sys.stdin.read())\nsys.stdout.flush()\n\
         ends[1].shutdown(socket.SHUT_WR)\nsys.stderr.write('end')",
    );
    for python in pythons() {
        let [own, ours] = programs(&python).map(|program| {
            let (mut here, there) = UnixStream::pair().unwrap();
            let mut program = shell(&sandbox, &format!("exec {program}"));
            program.stdin(Stdio::from(std::os::fd::OwnedFd::from(there.try_clone().unwrap())));
            program.stdout(Stdio::from(std::os::fd::OwnedFd::from(there))).stderr(Stdio::piped());
            let child = program.spawn().unwrap();
            drop(program);
            here.write_all(b"asked\n").unwrap();
            here.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            here.read_to_string(&mut answer).unwrap();
            let output = child.wait_with_output().unwrap();
            (answer, output.status.code(), String::from_utf8(output.stderr).unwrap())
        });
        assert_eq!(ours, own, "{}", python.image);
    }
}

#[test]
fn the_flags_of_a_pipe_are_left_alone() {
    let sandbox = Sandbox::new();
    let script = "import fcntl, os, sys\nsys.stderr.write(oct(fcntl.fcntl(0, fcntl.F_GETFL)))\n\
                  try: os.read(0, 1)\nexcept BlockingIOError: sys.stderr.write(' would wait')";
    sandbox.write(SCRIPT, script);
    for python in pythons() {
        let [own, ours] = programs(&python).map(|program| {
            let (reader, writer) = pipe().unwrap();
            fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
            let mut program = shell(&sandbox, &format!("exec {program}"));
            let output = program.stdin(Stdio::from(reader.try_clone().unwrap())).output().unwrap();
            let flags = fcntl(&reader, FcntlArg::F_GETFL).unwrap();
            drop(writer);
            (String::from_utf8(output.stderr).unwrap(), flags)
        });
        assert_eq!(ours, own, "{}", python.image);
    }
}

#[test]
fn what_a_script_leaves_in_the_background_goes_on_and_writes_where_its_user_wants() {
    let sandbox = Sandbox::new();
    let gate = Gate::at(&sandbox.work().join("gate"));
    sandbox.write(
        SCRIPT,
        "import subprocess\nsubprocess.Popen(['sh', '-c', 'read go < gate; echo later'])\nprint('now')",
    );
    for python in pythons() {
        for program in programs(&python) {
            let mut child = shell(&sandbox, &format!("exec {program}"));
            let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(0), "{program}");
            gate.open();
            let mut printed = String::new();
            child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
            assert_eq!(printed, "now\nlater\n", "{program}");
        }
    }
}

#[test]
fn what_we_show_of_a_script_keeps_its_place_among_what_it_writes() {
    let sandbox = Sandbox::new();
    sandbox.write(
        SCRIPT,
        "for n in range(200):\n  print('before', n)\n  display({'application/x-thing': 'data'}, raw=True)\n  print('after', n)",
    );
    for python in pythons() {
        let run = sandbox.run(&["-q", &python.image, SCRIPT]);
        let is_ours = |line: &&str| line.starts_with("[application/x-thing");
        let both = sandbox.work().join("both");
        let file = File::create(&both).unwrap();
        let mut command = sandbox.command(&["-q", &python.image, SCRIPT]);
        command.stdout(file.try_clone().unwrap()).stderr(file);
        assert!(command.status().unwrap().success(), "{}", python.image);
        let text = std::fs::read_to_string(both).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 600, "{}: {text}", python.image);
        for (n, three) in lines.chunks(3).enumerate() {
            let [before, shown, after] = three else { panic!("{text}") };
            assert_eq!((*before, *after), (&*format!("before {n}"), &*format!("after {n}")), "{text}");
            assert!(is_ours(shown), "{text}");
        }
        assert_eq!(run.code, Some(0), "{}: {}", python.image, run.stderr);
        let all = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(all.lines().filter(is_ours).count(), 200, "{}: {all}", python.image);
    }
}

#[test]
fn files_beside_a_terminal_are_the_users_own_too() {
    let sandbox = Sandbox::new();
    let script = "print(open('/dev/stdin').read() if not os.isatty(0) else '')\nprint('shown', file=sys.stderr)\n\
                  tell([(kind(n), os.isatty(n), oct(fcntl.fcntl(n, fcntl.F_GETFL) & ~os.O_NONBLOCK)) for n in range(3) if not os.isatty(n)])\n\
                  tell([os.isatty(n) for n in range(3)], os.get_terminal_size(os.open('/dev/tty', os.O_RDONLY)))";
    sandbox.write(SCRIPT, format!("{TELLS}{script}"));
    for python in pythons() {
        for line in [
            "PROGRAM > out",
            "PROGRAM >> log",
            "PROGRAM < in > out",
            "PROGRAM < in",
            "PROGRAM < in > out 2> err",
        ] {
            let [own, ours] = programs(&python).map(|program| {
                sandbox.write("in", "one\n");
                sandbox.write("log", "before\n");
                let line = line.replace("PROGRAM", &program);
                let terminal = sandbox.in_terminal(&["bash", "-c", &line]);
                let end = play(FakeTerminal::start_command(terminal, 30, 90), &[]);
                let files = ["out", "err", "log", "told"].map(|name| {
                    let file = sandbox.work().join(name);
                    let text = std::fs::read_to_string(&file).ok();
                    let _ = std::fs::remove_file(file);
                    text
                });
                (end.code, end.screen.all.trim().to_owned(), files)
            });
            assert_eq!(ours, own, "{}: {line}", python.image);
        }
    }
}

#[test]
fn json_has_the_output_of_a_script_and_no_stream_is_lent() {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, "import sys\nprint(sys.stdin.read())\nprint('said', file=sys.stderr)");
    let run = sandbox.run_with_stdin(&["--json", "python", SCRIPT], b"asked");
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let events: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |kind: &str| -> String {
        let of_kind = events.iter().filter(|event| event["type"] == kind);
        of_kind.filter_map(|event| event["data"].as_str()).collect()
    };
    assert_eq!(
        (text("stdout").as_str(), text("stderr").as_str(), run.stderr.as_str()),
        ("asked\n", "said\n", "")
    );
}

#[test]
fn an_interpreter_that_cannot_start_is_reported_once() {
    let sandbox = Sandbox::new();
    sandbox.write(SCRIPT, "print('never')");
    for python in pythons() {
        let mut command = sandbox.command(&["-q", &python.image, SCRIPT]);
        let output = command.env("PYTHONHOME", "/nonexistent").output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_ne!(output.status.code(), Some(0), "{}: {error}", python.image);
        assert_eq!(error.matches("encodings").count(), own_complaints(&python), "{}: {error}", python.image);
        assert_eq!(error.matches("before it was ready").count(), 1, "{}: {error}", python.image);
    }
}

/// How often this Python itself names the module that is missing.
fn own_complaints(python: &Python) -> usize {
    let mut command = Command::new(&python.program);
    let output = command.env("PYTHONHOME", "/nonexistent").arg("-c").arg("").output().unwrap();
    String::from_utf8(output.stderr).unwrap().matches("encodings").count()
}
