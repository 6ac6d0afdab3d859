//! Pictures and rich text from the value of a cell, from `display()` and from figures.

use super::super::{ConsoleRecord, Reply};
use super::harness::{Session, pythons};

#[tokio::test]
async fn each_representation_becomes_its_record() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        session.value("class Rich:\n    def __repr__(self): return 'text'").await;
        for (method, result, reply) in [
            (
                "_repr_png_",
                "b'png'",
                Reply::Console(ConsoleRecord::Media {
                    mime: "image/png".into(),
                    data: "data:image/png;base64,cG5n".into(),
                }),
            ),
            (
                "_repr_jpeg_",
                "(b'jpg', {})",
                Reply::Console(ConsoleRecord::Media {
                    mime: "image/jpeg".into(),
                    data: "data:image/jpeg;base64,anBn".into(),
                }),
            ),
            (
                "_repr_svg_",
                "'<svg/>'",
                Reply::Console(ConsoleRecord::Media { mime: "image/svg+xml".into(), data: "<svg/>".into() }),
            ),
            ("_repr_html_", "'<b>é</b>'", Reply::Console(ConsoleRecord::Html("<b>é</b>".into()))),
            (
                "_repr_markdown_",
                "'# t'",
                Reply::Console(ConsoleRecord::Media { mime: "text/markdown".into(), data: "# t".into() }),
            ),
            (
                "_repr_latex_",
                "'$x$'",
                Reply::Console(ConsoleRecord::Media { mime: "text/latex".into(), data: "$x$".into() }),
            ),
            (
                "_repr_json_",
                "{'a': [1, None]}",
                Reply::Console(ConsoleRecord::Media {
                    mime: "application/json".into(),
                    data: "{\"a\": [1, null]}".into(),
                }),
            ),
            ("_repr_json_", "{1, 2}", Reply::Console(ConsoleRecord::Stdout("text\n".into()))),
            ("_repr_latex_", "None", Reply::Console(ConsoleRecord::Stdout("text\n".into()))),
            ("_repr_html_", "None", Reply::Console(ConsoleRecord::Stdout("text\n".into()))),
            ("_repr_html_", "1/0", Reply::Console(ConsoleRecord::Stdout("text\n".into()))),
        ] {
            let code = format!(
                "class One(Rich):\n    def {method}(self): return {result}\nprint('before')\ndisplay(One())\nprint('after')"
            );
            let outcome = session.run(&code).await;
            let text: String = outcome.sequence().concat();
            assert!(
                outcome.replies.contains(&reply) || text.contains("before\ntext\nafter"),
                "{python}: {method}: {outcome:?}"
            );
            assert!(text.starts_with("O:before\n") && text.ends_with("after\n"), "{python}: {outcome:?}");
            assert_eq!((outcome.exit_code, outcome.stderr().as_str()), (0, ""));
            let shown = session.run("One()").await;
            let text = Reply::Console(ConsoleRecord::Stdout(shown.stdout()));
            assert!(shown.replies == [reply.clone()] || text == reply, "{python}: {method}: {shown:?}");
        }
        let code = "class B:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n        return {'text/plain': 't', 'text/html': '<i>', 'image/png': 'cG\\n5n'}\nB()";
        let png = Reply::Console(ConsoleRecord::Media {
            mime: "image/png".into(),
            data: "data:image/png;base64,cG5n".into(),
        });
        assert_eq!(session.run(code).await.replies, [png], "{python}");
        assert_eq!(session.value("One").await, "<class '__main__.One'>\n");
        let mock = session.value("import unittest.mock\nunittest.mock.MagicMock(name='m')").await;
        assert!(mock.starts_with("<MagicMock name='m'"), "{python}: {mock}");
    }
}

#[tokio::test]
async fn half_a_character_is_replaced_in_every_representation() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        for kind in
            ["image/png", "image/svg+xml", "text/html", "text/markdown", "text/latex", "application/json"]
        {
            let code = format!("display({{'{kind}': 'a\\ud83dz'}}, raw=True)\nprint('on')");
            let outcome = session.run(&code).await;
            let shown: String = outcome
                .replies
                .iter()
                .map(|reply| match reply {
                    Reply::Console(ConsoleRecord::Media { data: text, .. } | ConsoleRecord::Html(text)) => {
                        text.as_str()
                    }
                    _ => "",
                })
                .collect();
            assert!(shown.ends_with("a\u{fffd}z"), "{python}: {kind}: {outcome:?}");
            assert_eq!((outcome.stdout().as_str(), outcome.exit_code), ("on\n", 0), "{python}: {kind}");
        }
    }
}

#[tokio::test]
async fn a_value_that_is_too_large_is_said_and_the_cell_goes_on() {
    let mut session = Session::start("python").await;
    let outcome = session.run("display({'text/html': 'x' * (256 << 20)}, raw=True)\nprint('on')").await;
    assert_eq!(
        outcome.sequence(),
        ["E:A value of 256 MiB is not shown: the limit is 255 MiB at a time.\n", "O:on\n"]
    );
    assert_eq!(session.value("'next'").await, "'next'\n");
}

#[tokio::test]
async fn a_large_picture_is_complete_and_in_order() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code =
            "class P:\n    def _repr_svg_(self): return 'é' * 2000000\nprint(1); display(P()); print(2)";
        let outcome = session.run(code).await;
        assert_eq!(outcome.sequence(), ["O:1\n", "[image/svg+xml]", "O:2\n"], "{python}");
        let is_picture = |reply: &&Reply| matches!(reply, Reply::Console(ConsoleRecord::Media { .. }));
        let Some(Reply::Console(ConsoleRecord::Media { data, .. })) = outcome.replies.iter().find(is_picture)
        else {
            panic!("no picture")
        };
        assert_eq!(data.chars().count(), 2_000_000);
    }
}

#[tokio::test]
async fn figures_and_frames_are_shown() {
    let Some(mut session) = Session::start_in_test_venv().await else { return };
    session.value("import matplotlib.pyplot as plt, pandas").await;
    for (code, sequence) in [
        ("plt.plot([1, 2]); None", vec!["[image/png]"]),
        ("plt.plot([1]); print('a'); plt.show(); print('b')", vec!["O:a\n", "[image/png]", "O:b\n"]),
        ("fig, ax = plt.subplots(); ax.plot([1]); fig", vec!["[image/png]"]),
        (
            "plt.figure(); plt.plot([1]); plt.figure(); plt.plot([2]); None",
            vec!["[image/png]", "[image/png]"],
        ),
        ("plt.get_fignums()", vec!["O:[]\n"]),
        ("plt.figure(); None", vec![]),
        ("pandas.DataFrame({'a': [1]})", vec!["[html]"]),
        ("fig.show()", vec!["[image/png]"]),
    ] {
        let outcome = session.run(code).await;
        assert_eq!(
            (outcome.sequence(), outcome.stderr().as_str()),
            (sequence.iter().map(ToString::to_string).collect(), ""),
            "{code}"
        );
    }
}
