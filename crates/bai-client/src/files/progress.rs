//! The progress of a transfer.

/// The progress of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// The current file: its path in the session.
    pub name: &'a str,
    /// Its bytes that have arrived. 0 again when the file has to be sent again.
    pub done: u64,
    /// Its size, in bytes.
    pub size: u64,
    /// Bytes of all files that have arrived.
    pub all_done: u64,
    /// Bytes of all known files: the content of folders is found on the way.
    pub all_size: u64,
}

/// The function that receives the progress.
pub(crate) type ProgressCallback<'a> = &'a mut (dyn FnMut(&Progress<'_>) + Send);

/// Counts the bytes and reports them.
pub(crate) struct ProgressMeter<'a> {
    tell: ProgressCallback<'a>,
    name: String,
    done: u64,
    size: u64,
    all_done: u64,
    all_size: u64,
}

impl<'a> ProgressMeter<'a> {
    pub(crate) fn new(tell: ProgressCallback<'a>) -> Self {
        ProgressMeter { tell, name: String::new(), done: 0, size: 0, all_done: 0, all_size: 0 }
    }

    /// Adds to the expected total.
    pub(crate) fn expect(&mut self, bytes: u64) {
        self.all_size += bytes;
    }

    /// Begins a file, or begins it again.
    pub(crate) fn begin(&mut self, name: &str, size: u64) {
        if self.name == name {
            self.all_done -= self.done;
        }
        (self.name, self.done, self.size) = (name.to_owned(), 0, size);
        self.add(0);
    }

    /// Adds bytes of the current file that have arrived.
    pub(crate) fn add(&mut self, bytes: u64) {
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

    /// Adds a complete file.
    pub(crate) fn whole(&mut self, name: &str, size: u64) {
        self.name.clear();
        self.begin(name, size);
        self.add(size);
    }
}
