//! An allocator that counts, for each thread, what it has and what it ever took.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TAKEN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work. (Growing comes here as new memory and a copy.)
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.get() + layout.size() as isize;
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
        TAKEN.set(TAKEN.get() + layout.size());
        // SAFETY: forwarded.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // Below 0 where another thread, or work before, took it.
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: forwarded.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a piece of work took from the heap on this thread.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// Most bytes held at a time, beyond what was held before.
    pub peak: usize,
    /// Bytes of all allocations.
    pub taken: usize,
}

/// Does `work` and counts.
pub fn used<T>(work: impl FnOnce() -> T) -> (T, Used) {
    let before = (LIVE.replace(0), PEAK.replace(0), TAKEN.replace(0));
    let result = work();
    let used = Used { peak: PEAK.get() as usize, taken: TAKEN.get() };
    LIVE.set(before.0 + LIVE.get());
    PEAK.set(before.1.max(before.0 + PEAK.get()));
    TAKEN.set(before.2 + used.taken);
    (result, used)
}
