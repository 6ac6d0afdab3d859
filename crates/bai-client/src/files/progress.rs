//! The progress of a transfer.

/// The progress of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file that is on its way: its path in the session.
    pub name: &'a str,
    /// Bytes of it that have arrived. It goes back to 0 when a file has to be sent again.
    pub done: u64,
    /// Its size, in bytes.
    pub size: u64,
    /// Bytes of all files that have arrived.
    pub all_done: u64,
    /// Bytes of all files, as far as they are known: what folders hold is found on the way.
    pub all_size: u64,
}

/// The function that is told the progress.
pub(super) type ProgressCallback<'a> = &'a mut (dyn FnMut(&Progress<'_>) + Send);

/// Counts the bytes and reports them.
pub(super) struct ProgressMeter<'a> {
    tell: ProgressCallback<'a>,
    name: String,
    done: u64,
    size: u64,
    all_done: u64,
    all_size: u64,
}

impl<'a> ProgressMeter<'a> {
    pub(super) fn new(tell: ProgressCallback<'a>) -> Self {
        ProgressMeter { tell, name: String::new(), done: 0, size: 0, all_done: 0, all_size: 0 }
    }

    /// More is to be transferred than was known.
    pub(super) fn expect(&mut self, bytes: u64) {
        self.all_size += bytes;
    }

    /// A file begins, or begins again.
    pub(super) fn begin(&mut self, name: &str, size: u64) {
        if self.name == name {
            self.all_done -= self.done;
        }
        (self.name, self.done, self.size) = (name.to_owned(), 0, size);
        self.add(0);
    }

    /// More of it has arrived.
    pub(super) fn add(&mut self, bytes: u64) {
        self.done += bytes;
        self.all_done += bytes;
        (self.tell)(&Progress {
            name: &self.name,
            done: self.done,
            size: self.size,
            all_done: self.all_done,
            all_size: self.all_size.max(self.all_done),
        });
    }

    /// A whole file has arrived.
    pub(super) fn whole(&mut self, name: &str, size: u64) {
        self.name.clear();
        self.begin(name, size);
        self.add(size);
    }
}
