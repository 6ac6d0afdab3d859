//! A cell: its output, its value, its errors.

use super::super::Op;
use super::harness::{Session, pythons};

#[tokio::test]
async fn a_cell_prints_shows_its_value_and_fails_in_order() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        assert_eq!(session.value("print('hi')\n6 * 7").await, "hi\n42\n", "{python}");
        let code = "import sys\nprint(1); print(2, file=sys.stderr); print(3)\n1/0";
        let outcome = session.run(code).await;
        let traceback = outcome.sequence().pop().unwrap();
        assert!(
            traceback.contains("File \"<cell 2>\", line 3, in <module>\n    1/0\n"),
            "{python}: {traceback}"
        );
        assert!(traceback.ends_with("ZeroDivisionError: division by zero\n"), "{python}: {traceback}");
        assert_eq!(outcome.sequence()[..3], ["O:1\n", "E:2\n", "O:3\n"], "{python}");
        assert_eq!(outcome.exit_code, 1);
    }
}

#[tokio::test]
async fn an_interrupt_stops_a_loop_and_the_variables_stay() {
    for python in pythons().await {
        let mut session = Session::start(&python).await;
        let code = "x = 1\nprint('on', flush=True)\ntry:\n while True:\n  pass\nexcept Exception:\n pass";
        session.send(Op::Code(code.into())).await;
        session.until_output("on").await;
        session.send(Op::Interrupt).await;
        let outcome = session.finish().await;
        assert!(outcome.stderr().ends_with("KeyboardInterrupt\n"), "{python}: {outcome:?}");
        assert_eq!(outcome.exit_code, 1);
        assert_eq!(session.value("x").await, "1\n");
    }
}

#[tokio::test]
async fn a_cell_works_in_the_folder_of_the_session() {
    let mut session = Session::start("python").await;
    std::fs::write(session.folder.path().join("neighbour.py"), "word = 'here'").unwrap();
    assert_eq!(session.value("import neighbour; neighbour.word").await, "'here'\n");
}
