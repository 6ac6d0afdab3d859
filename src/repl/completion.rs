//! Completion with Tab: the answer of the kernel, which is cached, or else the names that were seen in this session. In a
//! command, names from the session or its server. A key ends the wait for an answer.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::language::Language;
use bai_protocol::complete::{Completion, CompletionRequest};

/// How long Tab waits for an answer if no key is pressed.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How often the keyboard is checked during the wait; a user does not notice such a delay.
const KEY_INTERVAL: Duration = Duration::from_millis(4);
/// Maximum number of cached answers.
const MAX_CACHED: usize = 32;
/// How long names from the server are cached.
const NAMES_LIFETIME: Duration = Duration::from_secs(5);
/// Maximum number of names that are kept for when the kernel has no answer.
const MAX_NAMES: usize = 5_000;
/// Maximum number of suggestions, and of characters, that are searched for the text to replace.
const SEARCH_LIMIT: usize = 2_000;

/// A source of completions.
pub trait CompletionSource: Send + Sync {
    /// The completions of a request. `None` if there is no answer, which is not the same as an empty answer.
    fn complete(&self, request: CompletionRequest) -> BoxFuture<'static, Option<Completion>>;

    /// All names of a kind, in any order. `None` if there is no answer.
    fn names(&self, names: RemoteNameKind) -> BoxFuture<'static, Option<Vec<String>>>;
}

/// A kind of names that the session or its server has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteNameKind {
    /// Files in a folder of the session; folders end with a slash.
    Files(String),
    /// Apps of the session.
    Apps,
    /// Live sessions.
    Sessions,
    /// Images.
    Images,
}

/// A question to the source.
#[derive(Clone, PartialEq)]
enum CompletionQuery {
    Code(CompletionRequest),
    Names(RemoteNameKind),
}

impl CompletionQuery {
    async fn ask(self, source: Arc<dyn CompletionSource>) -> Option<Completion> {
        match self {
            CompletionQuery::Code(request) => source.complete(request).await,
            CompletionQuery::Names(names) => {
                source.names(names).await.map(|suggestions| Completion { suggestions, start: None })
            }
        }
    }
}

/// Suggestions, and the part of the line that they replace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Suggestions {
    /// Byte position where the replaced part starts; it ends at the cursor.
    pub(super) start: usize,
    /// Whole replacements, without control characters.
    pub(super) items: Vec<String>,
}

/// Completion for one session.
pub(super) struct Completer {
    runtime: Handle,
    language: Arc<dyn Language>,
    source: Mutex<Option<Arc<dyn CompletionSource>>>,
    /// Counts cells, because a cell can make earlier answers wrong.
    generation: Arc<AtomicU64>,
    cache: Arc<Mutex<VecDeque<Cached>>>,
    names: Mutex<VecDeque<String>>,
}

struct Cached {
    question: CompletionQuery,
    generation: u64,
    since: Instant,
    completion: Completion,
}

impl Cached {
    fn answers(&self, question: &CompletionQuery, generation: u64) -> bool {
        let lasts = matches!(question, CompletionQuery::Code(_)) || self.since.elapsed() < NAMES_LIFETIME;
        lasts && self.generation == generation && self.question == *question
    }
}

impl Completer {
    pub(super) fn new(runtime: Handle, language: Arc<dyn Language>) -> Self {
        Completer {
            runtime,
            language,
            source: Mutex::default(),
            generation: Arc::default(),
            cache: Arc::default(),
            names: Mutex::default(),
        }
    }

    /// Sets the session that answers from now on.
    pub(super) fn set_source(&self, source: Option<Arc<dyn CompletionSource>>) {
        *lock(&self.source) = source;
        self.forget();
    }

    /// Forgets the answers so far: the names can have changed.
    pub(super) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a cell was run: its names can be suggested, and earlier answers are outdated.
    pub(super) fn cell_ran(&self, cell: &str) {
        self.forget();
        let mut names = lock(&self.names);
        for name in self.language.names(cell) {
            if names.len() >= MAX_NAMES {
                names.pop_front();
            }
            if !names.iter().rev().any(|known| known == name) {
                names.push_back(name.to_owned());
            }
        }
    }

