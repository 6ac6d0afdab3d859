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
            assert!(outcome.exit_code == 1 || outcome.exit_code == 127, "{}", words.image);
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
