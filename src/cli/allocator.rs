//! How the allocator keeps memory that was freed. Output passes through the program in pieces of some hundred KiB. By default, the
//! allocator of glibc gives the memory of a piece back to the system, which clears it again for the next one.

/// Lets the allocator keep what a few pieces need. Call it before any thread is started.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn keep_pieces() {
    /// Larger blocks go back to the system as soon as they are freed. A piece of input has a MiB, and its text is longer.
    const LARGEST_KEPT: i32 = 8 << 20;
    /// The most that is kept at the end of a heap.
    const KEPT: i32 = 16 << 20;
    // SAFETY: the function takes two numbers, and no other thread runs.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST_KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn keep_pieces() {}
