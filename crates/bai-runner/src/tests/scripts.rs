//! Particulars of Ruby, Perl, PHP and Lua: persistent variables, the display of values, interrupts, documentation of names.

use super::super::*;
use super::harness::{LIMIT, Session};
use bai_protocol::complete::CompletionRequest;
use tokio::time::timeout;

/// A session, where the language is installed. Below, U+10FFFF is the byte 0xFF, as `byte_text` writes it.
async fn session(image: &str) -> Option<Session> {
    if resolve(image).is_err() {
        println!("{image} is not installed");
        return None;
    }
    Some(Session::start(image).await)
}

impl Session {
    async fn shows(&mut self, cells: &[(&str, &str)]) {
        for (code, shown) in cells {
            assert_eq!(self.value(code).await, *shown, "{code}");
        }
    }

    /// Cells that fail, with a part of their message. No message mentions the driver.
    async fn fails(&mut self, cells: &[(&str, &str)]) {
        for (code, expected) in cells {
            let outcome = self.run(code).await;
            let text = outcome.stderr();
            assert!(text.contains(expected) && outcome.exit_code == 1, "{code}: {outcome:?}");
            assert!(!text.contains("driver") && !text.contains("_bai"), "{code}: {text}");
        }
    }

    /// Cells that print `on` and then wait in various ways: an interrupt ends each.
    async fn stops(&mut self, cells: &[&str]) {
        for code in cells {
            self.send(Op::Code((*code).to_owned())).await;
            self.until_output("on\n").await;
            self.send(Op::Interrupt).await;
            let outcome = self.finish().await;
            assert_eq!(outcome.exit_code, 1, "{code}: {outcome:?}");
            assert!(!outcome.stderr().contains("A new one"), "{code}: {outcome:?}");
        }
    }

    async fn offers(&mut self, cases: &[(&str, usize, &str)]) {
        for &(code, start, expected) in cases {
            let request = CompletionRequest::at(code, code.len());
            let completion = timeout(LIMIT, self.kernel.complete(request)).await.unwrap();
            assert_eq!(completion.start, Some(start), "{code}: {completion:?}");
            assert!(completion.suggestions.iter().any(|name| name == expected), "{code}: {completion:?}");
        }
    }

    /// The standard streams and those of a child, each in its place.
    async fn keeps_order(&mut self, code: &str) {
        let sequence = self.run(code).await.sequence();
        assert_eq!(sequence, ["O:1\n", "E:2\n", "O:3\n", "E:4\n", "O:5\n", "E:6\n"], "{code}");
    }

    /// A cell that ends the interpreter is reported, and the next one runs in a new interpreter.
    async fn survives(&mut self, code: &str, next: (&str, &str)) {
        let outcome = self.run(code).await;
        assert!(outcome.stderr().contains("A new one has been started"), "{outcome:?}");
        self.shows(&[next]).await;
    }
}

#[tokio::test]
async fn ruby_prints_values_as_irb_does() {
    let Some(mut session) = session("ruby").await else { return };
    session
        .shows(&[
            ("x = 2\n@y = 3\nputs 'text'", "text\n"),
            ("x * @y", "=> 6\n"),
            ("_ + 1", "=> 7\n"),
            ("nil", ""),
            ("big = (1..90).to_a; nil", ""),
            ("class Point; attr_reader :name; def initialize; @name = 'p'; end; end", ""),
            ("point = Point.new; point.name", "=> \"p\"\n"),
            ("hash = {alpha: 1, 'beta' => 2}; nil", ""),
            ("$stdout.write(\"a\\xff\"); nil", "a\u{10ffff}"),
        ])
        .await;
    let about = session.value("# Adds.\ndef add(a, b = 1) = a + b\n_bai_doc('add')").await;
    assert!(about.contains("add(a, b = ...)\n<cell 10>:2\n\nAdds."), "{about}");
    session
        .fails(&[
            ("def far = raise(ArgumentError, 'far')\nfar", "<cell 11>:1:in `far': far (ArgumentError)"),
            ("1 +* 2", "syntax error"),
            ("raise Class.new(StandardError) { def message = 'odd' }", "odd"),
        ])
        .await;
    session
        .shows(&[("add??", "Object#add(a, b = ...)\n<cell 10>:2\n\nAdds.\n"), ("[].empty?", "=> true\n")])
        .await;
    session.keeps_order("puts 1; $stderr.puts 2; puts 3; warn 4; system('echo 5'); $stderr.puts 6").await;
    session
        .stops(&["puts 'on'; sleep", "puts 'on'; loop { system('sleep 9') }", "puts 'on'; $stdin.read"])
        .await;
    session
        .offers(&[
            ("point.na", 6, "name"),
            ("point.name.upca", 11, "upcase"),
            ("File::SEP", 6, "SEPARATOR"),
            ("hash[:al", 6, "alpha"),
            ("'ä'; bi", 5, "big"),
            ("require 'js", 9, "json"),
        ])
        .await;
    session.send(Op::Code("puts 'on'; loop {}".to_owned())).await;
    session.until_output("on\n").await;
    session.offers(&[("bi", 0, "big")]).await;
    session.send(Op::Interrupt).await;
    session.finish().await;
    assert_eq!(session.value("big.size").await, "=> 90\n");
    session.survives("exit!(7)", ("6 * 7", "=> 42\n")).await;
}

