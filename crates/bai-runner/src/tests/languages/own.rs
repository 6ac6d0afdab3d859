//! Features of single languages.

use super::super::super::*;
use super::super::harness::{LIMIT, Session};
use bai_protocol::complete::CompletionRequest;
use tokio::time::timeout;

#[tokio::test]
async fn bash_keeps_its_state_after_a_cell_that_exits() {
    let mut session = Session::start("bash").await;
    session.value("declare -A m=([a]=\"1 '2\"); f() { echo \"f $1\"; }; alias g='f x'; shopt -s nullglob; readonly r=1").await;
    for (code, exit_code) in
        [("set -e; false; echo never", 1), ("(exit 4); echo never", 4), ("set +e; exit 5", 5)]
    {
        let outcome = session.run(code).await;
        assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("", exit_code), "{code}: {outcome:?}");
    }
    assert_eq!(
        session.value("echo $?; echo ${m[a]} $r; f y; echo /no/*; g").await,
        "5\n1 '2 1\nf y\n\nf x\n"
    );
    assert_eq!(session.run("false").await.exit_code, 1);
    assert_eq!(session.value("echo $?; break").await, "1\n");
    let outcome = session.run("echo 1; echo 2 >&2; echo 3; ls /nope; echo 4").await.sequence();
    assert_eq!(outcome[..3], ["O:1\n", "E:2\n", "O:3\n"]);
    assert_eq!(outcome[4], "O:4\n");
    let outcome = session.run("echo 'a").await;
    assert!(outcome.stderr().contains("unexpected EOF") && outcome.exit_code != 0, "{outcome:?}");
    assert_eq!(
        session
            .run_with("while IFS= read -r line; do echo \"<$line>\"; done", &["a", " b", "\u{4}"])
            .await
            .stdout(),
        "<a>\n< b>\n"
    );
    assert_eq!(session.run_with("cat | tr a-z A-Z", &["again", "\u{4}"]).await.stdout(), "AGAIN\n");
    assert_eq!(
        session
            .value("printf 'x\\ny\\n' | while read -p no line; do echo $line; done; read z <<<here; echo $z")
            .await,
        "x\ny\nhere\n"
    );
}

#[tokio::test]
async fn node_knows_modules_and_waits_for_promises() {
    if resolve("nodejs").is_err() {
        return bai_testkit::leave_out("nodejs");
    }
    let mut session = Session::start("nodejs").await;
    std::fs::write(session.folder.path().join("mine.mjs"), "export default 1; export const two = 2;")
        .unwrap();
    for (code, shown) in [
        ("import one, { two as zwei } from './mine.mjs'", ""),
        ("[one, zwei, `${'import('}`, (await import('./mine.mjs')).two]", "[ 1, 2, 'import(', 2 ]\n"),
        ("import * as os from 'os'", ""),
        ("os === require('os'), typeof os.cpus + typeof path.join", "'functionfunction'\n"),
        ("const a = 1", ""),
        ("const a = 2; a", "2\n"),
        ("{x: 1}", "{ x: 1 }\n"),
        ("{ let y = 3; y }", "3\n"),
        ("_ + 1", "4\n"),
        ("class P { constructor() { this.v = 5n } }", ""),
        ("[new P(), Symbol('s'), -0, NaN]", "[ P { v: 5n }, Symbol(s), -0, NaN ]\n"),
        ("Symbol('s')", "Symbol(s)\n"),
        ("NaN", "NaN\n"),
        ("await new Promise(r => setTimeout(() => r('slept'), 5))", "'slept'\n"),
    ] {
        assert_eq!(session.value(code).await, shown, "{code}");
    }
    let outcome = session.run("console.log(1); console.error(2); console.log(3); function f() { throw new RangeError('far') }\nf()").await;
    assert_eq!(outcome.sequence()[..3], ["O:1\n", "E:2\n", "O:3\n"]);
    let text = outcome.stderr();
    assert!(
        text.contains("RangeError: far\n    at f (<cell")
            && !text.contains("driver")
            && !text.contains("inspector"),
        "{text}"
    );
    let ask = "const rl = require('readline').createInterface({ input: process.stdin });\n\
               const line = await new Promise(r => rl.question('name? ', r)); rl.close(); line";
    assert_eq!(session.run_with(ask, &["Zoé"]).await.stdout(), "'Zoé'\n");
    for endless in ["console.log('on'); await new Promise(() => {})", "await 0; console.log('on'); for (;;);"]
    {
        session.send(Op::Code(endless.to_owned())).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        assert_eq!(session.finish().await.exit_code, 1);
        assert_eq!(session.value("a").await, "2\n", "after {endless}");
    }
    session.send(Op::Code("console.log('on'); for (;;);".to_owned())).await;
    session.until_output("on\n").await;
    let request = CompletionRequest::at("os.cpu", 6);
    let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
    assert_eq!((completion.start, completion.suggestions), (Some(3), vec!["cpus".to_owned()]));
    session.send(Op::Interrupt).await;
    session.finish().await;
}

