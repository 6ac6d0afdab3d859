//! Ranges of values in the syntax of the official client, and the cases that they make. This module does no I/O.

use std::collections::BTreeSet;

/// Maximum number of values in a range, and of cases.
const MAX_VALUES: usize = 10_000;

/// A variable and the values that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    name: String,
    values: Vec<String>,
}

impl Range {
    /// Reads `NAME=case:a,b`, `NAME=range:START,STOP[,STEP]` or `NAME=linspace:START,STOP,COUNT`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, range) = text.split_once('=').ok_or("expected NAME=RANGE")?;
        if !is_name(name) {
            return Err(format!("\"{name}\" is not the name of a variable"));
        }
        let (kind, rest) = range.split_once(':').unwrap_or(("", range));
        let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
        let values = match (kind, parts.as_slice()) {
            ("case", parts) => Ok(parts.iter().map(|part| (*part).to_owned()).collect()),
            ("range", [stop]) => integers("0", stop, "1"),
            ("range", [start, stop]) => integers(start, stop, "1"),
            ("range", [start, stop, step]) => integers(start, stop, step),
            ("linspace", [start, stop, count]) => linspace(start, stop, count),
            _ => {
                Err("expected case:a,b,c or range:START,STOP[,STEP] or linspace:START,STOP,COUNT after the ="
                    .to_owned())
            }
        }?;
        if values.is_empty() {
            return Err("the range has no values".to_owned());
        }
        Ok(Range { name: name.to_owned(), values })
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_') && letters.all(is_in_name)
}

fn is_in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Integers from `start` up or down to `stop`, which is excluded.
fn integers(start: &str, stop: &str, step: &str) -> Result<Vec<String>, String> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| format!("\"{text}\" is not a whole number"));
    let (start, stop, step) = (number(start)?, number(stop)?, number(step)?);
    if step == 0 {
        return Err("the step is 0".to_owned());
    }
    let mut values = Vec::new();
    let mut value = start;
    while (step > 0 && value < stop) || (step < 0 && value > stop) {
        if values.len() == MAX_VALUES {
            return Err(format!("the range has more than {MAX_VALUES} values"));
        }
        values.push(value.to_string());
        let Some(next) = value.checked_add(step) else { break };
        value = next;
    }
    Ok(values)
}

/// `count` evenly spaced numbers from `start` to `stop`, both included.
fn linspace(start: &str, stop: &str, count: &str) -> Result<Vec<String>, String> {
    let number = |text: &str| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("\"{text}\" is not a number"))
    };
    let (start, stop) = (number(start)?, number(stop)?);
    let count: u32 = count.parse().map_err(|_| format!("\"{count}\" is not a count"))?;
    if count as usize > MAX_VALUES {
        return Err(format!("the range has more than {MAX_VALUES} values"));
    }
    let parts = f64::from(count.saturating_sub(1).max(1));
    let value = |index: u32| match index {
        0 => start,
        last if last + 1 == count => stop,
        index => start + (stop - start) * f64::from(index) / parts,
    };
    Ok((0..count).map(|index| rounded(value(index))).collect())
}

/// A number without the last digits, which are rounding errors.
fn rounded(number: f64) -> String {
    let rounded: f64 = format!("{number:.12e}").parse().unwrap_or(number);
    rounded.to_string()
}

/// The commands and variables of all cases, with placeholders for values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Template {
    pub(super) env: Vec<(String, String)>,
    pub(super) build: String,
    pub(super) exec: String,
}

/// One combination of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    /// The variables with their values, in the order of the command line.
    pub(super) values: Vec<(String, String)>,
    /// The template with the values filled in.
    pub(super) filled: Template,
}

impl Case {
    /// The values for people: `LR=0.1 SEED=2`.
    pub(super) fn label(&self) -> String {
        let pairs: Vec<_> = self.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join(" ")
    }
}

/// All combinations of values; the last range changes fastest. Equal cases are removed.
pub(super) fn cases(
    template: &Template,
    env: &[Range],
    build: &[Range],
    exec: &[Range],
) -> Result<Vec<Case>, String> {
    let count = [env, build, exec].into_iter().flatten().map(|range| range.values.len());
    let count = count.fold(1_usize, usize::saturating_mul);
    if count > MAX_VALUES {
        return Err(format!("the ranges make {count} cases, which is more than {MAX_VALUES}"));
    }
    for (ranges, text, what) in [(build, &template.build, "--build"), (exec, &template.exec, "--exec")] {
        if let Some(unused) = ranges.iter().find(|range| !mentions(text, &range.name)) {
            let name = &unused.name;
            return Err(format!("{what} does not contain ${name}, so its values would have no effect"));
        }
    }
    let mut cases = vec![Case { values: Vec::new(), filled: template.clone() }];
    for range in env {
        let used = template.env.iter().any(|(_, text)| mentions(text, &range.name));
        cases = expand(&cases, range, |filled, value| {
            for (_, text) in &mut filled.env {
                *text = fill(text, &range.name, value);
            }
            if !used {
                filled.env.push((range.name.clone(), value.to_owned()));
            }
        });
    }
    for range in build {
        cases = expand(&cases, range, |filled, value| filled.build = fill(&filled.build, &range.name, value));
    }
    for range in exec {
        cases = expand(&cases, range, |filled, value| filled.exec = fill(&filled.exec, &range.name, value));
    }
    let mut seen = BTreeSet::new();
    cases.retain(|case| seen.insert(case.filled.clone()));
    Ok(cases)
}

