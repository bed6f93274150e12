/** The parts of floating numbers: mantissa, exponent, neighbours. */
import { defineMultiOp, runMulti } from "../autograd/op.js";
import { type DTypeCode, defaultFloatCode, FLOAT64, INT32 } from "../tensor/dtype.js";
import { AutogradError } from "../tensor/errors.js";
import { castTo, fromTyped, toTyped } from "../tensor/raw.js";
import { Tensor } from "../tensor/tensor.js";
import { div, mul } from "./arithmetic.js";
import { cast } from "./cast.js";
import { type Binary, type BinaryDerivative, binary, floatOnly, type Operand, operand } from "./core.js";
import { exp2 } from "./exponential.js";

/** For ops that PyTorch cannot differentiate either: an error rather than a silent zero. @internal */
export function noDerivative(op: string): BinaryDerivative {
  const fail = (): never => {
    throw new AutogradError(`[${op}] has no derivative; try detach() on its inputs`);
  };
  return { backward: [fail, fail] };
}

/** The next floating number after `x` towards `other`. Floating dtypes only. Source: `torch.nextafter`. */
export const nextafter: Binary = binary("nextafter", noDerivative("nextafter"), floatOnly("nextafter"));

/** Elementwise `x * 2^other`. Source: `torch.ldexp`. */
export function ldexp(x: Operand, other: Operand): Tensor {
  // The power has the dtype of `other` alone, made floating: that decides beside an x of no dimensions.
  const power = exp2(other instanceof Tensor ? other : operand(other, defaultFloatCode()));
  return mul(x, power);
}

const frexpOp = defineMultiOp({
  name: "Frexp",
  savesOutput: true,
  nonDifferentiable: [1],
  forward: ([x]) => {
    const { shape, code } = x as Tensor;
    const values = toTyped(castTo(x as Tensor, FLOAT64)) as Float64Array;
    const exponents = new Int32Array(values.length);
    for (let i = 0; i < values.length; i++) {
      const v = values[i] as number;
      if (v === 0 || !Number.isFinite(v)) continue;
      const e = exponentOf(v);
      exponents[i] = e;
      values[i] = v / 2 ** (e >> 1) / 2 ** (e - (e >> 1)); // in halves: 2^e itself may not be finite
    }
    return [castTo(fromTyped(values, shape, FLOAT64), code), fromTyped(exponents, shape, INT32)];
  },
  backward: ([g], n) => {
    const exponent = cast(n.output(1), n.codes[0] as DTypeCode);
    return [g === null || g === undefined ? null : div(g, exp2(exponent))]; // d(x / 2^e) = dx / 2^e
  },
});

/** The e with 1/2 <= |v| / 2^e < 1, for finite v other than 0. */
function exponentOf(v: number): number {
  const size = Math.abs(v);
  let e = Math.floor(Math.log2(size)) + 1; // log2 may round across a power of two
  if (size >= 2 ** e) e++;
  else if (size < 2 ** (e - 1)) e--;
  return e;
}

/** What {@link frexp} returns. */
export interface Frexp {
  /** In [1/2, 1) by magnitude; 0, NaN and infinities as they are. */
  mantissa: Tensor;
  /** int32 exponents. */
  exponent: Tensor;
}

/** Splits into mantissa and exponent, `x = mantissa * 2^exponent`. Floating dtypes only. Source: `torch.frexp`. */
export function frexp(x: Tensor): Frexp {
  floatOnly("frexp")(x.code);
  const [mantissa, exponent] = runMulti(frexpOp, [x], null) as [Tensor, Tensor];
  return { mantissa, exponent };
}
