//! The modules' memory: small blocks are kept when they are freed and handed out again.
//!
//! A request makes some hundred small allocations and frees them all. The allocator of the standard
//! library (dlmalloc) merges and splits its chunks each time: a tenth of all instructions that a
//! request took in the VM, and of the machine code that it ran through.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// Sizes are rounded up to a multiple of this, in bytes.
const GRAIN: usize = 16;
/// Larger blocks are not kept, in bytes.
const LARGEST: usize = 2048;
/// Blocks of one size, linked through their first bytes.
const CLASSES: usize = LARGEST / GRAIN + 1;
/// All that is kept, in bytes. The blocks of some hundred requests at a time; what is freed beyond
/// that goes back.
const KEPT: usize = 256 * 1024;

/// An allocator that keeps small blocks which `inner` has made. For one thread.
pub(crate) struct Keeping<A> {
    inner: A,
    free: UnsafeCell<Free>,
}

struct Free {
    first: [*mut Block; CLASSES],
    bytes: usize,
    /// What `inner` has handed out, kept blocks included.
    out: usize,
}

/// What a free block begins with.
struct Block {
    next: *mut Block,
}

// SAFETY: a module of wasm32-wasip1 has one thread; elsewhere it is only made by tests, one each.
unsafe impl<A> Sync for Keeping<A> {}

impl<A> Keeping<A> {
    /// Keeps nothing yet.
    pub(crate) const fn new(inner: A) -> Self {
        let free = Free { first: [null_mut(); CLASSES], bytes: 0, out: 0 };
        Self { inner, free: UnsafeCell::new(free) }
    }

    /// Bytes that are in use, with those of the small blocks that are kept.
    pub(crate) fn in_use(&self) -> usize {
        // SAFETY: one thread, and nothing here calls back.
        unsafe { (*self.free.get()).out }
    }

    fn note(&self, added: usize, gone: usize) {
        // SAFETY: one thread, and nothing here calls back.
        let free = unsafe { &mut *self.free.get() };
        free.out = free.out.wrapping_add(added).wrapping_sub(gone);
    }
}

/// The class of blocks for `layout`, and how they are made; `None` where they are not kept.
#[inline]
fn class(layout: Layout) -> Option<(usize, Layout)> {
    if layout.size() > LARGEST || layout.align() > align_of::<Block>().max(8) {
        return None;
    }
    let class = layout.size().div_ceil(GRAIN);
    let whole = Layout::from_size_align(class * GRAIN, align_of::<Block>().max(8)).ok()?;
    Some((class, whole))
}

