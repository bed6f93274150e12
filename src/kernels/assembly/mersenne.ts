/**
 * The Mersenne Twister of PyTorch's CPU generator (at::mt19937), its state kept at a pointer.
 *
 * Byte layout of a state, STATE_BYTES = 2544 in all:
 *   0     u32[624]  words
 *   2496  u32       left   draws until the words are renewed (1 after seeding)
 *   2500  u32       next   index of the next word
 *   2504  u32 u32   seed   low, high
 *   2512  i32       whether nextDouble holds a sample
 *   2516  i32       whether nextFloat holds a sample (PyTorch stores it but no CPU kernel draws from it)
 *   2520  f64       nextDouble   the second Box-Muller value
 *   2528  f32       nextFloat
 */

import { cos, log1p, sin } from "./real";

const N: i32 = 624;
const M: i32 = 397;
const LEFT: usize = 2496;
const NEXT: usize = 2500;
const SEED_LOW: usize = 2504;
const SEED_HIGH: usize = 2508;
const HAS_DOUBLE: usize = 2512;
const HAS_FLOAT: usize = 2516;
const NEXT_DOUBLE: usize = 2520;
const NEXT_FLOAT: usize = 2528;

/** Seeds from 64 bits; only the low 32 reach the words, as in PyTorch. */
export function mtSeed(state: usize, low: u32, high: u32): void {
  let w = low;
  store<u32>(state, w);
  for (let i = 1; i < N; i++) {
    w = 1812433253 * (w ^ (w >> 30)) + <u32>i;
    store<u32>(state + ((<usize>i) << 2), w);
  }
  store<u32>(state, 1, LEFT);
  store<u32>(state, 0, NEXT);
  store<u32>(state, low, SEED_LOW);
  store<u32>(state, high, SEED_HIGH);
  store<i32>(state, 0, HAS_DOUBLE);
  store<i32>(state, 0, HAS_FLOAT);
  store<f64>(state, 0, NEXT_DOUBLE);
  store<f32>(state, 0, NEXT_FLOAT);
}

// @ts-ignore: decorator
@inline
function twist(u: u32, v: u32): u32 {
  return (((u & 0x80000000) | (v & 0x7fffffff)) >> 1) ^ (0x9908b0df & -(v & 1));
}

/** p[i] = p[i + shift] ^ twist(p[i], p[i+1]) for count words, four at a time. */
// @ts-ignore: decorator
@inline
function renewSpan(p: usize, count: i32, shift: i32): usize {
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const u = v128.load(p);
    const v = v128.load(p, 4);
    const mixed = v128.or(v128.and(u, i32x4.splat(0x80000000)), v128.and(v, i32x4.splat(0x7fffffff)));
    const odd = i32x4.neg(v128.and(v, i32x4.splat(1)));
    const t = v128.xor(i32x4.shr_u(mixed, 1), v128.and(odd, i32x4.splat(0x9908b0df)));
    v128.store(p, v128.xor(v128.load(p + ((<usize>shift) << 2)), t));
    p += 16;
  }
  for (; i < count; i++) {
    store<u32>(p, load<u32>(p + ((<usize>shift) << 2)) ^ twist(load<u32>(p), load<u32>(p, 4)));
    p += 4;
  }
  return p;
}

function renew(state: usize): void {
  let p = renewSpan(state, N - M, M);
  p = renewSpan(p, M - 1, M - N);
  const w = load<u32>(p + ((<usize>(M - N)) << 2)) ^ twist(load<u32>(p), load<u32>(state));
  store<u32>(p, w);
}

// @ts-ignore: decorator
@inline
function temper(y: u32): u32 {
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680;
  y ^= (y << 15) & 0xefc60000;
  return y ^ (y >> 18);
}

/** The next 32 random bits. */
export function random32(state: usize): u32 {
  let left = load<u32>(state, LEFT) - 1;
  let next = load<u32>(state, NEXT);
  if (left == 0) {
    renew(state);
    left = N;
    next = 0;
  }
  store<u32>(state, left, LEFT);
  store<u32>(state, next + 1, NEXT);
  return temper(load<u32>(state + ((<usize>next) << 2)));
}

/** The next 64 random bits, the first draw high. */
// @ts-ignore: decorator
@inline
export function random64(state: usize): u64 {
  const high = <u64>random32(state);
  return (high << 32) | <u64>random32(state);
}

/** A double in [0, 1) with 53 random bits. */
// @ts-ignore: decorator
@inline
export function uniform64(state: usize): f64 {
  return <f64>(random64(state) & 0x1fffffffffffff) * 1.1102230246251565e-16;
}

/** A float in [0, 1) with 24 random bits. */
// @ts-ignore: decorator
@inline
export function uniform32(state: usize): f32 {
  return <f32>(random32(state) & 0xffffff) * 5.9604644775390625e-8;
}

/** n successive 32-bit draws into out. */
export function randomWords(state: usize, out: usize, n: i32): void {
  while (n > 0) {
    let left = load<u32>(state, LEFT);
    let next = load<u32>(state, NEXT);
    if (left == 1) {
      renew(state);
      left = N + 1;
      next = 0;
    }
    const count = min<i32>(<i32>left - 1, n);
    store<u32>(state, left - <u32>count, LEFT);
    store<u32>(state, next + <u32>count, NEXT);
    let p = state + ((<usize>next) << 2);
    let i = 0;
    for (; i + 4 <= count; i += 4) {
      let y = v128.load(p);
      y = v128.xor(y, i32x4.shr_u(y, 11));
      y = v128.xor(y, v128.and(i32x4.shl(y, 7), i32x4.splat(0x9d2c5680)));
      y = v128.xor(y, v128.and(i32x4.shl(y, 15), i32x4.splat(0xefc60000)));
      v128.store(out, v128.xor(y, i32x4.shr_u(y, 18)));
      p += 16;
      out += 16;
    }
    for (; i < count; i++) {
      store<u32>(out, temper(load<u32>(p)));
      p += 4;
      out += 4;
    }
    n -= count;
  }
}

/** One standard normal value by Box and Muller's formula in float64; the second is kept in the state. */
export function nextNormal(state: usize): f64 {
  if (load<i32>(state, HAS_DOUBLE)) {
    store<i32>(state, 0, HAS_DOUBLE);
    return load<f64>(state, NEXT_DOUBLE);
  }
  const u1 = uniform64(state);
  const u2 = uniform64(state);
  const r = sqrt(-2 * log1p(-u2));
  const theta = 6.283185307179586 * u1;
  store<i32>(state, 1, HAS_DOUBLE);
  store<f64>(state, r * sin(theta), NEXT_DOUBLE);
  return r * cos(theta);
}
