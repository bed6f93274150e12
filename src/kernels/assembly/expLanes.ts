// exp and log(1 + e) on one vector of T, for kernels written once for float32 and float64.
import { exp32, log32 } from "./math32";
import { exp64, log1p64 } from "./math64";

// @ts-ignore: decorator
@inline
export function expLanes<T>(x: v128): v128 {
  return sizeof<T>() == 4 ? exp32(x) : exp64(x);
}

/** log(1 + e), e in [0, 1]; float32: u = 1 + e loses e - (u - 1), which the logarithm takes back over u. */
// @ts-ignore: decorator
@inline
export function log1pLanes<T>(e: v128): v128 {
  if (sizeof<T>() == 8) return log1p64(e);
  const one = f32x4.splat(1);
  const u = f32x4.add(one, e);
  return f32x4.add(log32(u), f32x4.div(f32x4.sub(e, f32x4.sub(u, one)), u));
}
