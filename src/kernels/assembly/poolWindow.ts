// What the pooling kernels share: the descriptor and the extent of a window along one dimension.

/**
 * The descriptor holds i32s: in D, H, W; out D, H, W; kernel D, H, W; stride; padding; dilation (3 each);
 * countIncludePad; divisorOverride (0: none). Fewer spatial dimensions are leading ones of size and kernel 1.
 * Adaptive pooling reads the first six.
 */
export const IN: usize = 0;
export const OUT: usize = 12;
export const KERNEL: usize = 24;
export const STRIDE: usize = 36;
export const PAD: usize = 48;
export const DILATION: usize = 60;
export const INCLUDE_PAD: usize = 72;
export const DIVISOR: usize = 76;

/** Byte offsets of the dimensions within a list. */
export const D: usize = 0;
export const H: usize = 4;
export const W: usize = 8;

// @ts-ignore: decorator
@inline
export function field(desc: usize, at: usize): i32 {
  return load<i32>(desc + at);
}

// @ts-ignore: decorator
@inline
export function volume(desc: usize, list: usize): i32 {
  return load<i32>(desc + list) * load<i32>(desc + list + H) * load<i32>(desc + list + W);
}

/** Adaptive window of output o along `dim`: floor(o in / out) to ceil((o + 1) in / out). */
// @ts-ignore: decorator
@inline
export function adaptiveStart(desc: usize, dim: usize, o: i32): i32 {
  return <i32>((<i64>o * <i64>field(desc, IN + dim)) / <i64>field(desc, OUT + dim));
}

// @ts-ignore: decorator
@inline
export function adaptiveEnd(desc: usize, dim: usize, o: i32): i32 {
  const out = <i64>field(desc, OUT + dim);
  return <i32>((<i64>(o + 1) * <i64>field(desc, IN + dim) + out - 1) / out);
}

/** First input of a window along `dim`, before clipping. */
// @ts-ignore: decorator
@inline
export function windowStart(desc: usize, dim: usize, o: i32): i32 {
  return o * field(desc, STRIDE + dim) - field(desc, PAD + dim);
}

/** The first input at or after 0, in steps of the dilation. */
// @ts-ignore: decorator
@inline
export function clipStart(start: i32, dilation: i32): i32 {
  return start >= 0 ? start : start + ((dilation - 1 - start) / dilation) * dilation;
}

/** One past the last input of a dilated window, within the input. */
// @ts-ignore: decorator
@inline
export function dilatedEnd(desc: usize, dim: usize, start: i32): i32 {
  return min(start + (field(desc, KERNEL + dim) - 1) * field(desc, DILATION + dim) + 1, field(desc, IN + dim));
}

/** A window of 2 x 2 pixels, side by side, inside the image. */
// @ts-ignore: decorator
@inline
export function isTwoByTwo(desc: usize): bool {
  return field(desc, KERNEL + D) == 1 && field(desc, KERNEL + H) == 2 && field(desc, KERNEL + W) == 2 &&
    field(desc, STRIDE + D) == 1 && field(desc, STRIDE + H) == 2 && field(desc, STRIDE + W) == 2 &&
    (field(desc, PAD + D) | field(desc, PAD + H) | field(desc, PAD + W)) == 0 &&
    field(desc, DILATION + H) == 1 && field(desc, DILATION + W) == 1 &&
    field(desc, OUT + D) == field(desc, IN + D) &&
    2 * field(desc, OUT + H) <= field(desc, IN + H) && 2 * field(desc, OUT + W) <= field(desc, IN + W);
}
