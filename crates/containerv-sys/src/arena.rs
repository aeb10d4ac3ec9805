//! An allocator for programs that live for milliseconds.

// UNSAFETY: an allocator hands out parts of its own memory.
#![allow(unsafe_code, reason = "an allocator is unsafe to write, and safe to use")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Larger blocks come from the system at once.
const LARGEST: usize = 96 << 10;

/// Takes small blocks one after another from `SIZE` bytes of the program's own image, and asks the
/// system once these are used up.
///
/// A page of it costs one page fault and no system call; an ordinary allocator asks the kernel for
/// memory several times before the first container is looked at. A block that is given back is used
/// again only if it was the last one taken, so a program that goes on for long wastes at most `SIZE`.
pub struct Arena<const SIZE: usize> {
    /// Bytes in use from the beginning.
    used: AtomicUsize,
    /// The most that ever were; behind them the space is as the program was loaded, zero.
    most: AtomicUsize,
    space: Space<SIZE>,
}

#[repr(align(64))]
struct Space<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: the parts of the space that `used` has passed belong to whom they were handed out, and
// nobody else looks at them; `used` is atomic.
unsafe impl<const SIZE: usize> Sync for Arena<SIZE> {}

impl<const SIZE: usize> Arena<SIZE> {
    /// An arena of which nothing is used.
    pub const fn new() -> Self {
        Self {
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            space: Space(UnsafeCell::new([0; SIZE])),
        }
    }

    fn base(&self) -> *mut u8 {
        self.space.0.get().cast()
    }

    /// Where a block lies, counted from the beginning; `None` if the system owns it.
    fn offset(&self, block: *mut u8) -> Option<usize> {
        (block as usize).checked_sub(self.base() as usize).filter(|offset| *offset < SIZE)
    }

