//! One table of what people do, over every language of this machine. Languages that are not installed are left out, and
//! the test prints which ones it ran.

use super::super::*;
use super::harness::{LIMIT, Session};
use crate::protocol::complete::CompletionRequest;
use tokio::time::timeout;

/// One language in its own words. Empty where it has no such thing.
struct Words {
    image: &'static str,
    /// A cell that defines something, and one that uses it with what it prints.
    define: &'static str,
    value: (&'static str, &'static str),
    /// A cell that fails, and what standard error says then.
    fail: (&'static str, &'static str),
    /// A cell that asks `who? ` and prints `hi ` with the answer.
    ask: &'static str,
    /// The same for a password, which is asked as one.
    password: &'static str,
    /// A cell that prints `on` and then never ends.
    endless: &'static str,
    /// Code whose last word is completed, and one of the answers.
    complete: (&'static str, &'static str),
    /// A cell that ends with exit code 3.
    exit: &'static str,
    unicode: (&'static str, &'static str),
    /// A cell that prints 10 MB in lines of 80 bytes.
    flood: &'static str,
    /// A program that prints `batch`, in a file of this name.
    batch: (&'static str, &'static str),
}

const TABLE: &[Words] = &[
    Words {
        image: "bash",
        define: "greet() { echo \"hi $1\"; }; list=(a 'b c'); export SHOWN=1; cd /usr",
        value: ("greet \"${list[1]}\"; sh -c 'echo $SHOWN'; pwd", "hi b c\n1\n/usr\n"),
        fail: ("no-such-command", "no-such-command: command not found"),
        ask: "read -p 'who? ' name; echo \"hi $name\"",
        password: "read -sp 'who? ' name; echo \"hi $name\"",
        endless: "echo on; while true; do sleep 0.01; done",
        complete: ("echo $SHOW", "$SHOWN"),
        exit: "f() { exit 3; }; f",
        unicode: ("x='größe 数'; echo \"$x ${#x}\"", "größe 数 7\n"),
        flood: "yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678 | head -n 125000",
        batch: ("main.sh", "echo batch"),
    },
    Words {
        image: "nodejs",
        define: "const greet = (name) => `hi ${name}`; let counted = 1;",
        value: ("greet(counted + 1)", "'hi 2'\n"),
        fail: ("null.x", "TypeError: Cannot read properties of null"),
        ask: "const name = prompt('who? '); console.log('hi ' + name)",
        password: "console.log('hi ' + prompt.password('who? '))",
        endless: "console.log('on'); while (true) {}",
        complete: ("coun", "counted"),
        exit: "process.exit(3)",
        unicode: ("'größe 数'.length + ' größe 数'", "'7 größe 数'\n"),
        flood: "for (let i = 0; i < 125000; i++) console.log('x'.repeat(79))",
        batch: ("main.js", "console.log('batch')"),
    },
    Words {
        image: "ruby",
        define: "counted = 1; def greet(name) = \"hi #{name}\"",
        value: ("greet(counted + 1)", "=> \"hi 2\"\n"),
        fail: ("1 / 0", "<cell 1>:1:in `/': divided by 0 (ZeroDivisionError)"),
        ask: "print 'who? '; puts 'hi ' + gets",
        password: "require 'io/console'; print 'who? '; puts 'hi ' + $stdin.noecho(&:gets)",
        endless: "puts 'on'; loop {}",
        complete: ("coun", "counted"),
        exit: "def leave; exit 3; end; leave",
        unicode: ("puts 'größe 数'.length.to_s + ' größe 数'", "7 größe 数\n"),
        flood: "125000.times { puts 'x' * 79 }; nil",
        batch: ("main.rb", "puts 'batch'"),
    },
    Words {
        image: "perl",
        define: "my $counted = 1; sub greet { \"hi $_[0]\" }",
        value: ("greet($counted + 1)", "'hi 2'\n"),
        fail: ("1 / 0", "Illegal division by zero at <cell 1> line 1.\n"),
        ask: "print 'who? '; my $name = <STDIN>; print \"hi $name\"",
        password: "use Term::ReadKey; print 'who? '; ReadMode('noecho'); my $name = <STDIN>; ReadMode(0); print \"hi $name\"",
        endless: "print \"on\\n\"; while (1) {}",
        complete: ("$coun", "$counted"),
        exit: "sub leave { exit 3 } leave()",
        unicode: (
            "use utf8; binmode STDOUT, ':utf8'; print length('größe 数'), \" größe 数\\n\"",
            "7 größe 数\n",
        ),
        flood: "print 'x' x 79, \"\\n\" for 1 .. 125000",
        batch: ("main.pl", "print \"batch\\n\";"),
    },
    Words {
        image: "php",
        define: "$counted = 1; function greet($name) { return \"hi $name\"; }",
        value: ("greet($counted + 1)", "= \"hi 2\"\n"),
        fail: ("intdiv(1, 0)", "DivisionByZeroError: Division by zero in <cell 1>:1\n"),
        ask: "echo 'who? '; $name = fgets(STDIN); echo \"hi $name\";",
        password: "echo 'who? '; system('stty -echo'); $name = fgets(STDIN); system('stty echo'); echo \"hi $name\";",
        endless: "echo \"on\\n\"; while (true);",
        complete: ("$coun", "$counted"),
        exit: "function leave() { exit(3); } leave();",
        unicode: ("echo iconv_strlen('größe 数'), \" größe 数\\n\";", "7 größe 数\n"),
        flood: "for ($i = 0; $i < 125000; $i++) { echo str_repeat('x', 79) . \"\\n\"; }",
        batch: ("main.php", "<?php echo \"batch\\n\";"),
    },
    Words {
        image: "lua",
        define: "local counted = 1; local function greet(name) return 'hi ' .. name end",
        value: ("greet(counted + 1)", "hi 2\n"),
        fail: ("nil + 1", "<cell 1>:1: attempt to perform arithmetic on a nil value"),
        ask: "io.write('who? '); print('hi ' .. io.read())",
        password: "io.write('who? '); os.execute('stty -echo'); name = io.read(); os.execute('stty echo'); print('hi ' .. name)",
        endless: "print('on'); while true do end",
        complete: ("coun", "counted"),
        exit: "function leave() os.exit(3) end leave()",
        unicode: ("print(utf8.len('größe 数'), 'größe 数')", "7\tgröße 数\n"),
        flood: "for i = 1, 125000 do print(('x'):rep(79)) end",
        batch: ("main.lua", "print('batch')"),
    },
    Words {
        image: "python",
        define: "def greet(name): return f'hi {name}'\ncounted = 1",
        value: ("greet(counted + 1)", "'hi 2'\n"),
        fail: ("1/0", "ZeroDivisionError: division by zero"),
        ask: "print('hi ' + input('who? '))",
        password: "import getpass; print('hi ' + getpass.getpass('who? '))",
        endless: "print('on')\nwhile True: pass",
        complete: ("coun", "counted"),
        exit: "import sys; sys.exit(3)",
        unicode: ("print(len('größe 数'), 'größe 数')", "7 größe 数\n"),
        flood: "for i in range(125000): print('x' * 79)",
        batch: ("main.py", "print('batch')"),
    },
    Words {
        image: "r",
        define: "greet <- function(name) paste('hi', name)\ncounted <- 1",
        value: ("greet(counted + 1)", "[1] \"hi 2\"\n"),
        fail: (
            "f <- function(x) log(x); f('a')",
            "Error in log(x) : non-numeric argument to mathematical function",
        ),
        ask: "name <- readline('who? '); cat('hi ', name, '\\n', sep = '')",
        password: "cat('hi ', getOption('askpass')('who? '), '\\n', sep = '')",
        endless: "cat('on\\n'); repeat {}",
        complete: ("coun", "counted"),
        exit: "f <- function() try(quit(status = 3)); f()",
        unicode: ("x <- 'größe 数'; cat(nchar(x), x); cat('\\n')", "7 größe 数\n"),
        flood: "x <- strrep('x', 79); for (i in 1:125000) writeLines(x)",
        batch: ("main.R", "cat('batch\\n')"),
    },
    Words {
        image: "octave",
        define: "function s = greet(name)\n  s = ['hi ' name];\nend\ncounted = 1;",
        value: ("greet(num2str(counted + 1))", "ans = hi 2\n"),
        fail: ("no_such_name + 1", "error: 'no_such_name' undefined"),
        ask: "name = input('who? ', 's'); printf('hi %s\\n', name);",
        password: "",
        endless: "disp('on')\nwhile true, end",
        complete: ("coun", "counted"),
        exit: "try, exit(3), catch, end",
        unicode: ("x = 'größe 数'; printf('%d %s\\n', numel(x), x)", "11 größe 数\n"),
        flood: "x = repmat('x', 1, 79); for i = 1:125000, disp(x), end",
        batch: ("main.m", "disp('batch')"),
    },
    Words {
        image: "sqlite",
        define: "create table greet(name text); insert into greet values ('hi 2');",
        value: ("select name from greet;", "┌──────┐\n│ name │\n├──────┤\n│ hi 2 │\n└──────┘\n"),
        fail: ("select * from nowhere;", "Error: no such table: nowhere"),
        ask: "",
        password: "",
        endless: ".print on\nwith recursive c(i) as (select 1 union all select i + 1 from c) select count(*) from c;",
        complete: ("select na", "name"),
        exit: ".exit 3",
        unicode: (
            ".mode list\n.headers off\nselect length('größe 数'), 'größe 数';\n.mode box\n.headers on",
            "7|größe 数\n",
        ),
        flood: ".mode list\n.headers off\nwith recursive c(i) as (select 1 union all select i + 1 from c where i < 125000)\n\
                select printf('%079d', i) from c;",
        batch: ("main.sql", ".print batch\n"),
    },
    Words {
        image: "c",
        define: "",
        value: ("printf(\"%d\\n\", 6 * 7);", "42\n"),
        fail: ("int x = ;", "cell:1:9: error"),
        ask: "char name[80]; printf(\"who? \"); scanf(\"%79s\", name); printf(\"hi %s\\n\", name);",
        password: "",
        endless: "puts(\"on\"); for (;;) {}",
        complete: ("", ""),
        exit: "#include <stdlib.h>\nint main(void) { exit(3); }",
        unicode: ("puts(\"größe 数\");", "größe 数\n"),
        flood: "char x[80]; memset(x, 'x', 79); x[79] = 0; for (int i = 0; i < 125000; i++) puts(x);",
        batch: ("main.c", "#include <stdio.h>\nint main(void) { puts(\"batch\"); }\n"),
    },
    Words {
        image: "cpp",
        define: "",
        value: ("vector<int> v{6, 7}; cout << v[0] * v[1] << endl;", "42\n"),
        fail: ("int x = ;", "cell:1:9: error"),
        ask: "string name; cout << \"who? \"; cin >> name; cout << \"hi \" << name << endl;",
        password: "",
        endless: "cout << \"on\" << endl; volatile int i = 0; while (true) i = i + 1;",
        complete: ("", ""),
        exit: "exit(3);",
        unicode: ("cout << \"größe 数\" << endl;", "größe 数\n"),
        flood: "for (int i = 0; i < 125000; i++) cout << string(79, 'x') << '\\n';",
        batch: ("main.cpp", "#include <iostream>\nint main() { std::cout << \"batch\\n\"; }\n"),
    },
    Words {
        image: "rust",
        define: "",
        value: ("6 * 7", "42\n"),
        fail: ("let x: i32 = \"\";", "error[E0308]: mismatched types"),
        ask: "use std::io::Write; let mut name = String::new(); print!(\"who? \"); std::io::stdout().flush().unwrap();\n\
              std::io::stdin().read_line(&mut name).unwrap(); print!(\"hi {name}\");",
        password: "",
        endless: "println!(\"on\"); loop { std::hint::spin_loop(); }",
        complete: ("", ""),
        exit: "std::process::exit(3);",
        unicode: ("println!(\"{} größe 数\", \"größe 数\".chars().count());", "7 größe 数\n"),
        flood: "let x = \"x\".repeat(79); for _ in 0..125_000 { println!(\"{x}\"); }",
        batch: ("main.rs", "fn main() { println!(\"batch\"); }\n"),
    },
    Words {
        image: "java",
        define: "",
        value: ("System.out.println(6 * 7);", "42\n"),
        fail: ("int x = ;", "error: illegal start of expression"),
        ask: "System.out.print(\"who? \"); System.out.println(\"hi \" + new Scanner(System.in).nextLine());",
        password: "",
        endless: "System.out.println(\"on\"); while (true) Thread.onSpinWait();",
        complete: ("", ""),
        exit: "public class Other { public static void main(String[] args) { System.exit(3); } }",
        unicode: ("System.out.println(\"größe 数\".length() + \" größe 数\");", "7 größe 数\n"),
        flood: "for (int i = 0; i < 125000; i++) System.out.println(\"x\".repeat(79));",
        batch: (
            "Main.java",
            "class Main { public static void main(String[] a) { System.out.println(\"batch\"); } }\n",
        ),
    },
    Words {
        image: "golang",
        define: "",
        value: ("fmt.Println(6 * 7)", "42\n"),
        fail: ("var x int = \"\"", "cell:1"),
        ask: "fmt.Print(\"who? \"); s := bufio.NewScanner(os.Stdin); s.Scan(); fmt.Println(\"hi \" + s.Text())",
        password: "",
        endless: "fmt.Println(\"on\"); for {}",
        complete: ("", ""),
        exit: "os.Exit(3)",
        unicode: ("fmt.Println(len([]rune(\"größe 数\")), \"größe 数\")", "7 größe 数\n"),
        flood: "x := strings.Repeat(\"x\", 79); for i := 0; i < 125000; i++ { fmt.Println(x) }",
        batch: ("main.go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"batch\") }\n"),
    },
    Words {
        image: "haskell",
        define: "",
        value: ("print (6 * 7)", "42\n"),
        fail: ("putStrLn 3", "cell:1:"),
        ask: "putStr \"who? \"\nname <- getLine\nputStrLn (\"hi \" ++ name)",
        password: "",
        endless: "putStrLn \"on\"\nlet go n = if n < (0 :: Int) then return () else go (mod (n + 1) 10)\ngo 0",
        complete: ("", ""),
        exit: "import System.Exit\nexitWith (ExitFailure 3)",
        unicode: ("putStrLn (show (length \"größe 数\") ++ \" größe 数\")", "7 größe 数\n"),
        flood: "hSetBuffering stdout (BlockBuffering Nothing)\nmapM_ (\\_ -> putStrLn (replicate 79 'x')) [1 .. 125000 :: Int]",
        batch: ("main.hs", "main = putStrLn \"batch\"\n"),
    },
    Words {
        image: "scheme",
        define: "",
        value: ("(display (* 6 7)) (newline)", "42\n"),
        fail: ("(car 1)", "In procedure car: Wrong type"),
        ask: "(use-modules (ice-9 rdelim)) (display \"who? \") (force-output)\n\
              (let ((name (read-line))) (display (string-append \"hi \" name)) (newline))",
        password: "",
        endless: "(display \"on\") (newline) (let loop () (loop))",
        complete: ("", ""),
        exit: "(exit 3)",
        unicode: ("(display (string-length \"größe 数\")) (display \" größe 数\") (newline)", "7 größe 数\n"),
        flood: "(define x (make-string 79 #\\x)) (do ((i 0 (+ i 1))) ((= i 125000)) (display x) (newline))",
        batch: ("main.scm", "(display \"batch\") (newline)"),
    },
    Words {
        image: "fortran",
        define: "",
        value: ("print '(i0)', 6 * 7", "42\n"),
        fail: ("integer :: x = ;", "Error:"),
        ask: "character(80) :: name\nwrite (*, '(a)', advance='no') 'who? '\nread (*, '(a)') name\nprint '(2a)', 'hi ', trim(name)",
        password: "",
        endless: "print '(a)', 'on'\ndo while (.true.)\nend do",
        complete: ("", ""),
        exit: "call exit(3)",
        unicode: ("print '(a)', 'größe 数'", "größe 数\n"),
        flood: "integer :: i\ndo i = 1, 125000\n  print '(a)', repeat('x', 79)\nend do",
        batch: ("main.f90", "program p\n  print '(a)', 'batch'\nend program\n"),
    },
    Words {
        image: "ocaml",
        define: "",
        value: ("print_int (6 * 7);; print_newline ()", "42\n"),
        fail: ("let x = 1 + \"\"", "File \"cell\", line 1, characters 12-14"),
        ask: "print_string \"who? \";; print_endline (\"hi \" ^ read_line ())",
        password: "",
        endless: "print_endline \"on\";; while true do () done",
        complete: ("", ""),
        exit: "exit 3",
        unicode: ("print_endline \"größe 数\"", "größe 数\n"),
        flood: "for _ = 1 to 125000 do print_string (String.make 79 'x' ^ \"\\n\") done",
        batch: ("main.ml", "print_endline \"batch\"\n"),
    },
];

