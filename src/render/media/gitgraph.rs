//! The commit graph of a git kernel (`application/vnd.sorna.gitgraph`, `docs/wire` §5.1) as text, newest commit first,
//! in the style of `git log --graph`.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;

/// The MIME type.
pub(in crate::render) const GIT_GRAPH: &str = "application/vnd.sorna.gitgraph";

/// The most commits that are shown.
const MAX_COMMITS: usize = 500;

/// The most parallel branches.
const MAX_LANES: usize = 40;

#[derive(Deserialize)]
struct Commit {
    oid: String,
    #[serde(default)]
    parent_ids: Vec<String>,
    #[serde(default)]
    author: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    branch: Option<String>,
}

/// The characters of a graph.
struct Strokes {
    commit: char,
    line: char,
    across: char,
    fork: char,
    join: char,
    opens: char,
    closes: char,
}

const UNICODE: Strokes =
    Strokes {
        commit: '●', line: '│', across: '─', fork: '├', join: '┤', opens: '╮', closes: '╯'
    };
const ASCII: Strokes =
    Strokes { commit: '*', line: '|', across: '-', fork: '+', join: '+', opens: '\\', closes: '/' };

/// Draws the graph. `None` if the text is not a list of commits. The result is still untrusted.
pub(in crate::render) fn git_graph(text: &str, unicode: bool) -> Option<String> {
    let mut commits: Vec<Commit> = serde_json::from_str(text).ok()?;
    let known: HashMap<&str, usize> =
        commits.iter().enumerate().map(|(index, commit)| (commit.oid.as_str(), index)).collect();
    let oldest_first = commits.iter().enumerate().any(|(index, commit)| {
        commit.parent_ids.iter().any(|parent| known.get(parent.as_str()).is_some_and(|at| *at < index))
    });
    if oldest_first {
        commits.reverse();
    }
    let mut graph =
        Graph { strokes: if unicode { &UNICODE } else { &ASCII }, lanes: Vec::new(), text: String::new() };
    let known: HashSet<String> = commits.iter().map(|commit| commit.oid.clone()).collect();
    for commit in commits.iter().take(MAX_COMMITS) {
        graph.commit(commit, &known);
    }
    let left = commits.len().saturating_sub(MAX_COMMITS);
    if left > 0 {
        graph.text.push_str(&format!("({left} older commits)\n"));
    }
    Some(graph.text)
}

struct Graph<'a> {
    strokes: &'a Strokes,
    /// The next commit of each lane.
    lanes: Vec<Option<String>>,
    text: String,
}

impl Graph<'_> {
    fn commit(&mut self, commit: &Commit, known: &HashSet<String>) {
        let leads_here = |lane: &Option<String>| lane.as_deref() == Some(&commit.oid);
        let at = self.lanes.iter().position(leads_here).unwrap_or_else(|| self.free_lane());
        let others: Vec<usize> = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(lane, to)| *lane != at && leads_here(to))
            .map(|(lane, _)| lane)
            .collect();
        for lane in others {
            self.connect(at, lane, self.strokes.closes);
            self.set_lane(lane, None);
        }
        self.drop_empty_lanes();
        self.set_lane(at, Some(commit.oid.clone()));
        self.row(at, self.strokes.commit);
        self.text.push_str(&description(commit));
        self.text.push('\n');

        let mut parents = commit.parent_ids.iter().filter(|parent| known.contains(*parent));
        self.set_lane(at, parents.next().cloned());
        for parent in parents {
            let existing = self.lanes.iter().position(|lane| lane.as_deref() == Some(parent));
            match existing {
                Some(lane) if lane != at => self.connect(at, lane, self.strokes.join),
                Some(_) => {}
                None if self.lanes.len() < MAX_LANES => {
                    let lane = self.free_lane_after(at);
                    self.connect(at, lane, self.strokes.opens);
                    self.set_lane(lane, Some(parent.clone()));
                }
                None => {}
            }
        }
        self.drop_empty_lanes();
    }

    /// Removes empty lanes on the right.
    fn drop_empty_lanes(&mut self) {
        while self.lanes.last().is_some_and(Option::is_none) {
            self.lanes.pop();
        }
    }

    fn set_lane(&mut self, lane: usize, to: Option<String>) {
        if self.lanes.len() <= lane {
            self.lanes.resize(lane + 1, None);
        }
        if let Some(slot) = self.lanes.get_mut(lane) {
            *slot = to;
        }
    }

    fn free_lane(&self) -> usize {
        self.lanes.iter().position(Option::is_none).unwrap_or(self.lanes.len())
    }

    fn free_lane_after(&self, at: usize) -> usize {
        let free = self.lanes.iter().skip(at + 1).position(Option::is_none);
        free.map_or(self.lanes.len().max(at + 1), |offset| at + 1 + offset)
    }

    /// Draws the lanes of a commit's row and marks the commit.
    fn row(&mut self, at: usize, mark: char) {
        for lane in 0..self.lanes.len().max(at + 1) {
            let leads = self.lanes.get(lane).is_some_and(Option::is_some);
            self.text.push(if lane == at {
                mark
            } else if leads {
                self.strokes.line
            } else {
                ' '
            });
            self.text.push(' ');
        }
    }

    /// Draws a row in which a lane joins or leaves another.
    fn connect(&mut self, at: usize, other: usize, end: char) {
        let (first, last) = (at.min(other), at.max(other));
        for lane in 0..self.lanes.len().max(last + 1) {
            let leads = self.lanes.get(lane).is_some_and(Option::is_some);
            let inside = lane > first && lane < last;
            self.text.push(match lane {
                _ if lane == first => self.strokes.fork,
                _ if lane == last => {
                    if other > at {
                        end
                    } else {
                        self.strokes.join
                    }
                }
                _ if leads => self.strokes.line,
                _ if inside => self.strokes.across,
                _ => ' ',
            });
            self.text.push(if lane >= first && lane < last { self.strokes.across } else { ' ' });
        }
        let length = self.text.trim_end_matches(' ').len();
        self.text.truncate(length);
        self.text.push('\n');
    }
}

