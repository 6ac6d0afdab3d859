use super::*;

fn complete(cell: &str) {
    assert_eq!(Python.completeness(cell), Completeness::Complete, "{cell:?}");
}

fn invalid(cell: &str) {
    assert_eq!(Python.completeness(cell), Completeness::Invalid, "{cell:?}");
}

fn more(cell: &str, indent: &str) {
    assert_eq!(Python.completeness(cell), Completeness::more(indent), "{cell:?}");
}

#[test]
fn a_simple_statement_is_complete() {
    for cell in ["", "  ", "\n", "x = 1", "print('a')", "x = 1; y = 2", "# note", "x: int = 3", "a.b"] {
        complete(cell);
    }
    complete("import os, sys");
    complete("x = {'a': 1}");
    complete("a[1:2]");
    complete("%matplotlib inline");
    complete("!ls");
    more("%%bash", "");
    more("%%bash\nfor x in 1 2; do\n  echo 'a", "  ");
    more("%%bash\necho it's\n", "");
    complete("%%bash\necho it's\n\n");
    for command in [
        "!p=abc; echo ${#p}",
        "v = !echo ${#HOME}",
        "!echo \"# (\" (",
        "!echo $(( 1 + 2",
        "%env X=(#",
        "%cd (#",
        "!echo \"\"\"",
        "a == b % c",
        "x %= 3",
    ] {
        complete(command);
    }
    for command in ["!echo a \\", "!echo a \\\n", "a = b % (", "x = 5 % (", "if x:\n    !echo ("] {
        assert_ne!(Python.completeness(command), Completeness::Complete, "{command}");
    }
    complete("!echo a \\\nb (");
    complete("if x:\n    !echo (\n");
    complete("match = 3");
    complete("print(match)");
}

#[test]
fn brackets_wait_for_their_partner() {
    more("f(", "    ");
    more("f(1,", "    ");
    more("x = [\n    1,", "    ");
    more("x = [\n    g(", "        ");
    more("x = [  # why ]", "    ");
    complete("x = [\n    1,\n]");
    more("if f(", "    ");
    more("x = {'a': (1,\n          2)", "    ");
    invalid("f(]");
    invalid(")");
    complete("f('(')");
    complete("f(  # (\n)");
}

#[test]
fn blank_lines_inside_brackets_do_not_end_a_cell() {
    more("f(\n\n\n", "    ");
}

#[test]
fn strings_of_every_kind() {
    more("x = '''a", "");
    more("x = \"\"\"a\n  b\n\n", "");
    complete("x = '''a\n\nb'''");
    complete("x = '''it's \"fine\"'''");
    invalid("x = 'abc");
    invalid("x = 'abc\ny");
    complete(r"x = r'\'' ");
    complete(r"x = 'a\'b'");
    complete(r"x = 'a\\'");
    more("x = 'abc\\", "");
    complete("x = 'abc\\\ndef'");
    more("x = rb'''", "");
    complete("Br'x' + uR'y'");
    complete("''");
    complete("''''''");
    more("'''''", "");
}

#[test]
fn format_strings() {
    complete("f'{x}'");
    complete("f'{{x'");
    complete("f'{x:{w}.2f}'");
    complete("f'{x!r:>{w}}'");
    complete("f\"{d[\"a\"]}\"");
    complete("f'{f'{1}'}'");
    complete("f'{(lambda: 1)()}'");
    complete("f'{x:%H:%M}'");
    complete(r"f'\N{DASH} {x}'");
    complete(r"rf'\{x}'");
    more("f'''{x", "");
    more("f'''{x}\n{", "");
    complete("f'''{x\n}'''");
    invalid("f'{x}");
    invalid("f'abc\n");
    invalid("f'{x'");
    complete("t'{x}'");
    complete("f'{x:=5}'");
}

#[test]
fn a_backslash_continues_the_line() {
    more("x = 1 + \\", "");
    more("x = 1 + \\\n", "");
    more("    y = \\", "    ");
    complete("x = 1 + \\\n  2");
    invalid("x = \\ 1");
}

#[test]
fn a_block_needs_a_body_and_a_blank_line() {
    more("def f():", "    ");
    more("def f():  # why", "    ");
    more("def f():\n    x = 1", "    ");
    complete("def f():\n    x = 1\n");
    complete("def f():\n    x = 1\n    ");
    more("def f():\n    x = 1\n\n    y = 2", "    ");
    complete("def f():\n    x = 1\n\n    y = 2\n");
    more("def f():\n    # only a note", "    ");
    more("def f():\n", "    ");
    complete("def f():\n\n");
    more("async def f():", "    ");
    more("async with a as b:", "    ");
    more("class A:", "    ");
    more("class A(B,", "    ");
    more("with open('a') as f, \\", "");
    more("while x:", "    ");
    more("match x:", "    ");
    more("match x:\n    case {'a': 1}:", "        ");
    more("for i in range(3):\n    for j in a:", "        ");
}

#[test]
fn a_line_back_at_the_margin_ends_the_block() {
    complete("for i in x:\n    print(i)\nprint('done')");
    more("if x:\n    a()\nelse:", "    ");
    more("if x:\n    a()\nelse:\n    b()", "    ");
    complete("if x:\n    a()\nelse:\n    b()\n");
    complete("if x:\n    a()\nelse: b()");
}

#[test]
fn blocks_on_one_line() {
    complete("if x: y()");
    complete("for i in x: print(i)");
    complete("while f(): pass");
    complete("class A: pass");
    complete("def f(): return 1");
    complete("with a: b = {1: 2}");
    complete("if x: f = lambda: 3");
    more("if (lambda: 1)():", "    ");
    more("if lambda x: 1:", "    ");
    more("if (n := 3) > 2:", "    ");
    more("if x[1:2]:", "    ");
    complete("lambda x: 1");
    complete("f = lambda x, y=lambda: 2: 3");
}

