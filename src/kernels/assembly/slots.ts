// Scratch memory for the pieces of one operation: a slot for each thread, taken while a piece runs, so that what a
// thread wrote last is still in its cache. At `slots` lie `count` flags, 64 bytes apart and 0 while free; the scratch
// follows, `bytes` for each. Which slot a piece gets never shows in its result.

/** Takes a free slot: its number. There must be as many as threads that may come. */
// @ts-ignore: decorator
@inline
export function takeSlot(slots: usize, count: i32): i32 {
  let i: i32 = 0;
  while (atomic.cmpxchg<i32>(slots + (<usize>i << 6), 0, 1) != 0) i = i + 1 == count ? 0 : i + 1;
  return i;
}

/** The scratch of slot i. */
// @ts-ignore: decorator
@inline
export function slotScratch(slots: usize, count: i32, bytes: usize, i: i32): usize {
  return slots + (<usize>count << 6) + <usize>i * bytes;
}

/** Gives slot i back. */
// @ts-ignore: decorator
@inline
export function giveSlot(slots: usize, i: i32): void {
  atomic.store<i32>(slots + (<usize>i << 6), 0);
}
