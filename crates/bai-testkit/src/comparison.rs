//! The table that benches print: a row for each program in each measurement, and how ours compares with its peers of the same
//! run. A peer that is not installed or gives no answer is a row that says so; only ours has to answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What was measured of one program.
pub struct Figure {
    /// The number that is compared.
    pub number: f64,
    /// What the table shows.
    pub text: String,
}

impl Figure {
    /// The median of these times and their 99th percentile.
    pub fn median(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1e3;
        let number = at(0.5);
        Figure { number, text: format!("{number:>9.2} ms{:>12.2} ms", at(0.99)) }
    }
}

/// Prints the head of the table. `columns` is that of the figures.
pub fn head(columns: &str) {
    println!("\n{:<44}{columns:<28}{:>10}", "measurement, program", "ours/peer");
}

/// Measures these programs and prints a row for each, and the ratio beside peers. Ours is the first; one that is not installed is
/// `None`.
///
/// # Panics
/// When ours gives no answer.
pub fn compare<'a, T>(
    title: &str,
    programs: impl IntoIterator<Item = (&'a str, Option<T>)>,
    mut measure: impl FnMut(T) -> Figure,
) {
    println!("{title}");
    let mut ours = None;
    for (name, program) in programs {
        let row = match (program, ours) {
            (None, _) => "not installed".to_owned(),
            (Some(program), None) => {
                let figure = measure(program);
                ours = Some(figure.number);
                figure.text
            }
            // The fake terminal panics if an answer does not come.
            (Some(peer), Some(ours)) => match catch_unwind(AssertUnwindSafe(|| measure(peer))) {
                Ok(figure) => format!("{:<28}{:>9.2}x", figure.text, ours / figure.number),
                Err(_) => "no answer".to_owned(),
            },
        };
        println!("  {name:<42}{row}");
    }
}
