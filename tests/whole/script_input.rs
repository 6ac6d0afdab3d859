//! The standard input of code without a prompt.

use super::script_signals::pythons;
use bai_testkit::{FakeTerminal, Sandbox, need};

#[test]
fn input_is_answered_from_standard_input() {
    let sandbox = Sandbox::new();
    let code = "a = input('name? '); b = input(); print(); print(a, b)";
    sandbox.run_with_stdin(&["-c", code, "python"], b"Ann\nLee\n").expect(0, "name? \nAnn Lee\n");
}

#[test]
fn standard_input_ends_for_the_program_too() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(&["-c", "print(repr(input()))", "python"]);
    run.expect(1, "");
    assert!(run.stderr.ends_with("EOFError: EOF when reading a line\n"), "{}", run.stderr);
    let binary: Vec<u8> = (0..=255).cycle().take(3_000_000).chain(*b"no newline").collect();
    sandbox.write(
        "sum.py",
        "import hashlib, sys\nprint(hashlib.sha256(sys.stdin.buffer.read()).hexdigest(), sys.argv[1:])",
    );
    for transport in ["ws", "poll"] {
        let arguments = ["--transport", transport, "python", "sum.py", "a", "--json"];
        let run = sandbox.run_with_stdin(&arguments, &binary);
        let sum = sandbox.run_with_stdin(&["run", "bash", "--exec", "sha256sum"], &binary).stdout;
        run.expect(0, &format!("{} ['a', '--json']\n", sum.split(' ').next().unwrap()));
    }
    sandbox
        .run_with_stdin(&["python", "-", "a"], b"import sys\nprint(sys.argv)\n7")
        .expect(0, "['-', 'a']\n");
    sandbox.run_with_stdin(&["python"], "\u{feff}print(1)".as_bytes()).expect(0, "1\n");
    for (image, program, code, printed) in [
        ("bash", "bash", "while read -r line; do echo \"<$line>\"; done; echo end", "<a>\n<b>\nend\n"),
        ("nodejs", "node", "console.log(require('fs').readFileSync(0, 'utf8').length)", "4\n"),
        ("nodejs", "node", "process.stdout.write('x'); 6 * 7", "x"),
        ("ruby", "ruby", "puts $stdin.read.length; 6 * 7", "4\n"),
        ("php", "php", "echo strlen(stream_get_contents(STDIN)); 6 * 7;", "4"),
        ("lua", "lua5.4", "print(#io.read('a')); return 6 * 7", "4\n"),
        ("perl", "perl", "my $n = () = <STDIN>; print \"$n\\n\"; 6 * 7", "2\n"),
        ("r", "Rscript", "cat(length(readLines('stdin')), '\\n')", "2 \n"),
        (
            "c",
            "gcc",
            "#include <stdio.h>\nint main() { int n = 0; while (getchar() != EOF) n++; printf(\"%d\\n\", n); }",
            "4\n",
        ),
    ] {
        if need(program) {
            sandbox.run_with_stdin(&["-q", "-c", code, image], b"a\nb\n").expect(0, printed);
        }
    }
}

#[test]
fn ends_of_lines_reach_python_as_they_are() {
    let sandbox = Sandbox::new();
    let code =
        "import sys; print(repr(input()), repr(next(sys.stdin)), repr(sys.stdin.read()), sys.stdin.mode)";
    for python in pythons() {
        let run = sandbox.run_with_stdin(&["-q", "-c", code, &python.image], b"a\r\nb\rc\r\n\nd\r");
        run.expect(0, "'a\\r' 'b\\rc\\r\\n' '\\nd\\r' r\n");
    }
}

#[test]
fn code_of_a_command_line_and_of_standard_input_has_arguments_too() {
    let sandbox = Sandbox::new();
    for (image, program, code, printed) in [
        ("bash", "bash", "echo \"$1 $2 $#\"", "a --b 2\n"),
        ("nodejs", "node", "console.log(process.argv.slice(-2).join())", "a,--b\n"),
        ("ruby", "ruby", "puts ARGV.join(',')", "a,--b\n"),
        ("perl", "perl", "print \"@ARGV\"", "a --b"),
        ("php", "php", "echo implode(',', array_slice($argv, 1));", "a,--b"),
        ("lua", "lua", "print(arg[1], arg[2])", "a\t--b\n"),
        ("r", "Rscript", "cat(commandArgs(TRUE))", "a --b"),
    ] {
        if need(program) {
            sandbox.run(&["-q", "-c", code, image, "a", "--b"]).expect(0, printed);
            sandbox.run_with_stdin(&["-q", image, "-", "a", "--b"], code.as_bytes()).expect(0, printed);
        }
    }
    if need("gcc") {
        let code = "#include <stdio.h>\nint main(int n, char **words) { return puts(words[1]) < 0 ? 9 : n; }";
        sandbox.write("main.c", code);
        sandbox.run(&["-q", "gcc", "main.c", "a b", "-x"]).expect(3, "a b\n");
    }
}

#[test]
fn a_question_of_a_script_is_seen_before_its_answer_is_typed() {
    let sandbox = Sandbox::new();
    for (image, program, name, text) in [
        ("ruby", "ruby", "ask.rb", "print 'name? '; puts \"hello #{gets}\""),
        ("perl", "perl", "ask.pl", "print 'name? '; print 'hello ', scalar <STDIN>"),
        ("lua", "lua", "ask.lua", "io.write('name? ') print('hello ' .. io.read())"),
    ] {
        if need(program) {
            sandbox.write(name, text);
            let terminal = FakeTerminal::start(&sandbox, &["-q", image, name]);
            terminal.wait_until("the question", |screen| screen.says("name?"));
            terminal.enter("Ann");
            terminal.wait_until("the answer", |screen| screen.says("hello Ann"));
            assert_eq!(terminal.wait_for_end().code, 0, "{image}");
        }
    }
}

#[test]
fn standard_input_is_a_script_for_attach_as_for_an_image() {
    let sandbox = Sandbox::new();
    sandbox.run(&["-t", "work", "-c", "kept = 70", "python"]).expect_code(0);
    sandbox.run_with_stdin(&["attach", "work"], b"print(kept + 7)").expect(0, "77\n");
    sandbox.run_with_stdin(&["attach", "work"], b"import sys; sys.exit(4)").expect_code(4);
    let json = sandbox.run_with_stdin(&["--json", "attach", "work"], b"print(kept + 7, end='')");
    assert_eq!(json.code, Some(0), "{}", json.stderr);
    for line in json.stdout.lines() {
        assert!(line.starts_with('{'), "{}", json.stdout);
    }
    assert!(json.stdout.contains("\"77\""), "{}", json.stdout);
}

#[test]
fn a_filter_gets_all_of_its_input_while_it_prints() {
    let sandbox = Sandbox::new();
    let copy = sandbox.write(
        "copy.py",
        "import sys\nwhile piece := sys.stdin.buffer.read(1 << 16): sys.stdout.buffer.write(piece)",
    );
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let input: Vec<u8> = std::iter::repeat_with(|| b' ' + byte() % 64).take(6_000_000).collect();
    let done = sandbox.run_with_stdin(&["python", copy.to_str().unwrap()], &input);
    done.expect_code(0);
    let printed = done.stdout.as_bytes();
    assert!(printed == input, "{} of {} bytes: {}", printed.len(), input.len(), done.stderr);
}
