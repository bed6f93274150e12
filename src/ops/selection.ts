/**
 * Which of equal elements topk and kthvalue take: those that PyTorch's selections leave in place, which are the heap, the
 * introselect and the introsort of the GNU C++ library, and a quickselect of its own. Only rows with ties come here.
 * Sources: libstdc++ `bits/stl_heap.h` and `bits/stl_algo.h`; ATen `TopKImpl.h` and `quick_select_template`.
 */
import type { TypedArray } from "../tensor/dtype.js";

type Value = number | bigint;
/** Whether the element at the first position comes before the one at the second. */
type Before = (i: number, j: number) => boolean;

const isNan = (v: Value): boolean => Number.isNaN(v as number);

/** Whether `x` is larger than `y`, NaN being the largest. */
const larger = (x: Value, y: Value): boolean => (isNan(x) && !isNan(y)) || x > y;
const smaller = (x: Value, y: Value): boolean => (!isNan(x) && isNan(y)) || x < y;

/** Floor of log2. */
const lg = (n: number): number => 31 - Math.clz32(n);

/** Positions 0 to n - 1 that are put in order, as std::nth_element and its kin do. */
class Queue {
  readonly at: Int32Array;

  constructor(
    n: number,
    private readonly before: Before,
  ) {
    this.at = Int32Array.from({ length: n }, (_, i) => i);
  }

  private get(i: number): number {
    return this.at[i] as number;
  }

  /** Whether what stands at place i comes before what stands at place j. */
  private less(i: number, j: number): boolean {
    return this.before(this.get(i), this.get(j));
  }

  private swap(i: number, j: number): void {
    const held = this.get(i);
    this.at[i] = this.get(j);
    this.at[j] = held;
  }

  /** `__adjust_heap`: sinks the hole to a leaf, then lifts `value` from there. */
  private adjust(first: number, start: number, length: number, value: number): void {
    let hole = start;
    let child = start;
    while (child < (length - 1) >> 1) {
      child = 2 * (child + 1);
      if (this.less(first + child, first + child - 1)) child--;
      this.at[first + hole] = this.get(first + child);
      hole = child;
    }
    if ((length & 1) === 0 && child === (length - 2) >> 1) {
      child = 2 * (child + 1) - 1;
      this.at[first + hole] = this.get(first + child);
      hole = child;
    }
    for (let parent = (hole - 1) >> 1; hole > start; parent = (hole - 1) >> 1) {
      if (!this.before(this.get(first + parent), value)) break;
      this.at[first + hole] = this.get(first + parent);
      hole = parent;
    }
    this.at[first + hole] = value;
  }

  private pop(first: number, last: number, result: number): void {
    const value = this.get(result);
    this.at[result] = this.get(first);
    this.adjust(first, 0, last - first, value);
  }

  private heapSelect(first: number, middle: number, last: number): void {
    const length = middle - first;
    for (let parent = (length - 2) >> 1; parent >= 0; parent--)
      this.adjust(first, parent, length, this.get(first + parent));
    for (let i = middle; i < last; i++) if (this.less(i, first)) this.pop(first, middle, i);
  }

  /** `std::partial_sort`. */
  partialSort(first: number, middle: number, last: number): void {
    this.heapSelect(first, middle, last);
    for (let end = middle; end - first > 1; ) {
      end--;
      this.pop(first, end, end);
    }
  }

  /** Partitions around the median of three and gives the cut. */
  private partition(first: number, last: number): number {
    const [a, b, c] = [first + 1, first + ((last - first) >> 1), last - 1];
    if (this.less(a, b)) this.swap(first, this.less(b, c) ? b : this.less(a, c) ? c : a);
    else this.swap(first, this.less(a, c) ? a : this.less(b, c) ? c : b);
    let [low, high] = [first + 1, last];
    for (;;) {
      while (this.less(low, first)) low++;
      high--;
      while (this.less(first, high)) high--;
      if (low >= high) return low;
      this.swap(low, high);
      low++;
    }
  }

  /** Moves the element at `i` down to its place among those before it, not below `first`. */
  private insert(first: number, i: number): void {
    const value = this.get(i);
    let hole = i;
    while (hole > first && this.before(value, this.get(hole - 1))) {
      this.at[hole] = this.get(hole - 1);
      hole--;
    }
    this.at[hole] = value;
  }

  private insertionSort(first: number, last: number): void {
    for (let i = first + 1; i < last; i++) this.insert(first, i);
  }

  /** `std::nth_element`. */
  nthElement(nth: number, n: number): void {
    if (nth >= n) return;
    let [first, last] = [0, n];
    for (let depth = 2 * lg(n); last - first > 3; depth--) {
      if (depth === 0) {
        this.heapSelect(first, nth + 1, last);
        this.swap(first, nth);
        return;
      }
      const cut = this.partition(first, last);
      if (cut <= nth) first = cut;
      else last = cut;
    }
    this.insertionSort(first, last);
  }

  /** `std::sort` of the first `n`. */
  sort(n: number): void {
    if (n < 2) return;
    this.introsort(0, n, 2 * lg(n));
    this.insertionSort(0, n);
  }

  private introsort(first: number, end: number, limit: number): void {
    let last = end;
    for (let depth = limit; last - first > 16; ) {
      if (depth === 0) {
        this.partialSort(first, last, last);
        return;
      }
      depth--;
      const cut = this.partition(first, last);
      this.introsort(cut, last, depth);
      last = cut;
    }
  }
}

/** The positions of the k largest (or smallest) of `n` elements from `from` on, in order. */
export function topOrder(row: TypedArray, from: number, n: number, k: number, largest: boolean): Int32Array {
  const comes = largest ? larger : smaller;
  const queue = new Queue(n, (i, j) => comes(row[from + i] as Value, row[from + j] as Value));
  if (k * 64 <= n) queue.partialSort(0, k, n);
  else {
    queue.nthElement(k - 1, n);
    queue.sort(k - 1);
  }
  return queue.at.subarray(0, k);
}

/** The position of the element that is number `k` (from 0) of `n` from `from` on, by quickselect. */
export function kthPosition(row: TypedArray, from: number, n: number, k: number): number {
  const at = Int32Array.from({ length: n }, (_, i) => i);
  const place = (i: number): number => at[i] as number;
  const value = (i: number): Value => row[from + place(i)] as Value;
  const swap = (i: number, j: number): void => {
    [at[i], at[j]] = [place(j), place(i)];
  };
  let [low, high] = [0, n - 1];
  while (high > low + 1) {
    swap((low + high) >> 1, low + 1);
    if (larger(value(low + 1), value(high))) swap(low + 1, high);
    if (larger(value(low), value(high))) swap(low, high);
    if (larger(value(low + 1), value(low))) swap(low + 1, low);
    const pivot = value(low);
    let [i, j] = [low + 1, high];
    for (;;) {
      do i++;
      while (larger(pivot, value(i)));
      do j--;
      while (larger(value(j), pivot));
      if (j < i) break;
      swap(i, j);
    }
    swap(low, j);
    if (j <= k) low = i;
    if (j >= k) high = j - 1;
  }
  if (high === low + 1 && larger(value(low), value(high))) swap(low, high);
  return place(k);
}

/** Whether two neighbours in an ordered row are equal, NaN to NaN. */
export function hasTies(sorted: TypedArray, from: number, width: number): boolean {
  let before = sorted[from] as Value;
  for (let i = from + 1; i < from + width; i++) {
    const value = sorted[i] as Value;
    if (value === before || (isNan(value) && isNan(before))) return true;
    before = value;
  }
  return false;
}