    /// Moves the end of what is used, if that is where `from` says.
    fn advance(&self, from: usize, to: usize) -> bool {
        // Who takes a block writes to it only after this; who gave it back does not any more. The
        // order of the two is that of the changes of `used`.
        self.used.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Takes a block; returns it and how many of its bytes others have had before.
    fn take(&self, layout: Layout) -> Option<(*mut u8, usize)> {
        if layout.size() > LARGEST {
            return None;
        }
        loop {
            let used = self.used.load(Ordering::Acquire);
            let begin = (self.base() as usize + used).checked_next_multiple_of(layout.align())?;
            let offset = begin - self.base() as usize;
            let end = offset.checked_add(layout.size()).filter(|end| *end <= SIZE)?;
            if self.advance(used, end) {
                // Who had it before has said so here before giving it back.
                let most = self.most.fetch_max(end, Ordering::AcqRel);
                let had = most.saturating_sub(offset).min(layout.size());
                // SAFETY: `offset` is at most SIZE, so the pointer stays in the space.
                return Some((unsafe { self.base().add(offset) }, had));
            }
        }
    }
}

impl<const SIZE: usize> Default for Arena<SIZE> {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: a block from `take` has the size and alignment of its layout and lies behind `used`,
// which only goes back over the block that was taken last, when that is given back; so blocks in
// use never overlap. All others come from the system and go back to it.
unsafe impl<const SIZE: usize> GlobalAlloc for Arena<SIZE> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some((block, _)) => block,
            // SAFETY: the caller's promise about the layout is passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some((block, had)) => {
                // SAFETY: the block is at least this long, and nobody else's.
                unsafe { block.write_bytes(0, had) };
                block
            }
            // SAFETY: as for `alloc`.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.offset(block) {
            Some(offset) => {
                self.advance(offset + layout.size(), offset);
            }
            // SAFETY: a block that is not in the space came from the system, with this layout.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(offset) = self.offset(block) else {
            // SAFETY: as for `dealloc`.
            return unsafe { System.realloc(block, layout, size) };
        };
        let fits = size <= LARGEST && offset + size <= SIZE;
        if (fits && self.advance(offset + layout.size(), offset + size)) || size <= layout.size() {
            self.most.fetch_max(offset + size, Ordering::AcqRel);
            return block;
        }
        // SAFETY: the caller promises that the new size is valid for this alignment. The old block
        // is in use and at least `layout.size()` long, the new one is longer and apart from it.
        unsafe {
            let longer = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !longer.is_null() {
                longer.copy_from_nonoverlapping(block, layout.size());
                self.dealloc(block, layout);
            }
            longer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    /// A block filled with its own number.
    struct Block {
        at: *mut u8,
        layout: Layout,
        number: u8,
    }

    impl Block {
        fn fill(arena: &Arena<4096>, size: usize, number: u8) -> Self {
            let layout = layout(size);
            // SAFETY: the layout is not empty; the block is as long as it says.
            let at = unsafe { arena.alloc(layout) };
            assert!(!at.is_null() && (at as usize).is_multiple_of(layout.align()));
            // SAFETY: as above.
            unsafe { at.write_bytes(number, size) };
            Self { at, layout, number }
        }

        fn resize(&mut self, arena: &Arena<4096>, size: usize) {
            let kept = self.layout.size().min(size);
            // SAFETY: the block is of this arena and layout.
            self.at = unsafe { arena.realloc(self.at, self.layout, size) };
            self.layout = layout(size);
            self.check(kept);
            // SAFETY: the block is as long as the new layout says.
            unsafe { self.at.write_bytes(self.number, size) };
        }

        fn check(&self, bytes: usize) {
            // SAFETY: that many bytes were written.
            let written = unsafe { std::slice::from_raw_parts(self.at, bytes) };
            assert!(written.iter().all(|byte| *byte == self.number));
        }

        fn free(self, arena: &Arena<4096>) {
            self.check(self.layout.size());
            // SAFETY: the block is of this arena and layout, and not used after this.
            unsafe { arena.dealloc(self.at, self.layout) };
        }
    }

    /// Takes, resizes and gives back blocks in an order that looks like chance.
    fn storm(arena: &Arena<4096>, mut state: u32) {
        let mut blocks: Vec<Block> = Vec::new();
        for _ in 0..1000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (choice, size) = (state >> 29, (state >> 8) as usize % 300 + 1);
            let place = (state >> 16) as usize % blocks.len().max(1);
            match choice {
                0..4 => blocks.push(Block::fill(arena, size, (state >> 3) as u8)),
                4 | 5 if !blocks.is_empty() => blocks[place].resize(arena, size),
                _ if !blocks.is_empty() => blocks.swap_remove(place).free(arena),
                _ => {}
            }
            blocks.iter().for_each(|block| block.check(block.layout.size()));
        }
        blocks.into_iter().rev().for_each(|block| block.free(arena));
    }

    #[test]
    fn blocks_in_use_keep_what_was_written_to_them() {
        let arena = Arena::new();
        storm(&arena, 1);
        let arena = Arena::new();
        std::thread::scope(|scope| {
            (0..4).for_each(|seed| {
                drop(scope.spawn({
                    let arena = &arena;
                    move || storm(arena, seed)
                }))
            });
        });
    }

    #[test]
    fn the_last_block_is_used_again_and_grows_in_place() {
        let arena = Arena::<4096>::new();
        let first = Block::fill(&arena, 100, 1);
        let mut second = Block::fill(&arena, 100, 2);
        let place = second.at;
        second.resize(&arena, 2000);
        assert_eq!(second.at, place);
        second.free(&arena);
        let third = Block::fill(&arena, 50, 3);
        assert_eq!(third.at, place);
        first.free(&arena);
        third.free(&arena);
        assert_eq!(Block::fill(&arena, 50, 4).at, place);
    }

    #[test]
    fn what_does_not_fit_comes_from_the_system() {
        let arena = Arena::<4096>::new();
        let large = Block::fill(&arena, 4097, 1);
        assert_eq!(arena.offset(large.at), None);
        let blocks: Vec<Block> = (0..50).map(|number| Block::fill(&arena, 100, number)).collect();
        assert!(arena.offset(blocks[0].at).is_some() && arena.offset(blocks[49].at).is_none());
        blocks.into_iter().for_each(|block| block.free(&arena));
        large.free(&arena);
    }

    #[test]
    fn zeroed_blocks_are_zero_whoever_had_them_before() {
        let arena = Arena::<4096>::new();
        let zeroed = |size: usize| {
            // SAFETY: the layout is not empty, and the block as long as it says.
            let written = unsafe { std::slice::from_raw_parts(arena.alloc_zeroed(layout(size)), size) };
            assert!(written.iter().all(|byte| *byte == 0), "{size}");
        };
        let mut first = Block::fill(&arena, 100, 1);
        first.resize(&arena, 300);
        first.free(&arena);
        zeroed(200);
        zeroed(1000);
        zeroed(LARGEST + 1);
        zeroed(4096);
    }
}
