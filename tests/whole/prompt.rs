//! A user at the prompt: keys in, screen out.

use bai_testkit::{FakeTerminal, Gate, PROMPT, Sandbox, need, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::LocalFlags;
use nix::unistd::Pid;

#[test]
fn notices_are_broken_between_words() {
    let sandbox = Sandbox::new();
    for columns in [60, 100] {
        let terminal = FakeTerminal::start_sized(&sandbox, &["-t", "work", "python"], 24, columns);
        terminal.run(PROMPT, "1");
        sandbox.run(&["rm", "work"]).expect(0, "");
        terminal.enter("1");
        let sentence = "the session is gone, with its variables: :restart or :new opens it again, \
                        :replay also runs its cells again";
        let screen = terminal.wait_until("the notice", |screen| screen.says(sentence));
        // A line that the terminal breaks has all its columns in one line here.
        let lines =
            screen.all.lines().filter(|line| sentence.contains(line.trim()) && !line.trim().is_empty());
        assert!(lines.clone().count() >= 2, "{}", screen.all);
        assert!(lines.into_iter().all(|line| line.len() <= usize::from(columns)), "{}", screen.all);
        terminal.send("\x04");
        terminal.wait_for_end();
    }
}

#[test]
fn a_function_over_several_lines_is_defined_and_called() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("def area(r):");
    terminal.enter("return 3 * r ** 2");
    terminal.send("\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("area(2)");
    terminal.wait_until("12", |screen| screen.has_line("12"));
    terminal.leave();
}

#[test]
fn late_answers_of_the_terminal_do_not_appear_in_the_prompt() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("ALACRITTY_WINDOW_ID");
    let terminal = FakeTerminal::start_silent(&sandbox, &["python"]);
    terminal.wait_for_prompt(PROMPT);
    let known = || std::fs::read_to_string(sandbox.home().join(".cache/bai-repl/terminals")).unwrap();
    assert!(known().contains("silent"), "it is not asked again: {}", known());
    terminal.send("print(");
    terminal.answer();
    terminal.enter("6 * 7)");
    let screen = terminal.wait_until("42", |screen| screen.has_line("42"));
    assert!(screen.has_line(&format!("{PROMPT} print(6 * 7)")), "{}", screen.all);
    terminal.leave();
    assert!(!known().contains("silent"), "it is asked again next time: {}", known());
}

#[test]
fn the_banner_shows_the_server_the_image_and_the_session() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let screen = terminal.screen();
    assert!(screen.all.contains("embedded engine"), "{}", screen.all);
    assert!(screen.all.contains(":help"), "{}", screen.all);
    terminal.leave();
}

#[test]
fn another_version_than_requested_is_reported_before_the_first_cell() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start(&sandbox, &["python:3.5"]);
    terminal.wait_for("python:3.5 is not here; using 3.");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("6 * 7");
    let screen = terminal.wait_until("42", |screen| screen.has_line("42"));
    assert_eq!(screen.all.matches("is not here").count(), 1, "{}", screen.all);
    terminal.leave();

    // A cell that runs before the session is open must not hide it.
    let terminal = FakeTerminal::start(&sandbox, &["python:3.5"]);
    terminal.wait_for(PROMPT);
    terminal.enter("6 * 7");
    let screen = terminal.wait_until("42", |screen| screen.has_line("42"));
    assert_eq!(screen.all.matches("is not here").count(), 1, "{}", screen.all);
    terminal.leave();
}

#[test]
fn tab_completes_names_and_attributes_from_the_kernel() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    // This text is not in the history, so no grey suggestion shows it.
    terminal.run(PROMPT, "globals()['unmistak' + 'able_name'] = 'text'");
    let typed = |text: &str| PROMPT.chars().count() + 1 + text.len();
    terminal.send("unmistak\t");
    terminal.wait_until("the name", |screen| screen.cursor.1 == typed("unmistakable_name"));
    terminal.send(".isidenti\t");
    terminal.wait_until("the attribute", |screen| {
        screen.cursor.1 >= typed("unmistakable_name.isidentifier")
            && screen.last_line().contains("unmistakable_name.isidentifier")
    });
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn input_is_asked_in_place() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("print('hello ' + input('who? '))");
    terminal.wait_until("the question", |screen| screen.last_line().starts_with("who?"));
    terminal.enter("Ann");
    terminal.wait_until("the answer", |screen| screen.has_line("hello Ann"));
    assert!(terminal.screen().has_line("who? Ann"));
    terminal.leave();
}

