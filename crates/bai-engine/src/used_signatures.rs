//! Signatures that were accepted, so that none is accepted twice. One is forgotten when its date is no longer accepted
//! anyway.

use std::collections::HashSet;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a signature is remembered at least: dates are accepted from 15 minutes before our clock to 15 minutes after it.
const REMEMBERED: Duration = Duration::from_secs(31 * 60);

/// The signatures of two periods.
#[derive(Debug)]
pub(super) struct UsedSignatures(Mutex<Periods>);

#[derive(Debug)]
struct Periods {
    began: Instant,
    current: HashSet<Box<str>>,
    before: HashSet<Box<str>>,
}

impl Default for UsedSignatures {
    fn default() -> Self {
        let periods =
            Periods { began: Instant::now(), current: HashSet::default(), before: HashSet::default() };
        UsedSignatures(Mutex::new(periods))
    }
}

impl UsedSignatures {
    /// Remembers a valid signature. Returns false if it was used before.
    pub(super) fn add(&self, signature: &str) -> bool {
        self.add_at(signature, Instant::now())
    }

    fn add_at(&self, signature: &str, now: Instant) -> bool {
        let mut periods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(periods.began) >= REMEMBERED {
            periods.before = mem::take(&mut periods.current);
            periods.began = now;
        }
        !periods.before.contains(signature) && periods.current.insert(signature.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_accepted_once_while_its_date_is_fresh() {
        let used = UsedSignatures::default();
        let start = Instant::now();
        assert!(used.add_at("one", start) && !used.add_at("one", start) && used.add_at("other", start));
        assert!(!used.add_at("one", start + REMEMBERED));
        assert!(used.add_at("one", start + 2 * REMEMBERED), "its date is too old by now");
    }
}
