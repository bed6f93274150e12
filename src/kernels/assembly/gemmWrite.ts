// Writing a finished tile of sums to C: scaling, adding to what is there, and the bias.
import { lanes } from "./simd";

/**
 * C[r, l] = alpha t[r, lane + l] + beta C[r, l] + bias; beta 0 leaves C unread, bias 0 is none.
 * tileRow, rsC, csC are byte steps; biasRow and biasLane those of bias along r and l.
 */
export function writeTile<T>(
  t: usize, tileRow: usize, rows: i32, lane: i32, cols: i32,
  c: usize, rsC: usize, csC: usize, alpha: T, beta: T, bias: usize, biasRow: usize, biasLane: usize,
): void {
  const S = sizeof<T>();
  const whole: usize = csC == S ? (<usize>cols * S) & ~15 : 0;
  const end = <usize>cols * S;
  const va = v128.splat<T>(alpha);
  const vb = v128.splat<T>(beta);
  t += <usize>lane * S;
  if (whole == 32 && end == 32) {
    for (; rows > 0; rows--) {
      let y0 = v128.mul<T>(va, v128.load(t));
      let y1 = v128.mul<T>(va, v128.load(t, 16));
      if (beta != 0) {
        y0 = v128.add<T>(y0, v128.mul<T>(vb, v128.load(c)));
        y1 = v128.add<T>(y1, v128.mul<T>(vb, v128.load(c, 16)));
      }
      if (bias) {
        const one = v128.load_splat<T>(bias);
        y0 = v128.add<T>(y0, biasLane ? v128.load(bias) : one);
        y1 = v128.add<T>(y1, biasLane ? v128.load(bias, 16) : one);
        bias += biasRow;
      }
      v128.store(c, y0);
      v128.store(c, y1, 16);
      t += tileRow;
      c += rsC;
    }
    return;
  }
  for (; rows > 0; rows--) {
    let x: usize = 0;
    for (; x < whole; x += 16) {
      let y = v128.mul<T>(va, v128.load(t + x));
      if (beta != 0) y = v128.add<T>(y, v128.mul<T>(vb, v128.load(c + x)));
      if (bias) y = v128.add<T>(y, biasLane ? v128.load(bias + x) : v128.load_splat<T>(bias));
      v128.store(c + x, y);
    }
    if (x < end) {
      const first = x / S;
      let p = c + first * csC;
      let q = bias + first * biasLane;
      for (; x < end; x += S) {
        let y: T = <T>(alpha * load<T>(t + x));
        if (beta != 0) y = <T>(y + <T>(beta * load<T>(p)));
        if (bias) y = <T>(y + load<T>(q));
        store<T>(p, y);
        p += csC;
        q += biasLane;
      }
    }
    t += tileRow;
    c += rsC;
    bias += biasRow;
  }
}

/** Row r of a stored tile of two vectors. */
// @ts-ignore: decorator
@inline
function row<T>(t: usize, r: usize, c: usize, add: bool, b0: v128, b1: v128, bias: bool): void {
  let y0 = v128.load(t + (r << 5)), y1 = v128.load(t + (r << 5), 16);
  if (add) {
    y0 = v128.add<T>(y0, v128.load(c));
    y1 = v128.add<T>(y1, v128.load(c, 16));
  }
  if (bias) {
    y0 = v128.add<T>(y0, b0);
    y1 = v128.add<T>(y1, b1);
  }
  v128.store(c, y0);
  v128.store(c, y1, 16);
}

// @ts-ignore: decorator
@inline
function rows<T>(t: usize, c: usize, rsC: usize, add: bool, b0: v128, b1: v128, bias: bool): void {
  row<T>(t, 0, c, add, b0, b1, bias);
  row<T>(t, 1, c + rsC, add, b0, b1, bias);
  row<T>(t, 2, c + 2 * rsC, add, b0, b1, bias);
  row<T>(t, 3, c + 3 * rsC, add, b0, b1, bias);
  row<T>(t, 4, c + 4 * rsC, add, b0, b1, bias);
}

/** C[r, :] = t[r, :] (+ C[r, :]) (+ bias) for a full tile, MR rows of two vectors: as writeTile with alpha 1. */
export function writeWhole<T>(t: usize, c: usize, rsC: usize, add: bool, bias: usize): void {
  const none = i32x4.splat(0);
  if (bias) {
    const b0 = v128.load(bias), b1 = v128.load(bias, 16);
    if (add) rows<T>(t, c, rsC, true, b0, b1, true);
    else rows<T>(t, c, rsC, false, b0, b1, true);
  } else if (add) rows<T>(t, c, rsC, true, none, none, false);
  else rows<T>(t, c, rsC, false, none, none, false);
}