#[tokio::test]
async fn perl_keeps_its_lexical_variables() {
    let Some(mut session) = session("perl").await else { return };
    session
        .shows(&[
            ("my $counted = 1; my (@list, %hash) = (1, 2); sub inc { ++$counted }", ""),
            ("%hash = (alpha => 1, beta => [1, 2]); inc(); inc()", "3\n"),
            ("$counted", "3\n"),
            ("my $counted = 'new'; inc(); $counted", "'new'\n"),
            ("inc()", "5\n"),
            (
                "[@list, \\%hash, undef, sub { 1 }]",
                "[1, 2, { alpha => 1, beta => [1, 2] }, undef, sub { ... }]\n",
            ),
            ("use strict; use warnings; my $strict = 1;", ""),
            ("print \"a\\xff\"", "a\u{10ffff}"),
            ("for my $i (1 .. 3) { last if $i == 2 }", ""),
            ("last;", ""),
            ("my sub double { 2 * shift } double(4)", "8\n"),
            ("double(5)", "10\n"),
        ])
        .await;
    session
        .fails(&[
            ("$undeclared = 1", "requires explicit package name"),
            ("my $kept = 42; die { code => 5 }", "{ code => 5 }"),
            (
                "sub deep { require Carp; Carp::confess('deep') } deep(1)",
                "main::deep(1) called at <cell 15> line 1",
            ),
            ("my $x = ;", "syntax error at <cell 16> line 1"),
        ])
        .await;
    assert_eq!(session.value("$kept").await, "42\n", "what a failed cell had is there");
    session
        .keeps_order("print \"1\\n\"; print STDERR \"2\\n\"; print \"3\\n\"; warn \"4\\n\"; system('echo 5'); printf STDERR \"6\\n\"")
        .await;
    session
        .stops(&[
            "print \"on\\n\"; sleep 60",
            "print \"on\\n\"; while (1) { system('sleep 9') }",
            "print \"on\\n\"; my @all = <STDIN>",
        ])
        .await;
    session
        .shows(&[
            ("package Point; sub new { bless {}, shift } sub name { 'p' } package main; my $point = Point->new; $point->name", "'p'\n"),
            ("# Adds.\nsub add { return $_[0] + 1 }\n_bai_doc('add')", "sub main::add\n<cell 23>:2\n\nAdds.\n"),
        ])
        .await;
    assert_eq!(session.value("add?").await, "sub main::add\n<cell 23>:2\n\nAdds.\n");
    session
        .offers(&[
            ("$point->na", 8, "name"),
            ("$hash{al", 6, "alpha"),
            ("'ä'; @li", 5, "@list"),
            ("use Data::Dum", 4, "Data::Dumper"),
            ("Point->n", 7, "new"),
        ])
        .await;
    session.send(Op::Code("print \"on\\n\"; while (1) {}".to_owned())).await;
    session.until_output("on\n").await;
    session.offers(&[("$coun", 0, "$counted")]).await;
    session.send(Op::Interrupt).await;
    session.finish().await;
    session.survives("kill KILL => $$", ("6 * 7", "42\n")).await;
}

