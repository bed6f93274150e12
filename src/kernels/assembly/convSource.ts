// What the convolution kernels share: the descriptor, the zero-padded copy of an image, and the table of taps.
import { lanes } from "./simd";

/**
 * The descriptor is 15 i32s: C, H, W, OC, OH, OW, KH, KW, strideH, strideW, padH, padW, dilationH, dilationW,
 * groups. x is [N, C, H, W], w is [OC, C / groups, KH, KW], y is [N, OC, OH, OW], all contiguous.
 */
export const C: usize = 0;
export const H: usize = 4;
export const W: usize = 8;
export const OC: usize = 12;
export const OH: usize = 16;
export const OW: usize = 20;
export const KH: usize = 24;
export const KW: usize = 28;
export const SH: usize = 32;
export const SW: usize = 36;
export const PH: usize = 40;
export const PW: usize = 44;
export const DH: usize = 48;
export const DW: usize = 52;
export const GROUPS: usize = 56;

/** A field of the descriptor. */
// @ts-ignore: decorator
@inline
export function field(desc: usize, at: usize): i32 {
  return load<i32>(desc + at);
}

/** Ceiling of a / b for b > 0. */
// @ts-ignore: decorator
@inline
export function ceilDiv(a: i32, b: i32): i32 {
  return a > 0 ? (a + b - 1) / b : -(-a / b);
}

/** A 1 x 1 convolution without stride or padding: its image is one row of H W pixels. */
// @ts-ignore: decorator
@inline
export function isPointwise(desc: usize): bool {
  return field(desc, KH) == 1 && field(desc, KW) == 1 && field(desc, SH) == 1 && field(desc, SW) == 1 &&
    field(desc, PH) == 0 && field(desc, PW) == 0 && field(desc, OH) == field(desc, H) && field(desc, OW) == field(desc, W);
}

/** Whether no output looks outside the image: the number of outputs may imply padding on the far sides. */
// @ts-ignore: decorator
@inline
export function isInside(desc: usize): bool {
  return field(desc, PH) == 0 && field(desc, PW) == 0 &&
    (field(desc, OH) - 1) * field(desc, SH) + (field(desc, KH) - 1) * field(desc, DH) < field(desc, H) &&
    (field(desc, OW) - 1) * field(desc, SW) + (field(desc, KW) - 1) * field(desc, DW) < field(desc, W);
}

// @ts-ignore: decorator
@inline
function zeros<T>(dst: usize, n: i32): void {
  const end = dst + <usize>max(n, 0) * sizeof<T>();
  for (; dst + 16 <= end; dst += 16) v128.store(dst, i32x4.splat(0));
  for (; dst < end; dst += sizeof<T>()) store<T>(dst, 0);
}

/**
 * dst[c, p, r, q] = src[c, r rowMul - padTop, q sw + p - padLeft], 0 outside: splitting the columns by their
 * remainder p of sw makes the inputs of neighbouring outputs neighbours for every stride.
 */
export function padImage<T>(
  src: usize, channels: i32, height: i32, width: i32, padTop: i32, padLeft: i32,
  rows: i32, cols: i32, rowMul: i32, sw: i32, phases: i32, dst: usize,
): void {
  const S = sizeof<T>();
  const plane = <usize>(height * width) * S;
  for (let c: i32 = 0; c < channels; c++) {
    for (let p: i32 = 0; p < phases; p++) {
      const q0 = min(max(ceilDiv(padLeft - p, sw), 0), cols);
      const q1 = min(max(ceilDiv(width + padLeft - p, sw), q0), cols);
      for (let r: i32 = 0; r < rows; r++) {
        const row = r * rowMul - padTop;
        const next = dst + <usize>cols * S;
        if (row < 0 || row >= height) {
          zeros<T>(dst, cols);
        } else {
          zeros<T>(dst, q0);
          let d = dst + <usize>q0 * S;
          const end = dst + <usize>q1 * S;
          let s = src + <usize>(row * width + q0 * sw + p - padLeft) * S;
          if (sw == 1) {
            for (; d + 16 <= end; d += 16) {
              v128.store(d, v128.load(s));
              s += 16;
            }
          }
          const step = <usize>sw * S;
          for (; d < end; d += S) {
            store<T>(d, load<T>(s));
            s += step;
          }
          zeros<T>(end, cols - q1);
        }
        dst = next;
      }
    }
    src += plane;
  }
}

/** Rows of the padded image, and how far apart in it the first rows of two neighbouring outputs lie. */
// @ts-ignore: decorator
@inline
export function sourceRows(desc: usize): i32 {
  const kh = field(desc, KH);
  return kh == 1 ? field(desc, OH) : (field(desc, OH) - 1) * field(desc, SH) + (kh - 1) * field(desc, DH) + 1;
}

// @ts-ignore: decorator
@inline
export function rowStep(desc: usize): i32 {
  return field(desc, KH) == 1 ? 1 : field(desc, SH);
}

/** Columns of one phase of the padded image for rows of `cols` outputs. */
// @ts-ignore: decorator
@inline
export function sourceCols(desc: usize, cols: i32): i32 {
  return cols + ((field(desc, KW) - 1) * field(desc, DW)) / field(desc, SW);
}

// @ts-ignore: decorator
@inline
export function phasesOf(desc: usize): i32 {
  return field(desc, KW) == 1 ? 1 : field(desc, SW);
}

/** Bytes of the padded image of one group, with room for a tile that reads past its end. */
// @ts-ignore: decorator
@inline
export function sourceBytes<T>(desc: usize, cols: i32): usize {
  const channels = field(desc, C) / field(desc, GROUPS);
  return <usize>(channels * phasesOf(desc) * sourceRows(desc) * sourceCols(desc, cols) + 4 * lanes<T>()) * sizeof<T>();
}

/** The padded image of one group for rows of `cols` outputs. */
// @ts-ignore: decorator
@inline
export function padSource<T>(desc: usize, x: usize, cols: i32, dst: usize): void {
  const rowMul = field(desc, KH) == 1 ? field(desc, SH) : 1;
  padImage<T>(
    x, field(desc, C) / field(desc, GROUPS), field(desc, H), field(desc, W), field(desc, PH), field(desc, PW),
    sourceRows(desc), sourceCols(desc, cols), rowMul, field(desc, SW), phasesOf(desc), dst,
  );
}

/** taps[k] for k = (c, kh, kw): bytes from the first input of an output to its input through that tap. */
export function sourceTaps<T>(desc: usize, rows: i32, cols: i32, phases: i32, taps: usize): void {
  const channels = field(desc, C) / field(desc, GROUPS);
  const kh = field(desc, KH), kw = field(desc, KW), sw = field(desc, SW), dh = field(desc, DH), dw = field(desc, DW);
  for (let c: i32 = 0; c < channels; c++) {
    for (let i: i32 = 0; i < kh; i++) {
      for (let j: i32 = 0; j < kw; j++) {
        const q = j * dw;
        const at = ((c * phases + q % sw) * rows + i * dh) * cols + q / sw;
        store<u32>(taps, <u32>at * <u32>sizeof<T>());
        taps += 4;
      }
    }
  }
}