/// Returns the description of a commit.
fn description(commit: &Commit) -> String {
    let word = |text: &str, width| crate::render::sanitize::line(text, width);
    let mut description = word(commit.oid.get(..7).unwrap_or(&commit.oid), 7);
    if let Some(branch) = commit.branch.as_deref().filter(|branch| !branch.is_empty()) {
        description.push_str(&format!(" ({})", word(branch, 40)));
    }
    let message = commit.message.as_deref().unwrap_or_default();
    description.push_str(&format!(" {}", word(message.lines().next().unwrap_or_default(), 80)));
    if let Some(author) = commit.author.as_deref().filter(|author| !author.is_empty()) {
        description.push_str(&format!(" <{}>", word(author, 40)));
    }
    description
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(commits: &[(&str, &[&str])]) -> String {
        let commits: Vec<_> = commits
            .iter()
            .map(|(oid, parents)| serde_json::json!({"oid": oid, "parent_ids": parents, "message": format!("say {oid}")}))
            .collect();
        git_graph(&serde_json::to_string(&commits).unwrap(), true).unwrap()
    }

    #[test]
    fn a_line_is_a_line_in_either_order() {
        let expected = "● c say c\n● b say b\n● a say a\n";
        assert_eq!(graph(&[("c", &["b"]), ("b", &["a"]), ("a", &[])]), expected);
        assert_eq!(graph(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]), expected);
    }

    #[test]
    fn a_branch_forks_and_is_merged() {
        let text = graph(&[("m", &["b", "x"]), ("x", &["a"]), ("b", &["a"]), ("a", &[])]);
        assert_eq!(text, "● m say m\n├─╮\n│ ● x say x\n● │ b say b\n├─╯\n● a say a\n");
    }

    #[test]
    fn two_heads_are_side_by_side() {
        let text = graph(&[("x", &["a"]), ("b", &["a"]), ("a", &[])]);
        assert_eq!(text, "● x say x\n│ ● b say b\n├─╯\n● a say a\n");
    }

    #[test]
    fn hostile_commits_are_bounded_and_harmless() {
        assert_eq!(git_graph("{}", true), None);
        assert_eq!(git_graph("[[[[", true), None);
        assert_eq!(git_graph("[]", true).as_deref(), Some(""));
        let commit = serde_json::json!({"oid": "a", "parent_ids": ["a"], "message": "x\u{1b}[2Jy\nz", "author": "A", "branch": "b"});
        assert_eq!(
            git_graph(&serde_json::json!([commit]).to_string(), false).as_deref(),
            Some("* a (b) x<U+001B>[2Jy <A>\n")
        );
        let many: Vec<_> = (0..2_000)
            .map(|n| serde_json::json!({"oid": n.to_string(), "parent_ids": (n + 1..n + 60).map(|p| p.to_string()).collect::<Vec<_>>()}))
            .collect();
        let text = git_graph(&serde_json::to_string(&many).unwrap(), true).unwrap();
        assert!(text.ends_with("(1500 older commits)\n"));
        assert!(text.lines().all(|line| line.chars().count() < 300));
    }
}