#[tokio::test]
async fn php_shows_values_and_outlives_its_fatal_errors() {
    let Some(mut session) = session("php").await else { return };
    session
        .shows(&[
            ("function twice($x) { return 2 * $x; }", ""),
            (
                "$list = ['alpha' => 1, 'b' => [null, 1.0, true]]",
                "= [\"alpha\" => 1, \"b\" => [null, 1.0, true]]\n",
            ),
            (
                "class Point { public $name = 'p'; private $z = 1; const K = 5; }\n$point = new Point;",
                "= Point {#3 +name: \"p\", -z: 1}\n",
            ),
            ("use ArrayObject as Things;", ""),
            ("count(new Things([1, 2]))", "= 2\n"),
            ("foreach ([1, 2] as $i) { echo $i; }", "12"),
            ("$f = function ($x) { return $x + 1; }; $f(twice(3)) // a comment", "= 7\n"),
            ("ob_start(); echo \"a\\xff\";", "a\u{10ffff}"),
            ("namespace App; function name() { return __FUNCTION__; } echo name();", "App\\name"),
        ])
        .await;
    session
        .fails(&[
            (
                "function twice() {}",
                "Fatal error: Cannot redeclare twice() (previously declared in <cell 1>:1)",
            ),
            (
                "abstract class A { abstract function m(); } class B extends A {}",
                "Class B contains 1 abstract method",
            ),
            ("$x = ;", "ParseError: syntax error, unexpected token \";\" in <cell 12>:1"),
            (
                "function far() { throw new LogicException('far', 0, new Exception('cause')); }\nfar();",
                "Next LogicException: far in <cell 13>:1\nStack trace:\n#0 <cell 13>(2): far()\n#1 {main}",
            ),
        ])
        .await;
    assert!(
        session
            .run("$nothing;")
            .await
            .stderr()
            .starts_with("Warning: Undefined variable $nothing in <cell 14>")
    );
    session
        .keeps_order("echo \"1\\n\"; fwrite(STDERR, \"2\\n\"); echo \"3\\n\"; fputs(STDERR, \"4\\n\"); system('echo 5'); fwrite(STDERR, \"6\\n\"); return;")
        .await;
    session
        .stops(&[
            "echo \"on\\n\"; while (true);",
            "echo \"on\\n\"; sleep(60);",
            "echo \"on\\n\"; while (true) { system('sleep 9'); }",
            "echo \"on\\n\"; fgets(STDIN);",
            "echo \"on\\n\"; sleep(60);",
            // The interrupt arrives, unnoticed, before the wait begins.
            "pcntl_async_signals(false); echo \"on\\n\"; sleep(60); pcntl_async_signals(true); sleep(60);",
        ])
        .await;
    session
        .shows(&[(
            "/** Adds. */\nfunction add(int $a, $b = 1): int { return $a + $b; }\n_bai_doc('add');",
            "function add(int $a, $b = 1): int\n<cell 22>:2\n\nAdds.\n",
        )])
        .await;
    session
        .offers(&[
            ("$point->na", 8, "name"),
            ("Point::", 7, "K"),
            ("$list['al", 7, "alpha"),
            ("'ä'; twi", 5, "twice"),
            ("$poi", 0, "$point"),
        ])
        .await;
    session.survives("posix_kill(getmypid(), 9);", ("6 * 7", "= 42\n")).await;
}

#[tokio::test]
async fn lua_shares_its_local_variables() {
    let Some(mut session) = session("lua").await else { return };
    session
        .shows(&[
            ("local counted, fixed <const> = 1, 'fixed'\nfunction inc() counted = counted + 1 return counted end", ""),
            ("inc()", "2\n"),
            ("counted = counted + 5\ninc(), fixed", "8\tfixed\n"),
            ("local counted = 'new'\nreturn inc(), counted", "9\tnew\n"),
            ("do local inner = 1 end -- local other = 2\nlocal text = [[local third = end]]", ""),
            ("inner, other, third, text", "nil\tnil\tnil\tlocal third = end\n"),
            ("t = { alpha = 1, ['b c'] = 2, sub = { inner = 'x' } }", ""),
            ("io.write('no newline')", "no newline"),
            ("'a\\xff'", "a\u{10ffff}\n"),
            ("print('x')", "x\n"),
            ("-- Adds.\nfunction add(a, ...) return a + 1 end\n_bai_doc('add')", "function add(a, ...)\n<cell 11>:2\n\nAdds.\n"),
        ])
        .await;
    session
        .fails(&[
            (
                "local kept = 42\nlocal function far() error('far') end\nfar()",
                "<cell 12>:2: far\nstack traceback:\n\t[C]: in function 'error'\n",
            ),
            ("error({})", "(error object is a table value)"),
            ("x =", "unexpected symbol near <eof>"),
        ])
        .await;
    assert_eq!(session.value("kept").await, "42\n", "what a failed cell had is there");
    session
        .keeps_order("print(1) io.stderr:write('2\\n') print(3) io.stderr:write('4\\n') os.execute('echo 5') io.stderr:write('6\\n')")
        .await;
    session
        .stops(&[
            "print('on') while true do end",
            "print('on') while true do pcall(function() while true do end end) end",
            "print('on') while true do os.execute('sleep 9') end",
            "print('on') io.read('*a')",
        ])
        .await;
    assert_eq!(session.run("pcall(os.exit, 4)").await.exit_code, 4);
    session
        .offers(&[
            ("string.upp", 7, "upper"),
            ("t.sub.inner:upp", 12, "upper"),
            ("t[\"b", 3, "b c"),
            ("'ä', coun", 5, "counted"),
            ("io.stdout:wri", 10, "write"),
        ])
        .await;
    session.survives("os.execute('kill -9 $PPID')", ("6 * 7", "42\n")).await;
}
