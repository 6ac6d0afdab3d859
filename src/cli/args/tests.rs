//! Tests of the command line: what is accepted, and what is refused with which words.

use super::*;

#[test]
fn the_flags_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn every_subcommand_is_known_to_the_rule_for_mistyped_ones() {
    let command = Arguments::command();
    let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    assert_eq!(names, crate::repl::SUBCOMMANDS);
}

#[test]
fn a_command_line_without_subcommands_needs_no_table_of_them() {
    let short = |words: &[&str]| {
        let words: Vec<_> =
            std::iter::once("bai-repl").chain(words.iter().copied()).map(Into::into).collect();
        Arguments::read_without_commands(&words)
    };
    let whole = |words: &[&str]| {
        let words = std::iter::once("bai-repl").chain(words.iter().copied());
        Arguments::from_arg_matches(&Arguments::command().try_get_matches_from(words).unwrap()).unwrap()
    };
    let same: &[&[&str]] = &[
        &[],
        &["-c", "print(1)", "python", "y", "-x"],
        &["--json", "-q", "python:3.6", "a.py", "--rm"],
        &["--volume", "data", "--endpoint", "local", "--keep"],
    ];
    for words in same {
        assert_eq!(format!("{:?}", short(words).unwrap()), format!("{:?}", whole(words)), "{words:?}");
    }
    for words in [&["python", "ls"][..], &["python", "rm", "x"], &["-q", "python", "app", "help"]] {
        let open = short(words).unwrap().open;
        assert_eq!(
            open.script,
            words.iter().skip_while(|word| **word != "python").skip(1).copied().collect::<Vec<_>>()
        );
    }
    // Here the table decides, or names the subcommands.
    let others: &[&[&str]] = &[
        &["ls"],
        &["help"],
        &["--help"],
        &["--version"],
        &["-q", "rm", "x"],
        &["-t", "ls", "ls"],
        &["--jsn"],
    ];
    for words in others {
        assert!(short(words).is_none(), "{words:?}");
    }
}

#[test]
fn a_flag_in_the_wrong_place_is_told_the_right_one() {
    let refused = |words: &str| {
        Arguments::read(std::iter::once("bai-repl").chain(words.split(' '))).unwrap_err().to_string()
    };
    for words in ["-t work run python a.py", "--rm run python a.py", "-c 1 run python"] {
        assert!(
            refused(words).contains("cannot be used with the command 'run'; put it after 'run'"),
            "{words}"
        );
    }
    assert!(!refused("-t work ls").contains("put it after"));
    for words in [&["", "-c", "1"][..], &["run", "", "a.py"], &["-c", "1", ""]] {
        let words = std::iter::once("bai-repl").chain(words.iter().copied());
        let message = Arguments::read(words).unwrap_err().to_string();
        assert!(
            message.contains("a value is required for '[IMAGE]'") || message.contains("'<IMAGE>'"),
            "{message}"
        );
    }
}

#[test]
fn an_image_is_not_a_command() {
    let arguments = Arguments::read(["bai-repl", "-t", "work", "python:3.6", "a.py"]).unwrap();
    assert!(arguments.command.is_none());
    assert_eq!(arguments.open.image.as_deref(), Some("python:3.6"));
    assert_eq!(arguments.open.script, ["a.py"]);
    let arguments = Arguments::read(["bai-repl", "attach", "work", "--json"]).unwrap();
    assert!(
        matches!(arguments.command, Some(CliCommand::Attach(attach)) if attach.subject.session == "work")
    );
    assert!(arguments.global.json);
    let arguments = Arguments::read(["bai-repl", "--json", "--endpoint", "http://h", "ls"]).unwrap();
    assert!(matches!(arguments.command, Some(CliCommand::Ls(_))) && arguments.global.json);
    assert_eq!(arguments.global.endpoint.as_deref(), Some("http://h"));
}

#[test]
fn what_follows_a_script_belongs_to_it() {
    let read = |words: &[&str]| Arguments::read([&["bai-repl"], words].concat()).unwrap();
    let arguments = read(&["--json", "python", "a.py", "ls", "-c", "--json", "x"]);
    assert_eq!(arguments.open.script, ["a.py", "ls", "-c", "--json", "x"]);
    assert!(arguments.command.is_none() && arguments.open.code.is_none() && arguments.global.json);
    for words in [["-c", "1", "python", "a", "-b"], ["python", "-c", "1", "a", "-b"]] {
        let arguments = read(&words);
        assert_eq!(
            (arguments.open.image.as_deref(), arguments.open.code.as_deref()),
            (Some("python"), Some("1"))
        );
        assert_eq!(arguments.open.script, ["a", "-b"]);
    }
    assert_eq!(read(&["python", "-", "a"]).open.script, ["-", "a"]);
    assert!(Arguments::read(["bai-repl", "python", "--jsn"]).is_err());
}

#[test]
fn a_tilde_is_the_home_folder_of_the_machine_that_the_path_is_on() {
    let home = bai_client::expand_tilde("~/x");
    assert_ne!(home, PathBuf::from("~/x"));
    let read = |words: &str| Arguments::read(std::iter::once("bai-repl").chain(words.split(' '))).unwrap();
    let open = read("python --media-dir=~/x --bootstrap-script=~/x").open;
    for path in [open.media_dir, open.creation.session.bootstrap_script] {
        assert_eq!(path.as_ref(), Some(&home));
    }
    let Some(CliCommand::Serve(serve)) = read("serve --workdir=~/x").command else { panic!() };
    assert_eq!(serve.workdir.as_ref(), Some(&home));
    let Some(CliCommand::Runner(runner)) =
        read("runner c ~/x --workdir=~/x --config=~/x --service-defs=~/x").command
    else {
        panic!()
    };
    assert_eq!([runner.runtime, runner.workdir], [Some(home.clone()), Some(home.clone())]);
    assert_eq!([&runner.config, &runner.service_defs], [&home; 2]);
    let Some(CliCommand::Run(run)) = read("run c ~/x --basedir=~/x").command else { panic!() };
    assert_eq!((run.files, run.basedir.as_ref()), (vec![home.clone()], Some(&home)));
    let Some(CliCommand::Upload(upload)) = read("upload work ~/x --to ~/x").command else { panic!() };
    assert_eq!((upload.flags.files, &*upload.flags.to), (vec![home.clone()], "x"));
    let Some(CliCommand::Download(download)) = read("download work ~/x --to=~/x").command else { panic!() };
    assert_eq!((download.flags.paths, download.flags.to), (vec!["x".to_owned()], home));
    let Some(CliCommand::Files(files)) = read("files work ~").command else { panic!() };
    assert_eq!(files.flags.path.as_deref(), Some("."));
}

#[test]
fn wrong_usage_is_reported() {
    for wrong in [
        &["-e", "=x", "python"][..],
        &["--rm", "--keep"],
        &["--transport", "pigeon"],
        &["-t", "work", "ls"],
        &["ls", "-t", "work"],
        &["pty", "work", "--json"],
        &["--json", "themes", "dark"],
        &["completions", "bash", "--json"],
        &["rm", ""],
        &["download", "work", ""],
        &["upload", "work", ""],
    ] {
        assert!(Arguments::read([&["bai-repl"], wrong].concat()).is_err(), "{wrong:?}");
    }
}
