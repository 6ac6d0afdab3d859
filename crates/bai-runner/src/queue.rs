//! The queue of tasks (`docs/wire` §9.4): strictly first in, first out. After a failed build the next `exec` is not run.
//! This module does no I/O.

use super::language::{NOT_RUN, StepKind};
use super::op::Step;
use super::reply::Reply;
use bai_protocol::execute::Script;
use std::collections::VecDeque;

/// A task that waits in the queue and ends with one finished reply.
#[derive(Debug, PartialEq)]
pub(super) enum Task {
    Code(String, Option<Script>),
    Step(StepKind, Step),
    /// The interpreter ends.
    End,
}

impl Task {
    /// Whether the session ends with this script.
    pub(super) fn is_last_script(&self) -> bool {
        matches!(self, Task::Code(_, Some(script)) if script.last)
    }

    /// Whether the interpreter ends with it.
    pub(super) fn ends_interpreter(&self) -> bool {
        *self == Task::End || self.is_last_script()
    }

    /// The reply that ends this task.
    pub(super) fn finished(&self, exit_code: i32) -> Reply {
        match self {
            Task::Step(StepKind::Clean, _) => Reply::CleanFinished { exit_code },
            Task::Step(StepKind::Build, _) => Reply::BuildFinished { exit_code },
            Task::Code(..) | Task::End | Task::Step(StepKind::Exec, _) => Reply::Finished { exit_code },
        }
    }
}

/// The next task.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Run this.
    Run(Task),
    /// This task ends without running, with that exit code.
    Over(Task, i32),
}

/// Tasks that wait, and whether the last build failed.
#[derive(Debug, Default)]
pub(super) struct TaskQueue {
    waiting: VecDeque<Task>,
    build_failed: bool,
}

impl TaskQueue {
    pub(super) fn push(&mut self, task: Task) {
        self.waiting.push_back(task);
    }

    /// Takes the next task.
    pub(super) fn next(&mut self) -> Option<Next> {
        let task = self.waiting.pop_front()?;
        Some(match &task {
            Task::Step(StepKind::Exec, _) if std::mem::take(&mut self.build_failed) => {
                Next::Over(task, NOT_RUN)
            }
            Task::Step(_, Step::Skip) => {
                self.ended(&task, 0);
                Next::Over(task, 0)
            }
            _ => Next::Run(task),
        })
    }

    /// The first of the tasks that wait.
    pub(super) fn peek(&self) -> Option<&Task> {
        self.waiting.front()
    }

    /// Records how a task ended.
    pub(super) fn ended(&mut self, task: &Task, exit_code: i32) {
        if let Task::Step(StepKind::Build, _) = task {
            self.build_failed = exit_code != 0;
        }
    }

    /// Clears the state, and returns the waiting tasks.
    pub(super) fn clear(&mut self) -> Vec<Task> {
        self.build_failed = false;
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(kind: StepKind, text: &str) -> Task {
        Task::Step(kind, Step::from_wire(Some(text)))
    }

    fn run(queue: &mut TaskQueue, exit_code: i32) -> Next {
        let next = queue.next().unwrap();
        if let Next::Run(task) = &next {
            queue.ended(task, exit_code);
        }
        next
    }

    #[test]
    fn exec_after_a_failed_build_is_127_once() {
        let mut queue = TaskQueue::default();
        for _ in 0..2 {
            queue.push(step(StepKind::Exec, "x"));
        }
        queue.push(step(StepKind::Build, "b"));
        for _ in 0..2 {
            queue.push(step(StepKind::Exec, "x"));
        }
        assert_eq!(run(&mut queue, 1), Next::Run(step(StepKind::Exec, "x")));
        assert_eq!(run(&mut queue, 1), Next::Run(step(StepKind::Exec, "x")));
        assert_eq!(run(&mut queue, 2), Next::Run(step(StepKind::Build, "b")));
        assert_eq!(run(&mut queue, 0), Next::Over(step(StepKind::Exec, "x"), 127));
        assert_eq!(run(&mut queue, 0), Next::Run(step(StepKind::Exec, "x")));
        assert_eq!(queue.next(), None);
    }

    #[test]
    fn a_skipped_build_counts_as_success() {
        let mut queue = TaskQueue::default();
        queue.push(step(StepKind::Build, "b"));
        queue.push(step(StepKind::Build, ""));
        queue.push(step(StepKind::Exec, "x"));
        assert_eq!(run(&mut queue, 1), Next::Run(step(StepKind::Build, "b")));
        assert_eq!(run(&mut queue, 0), Next::Over(step(StepKind::Build, ""), 0));
        assert_eq!(run(&mut queue, 0), Next::Run(step(StepKind::Exec, "x")));
    }

    #[test]
    fn each_kind_ends_in_its_own_reply() {
        assert_eq!(Task::Code(String::new(), None).finished(1), Reply::Finished { exit_code: 1 });
        assert_eq!(step(StepKind::Clean, "").finished(2), Reply::CleanFinished { exit_code: 2 });
        assert_eq!(step(StepKind::Build, "").finished(3), Reply::BuildFinished { exit_code: 3 });
        assert_eq!(step(StepKind::Exec, "").finished(4), Reply::Finished { exit_code: 4 });
    }
}
