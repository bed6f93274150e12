// Plane rotations (c s; -s c) in float64, and lists of them. A list has sweeps: the first row (int32), the number of
// rotations (int32; negative: of rows from the first one up), and for each rotation the pairs c, s of those who turn by
// it; a number of 0 ends it. A rotation takes rows x, y (y the lower one) to c x + s y and c y - s x.
import { hypotenuse } from "./vectors";

/** Rounding error of 1. */
export const ROUNDING: f64 = 1.1102230246251565e-16;
export const SMALLEST: f64 = 2.2250738585072014e-308;

// What an iteration ends with.
export const CONVERGED: i32 = 0;
export const NOT_CONVERGED: i32 = 1;
export const NOT_FINITE: i32 = 2;
/** The list has to be longer. */
export const NO_ROOM: i32 = 3;

/** Bytes before the rotations of a sweep. */
export const HEAD: usize = 8;
/** Bytes of a pair. */
export const PAIR: usize = 16;

/** r with (c s; -s c)(f, g) = (r, 0), of the sign of f. */
// @ts-ignore: decorator
@inline
export function radius(f: f64, g: f64): f64 {
  const sum = f * f + g * g;
  const r = sum > 1e-280 && sum < 1e280 ? sqrt(sum) : hypotenuse(f, g);
  return f < 0 ? -r : r;
}

/** c of the rotation of that radius. */
// @ts-ignore: decorator
@inline
export function cosine(f: f64, r: f64): f64 {
  return r == 0 ? 1 : f / r;
}

/** s of the rotation of that radius. */
// @ts-ignore: decorator
@inline
export function sine(g: f64, r: f64): f64 {
  return r == 0 ? 0 : g / r;
}

// @ts-ignore: decorator
@inline
export function putPair(to: usize, c: f64, s: f64): void {
  store<f64>(to, c);
  store<f64>(to, s, 8);
}

// @ts-ignore: decorator
@inline
export function putHead(to: usize, first: i32, count: i32): void {
  store<i32>(to, first);
  store<i32>(to, count, 4);
}

/** Puts places[n] into the order that makes the values at their places fall (or rise), those that are equal as they are. */
export function sortPlaces(places: usize, values: usize, n: i32, falling: bool): void {
  for (let i: i32 = 0; i < n; i++) {
    const x = load<f64>(values + (<usize>i << 3));
    let to = places + (<usize>i << 2);
    for (; to > places; to -= 4) {
      const y = load<f64>(values + (<usize>load<i32>(to - 4) << 3));
      if (falling ? y >= x : y <= x) break;
      store<i32>(to, load<i32>(to - 4));
    }
    store<i32>(to, i);
  }
}
