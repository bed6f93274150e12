/** Reduction of large angles modulo pi/2 after Payne and Hanek, for one float64. */

// Bits 64*i ... 64*i+63 after the binary point of 2/pi.
function twoOverPi(i: i32): u64 {
  switch (i) {
    case 0:
      return 0xa2f9836e4e441529;
    case 1:
      return 0xfc2757d1f534ddc0;
    case 2:
      return 0xdb6295993c439041;
    case 3:
      return 0xfe5163abdebbc561;
    case 4:
      return 0xb7246e3a424dd2e0;
    case 5:
      return 0x06492eea09d1921c;
    case 6:
      return 0xfe1deb1cb129a73e;
    case 7:
      return 0xe88235f52ebb4484;
    case 8:
      return 0xe99c7026b45f7e41;
    case 9:
      return 0x3991d639835339f4;
    case 10:
      return 0x9c845f8bbdf9283b;
    case 11:
      return 0x1ff897ffde05980f;
    case 12:
      return 0xef2f118b5a0a6d1f;
    case 13:
      return 0x6d367ecf27cb09b7;
    case 14:
      return 0x4f463f669e5fea2d;
    case 15:
      return 0x7527bac7ebe5f17b;
    case 16:
      return 0x3d0739f78a5292ea;
    case 17:
      return 0x6bfb5fb11f8d5d08;
    case 18:
      return 0x56033046fc7b6bab;
    case 19:
      return 0xf0cfbc209af4361d;
    default:
      return 0;
  }
}

// High half of the 128-bit product.
// @ts-ignore: decorator
@inline
function mulHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff;
  const a1 = a >> 32;
  const b0 = b & 0xffffffff;
  const b1 = b >> 32;
  const mid = a1 * b0 + ((a0 * b0) >> 32);
  const mid2 = a0 * b1 + (mid & 0xffffffff);
  return a1 * b1 + (mid >> 32) + (mid2 >> 32);
}

/**
 * For finite |x| >= 4: the remainder of x by the nearest multiple n of pi/2, or n modulo 4 as a float.
 * x = m * 2^e; the bits of 2/pi that weigh a multiple of 4 in m * 2^e * 2/pi are skipped, the next 192
 * give the quadrant in two bits and the fraction to 126.
 */
export function reduceLarge(x: f64, quadrant: bool): f64 {
  const bits = reinterpret<u64>(x);
  const m = (bits & 0x000fffffffffffff) | 0x0010000000000000;
  const first = <i32>((bits >> 52) & 0x7ff) - 1075 - 2;
  const word = first >> 6;
  const shift = <u64>(first & 63);
  const rest = 64 - shift;
  const t0 = twoOverPi(word);
  const t1 = twoOverPi(word + 1);
  const t2 = twoOverPi(word + 2);
  const t3 = twoOverPi(word + 3);
  const w0 = shift != 0 ? (t0 << shift) | (t1 >> rest) : t0;
  const w1 = shift != 0 ? (t1 << shift) | (t2 >> rest) : t1;
  const w2 = shift != 0 ? (t2 << shift) | (t3 >> rest) : t2;
  const low = m * w1;
  const middle = low + mulHigh(m, w2);
  const high = m * w0 + mulHigh(m, w1) + (middle < low ? 1 : 0);
  let n = <i32>(high >> 62);
  let f0 = (high << 2) | (middle >> 62);
  let f1 = (middle << 2) | ((m * w2) >> 62);
  const negative = <i64>f0 < 0;
  if (negative) {
    // nearer to the next multiple: the fraction becomes fraction - 1
    ++n;
    f0 = ~f0;
    f1 = ~f1;
  }
  const flip = negative != (x < 0);
  if (quadrant) return <f64>(x < 0 ? -n & 3 : n & 3);
  const zeros = <u64>clz(f0);
  const top = zeros == 0 ? f0 : zeros == 64 ? f1 : (f0 << zeros) | (f1 >> (64 - zeros));
  const unit = reinterpret<f64>((1023 - 64 - zeros) << 52);
  const r = <f64>top * unit * 1.57079632679489661923;
  return flip ? -r : r;
}
