/** Samples of the padding layers. */
import { nn } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerEntry, type LayerErrors, type LayerRegistry, type LayerSample, sample } from "./types.js";

type Maker = (padding: number | number[]) => nn.Module;

/** A padding layer of `rank` dimensions; `crops` where a negative padding takes away. */
function padding(
  rank: number,
  maker: Maker,
  prints: LayerEntry["prints"],
  { crops = false, errors = {} as LayerErrors } = {},
): LayerEntry {
  const shape = [2, 3, 3].slice(-rank);
  const uneven = [1, 2, 0, 1, 1, 0].slice(0, 2 * rank);
  const samples: Record<string, LayerSample> = {
    "one number": sample(
      () => maker(1),
      () => [make([1, 2, ...shape])],
    ),
    uneven: sample(
      () => maker(uneven),
      () => [make([2, 1, ...shape])],
    ),
    unbatched: sample(
      () => maker(1),
      () => [make([2, ...shape])],
    ),
    "empty batch": sample(
      () => maker(1),
      () => [make([0, 2, ...shape])],
    ),
  };
  if (crops)
    samples.crop = sample(
      () => maker(uneven.map((n) => n - 1)),
      () => [make([1, 1, ...shape])],
    );
  const wrong = "padding of another length";
  return {
    samples,
    prints,
    errors: { [wrong]: [() => maker([1, 2, 3])(make([1, 2, ...shape])), /padding/], ...errors },
  };
}

const refuses = (maker: Maker, rank: number, amount: number): LayerErrors => ({
  "padding that the input cannot fill": [
    () => maker(amount)(make([1, 1, ...new Array<number>(rank).fill(2)])),
    /\[pad\]/,
  ],
});

const mirror1: Maker = (p) => new nn.ReflectionPad1d(p);
const mirror2: Maker = (p) => new nn.ReflectionPad2d(p);
const mirror3: Maker = (p) => new nn.ReflectionPad3d(p);
const around1: Maker = (p) => new nn.CircularPad1d(p);
const around2: Maker = (p) => new nn.CircularPad2d(p);
const around3: Maker = (p) => new nn.CircularPad3d(p);

export const paddings = {
  CircularPad1d: padding(
    1,
    around1,
    { "CircularPad1d((1, 2))": () => new nn.CircularPad1d([1, 2]) },
    { errors: refuses(around1, 1, 3) },
  ),
  CircularPad2d: padding(
    2,
    around2,
    { "CircularPad2d((2, 2, 2, 2))": () => new nn.CircularPad2d(2) },
    { errors: refuses(around2, 2, 3) },
  ),
  CircularPad3d: padding(
    3,
    around3,
    { "CircularPad3d((1, 1, 1, 1, 1, 1))": () => new nn.CircularPad3d(1) },
    { errors: refuses(around3, 3, 3) },
  ),
  ConstantPad1d: padding(
    1,
    (p) => new nn.ConstantPad1d(p, 3.5),
    { "ConstantPad1d(padding=(2, 2), value=3.5)": () => new nn.ConstantPad1d(2, 3.5) },
    { crops: true },
  ),
  ConstantPad2d: padding(
    2,
    (p) => new nn.ConstantPad2d(p, 3.5),
    { "ConstantPad2d(padding=(1, 2, 0, 1), value=3.5)": () => new nn.ConstantPad2d([1, 2, 0, 1], 3.5) },
    { crops: true },
  ),
  ConstantPad3d: padding(
    3,
    (p) => new nn.ConstantPad3d(p, 3.5),
    { "ConstantPad3d(padding=(1, 1, 1, 1, 1, 1), value=3.5)": () => new nn.ConstantPad3d(1, 3.5) },
    { crops: true },
  ),
  ReflectionPad1d: padding(
    1,
    mirror1,
    { "ReflectionPad1d((1, 2))": () => new nn.ReflectionPad1d([1, 2]) },
    { errors: refuses(mirror1, 1, 2) },
  ),
  ReflectionPad2d: padding(
    2,
    mirror2,
    { "ReflectionPad2d((2, 2, 2, 2))": () => new nn.ReflectionPad2d(2) },
    { errors: refuses(mirror2, 2, 2) },
  ),
  ReflectionPad3d: padding(
    3,
    mirror3,
    { "ReflectionPad3d((1, 1, 1, 1, 1, 1))": () => new nn.ReflectionPad3d(1) },
    { errors: refuses(mirror3, 3, 2) },
  ),
  ReplicationPad1d: padding(1, (p) => new nn.ReplicationPad1d(p), {
    "ReplicationPad1d((2, 2))": () => new nn.ReplicationPad1d(2),
  }),
  ReplicationPad2d: padding(2, (p) => new nn.ReplicationPad2d(p), {
    "ReplicationPad2d((2, 2, 2, 2))": () => new nn.ReplicationPad2d(2),
  }),
  ReplicationPad3d: padding(3, (p) => new nn.ReplicationPad3d(p), {
    "ReplicationPad3d((2, 2, 2, 2, 2, 2))": () => new nn.ReplicationPad3d(2),
  }),
  ZeroPad1d: padding(
    1,
    (p) => new nn.ZeroPad1d(p),
    { "ZeroPad1d((2, 2))": () => new nn.ZeroPad1d(2) },
    { crops: true },
  ),
  ZeroPad2d: padding(
    2,
    (p) => new nn.ZeroPad2d(p),
    { "ZeroPad2d((1, 2, 0, 1))": () => new nn.ZeroPad2d([1, 2, 0, 1]) },
    { crops: true },
  ),
  ZeroPad3d: padding(
    3,
    (p) => new nn.ZeroPad3d(p),
    { "ZeroPad3d((1, 1, 1, 1, 1, 1))": () => new nn.ZeroPad3d(1) },
    { crops: true },
  ),
} satisfies Partial<LayerRegistry>;
