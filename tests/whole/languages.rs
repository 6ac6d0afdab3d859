//! Languages other than Python at the prompt: the same keys and the same behaviour. Languages that are not installed
//! are left out.

use bai_protocol::language;
use bai_testkit::{FakeTerminal, Sandbox, need, need_one_of};

/// Whether a language is installed. The line at the end of the run names it as the tests of the runner do.
fn need_language(name: &str) -> bool {
    need_one_of(name, language::of_name(name).unwrap().programs)
}

/// Runs definitions, a question, an error and an interrupt at the prompt, and leaves.
fn visit(image: &str, prompt: &str, cells: [(&str, &str); 4], endless: &str) {
    let sandbox = Sandbox::new();
    let terminal = FakeTerminal::start(&sandbox, &[image]);
    terminal.wait_for_prompt(prompt);
    for (cell, shown) in cells {
        terminal.enter(cell);
        if cell.contains("who? ") {
            terminal
                .wait_until("the question", |screen| screen.all.lines().any(|line| line.starts_with("who?")));
            terminal.enter("Ann");
        }
        terminal.wait_until(shown, |screen| {
            screen.all.lines().any(|line| line.contains(shown) && !line.contains('❯'))
        });
        terminal.wait_for_prompt(prompt);
    }
    terminal.enter(endless);
    terminal.wait_until("on", |screen| screen.has_line("on"));
    terminal.send("\x03");
    terminal.wait_for_prompt(prompt);
    terminal.send("\x04");
    assert_eq!(terminal.wait_for_end().code, 0);
}

#[test]
fn a_visit_to_bash() {
    if need_language("bash") {
        let cells = [
            ("cd /usr; word=kept", ""),
            ("echo $word in $PWD", "kept in /usr"),
            ("read -p 'who? ' name; echo hi $name", "hi Ann"),
            ("no-such-command", "exit code 127"),
        ];
        visit("bash", "bash ❯", cells, "echo on; while :; do sleep 0.01; done");
    }
}

#[test]
fn a_visit_to_node() {
    if need_language("nodejs") {
        let cells = [
            ("const word = await Promise.resolve('kept')", ""),
            ("word + ' here'", "'kept here'"),
            ("console.log('hi ' + prompt('who? '))", "hi Ann"),
            ("word.x.y", "TypeError: Cannot read properties of undefined"),
        ];
        visit("nodejs", "nodejs ❯", cells, "console.log('on'); while (true);");
    }
}

#[test]
fn a_visit_to_ruby() {
    if need_language("ruby") {
        let cells = [
            ("word = 'kept'; nil", ""),
            ("\"#{word} here\"", "=> \"kept here\""),
            ("print 'who? '; puts 'hi ' + gets", "hi Ann"),
            ("word.nothing", "undefined method `nothing' for \"kept\":String (NoMethodError)"),
        ];
        visit("ruby", "ruby ❯", cells, "puts 'on'; loop {}");
    }
}

#[test]
fn a_visit_to_perl() {
    if need_language("perl") {
        let cells = [
            ("my $word = 'kept';", ""),
            ("\"$word here\"", "'kept here'"),
            ("print 'who? '; my $name = <STDIN>; print \"hi $name\"", "hi Ann"),
            ("die 'lost'", "lost at <cell 4> line 1"),
        ];
        visit("perl", "perl ❯", cells, "print \"on\\n\"; while (1) {}");
    }
}

#[test]
fn a_visit_to_php() {
    if need_language("php") {
        let cells = [
            ("function word() { return 'kept'; }", ""),
            ("word() . ' here'", "= \"kept here\""),
            ("$name = readline('who? '); echo \"hi $name\\n\"", "hi Ann"),
            ("throw new Exception('lost')", "Exception: lost in <cell 4>:1"),
        ];
        visit("php", "php ❯", cells, "echo \"on\\n\"; while (true);");
    }
}

#[test]
fn a_visit_to_lua() {
    if need_language("lua") {
        let cells = [
            ("local word = 'kept'", ""),
            ("word .. ' here'", "kept here"),
            ("io.write('who? '); print('hi ' .. io.read())", "hi Ann"),
            ("error('lost')", "<cell 4>:1: lost"),
        ];
        visit("lua", "lua ❯", cells, "print('on'); while true do end");
    }
}

#[test]
fn a_visit_to_c() {
    if need_language("c") {
        let cells = [
            ("puts(\"one program\");", "one program"),
            ("printf(\"%d\\n\", 6 * 7);", "42"),
            ("char n[9]; printf(\"who? \"); scanf(\"%8s\", n); printf(\"hi %s\\n\", n);", "hi Ann"),
            ("int x = ;", "error"),
        ];
        visit("gcc", "c ❯", cells, "puts(\"on\"); for (;;);");
    }
}

#[test]
fn a_visit_to_r() {
    if need_language("r") {
        let cells = [
            ("word <- 'kept'", ""),
            ("paste(word, 'here')", "[1] \"kept here\""),
            ("cat('hi', readline('who? '), '\\n')", "hi Ann"),
            ("log('a')", "Error in log(\"a\") : non-numeric argument"),
        ];
        visit("r-base", "r ❯", cells, "cat('on\\n'); repeat {}");
    }
}

#[test]
fn a_visit_to_octave() {
    if need_language("octave") {
        let cells = [
            ("word = 'kept';", ""),
            ("[word ' here']", "ans = kept here"),
            ("printf('hi %s\\n', input('who? ', 's'));", "hi Ann"),
            ("no_such_name", "error: 'no_such_name' undefined"),
        ];
        visit("octave", "octave ❯", cells, "disp('on'), while true, end");
    }
}

#[test]
fn a_visit_to_sqlite() {
    if need("python3") {
        let cells = [
            ("create table t(word text); insert into t values ('kept');", ""),
            ("select word, 6 * 7 from t;", "│ kept │    42 │"),
            (".schema t", "CREATE TABLE t(word text);"),
            ("select * from nowhere;", "Error: no such table: nowhere"),
        ];
        let endless = ".print on\x1b\rwith recursive c(i) as (select 1 union all select i from c) select count(*) from c;";
        visit("sqlite", "sqlite ❯", cells, endless);
    }
}