#[tokio::test]
async fn r_prints_values_as_its_console_does() {
    if resolve("r").is_err() {
        return bai_testkit::leave_out("r");
    }
    let mut session = Session::start("r").await;
    for (code, shown) in [
        ("x <- c(a = 1, b = 2)", ""),
        ("x; invisible(3)", "a b \n1 2 \n"),
        (".Last.value", "[1] 3\n"),
        ("data.frame(n = 1:2, s = c('a', 'b'))", "  n s\n1 1 a\n2 2 b\n"),
        (
            "setClass('P', representation(x = 'numeric')); setMethod('show', 'P', function(object) cat('<P>\\n')); new('P', x = 1)",
            "<P>\n",
        ),
        ("print.mine <- function(x, ...) cat('mine\\n'); structure(1, class = 'mine')", "mine\n"),
        ("tryCatch(stop('x'), error = function(e) cat('caught\\n'))", "caught\n"),
        ("ls()", "[1] \"print.mine\" \"x\"         \n"),
        ("system('echo of a child')", "of a child\n"),
    ] {
        assert_eq!(session.value(code).await, shown, "{code}");
    }
    for (code, text, exit_code) in [
        ("log(-1)", "Warning message:\nIn log(-1) : NaNs produced\n", 0),
        ("for (i in 1:2) warning('w', i)", "Warning messages:\n1: w1\n2: w2\n", 0),
        ("for (i in 1:11) warning('w')", "There were 11 warnings (use warnings() to see them)\n", 0),
        ("stop('top')", "Error: top\n", 1),
        ("a b", "Error: <text>:1:3: unexpected symbol\n1: a b\n      ^\n", 1),
        ("f <- function() f(); f()", "Error: ", 1),
    ] {
        let outcome = session.run(code).await;
        assert!(outcome.stderr().starts_with(text), "{code}: {outcome:?}");
        assert_eq!(outcome.exit_code, exit_code, "{code}");
    }
    let code =
        "cat('1\\n'); message('2'); print(3); cat('4\\n', file = stderr()); writeLines('5'); warning('6')";
    let outcome = session.run(code).await;
    assert_eq!(
        outcome.sequence(),
        ["O:1\n", "E:2\n", "O:[1] 3\n", "E:4\n", "O:5\n", "E:Warning message:\n6\n"]
    );
    assert!(session.value("?nlevels").await.contains("The Number of Levels of a Factor"));
}

#[tokio::test]
async fn r_reads_what_is_typed_and_is_interrupted_where_it_waits() {
    if resolve("r").is_err() {
        return bai_testkit::leave_out("r");
    }
    let mut session = Session::start("r").await;
    for (code, lines, shown) in [
        ("readLines('stdin', n = 2)", &["a", "é"][..], "[1] \"a\" \"é\"\n"),
        ("readLines(file('stdin'))", &["a", "\u{4}"], "[1] \"a\"\n"),
        ("sum(scan(quiet = TRUE))", &["1 2", "3", ""], "1: 3: 4: [1] 6\n"),
        ("scan('stdin', n = 2, quiet = TRUE)", &["1", "2"], "[1] 1 2\n"),
        ("menu(c('one', 'two'))", &["2"], "1: one\n2: two\n\nSelection: [1] 2\n"),
        ("system('read x; echo got $x')", &["it"], "got it\n"),
    ] {
        assert_eq!(session.run_with(code, lines).await.stdout(), shown, "{code}");
    }
    for waits in [
        "cat('on\\n'); Sys.sleep(100)",
        "system(\"awk 'BEGIN { print \\\"on\\\"; fflush(); while (1) x++ }'\")",
        "cat('on\\n'); readLines('stdin')",
        "cat('on\\n'); tryCatch(repeat {}, error = print)",
    ] {
        session.send(Op::Code(format!("{waits}; cat('never\\n')"))).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        assert_eq!((outcome.stdout().trim(), outcome.exit_code), ("", 1), "{waits}: {outcome:?}");
        assert_eq!(session.value("1").await, "[1] 1\n", "after {waits}");
    }
    session.value("d <- data.frame(alpha = 1)").await;
    for (code, expected, start) in
        [("x <- d$al", "d$alpha", 5), ("stats::med", "stats::median", 0), ("é <- 1; mean(1, tr", "trim=", 16)]
    {
        let request = CompletionRequest::at(code, code.chars().count());
        let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
        assert!(completion.suggestions.iter().any(|s| s.starts_with(expected)), "{code}: {completion:?}");
        assert_eq!(completion.start, Some(start), "{code}");
    }
}