// SAFETY: a block is in at most one list, and only between `dealloc` and the `alloc` that takes it out;
// all blocks of a class were made by `inner` with the class's own layout, which is at least as large
// and aligned as any that was asked for, and go back to it with the same. Whoever frees a block tells
// the layout that it was asked for with, so its class is known.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Keeping<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((class, whole)) = class(layout) else {
            self.note(layout.size(), 0);
            // SAFETY: the caller's promises hold for `inner`, too.
            return unsafe { self.inner.alloc(layout) };
        };
        // SAFETY: one thread, and nothing below calls back.
        let free = unsafe { &mut *self.free.get() };
        match free.first.get_mut(class) {
            Some(first) if !first.is_null() => {
                let block = *first;
                // SAFETY: a block in a list is ours, aligned and begins with its link.
                *first = unsafe { (*block).next };
                free.bytes = free.bytes.wrapping_sub(whole.size());
                block.cast()
            }
            _ => {
                free.out = free.out.wrapping_add(whole.size());
                // SAFETY: the caller asks for at least a byte, so the class has a size.
                unsafe { self.inner.alloc(whole) }
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some((class, whole)) = class(layout) else {
            self.note(0, layout.size());
            // SAFETY: `alloc` got it from `inner` with this layout.
            return unsafe { self.inner.dealloc(block, layout) };
        };
        // SAFETY: one thread, and nothing below calls back.
        let free = unsafe { &mut *self.free.get() };
        match free.first.get_mut(class) {
            Some(first) if free.bytes < KEPT => {
                let block: *mut Block = block.cast();
                // SAFETY: the block is no one's any more, aligned, and has room for a link.
                unsafe { block.write(Block { next: *first }) };
                *first = block;
                free.bytes = free.bytes.wrapping_add(whole.size());
            }
            _ => {
                free.out = free.out.wrapping_sub(whole.size());
                // SAFETY: `alloc` got it from `inner` with the class's layout.
                unsafe { self.inner.dealloc(block, whole) }
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size fits the alignment.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (class(layout), class(new)) {
            (Some((old, _)), Some((new, _))) if old == new => block,
            (None, None) => {
                self.note(new_size, layout.size());
                // SAFETY: `alloc` got it from `inner` with this layout.
                unsafe { self.inner.realloc(block, layout, new_size) }
            }
            // SAFETY: the block has `layout`, the new one `new`; they do not overlap.
            _ => unsafe {
                let moved = self.alloc(new);
                if !moved.is_null() {
                    moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
#[allow(clippy::undocumented_unsafe_blocks, reason = "each test frees what it made, as it made it")]
mod tests {
    use super::*;
    use std::alloc::System;

    /// Counts what `System` has out.
    #[derive(Default)]
    struct Counting(UnsafeCell<Vec<(usize, Layout)>>);

    // SAFETY: passes everything on; the list is used by one thread.
    unsafe impl GlobalAlloc for Counting {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let block = unsafe { System.alloc(layout) };
            unsafe { &mut *self.0.get() }.push((block as usize, layout));
            block
        }
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            let out = unsafe { &mut *self.0.get() };
            let at = out.iter().position(|known| *known == (block as usize, layout));
            out.swap_remove(at.unwrap());
            unsafe { System.dealloc(block, layout) }
        }
        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            let new = Layout::from_size_align(size, layout.align()).unwrap();
            let moved = unsafe { self.alloc(new) };
            unsafe { moved.copy_from_nonoverlapping(block, layout.size().min(size)) };
            unsafe { self.dealloc(block, layout) };
            moved
        }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    #[test]
    fn a_block_that_was_freed_is_the_next_of_its_class() {
        let keeping = Keeping::new(Counting::default());
        unsafe {
            let block = keeping.alloc(layout(20));
            keeping.dealloc(block, layout(20));
            assert_eq!(keeping.alloc(layout(32)), block);
            assert_ne!(keeping.alloc(layout(33)), block);
            keeping.dealloc(block, layout(32));
        }
    }

    #[test]
    fn growing_within_a_class_moves_nothing_and_beyond_it_keeps_the_bytes() {
        let keeping = Keeping::new(Counting::default());
        unsafe {
            let block = keeping.alloc(layout(20));
            block.write_bytes(7, 20);
            assert_eq!(keeping.realloc(block, layout(20), 30), block);
            let large = keeping.realloc(block, layout(30), 2 * LARGEST);
            assert_eq!(std::slice::from_raw_parts(large, 20), [7; 20]);
            let small = keeping.realloc(large, layout(2 * LARGEST), 19);
            assert_eq!(std::slice::from_raw_parts(small, 19), [7; 19]);
            keeping.dealloc(small, layout(19));
        }
    }

    #[test]
    fn no_more_is_kept_than_it_says() {
        let keeping = Keeping::new(Counting::default());
        let blocks: Vec<*mut u8> =
            (0..1000).map(|_| unsafe { keeping.alloc(layout(LARGEST)) }).collect();
        blocks.iter().for_each(|block| unsafe { keeping.dealloc(*block, layout(LARGEST)) });
        let out = unsafe { &*keeping.inner.0.get() }.len();
        assert_eq!(out, KEPT / LARGEST);
    }

    #[test]
    fn what_is_in_use_is_what_the_inner_allocator_has_out() {
        let keeping = Keeping::new(Counting::default());
        let out = |keeping: &Keeping<Counting>| {
            unsafe { &*keeping.inner.0.get() }
                .iter()
                .map(|(_, layout)| layout.size())
                .sum::<usize>()
        };
        unsafe {
            let (small, large) = (keeping.alloc(layout(20)), keeping.alloc(layout(5000)));
            assert_eq!((keeping.in_use(), out(&keeping)), (5032, 5032));
            let larger = keeping.realloc(large, layout(5000), 9000);
            let grown = keeping.realloc(small, layout(20), 3000);
            assert_eq!(keeping.in_use(), out(&keeping));
            keeping.dealloc(larger, layout(9000));
            keeping.dealloc(grown, layout(3000));
            assert_eq!((keeping.in_use(), out(&keeping)), (32, 32), "one small block is kept");
        }
    }

    #[test]
    fn blocks_in_use_never_overlap() {
        let keeping = Keeping::new(Counting::default());
        let mut used: Vec<(*mut u8, usize, u8)> = Vec::new();
        let mut random = 1_u32;
        for step in 0..20_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let size = 1 + (random >> 8) as usize % 3000;
            if random >> 31 == 0 && !used.is_empty() {
                let (block, size, fill) = used.swap_remove((random >> 4) as usize % used.len());
                unsafe {
                    assert!(std::slice::from_raw_parts(block, size).iter().all(|b| *b == fill));
                    keeping.dealloc(block, layout(size));
                }
            } else {
                let block = unsafe { keeping.alloc(layout(size)) };
                unsafe { block.write_bytes(step as u8, size) };
                used.push((block, size, step as u8));
            }
        }
    }
}