/// Those that are installed.
fn here() -> Vec<&'static Words> {
    let is_here = |words: &&Words| resolve(words.image).is_ok();
    let (here, missing): (Vec<_>, Vec<_>) = TABLE.iter().partition(is_here);
    let names = |list: &[&Words]| list.iter().map(|words| words.image).collect::<Vec<_>>().join(" ");
    println!("languages: {}; not installed: {}", names(&here), names(&missing));
    assert!(!here.is_empty());
    here
}

/// Runs a scenario in a session of each language at once, or only those that say the words it needs.
async fn in_each(needs: fn(&Words) -> bool, scenario: impl AsyncFn(&'static Words, Session)) {
    for words in here().into_iter().filter(|words| needs(words)) {
        println!("{}", words.image);
        scenario(words, Session::start(words.image).await).await;
    }
}

#[tokio::test]
async fn what_a_cell_defines_the_next_one_uses() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            if !words.define.is_empty() {
                assert_eq!(session.value(words.define).await, "", "{}", words.image);
            }
            let (code, shown) = words.value;
            assert_eq!(session.value(code).await, shown, "{}", words.image);
            let (code, shown) = words.unicode;
            assert_eq!(session.value(code).await, shown, "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn a_failure_says_why_and_has_an_exit_code() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            let (code, says) = words.fail;
            let outcome = session.run(code).await;
            assert!(outcome.stderr().contains(says), "{}: {}", words.image, outcome.stderr());
            assert!(!outcome.stderr().contains("_bai_"), "{}: {}", words.image, outcome.stderr());
            assert!(matches!(outcome.exit_code, 1 | 2 | 127), "{}: {}", words.image, outcome.exit_code);
            assert_eq!(session.run(words.exit).await.exit_code, 3, "{}", words.image);
            let (code, shown) = words.unicode;
            assert_eq!(session.value(code).await, shown, "{} goes on", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn questions_are_asked_after_their_text() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            for (code, is_password) in [(words.ask, false), (words.password, true), (words.ask, false)] {
                if code.is_empty() {
                    continue;
                }
                let outcome = session.run_with(code, &["Änn"]).await;
                let asks = |reply: &Reply| matches!(reply, Reply::WaitingInput { .. });
                let at = outcome.replies.iter().position(asks).unwrap();
                assert_eq!(outcome.replies[at], Reply::WaitingInput { is_password }, "{}", words.image);
                let (before, after) = outcome.replies.split_at(at);
                let text = |replies: &[Reply]| -> String {
                    let texts = replies.iter().filter_map(|reply| match reply {
                        Reply::Stdout(text) | Reply::Stderr(text) => Some(text.as_str()),
                        _ => None,
                    });
                    texts.collect()
                };
                assert_eq!(
                    (text(before), text(after)),
                    ("who? ".into(), "hi Änn\n".into()),
                    "{}",
                    words.image
                );
            }
        },
    )
    .await;
}