#[tokio::test]
async fn plots_of_r_are_shown_page_by_page_and_can_be_added_to() {
    if resolve("r").is_err() {
        return bai_testkit::leave_out("r");
    }
    let mut session = Session::start("r").await;
    let picture = "[image/png]".to_owned();
    for (code, pages) in [
        ("plot(1:3)", 1),
        ("lines(3:1)", 1),
        ("x <- 1", 0),
        ("for (i in 1:3) plot(i)", 3),
        ("par(mfrow = c(1, 2)); plot(1); plot(2)", 1),
        ("plot(1); dev.off()", 1),
        ("grid::grid.newpage(); grid::grid.text('a')", 1),
        ("png(tempfile()); plot(1); invisible(dev.off())", 0),
    ] {
        let outcome = session.run(code).await;
        let shown = outcome.sequence().iter().filter(|item| **item == picture).count();
        assert_eq!((shown, outcome.exit_code, outcome.stderr()), (pages, 0, String::new()), "{code}");
    }
}

#[tokio::test]
async fn octave_shows_values_and_figures_and_keeps_the_order() {
    if resolve("octave").is_err() {
        return bai_testkit::leave_out("octave");
    }
    // Its figures are drawn by gnuplot, which complains about a font that is missing.
    if !bai_testkit::need("gnuplot") {
        return;
    }
    if !std::path::Path::new("/usr/share/fonts/opentype/freefont/FreeSans.otf").exists() {
        return bai_testkit::leave_out("the font FreeSans");
    }
    let mut session = Session::start("octave").await;
    for (code, shown) in [
        ("x = 3", "x = 3\n"),
        ("x * 2; y = [1 2; 3 4]", "y =\n\n   1   2\n   3   4\n\n"),
        ("if x > 2\n  disp('big') % it's\nend", "big\n"),
        ("[status, text] = system('echo of a child')", "status = 0\ntext = of a child\n\n"),
        ("clear all", ""),
        ("fclose all;", ""),
        ("clear; who", ""),
    ] {
        assert_eq!(session.value(code).await, shown, "{code}");
    }
    let outcome = session
        .run("puts(\"1\\n\"); fputs(stderr, \"2\\n\"); disp(3); warning('four'); puts(\"5\\n\");")
        .await;
    assert_eq!(outcome.sequence(), ["O:1\n", "E:2\n", "O:3\n", "E:warning: four\n", "O:5\n"]);
    assert_eq!(session.run_with("n = input('number? ') + 1", &["6 * 7"]).await.stdout(), "number? n = 43\n");
    let outcome = session.run("function f(x)\n  error('bad %d', x);\nend\nf(2)").await;
    assert_eq!(outcome.stderr(), "error: bad 2\nerror: called from\n    f at line 2 column 3\n");
    // A command reports that it runs. It is one process, because a shell that starts the next command notices no interrupt.
    for waits in [
        "disp('on'); pause(100)",
        "system(\"awk 'BEGIN { print \\\"on\\\"; fflush(); while (1) x++ }'\")",
        "disp('on'); try, while true, end, catch, end",
    ] {
        session.send(Op::Code(format!("{waits}; disp('never')"))).await;
        session.until_output("on\n").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        assert_eq!((outcome.stdout().trim(), outcome.exit_code), ("", 1), "{waits}: {outcome:?}");
    }
    session.value("s.alpha = 1;").await;
    let completion =
        timeout(LIMIT, session.kernel.complete(CompletionRequest::at("é = s.al", 8))).await.unwrap();
    assert_eq!((completion.start, completion.suggestions), (Some(4), vec!["s.alpha".to_owned()]));
    for (code, figures) in [
        ("plot(1:3)", 1),
        ("hold on; plot(3:-1:1)", 1),
        ("x = 1;", 0),
        ("figure(2); surf(peaks); figure(3); bar(1:3)", 2),
        ("figure; close; title('again'); drawnow; pause(0.01)", 1),
    ] {
        let outcome = session.run(code).await;
        let shown = outcome.sequence().iter().filter(|item| *item == "[image/png]").count();
        assert_eq!((shown, outcome.exit_code, outcome.stderr()), (figures, 0, String::new()), "{code}");
    }
    // Other users cannot read a picture while it is made.
    let outcome = session
        .run("setenv('TMPDIR', pwd());\nfunction drawnow(terminal, file)\n  system(['stat -c %a ' fileparts(file)]);\n  fclose(fopen(file, 'w'));\nend\nplot(1:3)")
        .await;
    assert_eq!(outcome.stdout(), "700\n", "{outcome:?}");
}