#[test]
fn a_password_is_never_shown_or_kept() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("import getpass; print(len(getpass.getpass('key: ')))");
    terminal.wait_until("the question", |screen| screen.last_line().starts_with("key:"));
    terminal.enter("hush-hush");
    terminal.wait_until("its length", |screen| screen.has_line("9"));
    terminal.wait_for_prompt(PROMPT);
    assert!(!String::from_utf8_lossy(&terminal.raw()).contains("hush"));
    terminal.leave();
    for entry in walk(&sandbox.home()) {
        let content = std::fs::read(&entry).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains("hush"), "{}", entry.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(walk(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

#[test]
fn ctrl_c_stops_a_loop_and_the_variables_are_still_there() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "kept = 41");
    terminal.paste("print('looping')\nwhile True: pass");
    terminal.send("\r");
    terminal.wait_until("the loop", |screen| screen.has_line("looping"));
    terminal.send("\x03");
    terminal.wait_for("KeyboardInterrupt");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("kept + 1");
    terminal.wait_until("42", |screen| screen.has_line("42"));
    terminal.leave();
}

#[test]
fn ctrl_c_at_the_prompt_clears_the_cell() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    // Also after Esc, which begins a key of two parts.
    for keys in ["\x03", "\x1b\x03"] {
        terminal.send("half a thought");
        terminal.wait_until("the text", |screen| screen.last_line().ends_with("half a thought"));
        terminal.send(keys);
        terminal.wait_for_prompt(PROMPT);
    }
    terminal.leave();
}

#[test]
fn keys_typed_while_a_cell_runs_are_kept() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let gate = Gate::at(&sandbox.work().join("go"));
    terminal.enter("print('wait' + 'ing'); _ = open('go').readline()");
    terminal.wait_until("the cell", |screen| screen.has_line("waiting"));
    terminal.enter("'ahead ' * 2");
    terminal.enter("'again'");
    gate.open();
    terminal
        .wait_until("both cells", |screen| screen.has_line("'ahead ahead '") && screen.has_line("'again'"));
    terminal.leave();
}

#[test]
fn a_restart_clears_the_namespace_and_keeps_the_session() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "gone = 1");
    terminal.enter(":restart");
    terminal.wait_until("the prompt", |screen| {
        screen.last_line() == PROMPT && screen.all.contains("restart") && !screen.all.ends_with(":restart")
    });
    terminal.enter("'gone' in globals()");
    terminal.wait_until("False", |screen| screen.has_line("False"));
    terminal.leave();
}

#[test]
fn else_moves_to_its_if_as_it_is_typed() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("if not 1:");
    terminal.enter("print('no')");
    terminal.send("else:");
    terminal.wait_until("the line to move", |screen| screen.has_line("else:"));
    terminal.send("\r");
    terminal.enter("print('six' + 'teen')");
    terminal.send("\r");
    terminal.wait_until("the other branch", |screen| screen.has_line("sixteen"));
    terminal.leave();
}

#[test]
fn a_crash_is_reported_and_a_new_kernel_is_ready() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "kept = 1");
    terminal.enter("import os; os.kill(os.getpid(), 11)");
    terminal.wait_for("SIGSEGV");
    terminal.wait_for(":replay");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("6*7");
    terminal.wait_until("42", |screen| screen.has_line("42"));
    terminal.leave();
}

#[test]
fn up_finds_the_last_cell_that_begins_with_what_is_typed() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "value = 6 * 7");
    terminal.run(PROMPT, "other = 1");
    terminal.send("val\x1b[A");
    terminal.wait_until("the cell", |screen| screen.last_line() == "python ❯ value = 6 * 7");
    terminal.send("\x1b[B");
    terminal.wait_until("what was typed", |screen| screen.last_line().starts_with("python ❯ val"));
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    terminal.send("\x1b[A");
    terminal.wait_until("the last cell", |screen| screen.last_line() == "python ❯ other = 1");
    terminal.send("\x1b[A\r");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn history_is_kept_for_the_next_time() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("'first' + ' time'");
    terminal.wait_until("it", |screen| screen.has_line("'first time'"));
    terminal.leave();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.send("\x1b[A");
    terminal.wait_until("the cell", |screen| screen.last_line().contains("'first' + ' time'"));
    terminal.send("\x03");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn a_window_that_changes_its_size_keeps_the_cell() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.send("kept = 'through the change'");
    terminal.wait_until("the cell", |screen| screen.last_line().ends_with("change'"));
    terminal.resize(40, 120);
    terminal.send("; print(kept)\r");
    terminal.wait_until("the output", |screen| screen.has_line("through the change"));
    let screen = terminal.wait_for_prompt(PROMPT);
    assert_eq!(screen.cursor.1, PROMPT.chars().count() + 1);
    terminal.leave();
}