fn expand(cases: &[Case], range: &Range, set: impl Fn(&mut Template, &str)) -> Vec<Case> {
    let with = |case: &Case, value: &String| {
        let mut case = case.clone();
        case.values.push((range.name.clone(), value.clone()));
        set(&mut case.filled, value);
        case
    };
    cases.iter().flat_map(|case| range.values.iter().map(move |value| with(case, value))).collect()
}

fn mentions(text: &str, name: &str) -> bool {
    fill(text, name, "") != text
}

/// Replaces `$name` and `${name}` with a value. Other variables are left to the shell.
fn fill(text: &str, name: &str, value: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.strip_prefix(name)?.strip_prefix('}'));
        let bare = after.strip_prefix(name).filter(|tail| !tail.starts_with(is_in_name));
        match braced.or(bare) {
            Some(tail) => {
                filled.push_str(value);
                rest = tail;
            }
            None => {
                filled.push('$');
                // `$$name` is left to the shell too.
                rest = match after.strip_prefix('$') {
                    Some(tail) => {
                        filled.push('$');
                        tail
                    }
                    None => after,
                };
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        Range::parse(text).unwrap().values
    }

    #[test]
    fn ranges_are_read_as_the_official_client_writes_them() {
        assert_eq!(values("x=case:a,b, c"), ["a", "b", "c"]);
        assert_eq!(values("x=range:1,7,2"), ["1", "3", "5"]);
        assert_eq!(values("x=range:3"), ["0", "1", "2"]);
        assert_eq!(values("x=range:2,-1,-1"), ["2", "1", "0"]);
        assert_eq!(values("x=linspace:0,1,11")[3], "0.3");
        assert_eq!(values("x=linspace:1,2,5"), ["1", "1.25", "1.5", "1.75", "2"]);
        assert_eq!(values("x=linspace:5,9,1"), ["5"]);
    }

    #[test]
    fn a_wrong_range_is_explained() {
        for wrong in [
            "x",
            "=case:a",
            "2x=case:a",
            "x=a,b",
            "x=range:",
            "x=range:a,b",
            "x=range:1,2,0",
            "x=range:5,1",
            "x=range:1,2,3,4",
            "x=linspace:0,1",
            "x=linspace:0,inf,3",
            "x=linspace:0,1,-2",
            "x=linspace:0,1,0",
            "x=range:0,9223372036854775807",
            "x=linspace:0,1,4000000000",
        ] {
            assert!(Range::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Range::parse("x=range:9223372036854775805,9223372036854775807,5").is_ok());
    }

    #[test]
    fn values_replace_only_their_own_names() {
        assert_eq!(fill("$x ${x} $xy ${xy} $HOME $$x x$", "x", "1"), "1 1 $xy ${xy} $HOME $$x x$");
        assert_eq!(fill("-O$o $(id) $", "o", "2"), "-O2 $(id) $");
        assert_eq!(fill("$x", "x", "$x"), "$x");
    }

    #[test]
    fn cases_are_all_combinations_in_order() {
        let template = Template {
            env: vec![("SEED".into(), "s$seed".into())],
            build: "make O=$o".into(),
            exec: "./main $n".into(),
        };
        let range = |text| vec![Range::parse(text).unwrap()];
        let env = [range("seed=range:1,3"), range("PLAIN=case:p")].concat();
        let all = cases(&template, &env, &range("o=case:0,3"), &range("n=case:a,a")).unwrap();
        let labels: Vec<_> = all.iter().map(Case::label).collect();
        assert_eq!(
            labels,
            [
                "seed=1 PLAIN=p o=0 n=a",
                "seed=1 PLAIN=p o=3 n=a",
                "seed=2 PLAIN=p o=0 n=a",
                "seed=2 PLAIN=p o=3 n=a"
            ]
        );
        let last = &all[3].filled;
        assert_eq!(last.env, [("SEED".into(), "s2".into()), ("PLAIN".into(), "p".into())]);
        assert_eq!((last.build.as_str(), last.exec.as_str()), ("make O=3", "./main a"));
        assert!(cases(&template, &[], &range("other=case:1"), &[]).is_err());
        let many = range("n=range:0,200");
        assert!(cases(&template, &[many.clone(), range("seed=range:0,100")].concat(), &[], &many).is_err());
    }
}
