// The table of an optimizer's step, a row for each parameter: the addresses of parameter, gradient and up to three
// state arrays (0: none), and the number of elements. A kernel updates `left` elements of the rows' concatenation,
// from element `skip` of the first row on.

/** Bytes of a row; src/optim/fused.ts writes them. */
export const ROW: usize = 24;

// @ts-ignore: decorator
@inline
export function param(row: usize): usize {
  return load<u32>(row);
}

// @ts-ignore: decorator
@inline
export function grad(row: usize): usize {
  return load<u32>(row, 4);
}

/** State array k. */
// @ts-ignore: decorator
@inline
export function state(row: usize, k: usize): usize {
  return load<u32>(row + 4 * k, 8);
}

// @ts-ignore: decorator
@inline
export function size(row: usize): i32 {
  return load<i32>(row, 20);
}