#[test]
fn a_picture_appears() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    // A red square of 8 by 8 pixels, written with the standard library only.
    terminal.paste(
        "import struct, zlib\n\
         def chunk(kind, data): return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n\
         class Red:\n\
         \x20   def _repr_png_(self):\n\
         \x20       rows = b''.join(b'\\x00' + b'\\xff\\x00\\x00' * 8 for _ in range(8))\n\
         \x20       head = struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0)\n\
         \x20       return b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')\n\
         Red()",
    );
    terminal.send("\r");
    terminal.wait_until("half blocks", |screen| screen.all.contains('▄') || screen.all.contains('▀'));
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}

#[test]
fn the_terminal_is_restored_after_every_kind_of_end() {
    let sandbox = Sandbox::new();
    for name in ["Ctrl-D", ":quit", "SIGTERM", "SIGHUP"] {
        let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
        match name {
            "Ctrl-D" => terminal.send("\x04"),
            ":quit" => terminal.enter(":quit"),
            _ => kill(Pid::from_raw(terminal.pid()), name.parse::<Signal>().unwrap()).unwrap(),
        }
        let end = terminal.wait_for_end();
        let expected = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        assert!(end.line_discipline.contains(expected), "{name}: {:?}", end.line_discipline);
        assert!(end.screen.cursor_shown, "{name}");
        assert!(!end.screen.modes.contains(alacritty_terminal::term::TermMode::BRACKETED_PASTE), "{name}");
    }
}

#[test]
fn a_failed_new_session_keeps_the_current_one() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "kept = 6 * 7");
    for (line, told) in [(":new phyton", "phyton"), (":new --help", ":new [IMAGE]")] {
        terminal.enter(line);
        terminal.wait_until(told, |screen| {
            screen.all.matches(told).count() > screen.all.matches(line).count() / 2
        });
        let screen = terminal.wait_for_prompt(PROMPT);
        assert!(!screen.all.contains("is destroyed"), "{}", screen.all);
        assert_eq!(screen.all.matches("embedded engine").count(), 1, "{}", screen.all);
        terminal.enter("kept");
        terminal.wait_until("42", |screen| screen.has_line("42"));
        terminal.wait_for_prompt(PROMPT);
    }
    terminal.enter(":new python");
    terminal.wait_until("another banner", |screen| screen.all.matches("embedded engine").count() == 2);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("'kept' in globals()");
    terminal.wait_until("False", |screen| screen.has_line("False"));
    terminal.leave();
}

#[test]
fn an_unknown_command_is_not_sent_to_the_kernel() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start(&sandbox, &["python"]);
    terminal.wait_for_prompt(PROMPT);
    for (typed, shown) in [
        (":nope", "there is no command :nope"),
        (":rm x (", "there is no command :rm"),
        (":histroy", "did you mean :history?"),
        (":help nope", "there is no command :nope"),
    ] {
        terminal.send("\x15\x0c");
        terminal.wait_for_prompt(PROMPT);
        terminal.enter(typed);
        terminal.wait_for(shown);
        terminal.wait_for_prompt(PROMPT);
        assert!(!terminal.screen().all.contains("SyntaxError"), "{}", terminal.screen().all);
    }
    terminal.enter(":exit");
    assert_eq!(terminal.wait_for_end().code, 0);

    let mistyped = FakeTerminal::start(&sandbox, &["lss"]);
    mistyped.wait_for("did you mean bai-repl ls?");
}

#[test]
fn the_help_is_wrapped_at_blanks_and_names_the_key() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start_sized(&sandbox, &["python"], 110, 80);
    terminal.wait_for_prompt(PROMPT);
    let screen = terminal.run(PROMPT, ":help");
    assert!(screen.all.contains("(also with Ctrl-])"), "{}", screen.all);
    for words in [
        "scroll, sort, search,",
        "one, read its log or files",
        "leave (also :q, :exit, Ctrl-D, and the exit of the language itself)",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        let shown: Vec<_> = screen.all.split_whitespace().collect();
        assert!(shown.windows(words.len()).any(|window| window == words), "{words:?}: {}", screen.all);
    }
    terminal.leave();
}