#[tokio::test]
async fn what_never_ends_is_interrupted_and_the_session_lives() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            for code in [words.endless, words.ask, words.endless] {
                if code.is_empty() {
                    continue;
                }
                session.send(Op::Code(code.to_owned())).await;
                if code == words.ask {
                    session.until(|reply| matches!(reply, Reply::WaitingInput { .. })).await;
                } else {
                    session.until_output("on").await;
                }
                session.send(Op::Interrupt).await;
                let outcome = session.finish().await;
                assert!(matches!(outcome.exit_code, 1 | 130), "{}: {outcome:?}", words.image);
                assert!(!outcome.stderr().contains("A new one has been started"), "{}", words.image);
            }
            if !words.define.is_empty() {
                session.value(words.define).await;
            }
            let (code, shown) = words.value;
            assert_eq!(session.value(code).await, shown, "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn names_are_completed_from_the_live_namespace() {
    in_each(
        |words| !words.complete.0.is_empty(),
        async |words: &'static Words, mut session: Session| {
            session.value(words.define).await;
            let (code, expected) = words.complete;
            let request = CompletionRequest::at(code, code.len());
            let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
            assert!(completion.suggestions.iter().any(|s| s == expected), "{}: {completion:?}", words.image);
            let start = completion.start.unwrap();
            assert!(expected.starts_with(&code.chars().skip(start).collect::<String>()), "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn a_flood_arrives_whole() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            let text = session.value(words.flood).await;
            assert_eq!(text.len(), 10_000_000, "{}", words.image);
            assert_eq!(text.lines().count(), 125_000, "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn a_batch_finds_the_program_and_a_makefile_before_it() {
    in_each(
        |_| true,
        async |words: &'static Words, mut session: Session| {
            let (file, text) = words.batch;
            std::fs::write(session.folder.path().join(file), text).unwrap();
            for op in [Op::Clean(Step::Heuristic), Op::Build(Step::Heuristic), Op::Exec(Step::Heuristic)] {
                session.send(op).await;
            }
            let outcome = session.finish().await;
            assert_eq!(
                (outcome.stdout().as_str(), outcome.exit_code),
                ("batch\n", 0),
                "{}: {outcome:?}",
                words.image
            );
            std::fs::write(session.folder.path().join("Makefile"), "all:\n\t@echo made; exit 1\n").unwrap();
            session.send(Op::Build(Step::Heuristic)).await;
            session.send(Op::Exec(Step::Heuristic)).await;
            let outcome = session.finish().await;
            assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("made\n", 127), "{}", words.image);
        },
    )
    .await;
}

#[tokio::test]
async fn bash_keeps_what_a_shell_keeps_also_when_a_cell_ends_it() {
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
        return println!("nodejs is not installed");
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
    let said = outcome.stderr();
    assert!(
        said.contains("RangeError: far\n    at f (<cell")
            && !said.contains("driver")
            && !said.contains("inspector"),
        "{said}"
    );
    let ask = "const rl = require('readline').createInterface({ input: process.stdin });\n\
               const line = await new Promise(r => rl.question('name? ', r)); rl.close(); line";
    assert_eq!(session.run_with(ask, &["Zoé"]).await.stdout(), "'Zoé'\n");
    for endless in ["console.log('on'); await new Promise(() => {})", "await 0; console.log('on'); for (;;);"]
    {
        session.send(Op::Code(endless.to_owned())).await;
        session.until_output("on").await;
        session.send(Op::Interrupt).await;
        assert_eq!(session.finish().await.exit_code, 1);
        assert_eq!(session.value("a").await, "2\n", "after {endless}");
    }
    session.send(Op::Code("console.log('on'); for (;;);".to_owned())).await;
    session.until_output("on").await;
    let request = CompletionRequest::at("os.cpu", 6);
    let completion = timeout(LIMIT, session.kernel.complete(request)).await.unwrap();
    assert_eq!((completion.start, completion.suggestions), (Some(3), vec!["cpus".to_owned()]));
    session.send(Op::Interrupt).await;
    session.finish().await;
}

#[tokio::test]
async fn r_shows_what_its_console_shows() {
    if resolve("r").is_err() {
        return println!("r is not installed");
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
    for (code, said, exit_code) in [
        ("log(-1)", "Warning message:\nIn log(-1) : NaNs produced\n", 0),
        ("for (i in 1:2) warning('w', i)", "Warning messages:\n1: w1\n2: w2\n", 0),
        ("for (i in 1:11) warning('w')", "There were 11 warnings (use warnings() to see them)\n", 0),
        ("stop('top')", "Error: top\n", 1),
        ("a b", "Error: <text>:1:3: unexpected symbol\n1: a b\n      ^\n", 1),
        ("f <- function() f(); f()", "Error: ", 1),
    ] {
        let outcome = session.run(code).await;
        assert!(outcome.stderr().starts_with(said), "{code}: {outcome:?}");
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
        return println!("r is not installed");
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
        session.until_output("on").await;
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
        return println!("r is not installed");
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
        return println!("octave is not installed");
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
    // A command says itself that it runs. It is one process, for a shell that starts the next command notices nothing.
    for waits in [
        "disp('on'); pause(100)",
        "system(\"awk 'BEGIN { print \\\"on\\\"; fflush(); while (1) x++ }'\")",
        "disp('on'); try, while true, end, catch, end",
    ] {
        session.send(Op::Code(format!("{waits}; disp('never')"))).await;
        session.until_output("on").await;
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
    for (code, said) in [
        ("select 1;\nselec", "Error: line 2: near \"selec\": syntax error\n"),
        (".nothing", "Error: there is no command .nothing; .help lists them\n"),
        (".open no/such/folder/x.db", "Error: no/such/folder/x.db: unable to open database file\n"),
        (".read nowhere.sql", "Error: nowhere.sql: No such file or directory\n"),
    ] {
        let outcome = session.run(code).await;
        assert_eq!((outcome.stderr().as_str(), outcome.exit_code), (said, 1), "{code}");
    }
    session.value(".open mine.db").await;
    let endless = "with recursive c(i) as (select 1 union all select i + 1 from c) select count(*) from c;";
    session.send(Op::Code(format!(".print on\n{endless}"))).await;
    session.until_output("on").await;
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
    // Where that is installed it is named, which the tests of Jupyter try.
    if let Err(error) = resolve("julia:1.10") {
        assert!(error.to_string().starts_with("julia:1.10 needs the Jupyter kernel of Julia"), "{error}");
        assert!(error.hint().contains("jupyter:"), "{}", error.hint());
    }
}