    /// The suggestions at byte `position` of `text`. Stops to wait when `keys_waiting` is true.
    pub(super) fn find(&self, text: &str, position: usize, keys_waiting: impl Fn() -> bool) -> Suggestions {
        let request = CompletionRequest::at(text, position);
        let position = request.code.len();
        match self.answer(CompletionQuery::Code(request), keys_waiting) {
            SourceReply::Answer(completion) if !completion.suggestions.is_empty() => {
                self.place(text, position, completion)
            }
            SourceReply::Answer(_) | SourceReply::NoAnswer => self.known_names(text, position),
            SourceReply::KeyPressed => Suggestions::default(),
        }
    }

    /// The names that [continue](continues) the typed text. Stops to wait when `keys_waiting` is true.
    pub(super) fn names(
        &self,
        names: RemoteNameKind,
        typed: &str,
        keys_waiting: impl Fn() -> bool,
    ) -> Vec<String> {
        let SourceReply::Answer(completion) = self.answer(CompletionQuery::Names(names), keys_waiting) else {
            return Vec::new();
        };
        let mut items = completion.suggestions;
        items.retain(|item| continues(item, typed));
        items.sort();
        items.dedup();
        items
    }

    fn answer(&self, question: CompletionQuery, keys_waiting: impl Fn() -> bool) -> SourceReply {
        let generation = self.generation.load(Ordering::Relaxed);
        if let Some(cached) = lock(&self.cache).iter().find(|cached| cached.answers(&question, generation)) {
            return SourceReply::Answer(cached.completion.clone());
        }
        let Some(source) = lock(&self.source).clone() else { return SourceReply::NoAnswer };
        let (sender, receiver) = sync_channel(1);
        let (cache, generations) = (Arc::clone(&self.cache), Arc::clone(&self.generation));
        // The task goes on after the wait, so that its answer is in the cache when Tab is pressed again.
        self.runtime.spawn(async move {
            let completion = question.clone().ask(source).await;
            if let Some(completion) = completion.clone()
                && generations.load(Ordering::Relaxed) == generation
            {
                let mut cache = lock(&cache);
                cache.truncate(MAX_CACHED - 1);
                cache.push_front(Cached { question, generation, since: Instant::now(), completion });
            }
            // The receiver may have given up waiting.
            let _ = sender.send(completion);
        });
        let deadline = Instant::now() + PATIENCE;
        loop {
            match receiver.recv_timeout(KEY_INTERVAL) {
                Ok(Some(completion)) => return SourceReply::Answer(completion),
                Ok(None) | Err(RecvTimeoutError::Disconnected) => return SourceReply::NoAnswer,
                Err(RecvTimeoutError::Timeout) if keys_waiting() => return SourceReply::KeyPressed,
                Err(RecvTimeoutError::Timeout) if Instant::now() >= deadline => return SourceReply::NoAnswer,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Finds the part of the line that the kernel's suggestions replace.
    fn place(&self, text: &str, position: usize, completion: Completion) -> Suggestions {
        let before = text.get(..position).unwrap_or_default();
        let mut items = completion.suggestions;
        items.retain(|item| !item.is_empty() && !item.chars().any(char::is_control));
        let start = completion.start.and_then(|start| byte_position(before, start));
        let Some(start) = start.or_else(|| self.start_of_suffix(before, &items)) else {
            return Suggestions::default();
        };
        let typed = before.get(start..).unwrap_or_default();
        if items.iter().any(|item| begins(item, typed)) {
            items.retain(|item| begins(item, typed));
        }
        let mut seen = std::collections::HashSet::new();
        items.retain(|item| seen.insert(item.clone()));
        Suggestions { start, items }
    }

    /// The start of the longest suffix of the line with which a suggestion begins. Without one, suggestions are valid only
    /// after text that is not a name: after `os.`, but not after `foo`.
    fn start_of_suffix(&self, before: &str, items: &[String]) -> Option<usize> {
        let line = before.rsplit('\n').next().unwrap_or_default();
        let offset = before.len() - line.len();
        let starts = |same: &dyn Fn(&str, &str) -> bool| {
            let mut from =
                line.char_indices().map(|(at, _)| at).skip(line.chars().count().saturating_sub(SEARCH_LIMIT));
            from.find(|&at| {
                let suffix = line.get(at..).unwrap_or_default();
                items.iter().take(SEARCH_LIMIT).any(|item| same(item, suffix))
            })
        };
        let found = starts(&|item, suffix| item.starts_with(suffix)).or_else(|| starts(&begins));
        match found {
            Some(at) => Some(offset + at),
            None if line.chars().next_back().is_some_and(|c| self.language.continues_name(c)) => None,
            None => Some(before.len()),
        }
    }

    fn known_names(&self, text: &str, position: usize) -> Suggestions {
        let before = text.get(..position).unwrap_or_default();
        let typed = before.rsplit(|c| !self.language.continues_name(c)).next().unwrap_or_default();
        let start = position - typed.len();
        let is_attribute = before.get(..start).is_some_and(|head| head.ends_with('.'));
        if typed.is_empty() || is_attribute {
            return Suggestions::default();
        }
        let names = lock(&self.names);
        let known = names.iter().map(String::as_str).chain(self.language.keywords().iter().copied());
        let mut items: Vec<String> =
            known.filter(|name| name.starts_with(typed) && *name != typed).map(str::to_owned).collect();
        items.sort();
        items.dedup();
        Suggestions { start, items }
    }
}

enum SourceReply {
    Answer(Completion),
    NoAnswer,
    KeyPressed,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a name begins as typed and can be shown. A hidden name needs the typed dot.
pub(super) fn continues(name: &str, typed: &str) -> bool {
    let hidden = name.starts_with('.') && !typed.starts_with('.');
    !hidden && name.starts_with(typed) && !name.chars().any(char::is_control)
}

/// The byte position of code point `count` in `text`. `None` beyond its end.
fn byte_position(text: &str, count: usize) -> Option<usize> {
    text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(count)
}

/// Whether `item` begins with `typed`, ignoring case.
fn begins(item: &str, typed: &str) -> bool {
    let mut rest = item.chars().flat_map(char::to_lowercase);
    typed.chars().flat_map(char::to_lowercase).all(|c| rest.next() == Some(c))
}

/// The longest beginning that all have.
pub(super) fn common_beginning(items: &[String]) -> &str {
    let Some((first, others)) = items.split_first() else { return "" };
    let mut common = first.as_str();
    for item in others {
        let same =
            common.chars().zip(item.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        common = common.get(..same).unwrap_or_default();
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repl::language::Python;
    use futures_util::FutureExt;

    /// Gives a fixed answer, and counts the questions.
    struct FixedSource(Option<Completion>, AtomicU64);

    impl CompletionSource for FixedSource {
        fn complete(&self, _: CompletionRequest) -> BoxFuture<'static, Option<Completion>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            std::future::ready(self.0.clone()).boxed()
        }

        fn names(&self, names: RemoteNameKind) -> BoxFuture<'static, Option<Vec<String>>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            let names = self.0.clone().filter(|_| names == RemoteNameKind::Files("data/".to_owned()));
            std::future::ready(names.map(|names| names.suggestions)).boxed()
        }
    }

    /// Never answers.
    struct Silent;

    impl CompletionSource for Silent {
        fn complete(&self, _: CompletionRequest) -> BoxFuture<'static, Option<Completion>> {
            std::future::pending().boxed()
        }

        fn names(&self, _: RemoteNameKind) -> BoxFuture<'static, Option<Vec<String>>> {
            std::future::pending().boxed()
        }
    }

    fn answering(suggestions: &[&str], start: Option<usize>) -> Arc<FixedSource> {
        let suggestions = suggestions.iter().map(|&item| item.to_owned()).collect();
        Arc::new(FixedSource(Some(Completion { suggestions, start }), AtomicU64::new(0)))
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    }

    fn find(source: Arc<dyn CompletionSource>, text: &str, position: usize) -> (usize, Vec<String>) {
        let runtime = runtime();
        let completer = Completer::new(runtime.handle().clone(), Arc::new(Python));
        completer.set_source(Some(source));
        let found = completer.find(text, position, || false);
        (found.start, found.items)
    }

    #[test]
    fn the_longest_suffix_that_begins_a_suggestion_is_replaced() {
        assert_eq!(find(answering(&["os.path", "os.pipe"], None), "x = os.p", 8).0, 4);
        assert_eq!(find(answering(&["path", "pipe"], None), "x = os.p", 8).0, 7);
        assert_eq!(find(answering(&["path"], None), "x = os.", 7).0, 7);
        assert_eq!(find(answering(&["Path"], None), "x = pa", 6).0, 4);
        assert_eq!(find(answering(&["bar"], None), "foo", 3), (0, vec![]));
        assert_eq!(find(answering(&["größe"], None), "ä = grö", 9).0, 5);
    }

    #[test]
    fn the_kernel_may_give_the_position() {
        assert_eq!(find(answering(&["größe"], Some(4)), "ä = grö", 9).0, 5);
        assert_eq!(find(answering(&["größe"], Some(4000)), "ä = grö", 9).0, 5);
        // Inside a code point: moved to its beginning.
        assert_eq!(find(answering(&["a"], Some(0)), "ä", 1).0, 0);
        assert_eq!(find(answering(&["ab", "c"], Some(0)), "a", 99), (0, vec!["ab".to_owned()]));
    }

    #[test]
    fn control_characters_are_never_suggested() {
        let source = answering(&["a\nrm -rf", "a\u{1b}[31m", "a\u{9b}", "", "ab", "ab"], None);
        assert_eq!(find(source, "a", 1), (0, vec!["ab".to_owned()]));
    }

    #[test]
    fn a_hundred_thousand_suggestions_are_fast() {
        let items: Vec<String> = (0..100_000).map(|n| format!("name{n}")).collect();
        let source =
            Arc::new(FixedSource(Some(Completion { suggestions: items, start: None }), AtomicU64::new(0)));
        let found = find(source, "x = na", 6);
        assert_eq!((found.0, found.1.len()), (4, 100_000));
        assert_eq!(common_beginning(&found.1), "name");
    }

    #[test]
    fn the_second_tab_does_not_ask_until_a_cell_has_run() {
        let runtime = runtime();
        let completer = Completer::new(runtime.handle().clone(), Arc::new(Python));
        let source = answering(&["ab"], None);
        completer.set_source(Some(source.clone()));
        for _ in 0..3 {
            completer.find("a", 1, || false);
        }
        assert_eq!(source.1.load(Ordering::Relaxed), 1);
        completer.cell_ran("ab = 1");
        completer.find("a", 1, || false);
        assert_eq!(source.1.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn names_of_the_server_are_asked_for_once_in_a_while() {
        let runtime = runtime();
        let completer = Completer::new(runtime.handle().clone(), Arc::new(Python));
        let source = answering(&["b.csv", "a.csv", "a/", ".a", "a\u{1b}", "a/"], None);
        completer.set_source(Some(source.clone()));
        let files = |typed: &str| completer.names(RemoteNameKind::Files("data/".to_owned()), typed, || false);
        assert_eq!(files("a"), ["a.csv", "a/"]);
        assert_eq!(files(""), ["a.csv", "a/", "b.csv"]);
        assert_eq!(files("."), [".a"]);
        assert_eq!(source.1.load(Ordering::Relaxed), 1);
        assert!(completer.names(RemoteNameKind::Images, "a", || false).is_empty(), "no source knows them");
        completer.set_source(Some(Arc::new(Silent)));
        let keys = AtomicU64::new(0);
        let waiting = || keys.fetch_add(1, Ordering::Relaxed) > 2;
        assert!(completer.names(RemoteNameKind::Sessions, "", waiting).is_empty(), "a key is more important");
    }

    #[test]
    fn a_key_ends_the_wait() {
        let runtime = runtime();
        let completer = Completer::new(runtime.handle().clone(), Arc::new(Python));
        completer.set_source(Some(Arc::new(Silent)));
        let looked = AtomicU64::new(0);
        let found = completer.find("a", 1, || looked.fetch_add(1, Ordering::Relaxed) > 2);
        assert_eq!(found, Suggestions::default());
    }

    #[test]
    fn names_of_earlier_cells_complete_without_a_kernel() {
        let runtime = runtime();
        let completer = Completer::new(runtime.handle().clone(), Arc::new(Python));
        completer.cell_ran("return_value = retries + 1\nretries = 2");
        let find = |text: &str| completer.find(text, text.len(), || false);
        assert_eq!(find("x = ret").items, ["retries", "return", "return_value"]);
        assert_eq!(find("x = ret").start, 4);
        assert_eq!(find("x.ret"), Suggestions::default());
        assert_eq!(find("x = "), Suggestions::default());
        completer.set_source(Some(Arc::new(FixedSource(None, AtomicU64::new(0)))));
        assert_eq!(find("retr").items, ["retries"]);
    }
}
