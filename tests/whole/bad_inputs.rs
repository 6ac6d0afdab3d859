//! Each bad input leads to one clear sentence with a hint, the right exit code, and a restored terminal. No data is
//! lost.

use super::daemon::{Daemon, ProxiedEngine};
use bai_testkit::{FakeTerminal, Gate, Sandbox, Screen, binary};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

/// The exit codes from the help.
pub const CONNECT: i32 = 121;
pub const REFUSED: i32 = 122;
pub const NOT_FOUND: i32 = 123;
const LOST: i32 = 125;

/// Starts a server that answers every request with these bytes. Returns its endpoint.
pub fn canned(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1 << 14];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    endpoint
}

pub fn with_keypair(endpoint: &str) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.set("BACKEND_ENDPOINT", endpoint);
    sandbox.set("BACKEND_ACCESS_KEY", "AKIATESTTESTTEST0001");
    sandbox.set("BACKEND_SECRET_KEY", "a-secret-that-is-never-shown");
    sandbox
}

/// Checks what all failures have in common: the exit code, the words, and that no secret or escape sequence is shown.
#[track_caller]
pub fn expect_failure(sandbox: &Sandbox, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let run = sandbox.run(arguments);
    run.expect(code, "");
    for word in words {
        assert!(run.stderr.contains(word), "\"{word}\" is missing in:\n{}", run.stderr);
    }
    assert!(run.stderr.matches("could not").count() <= 1, "one sentence, not several:\n{}", run.stderr);
    assert!(!run.stderr.contains("a-secret-that-is-never-shown"), "{}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
    run.stderr
}

#[test]
fn an_unknown_image_is_named_with_what_there_is() {
    expect_failure(&Sandbox::new(), &["-c", "1", "cobol:85"], NOT_FOUND, &["cobol", "python"]);
}

#[test]
fn a_missing_interpreter_is_reported_with_what_to_install() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("PYENV_ROOT");
    sandbox.set("PATH", "/nonexistent");
    expect_failure(&sandbox, &["-c", "1", "python:3.6"], NOT_FOUND, &["Python", "install"]);
}

#[test]
fn a_full_standard_error_has_no_effect_on_the_exit_code() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Sandbox::new().command(&["-c", "1", "cobol:85"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(NOT_FOUND));
}

#[test]
fn an_endpoint_that_is_down_is_reported() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sandbox = with_keypair(&format!("http://127.0.0.1:{port}"));
    expect_failure(&sandbox, &["-c", "1", "python"], CONNECT, &["127.0.0.1", "refused"]);
}

#[test]
fn a_server_that_answers_html_is_reported() {
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 31\r\nConnection: close\r\n\r\n<html>\u{1b}]0;x\u{7}<b>welcome</b></html>";
    expect_failure(&with_keypair(&canned(html)), &["-c", "1", "python"], CONNECT, &["Backend.AI"]);
}

#[test]
fn a_wrong_key_is_reported() {
    let home = Sandbox::new();
    let daemon = Daemon::start(&home);
    let sandbox = with_keypair(&daemon.endpoint());
    expect_failure(&sandbox, &["-c", "1", "python"], REFUSED, &["key"]);
}

#[test]
fn wrong_usage_is_reported() {
    let sandbox = Sandbox::new();
    expect_failure(&sandbox, &["--no-such-flag"], 2, &["--no-such-flag"]);
    // A tip quotes words of the command line too.
    for word in ["--endpoi\u{202e}nt", "--endpoi\nnt=x"] {
        let said = expect_failure(&sandbox, &["ls", word], 2, &["--endpoi<U+", "tip:"]);
        assert!(!said.contains('\u{202e}') && !said.contains("\nnt"), "{said:?}");
    }
    expect_failure(&sandbox, &["--endpoint", "nonsense", "-c", "1"], 2, &["nonsense", "https://"]);
    expect_failure(&sandbox, &["-t", "a/b", "-c", "1", "python"], 2, &["name"]);
    expect_failure(&sandbox, &["python", "missing.py"], 2, &["missing.py"]);
}

#[test]
fn a_broken_configuration_is_reported_with_its_line() {
    let sandbox = Sandbox::new();
    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), "theme = \"dark\"\ntehme = \n").unwrap();
    expect_failure(&sandbox, &["-c", "1", "python"], 2, &["config.toml", "line 2"]);
    // An unknown key is a warning.
    std::fs::write(folder.join("config.toml"), "theme = \"dark\"\ntehme = 1\n").unwrap();
    let run = sandbox.run(&["-c", "print(1)", "python"]);
    run.expect(0, "1\n");
    assert!(run.stderr.contains("config.toml:2: tehme"), "{}", run.stderr);
}

