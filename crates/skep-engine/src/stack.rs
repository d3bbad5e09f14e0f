//! The stack of a run: frames that are zeroed when they are entered.
//!
//! The first eight full frames lie in memory that the run lends; only tail calls inside of subprograms can need more.
//! A gap between frames makes an access just below or above a frame fall outside of every frame.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use crate::memory::FrameBounds;

/// Bytes of a frame.
pub const FRAME_BYTES: u16 = 512;
/// Frames of one program.
pub const MAX_FRAMES: u32 = 8;

/// Words between frames.
pub(crate) const GAP_WORDS: usize = 2;
const CHUNK_WORDS: usize = MAX_FRAMES as usize * (FRAME_BYTES as usize / 8 + GAP_WORDS);

/// Memory for eight frames.
pub(crate) type Chunk = [MaybeUninit<u64>; CHUNK_WORDS];

/// A chunk whose words are not yet written.
pub(crate) const fn new_chunk() -> Chunk {
    [const { MaybeUninit::uninit() }; CHUNK_WORDS]
}

/// Frames, from high addresses to low.
///
/// Invariant: `chunk` points to a live [`Chunk`] whose first `free` words belong to no frame.
pub(crate) struct Stack<'c> {
    chunk: NonNull<u64>,
    free: usize,
    more: Vec<Box<Chunk>>,
    lent: PhantomData<&'c mut Chunk>,
}

/// What [`Stack::pop`] needs to undo a push.
pub(crate) struct Mark {
    chunk: NonNull<u64>,
    free: usize,
    grew: bool,
}

impl<'c> Stack<'c> {
    pub(crate) fn new(chunk: &'c mut Chunk) -> Self {
        Stack { chunk: Self::exposed(chunk), free: CHUNK_WORDS, more: Vec::new(), lent: PhantomData }
    }

    /// A stack without memory yet.
    pub(crate) const fn empty() -> Self {
        Stack { chunk: NonNull::dangling(), free: 0, more: Vec::new(), lent: PhantomData }
    }

    /// Address behind the next frame.
    pub(crate) fn top(&self) -> u64 {
        // SAFETY: at most one past the end of the chunk.
        unsafe { self.chunk.add(self.free) }.addr().get() as u64
    }

    fn exposed(chunk: &mut Chunk) -> NonNull<u64> {
        let words = NonNull::from(chunk).cast::<u64>();
        words.as_ptr().expose_provenance();
        words
    }

    /// A new frame of at least `bytes` (at most [`FRAME_BYTES`]), all zero.
    #[inline]
    pub(crate) fn push(&mut self, bytes: u16) -> (FrameBounds, Mark) {
        let words = usize::from(bytes.min(FRAME_BYTES)).div_ceil(8);
        let grew = self.free < words + GAP_WORDS;
        let mark = Mark { chunk: self.chunk, free: self.free, grew };
        if grew {
            self.grow();
        }
        self.free -= words + GAP_WORDS;
        // SAFETY: the chunk is live and `free + GAP_WORDS + words` is at most its length; no other frame has these words.
        let bottom = unsafe {
            let bottom = self.chunk.add(self.free + GAP_WORDS);
            bottom.write_bytes(0, words);
            bottom
        };
        (FrameBounds { bottom: bottom.cast(), len: words * 8 }, mark)
    }

    /// Gives back the newest frame.
    #[inline]
    pub(crate) fn pop(&mut self, mark: Mark) {
        self.chunk = mark.chunk;
        self.free = mark.free;
        if mark.grew {
            self.more.pop();
        }
    }

    #[cold]
    fn grow(&mut self) {
        self.more.push(Box::new(new_chunk()));
        if let Some(newest) = self.more.last_mut() {
            self.chunk = Self::exposed(newest);
            self.free = CHUNK_WORDS;
        }
    }
}