#[test]
fn a_block_on_one_line_may_continue() {
    for (cell, may) in [
        ("if 0: pass", true),
        ("if 0: pass\n", false),
        ("if x:\n    a()\nelse: b()", true),
        ("if 0: pass\nx = 1", false),
        ("x = 1", false),
        ("%%time\nif 0: pass", false),
        ("", false),
    ] {
        assert_eq!(Python.may_continue(cell), may, "{cell:?}");
    }
}

#[test]
fn try_needs_its_other_half() {
    more("try:\n    a()", "    ");
    more("try:\n    a()\n", "");
    more("try: a()", "");
    complete("try:\n    a()\n\n");
    more("try:\n    a()\nexcept E:", "    ");
    more("try:\n    a()\nexcept E:\n    b()", "    ");
    complete("try:\n    a()\nexcept E:\n    b()\n");
    complete("try:\n    a()\nfinally: b()");
    complete("try: a()\nexcept: b()");
    more("def f():\n    try:\n        a()\n", "    ");
    complete("def f():\n    try:\n        a()\n    finally:\n        b()\n");
}

#[test]
fn decorators_wait_for_what_they_decorate() {
    more("@d", "");
    more("@d(1,\n   2)", "");
    more("class A:\n    @property", "    ");
    more("@d\ndef f():", "    ");
    complete("a @ b");
}

#[test]
fn code_that_no_line_can_complete_is_sent() {
    invalid("if x");
    invalid("def f()");
    invalid("else");
    invalid("for i in range(3)");
    complete("x = = 1");
    complete("foo:");
}

#[test]
fn indentation_follows_the_code() {
    let after = |text: &str| Python.indent_after(text);
    assert_eq!(after("def f():"), "    ");
    assert_eq!(after("def f():\n  x\n  if y:"), "    ");
    assert_eq!(after("def f():\n\tif y:"), "\t\t");
    assert_eq!(after("def f():\n    return 1"), "");
    assert_eq!(after("class A:\n    def f(self):\n        pass"), "    ");
    assert_eq!(after("for i in x:\n    if i:\n        continue"), "    ");
    assert_eq!(after("if x:\n    raise E(\n        1)"), "");
    assert_eq!(after("def f():\n    returned = 1"), "    ");
    assert_eq!(after("f(a,"), "    ");
    assert_eq!(after("f(a,\n  b"), "    ");
    assert_eq!(after("def f():\n    # note"), "    ");
    assert_eq!(after("x = '''\n    a"), "");
    assert_eq!(after(""), "");
}

#[test]
fn a_clause_is_indented_like_its_block() {
    let dedent = |cell| Python.dedent(cell);
    assert_eq!(dedent("if x:\n    a\n    else:").as_deref(), Some(""));
    assert_eq!(dedent("if x:\n    a\n    elif y == {1: 2}:").as_deref(), Some(""));
    assert_eq!(dedent("try:\n    a\n    except E as e:").as_deref(), Some(""));
    assert_eq!(dedent("try:\n    a\nexcept E:\n    b\n    finally:").as_deref(), Some(""));
    assert_eq!(dedent("if x:\n    for a in b:\n        c\n        else:").as_deref(), Some("    "));
    assert_eq!(dedent("def f():\n\tif x:\n\t\ta\n\t\telse:").as_deref(), Some("\t"));
    // The line is already in its place, has no matching block, or is not a clause.
    assert_eq!(dedent("if x:\n    if y:\n        a\n    else:"), None);
    assert_eq!(dedent("if x:\n    a\nelse:"), None);
    assert_eq!(dedent("def f():\n    else:"), None);
    assert_eq!(dedent("if x:\n    a\n    elsewhere:"), None);
    assert_eq!(dedent("if x:\n    a\n    elif y[1:"), None);
    assert_eq!(dedent("if x:\n    '''\n    else:"), None);
    assert_eq!(dedent("else:"), None);
    assert_eq!(dedent(""), None);
}

#[test]
fn brackets_know_their_partner_in_code_only() {
    assert_eq!(Python.matching_bracket("f(')', a[0])", 1), Some(11));
    assert_eq!(Python.matching_bracket("f(')', a[0])", 11), Some(1));
    assert_eq!(Python.matching_bracket("f(')', a[0])", 3), None);
    assert_eq!(Python.matching_bracket("f'{g(1)}'", 4), Some(6));
    assert_eq!(Python.matching_bracket("f'{g(1)}'", 2), Some(7));
    assert_eq!(Python.matching_bracket("# ()", 2), None);
}

#[test]
fn only_names_are_documented() {
    assert_eq!(Python.documentation("os.path.join").as_deref(), Some("help(os.path.join)"));
    assert_eq!(Python.documentation("lambda").as_deref(), Some("help('lambda')"));
    for name in ["", "a b", "a.", ".a", "f()", "a;b", "1a", "x'", "a..b"] {
        assert_eq!(Python.documentation(name), None, "{name:?}");
    }
}

#[test]
fn any_text_is_handled_without_a_panic() {
    let pieces =
        ["f'{", "'''", "\"", "\\", "\n", "(", "}", ":", "lambda", " ", "ä", "def f", "@", "#", "N{", "\r"];
    // Every text of four pieces, and every prefix of it as it would be typed.
    for n in 0..pieces.len().pow(4) {
        let digits = [n, n / 16, n / 256, n / 4096].map(|d| d % pieces.len());
        let text: String = digits.iter().map(|&d| pieces[d]).collect();
        Python.completeness(&text);
        Python.indent_after(&text);
        Python.dedent(&text);
    }
}
