//! Mistakes in the configuration and in flags: what they stop, what they do not stop, and when they are reported.

use bai_testkit::Sandbox;

fn configure(sandbox: &Sandbox, text: &str) {
    let folder = sandbox.home().join(".config/bai-repl");
    std::fs::create_dir_all(folder.join("themes")).unwrap();
    std::fs::write(folder.join("config.toml"), text).unwrap();
}

#[test]
fn a_mistake_in_a_theme_does_not_end_a_script() {
    let sandbox = Sandbox::new();
    let themes = sandbox.home().join(".config/bai-repl/themes");
    for (theme, why) in [("mine", "mine.toml"), ("nobody", "there is no theme \"nobody\"")] {
        configure(&sandbox, &format!("theme = \"{theme}\"\n"));
        std::fs::write(themes.join("mine.toml"), "[styles]\nprompt = \"redd\"\n").unwrap();
        let run = sandbox.run(&["-c", "print(6 * 7)", "python"]);
        assert_eq!((run.code, run.stdout.as_str()), (Some(0), "42\n"), "{}", run.stderr);
        assert!(run.stderr.contains("warning") && run.stderr.contains(why), "{}", run.stderr);
        let json = sandbox.run(&["--json", "-c", "print(6 * 7)", "python"]);
        assert_eq!(json.code, Some(0), "{}", json.stderr);
        assert!(json.stdout.contains("\"42\\n\""), "{}", json.stdout);
    }
    // A theme file that cannot be used is a mistake in that file, whichever setting names it.
    let named = sandbox.run(&["--theme", "mine", "-c", "print(1)", "python"]);
    assert_eq!((named.code, named.stdout.as_str()), (Some(0), "1\n"), "{}", named.stderr);
}

#[test]
fn settings_of_the_terminal_do_not_end_a_script_that_has_none() {
    let sandbox = Sandbox::new();
    for wrong in ["graphics = \"telepathy\"", "cell = \"10\"", "background = \"red-ish\""] {
        configure(&sandbox, &format!("[terminal]\n{wrong}\n"));
        for arguments in [&["-c", "print(1)", "python"][..], &["--json", "-c", "print(1)", "python"]] {
            let run = sandbox.run(arguments);
            assert_eq!(run.code, Some(0), "{wrong}: {}", run.stderr);
        }
    }
}

#[test]
fn a_wrong_flag_is_reported_before_a_session_is_created() {
    let sandbox = Sandbox::new();
    sandbox.write("file", "no folder");
    for (flag, value, why) in [
        ("--graphics", "telepathy", "--graphics or BAI_REPL_GRAPHICS is \"telepathy\""),
        ("--theme", "nobody", "there is no theme \"nobody\""),
        ("--media-dir", "file", "file is not a folder"),
        ("--media-dir", "file/in", "file is not a folder"),
    ] {
        let subcommand = ["run", flag, value, "-t", "work", "-c", "print(1)", "python"];
        for arguments in [&subcommand[1..], &subcommand[..]] {
            let run = sandbox.run(arguments);
            assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
            assert!(run.stderr.contains(why), "{arguments:?}: {}", run.stderr);
            let listed = sandbox.run(&["ls"]);
            assert_eq!(listed.code, Some(123), "a session was created: {}", listed.stdout);
        }
    }
}