#[test]
fn the_words_that_leave_the_prompt_of_a_language_leave_this_one() {
    let sandbox = Sandbox::new();
    for (image, program, word) in [
        ("python", "python3", "exit()"),
        ("python", "python3", "quit"),
        ("bash", "bash", "exit"),
        ("sqlite", "python3", ".quit"),
        ("nodejs", "node", ".exit"),
        ("r", "Rscript", "q()"),
        ("c", "gcc", "exit"),
    ] {
        if !need(program) {
            continue;
        }
        let terminal = FakeTerminal::start(&sandbox, &[image]);
        terminal.wait_for_prompt(&format!("{image} ❯"));
        terminal.enter(word);
        assert_eq!(terminal.wait_for_end().code, 0, "{image}: {word}");
    }
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("x = 5; quit()");
    assert_eq!(terminal.wait_for_end().code, 0);
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("(lambda: exit())()");
    terminal.wait_for("ends the cell alone");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("if 1: raise SystemExit\n");
    terminal.wait_for("SystemExit ends the cell alone");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("6 * 7");
    terminal.wait_until("42", |screen| screen.has_line("42"));
    terminal.leave();
}

#[test]
fn ctrl_d_at_a_question_ends_the_input_of_the_program() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("input('name? ')");
    terminal.wait_for("name? ");
    terminal.send("\x04");
    terminal.wait_for("EOFError");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("import subprocess; print(subprocess.run(['cat'], stdout=-1).stdout)");
    terminal.enter("from the keyboard");
    terminal.send("\x04");
    terminal.wait_for(r"b'from the keyboard\n'");
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("input('again? ')");
    terminal.wait_for("again? ");
    terminal.enter("Ann");
    terminal.wait_for("'Ann'");
    terminal.leave();
}

#[test]
fn a_question_that_nobody_waits_for_any_more_disappears() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let go = sandbox.home().join("go");
    terminal.enter(&format!(
        "import os, signal, threading, time; go = {:?}; wait = lambda: [time.sleep(.01) for _ in iter(lambda: os.path.exists(go), True)]",
        go.to_str().unwrap()
    ));
    terminal.wait_for_prompt(PROMPT);
    for question in ["input('name? ')", "__import__('getpass').getpass('name? ')"] {
        terminal.enter(&format!(
            "_ = signal.signal(signal.SIGALRM, lambda *_: 1 / 0); threading.Thread(target=lambda: (wait(), os.kill(os.getpid(), signal.SIGALRM))).start(); {question}"
        ));
        terminal.wait_until("the question", |screen| screen.last_line().starts_with("name?"));
        terminal.send("typed");
        std::fs::write(&go, "").unwrap();
        terminal.wait_for("ZeroDivisionError");
        let kept = if question.starts_with("input") { format!("{PROMPT} typed") } else { PROMPT.to_owned() };
        terminal.wait_for_prompt(&kept);
        std::fs::remove_file(&go).unwrap();
        terminal.send("\x0c");
    }
    terminal.enter("'still ' + 'here'");
    terminal.wait_for("'still here'");
    terminal.leave();
}

#[test]
fn a_password_that_a_child_asks_for_is_hidden() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.enter("!python3 -c \"import getpass; print('got', len(getpass.getpass('pin? ')))\"");
    terminal.wait_until("the question", |screen| screen.last_line().starts_with("pin?"));
    terminal.enter("geheim");
    let screen = terminal.wait_for("got 6");
    assert!(!screen.all.contains("geheim"), "{}", screen.all);
    terminal.enter("input('and? ')");
    terminal.wait_until("the next question", |screen| screen.last_line().starts_with("and?"));
    terminal.enter("shown");
    terminal.wait_for("'shown'");
    terminal.leave();
}

#[test]
fn output_of_a_thread_appears_above_the_answer_that_is_typed() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    let (go, there) = (sandbox.home().join("go"), sandbox.home().join("there"));
    let code = "import os, threading, time\ndef late():\n    while not os.path.exists(GO): time.sleep(.01)\n    print('late', flush=True); open(THERE, 'w').close()\nthreading.Thread(target=late).start()\nprint('hello', input('name? '))";
    let quoted = |path: &std::path::Path| format!("{:?}", path.to_str().unwrap());
    let code = code.replace("GO", &quoted(&go)).replace("THERE", &quoted(&there));
    terminal.enter(&format!("exec({code:?})"));
    terminal.wait_until("the question", |screen| screen.last_line().starts_with("name?"));
    terminal.send("An");
    std::fs::write(&go, "").unwrap();
    let shown = terminal.wait_until("the output above the answer", |screen| {
        screen.last_line() == "name? An" && screen.has_line("late")
    });
    assert!(shown.all.trim_end().ends_with("\nlate\nname? An"), "{}", shown.all);
    wait_until("the thread goes on", || there.exists());
    terminal.enter("n");
    terminal.wait_for("hello Ann");
    terminal.enter(":output");
    terminal.wait_for("name? late");
    terminal.send("q");
    terminal.wait_for_prompt(PROMPT);
    terminal.leave();
}