#[tokio::test]
async fn sqlite_has_files_modes_and_names_while_a_query_runs() {
    let mut session = Session::start("sqlite").await;
    std::fs::write(session.folder.path().join("in.csv"), "id,name\n1,\"a, b\"\n2,é\n").unwrap();
    for (code, shown) in [
        (".open mine.db", ""),
        (".import in.csv people", ""),
        (
            "-- how many\nselect count(*) as n, null as z from people",
            "┌───┬──────┐\n│ n │    z │\n├───┼──────┤\n│ 2 │ NULL │\n└───┴──────┘\n",
        ),
        (".mode csv\nselect * from people;", "id,name\n1,\"a, b\"\n2,é\n"),
        (".mode json\nselect id from people where id = '1';\nselect 1 where 0", "[{\"id\": \"1\"}]\n"),
        ("create trigger t after insert on people begin delete from people where id = 0; select 1; end;", ""),
        (".tables", "people\n"),
        (
            ".schema people%",
            "CREATE TABLE \"people\" (\"id\" TEXT, \"name\" TEXT);\nCREATE TRIGGER t after insert on people begin delete from people where id = 0; select 1; end;\n",
        ),
        (".shell echo of a child; read x < /dev/null", "of a child\n"),
    ] {
        assert_eq!(session.value(code).await, shown, "{code}");
    }
    assert!(session.folder.path().join("mine.db").exists());
    for (code, text) in [
        ("select 1;\nselec", "Error: line 2: near \"selec\": syntax error\n"),
        (".nothing", "Error: there is no command .nothing; .help lists them\n"),
        (".open no/such/folder/x.db", "Error: no/such/folder/x.db: unable to open database file\n"),
        (".read nowhere.sql", "Error: nowhere.sql: No such file or directory\n"),
    ] {
        let outcome = session.run(code).await;
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), (text, 1), "{code}");
    }
    session.value(".open mine.db").await;
    let endless = "with recursive c(i) as (select 1 union all select i + 1 from c) select count(*) from c;";
    session.send(Op::Code(format!(".print on\n{endless}"))).await;
    session.until_output("on\n").await;
    for (code, expected) in
        [("select p.na", "name"), ("select * from peo", "people"), (".imp", ".import"), ("sel", "select")]
    {
        let request = CompletionRequest::at(code, code.len());
        let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
        let wanted = code != "select p.na";
        assert_eq!(completion.suggestions.iter().any(|s| s == expected), wanted, "{code}: {completion:?}");
    }
    let aliased = "select p.na from people as p where p.na";
    let completion =
        timeout(LIMIT, session.kernel.complete(CompletionRequest::at(aliased, aliased.len()))).await.unwrap();
    assert_eq!(completion.suggestions, ["name"]);
    session.send(Op::Interrupt).await;
    assert_eq!(session.finish().await.exit_code, 1);
}

#[test]
fn julia_points_to_its_jupyter_kernel() {
    // If it is installed, the error names it, which the tests of Jupyter check.
    if let Err(error) = resolve("julia:1.10") {
        assert!(error.to_string().starts_with("julia:1.10 needs the Jupyter kernel of Julia"), "{error}");
        assert!(error.hint().contains("jupyter:"), "{}", error.hint());
    }
}
