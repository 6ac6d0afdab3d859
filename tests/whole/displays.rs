//! Output that takes the place of earlier output, and what programs ask of the prompt: in Python's sessions and in a Jupyter kernel.

use bai_testkit::{FakeTerminal, PROMPT, Sandbox};

const IMAGES: [&str; 2] = ["python", "jupyter:python3"];

#[test]
fn a_loop_that_clears_and_draws_leaves_one_frame() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    for image in IMAGES {
        let terminal = FakeTerminal::at_prompt(&sandbox, &[image]);
        terminal.run(PROMPT, "from IPython.display import SVG, clear_output, display");
        terminal.run(PROMPT, "box = SVG(\"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'><rect width='64' height='64'/></svg>\")");
        terminal
            .enter("for i in range(50): clear_output(wait=True); print('frame', i); display(box)\u{1b}\r\r");
        let screen = terminal.wait_until("the last frame", |screen| screen.has_line("frame 49"));
        let frames = screen.all.lines().filter(|line| line.starts_with("frame ")).count();
        assert_eq!(frames, 1, "{image}: {}", screen.all);
        terminal.wait_for_prompt(PROMPT);
        terminal.send("\x04");
        assert_eq!(terminal.wait_for_end().code, 0);
    }
}

#[test]
fn a_display_is_updated_in_its_place() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    for image in IMAGES {
        let terminal = FakeTerminal::at_prompt(&sandbox, &[image]);
        terminal.run(PROMPT, "from IPython.display import display");
        terminal.enter("h = display('one', display_id=True); print('below'); h.update('two'); print('end')");
        let screen = terminal.wait_until("the update", |screen| screen.has_line("end"));
        let lines: Vec<&str> = screen.all.lines().map(str::trim_end).collect();
        let at = lines
            .iter()
            .position(|line| *line == "'two'")
            .unwrap_or_else(|| panic!("{image}: {}", screen.all));
        assert_eq!(lines[at..at + 3], ["'two'", "below", "end"], "{image}: {}", screen.all);
        assert!(!screen.has_line("'one'"), "{image}: {}", screen.all);
        terminal.wait_for_prompt(PROMPT);
        // A display of an earlier cell is shown once.
        terminal.enter("for i in range(9): h.update(i * 111)");
        terminal.send("\r");
        let screen = terminal.wait_until("the last state", |screen| screen.has_line("888"));
        assert!(!screen.has_line("777"), "{image}: {}", screen.all);
        terminal.wait_for_prompt(PROMPT);
        terminal.send("\x04");
        assert_eq!(terminal.wait_for_end().code, 0);
    }
}

#[test]
fn a_loaded_file_fills_the_next_prompt() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    std::fs::write(sandbox.home().join("loaded.py"), "x = 40\ny = x + 2\n").unwrap();
    let file = sandbox.home().join("loaded.py").display().to_string();
    let terminal = FakeTerminal::at_prompt(&sandbox, &["jupyter:python3"]);
    terminal.enter(&format!("%load {file}"));
    terminal.wait_until("the code", |screen| screen.all.contains("y = x + 2"));
    terminal.send("; print('sum', y)\r");
    terminal.wait_until("the edited code", |screen| screen.has_line("sum 42"));
    terminal.wait_for_prompt(PROMPT);
    terminal.enter("def leave(): get_ipython().ask_exit()\u{1b}\rleave()");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_pipe_gets_the_first_and_the_last_state() {
    let Some(sandbox) = Sandbox::with_test_venv() else { return };
    let code = "from IPython.display import clear_output, display\nh = display(0, display_id=True)\nfor i in range(99):\n    \
                clear_output(wait=True)\n    h.update(i)\nprint('end')";
    for image in IMAGES {
        sandbox.run(&["-q", "-c", code, image]).expect(0, "0\nend\n98\n");
    }
    let run = sandbox.run(&["-q", "--json", "-c", "display(0, display_id='a').update(1)", "python"]);
    let events: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&events[0]["display"]["id"], &events[0]["data"]), (&"a".into(), &"0\n".into()));
    assert_eq!((&events[1]["display"]["update"], &events[1]["data"]), (&true.into(), &"1\n".into()));
}
