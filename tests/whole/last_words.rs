//! What the kernel prints when it ends: when the prompt does, and before another one takes its place.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox, ipython_environments, need};

/// A destructor, an exit handler and a thread that is waited for, each with a text that is not typed.
const SPEAKERS: [&str; 3] = [
    "import atexit, threading, time; _ = atexit.register(print, 'at ' + 'exit')",
    "kept = type('Kept', (), {'__del__': lambda self: print('de' + 'leted')})()",
    "threading.Thread(target=lambda: (threading.main_thread().join(), print('th' + 'read'))).start()",
];

fn speakers(terminal: &FakeTerminal) {
    SPEAKERS.iter().for_each(|code| drop(terminal.run(PROMPT, code)));
}

const WORDS: [&str; 3] = ["thread", "at exit", "deleted"];

#[test]
fn what_python_prints_at_its_end_is_shown_before_the_prompt_ends() {
    let mut sandboxes = vec![Sandbox::new()];
    for environment in ipython_environments() {
        let mut sandbox = Sandbox::new();
        sandbox.unset("BAI_REPL_PYTHON_SHELL");
        sandbox.set("VIRTUAL_ENV", environment.to_str().unwrap());
        sandboxes.push(sandbox);
    }
    for (sandbox, leave) in sandboxes.iter().zip(["\x04", "exit()\r", "print(1); exit()\r"]) {
        let terminal = FakeTerminal::at_prompt(sandbox, &["python"]);
        speakers(&terminal);
        terminal.send(leave);
        let end = terminal.wait_for_end();
        assert_eq!(end.code, 0, "{}", end.screen.all);
        let lines: Vec<&str> = end.screen.all.lines().collect();
        let said: Vec<&str> = lines.iter().copied().filter(|line| WORDS.contains(line)).collect();
        assert_eq!(said, WORDS, "{}", end.screen.all);
        assert!(lines.last().unwrap().ends_with("is destroyed"), "{}", end.screen.all);
    }
}

#[test]
fn what_the_kernel_prints_before_a_restart_is_shown() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    speakers(&terminal);
    terminal.enter(":restart");
    let screen = terminal.wait_for("the kernel is new");
    assert!(WORDS.iter().all(|word| screen.has_line(word)), "{}", screen.all);
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("'kept' in globals()");
    terminal.wait_until("the new kernel", |screen| screen.has_line("False"));
    // What a cell of the new one has registered comes once.
    terminal.run(PROMPT, SPEAKERS[0]);
    terminal.send("\x04");
    let end = terminal.wait_for_end();
    assert_eq!(end.screen.all.lines().filter(|line| *line == "at exit").count(), 2, "{}", end.screen.all);
}

#[test]
fn ctrl_c_does_not_wait_for_a_thread_that_goes_on() {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["python"]);
    terminal.run(PROMPT, "import threading");
    let waits = "threading.Thread(target=lambda: (threading.main_thread().join(), print('ends'), \
                 threading.Event().wait())).start()";
    terminal.run(PROMPT, waits);
    terminal.send("\x04");
    terminal.wait_until("its last word", |screen| screen.has_line("ends"));
    terminal.send("\x03");
    let end = terminal.wait_for_end();
    assert_eq!(end.code, 0, "{}", end.screen.all);
    assert!(end.screen.all.trim_end().ends_with("is destroyed"), "{}", end.screen.all);
}

#[test]
fn other_languages_have_last_words_too() {
    for (image, code, word) in [
        ("nodejs", "process.on('exit', () => console.log('at ' + 'exit')); 0", "at exit"),
        ("ruby", "at_exit { puts 'at ' + 'exit' }; nil", "at exit"),
        ("bash", "trap 'echo at \"exit\"' EXIT", "at exit"),
    ] {
        if !need(if image == "nodejs" { "node" } else { image }) {
            continue;
        }
        let sandbox = Sandbox::new();
        let terminal = FakeTerminal::start(&sandbox, &[image]);
        let prompt = format!("{image} ❯");
        terminal.wait_for_prompt(&prompt);
        terminal.enter(code);
        terminal.wait_for_prompt(&prompt);
        terminal.send("\x04");
        let end = terminal.wait_for_end();
        let lines: Vec<&str> = end.screen.all.lines().map(str::trim_end).collect();
        let [.., said, over] = lines.as_slice() else { panic!("{}", end.screen.all) };
        assert!(*said == word && over.ends_with("is destroyed"), "{}", end.screen.all);
    }
}
