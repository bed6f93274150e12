/** Triangles of matrices: rows copied up to, or from, a diagonal, zeros in the rest. */

/**
 * Rows `first` to `first + count` of a batch of matrices [rows, cols] of elements of `size` bytes. Below (`upper` 0)
 * element (i, j) is kept where j <= i + diagonal, above where j >= i + diagonal. x == out may be.
 */
export function triangle(
  x: usize,
  out: usize,
  first: i32,
  count: i32,
  rows: i32,
  cols: i32,
  size: i32,
  diagonal: i32,
  upper: i32,
): void {
  const bytes = <usize>cols * <usize>size;
  let from = x + <usize>first * bytes;
  let to = out + <usize>first * bytes;
  let i = first % rows;
  for (let r = 0; r < count; ++r) {
    const edge = <usize>min(max(i + diagonal + (upper != 0 ? 0 : 1), 0), cols) * <usize>size;
    if (upper != 0) {
      memory.fill(to, 0, edge);
      if (from != to) memory.copy(to + edge, from + edge, bytes - edge);
    } else {
      if (from != to) memory.copy(to, from, edge);
      memory.fill(to + edge, 0, bytes - edge);
    }
    from += bytes;
    to += bytes;
    if (++i == rows) i = 0;
  }
}