#[test]
fn a_socket_cut_during_a_cell_loses_no_output() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    let go = sandbox.work().join("go");
    let gate = Gate::at(&go);
    let code = format!("print('before', flush=True)\nopen({go:?}).readline()\nprint('after')");
    let mut child = sandbox.command(&["-c", &code, "python"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "before\n");
    link.cut();
    gate.open();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), rest.as_str()), (Some(0), "after\n"), "{stderr}");
}

#[test]
fn a_link_that_stalls_and_recovers_loses_no_output() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    let go = sandbox.work().join("go");
    let gate = Gate::at(&go);
    let code = format!("print('before', flush=True)\nopen({go:?}).readline()\nprint('after')");
    let mut child = sandbox.command(&["-c", &code, "python"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    link.stall();
    gate.open();
    link.resume();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), rest.as_str()),
        (Some(0), "after\n"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_server_that_ends_during_a_cell_is_reported() {
    let ProxiedEngine { sandbox, link, .. } = &ProxiedEngine::new();
    let code = "print('before', flush=True)\nimport time\nwhile True: time.sleep(1)";
    let mut child = sandbox.command(&["-c", code, "python"]).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    link.refuse_connections();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(LOST), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn a_session_that_is_destroyed_during_a_cell_is_reported() {
    let run = Sandbox::new().run(&["-c", "print('before', flush=True)\nimport os\nos._exit(7)", "python"]);
    run.expect(7, "before\n");
    assert_eq!(run.stderr, "", "Python says no more");
    let run =
        Sandbox::new().run(&["-c", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "python"]);
    run.expect(139, "");
    assert!(run.stderr.contains("SIGSEGV"), "{}", run.stderr);
}

#[test]
fn invalid_utf8_is_replaced_and_split_characters_are_joined() {
    let code = "import os\n_ = os.write(1, b'a\\xff\\xe2\\x82'); _ = os.write(1, b'\\xac\\n')";
    Sandbox::new().run(&["-c", code, "python"]).expect(0, "a\u{fffd}€\n");
}

#[test]
fn hostile_output_never_reaches_the_terminal_raw() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt("python ❯");
    terminal.enter(r"print('\x1b]0;TITLE\x07\x1b[6n\x1b[2J\x1b[?1049h\x1b[?1000h\x1b[?25lMARK' + 'ER')");
    terminal.wait_for("MARKER");
    let screen = terminal.wait_for_prompt("python ❯");
    assert!(screen.cursor_shown);
    assert!(!screen.modes.intersects(alacritty_terminal::term::TermMode::MOUSE_MODE));
    assert!(!screen.modes.contains(alacritty_terminal::term::TermMode::ALT_SCREEN));
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    for forbidden in ["\x1b]0;TITLE", "\x1b[2J", "\x1b[?1049h", "\x1b[?1000h"] {
        assert!(!raw.contains(forbidden), "{forbidden:?}");
    }
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_paste_of_ten_thousand_lines_is_one_cell() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt("python ❯");
    let lines: String = (0..10_000).map(|i| format!("x{i} = {i}\n")).collect();
    terminal.paste(&format!("{lines}print('sum', x0 + x9999)"));
    terminal.send("\r");
    terminal.wait_for("sum 9999");
    terminal.wait_for_prompt("python ❯");
}

#[test]
fn a_tiny_terminal_works() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start_sized(&sandbox, &["-q", "python"], 3, 10);
    terminal.wait_for("python ❯");
    terminal.enter("6*7");
    terminal.wait_until("42", |screen| screen.has_line("42"));
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_dumb_terminal_gets_no_escapes() {
    let mut sandbox = Sandbox::new();
    sandbox.set("TERM", "dumb");
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt("python ❯");
    terminal.enter("6*7");
    let at_prompt = |screen: &Screen| screen.last_line() == "python ❯";
    terminal.wait_until("42", |screen| screen.has_line("42") && at_prompt(screen));
    // Input that is typed while a cell runs counts as a line.
    let gate = Gate::at(&sandbox.work().join("go"));
    terminal.enter("print('wait' + 'ing'); _ = open('go').readline()");
    terminal.wait_until("the cell", |screen| screen.has_line("waiting"));
    terminal.enter("1/0");
    gate.open();
    let screen = terminal
        .wait_until("the error", |screen| screen.all.contains("ZeroDivisionError") && at_prompt(screen));
    assert!(screen.has_line("python ❯ 1/0"), "{}", screen.all);
    // An empty line ends a block, also one on one line.
    terminal.enter("if 0: pass");
    for (more, line) in ["else: print('el' + 'se')", ""].into_iter().enumerate() {
        terminal.wait_until("a further line", |screen| screen.all.matches('…').count() == more + 1);
        terminal.enter(line);
    }
    terminal.wait_until("else", |screen| screen.all.contains("else\n") && at_prompt(screen));
    assert!(!terminal.raw().contains(&0x1b), "{:?}", String::from_utf8_lossy(&terminal.raw()));
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_folder_that_was_deleted_is_a_place_to_start() {
    let sandbox = Sandbox::new();
    let start = |arguments: &[&'static str]| {
        let there = "mkdir -p gone && cd gone && rmdir ../gone && exec \"$@\"";
        [&["sh", "-c", there, "sh", binary(), "-q", "python"], arguments].concat()
    };
    for (arguments, shown) in [(["-c", "print(1)"], "1\n"), (["-p", "6 * 7"], "42\n")] {
        let words = start(&arguments);
        let output = sandbox.program(words[0]).args(&words[1..]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), shown, "{output:?}");
    }
    let terminal = FakeTerminal::start_command(sandbox.in_terminal(&start(&[])), 24, 80);
    terminal.wait_for_prompt("python ❯");
    terminal.run("python ❯", "!echo a program");
    terminal.enter("%cd /");
    terminal.enter("import os; 'now in ' + os.getcwd()");
    let screen = terminal.wait_until("the place", |screen| screen.has_line("'now in /'"));
    assert!(screen.has_line("a program"), "{}", screen.all);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn no_color_means_no_colour() {
    let mut sandbox = Sandbox::new();
    sandbox.set("NO_COLOR", "1");
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt("python ❯");
    terminal.enter("def f(): return 'text'");
    terminal.send("\r");
    terminal.enter("1/0");
    terminal.wait_for("ZeroDivisionError");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let coloured = raw.split("\x1b[").skip(1).find(|rest| {
        let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
        let colour = |part: &str| {
            part.parse::<u32>()
                .is_ok_and(|n| (30..=38).contains(&n) || (40..=48).contains(&n) || (90..=107).contains(&n))
        };
        rest[end..].starts_with('m') && rest[..end].split(';').any(colour)
    });
    assert_eq!(coloured, None);
}

#[test]
fn text_that_disguises_itself_is_named_while_it_is_edited_and_afterwards() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let names = |screen: &Screen| screen.all.matches("<U+202E>").count();
    terminal.paste("x = '\u{202e}cba'");
    terminal.wait_for("not shown above: <U+202E>");
    terminal.enter("");
    terminal.wait_until("the line in the scrollback", |screen| screen.all.contains("x = '<U+202E>cba'"));
    terminal.wait_for_prompt(bai_testkit::PROMPT);
    // Recalled from the history.
    terminal.send("\x1b[A");
    terminal.wait_for("not shown above: <U+202E>");
    terminal.enter("");
    terminal.wait_until("the recalled line", |screen| names(screen) == 2);
    terminal.wait_for_prompt(bai_testkit::PROMPT);
    // As a suggestion behind the line, and in an answer to a question with such a text.
    terminal.send("x =");
    terminal.wait_until("the suggestion", |screen| screen.last_line().ends_with("x = '<U+202E>cba'"));
    terminal.send("\x03");
    terminal.wait_for_prompt(bai_testkit::PROMPT);
    terminal.enter("len(input('who\u{202e}? '))");
    terminal.wait_for("who<U+202E>?");
    terminal.send("a\u{202e}b");
    terminal.wait_for("not shown above: <U+202E>");
    terminal.enter("");
    terminal.wait_for("who<U+202E>? a<U+202E>b");
    let screen = terminal.wait_for_prompt(bai_testkit::PROMPT);
    // The program got the character.
    assert!(screen.all.lines().any(|line| line.trim_end() == "3"), "{}", screen.all);
    // In the prompt of a search.
    terminal.send("\x12no\u{202e}such");
    terminal.wait_for("(failed reverse-i-search)`nosuch'");
    terminal.send("\x03");
    terminal.wait_for_prompt(bai_testkit::PROMPT);
    terminal.enter(":history");
    terminal.wait_for("1  x = '<U+202E>cba'");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains('\u{202e}'), "{raw:?}");
}

#[test]
fn json_for_programs_does_not_act_on_a_terminal() {
    let sandbox = Sandbox::new();
    let run =
        sandbox.run(&["--json", "-c", "print('\\x9b31m\\u202e \\x7f größe\\u200b\\u061c\\u2028')", "python"]);
    run.expect_code(0);
    let acts = |c: char| c != '\n' && (c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!run.stdout.contains(acts), "{:?}", run.stdout);
    assert!(run.stdout.contains("\\u009b31m\\u202e \\u007f größe\\u200b\\u061c\\u2028"), "{}", run.stdout);
    for line in run.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    let folder = sandbox.home().join(".config/bai-repl/themes");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("mine.toml"), "inherit = 'a\u{202e}\u{9b}'\n").unwrap();
    let themes = sandbox.run(&["--json", "themes"]);
    themes.expect_code(0);
    assert!(!themes.stdout.contains(acts) && themes.stdout.contains("\\u202e"), "{:?}", themes.stdout);
}
