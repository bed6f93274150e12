/** Samples of the dropout layers. */
import { nn } from "../../../src/index.js";
import { make } from "../make.js";
import { type LayerEntry, type LayerRegistry, sample } from "./types.js";

type Maker = (options?: { p?: number; inplace?: boolean }) => nn.Module;

function dropout(
  maker: Maker,
  shapes: Readonly<Record<string, readonly number[]>>,
  prints: LayerEntry["prints"],
): LayerEntry {
  const by = (p: number) =>
    Object.entries(shapes).map(([name, shape]) => [
      `${name}, p ${p}`,
      sample(
        () => maker({ p }),
        () => [make(shape)],
      ),
    ]);
  return {
    samples: Object.fromEntries([...by(0.5), ...by(0.2), ...by(0), ...by(1)]),
    prints,
    trainEvalDiffer: true,
    errors: {
      "p above 1": [() => maker({ p: 1.5 }), /\[\w+\] p must be a probability, from 0 to 1: got 1.5/],
    },
  };
}

const any = { "a matrix": [4, 5], "a batch of images": [2, 3, 2, 2], "empty batch": [0, 3] };

export const dropouts = {
  AlphaDropout: dropout((o) => new nn.AlphaDropout(o), any, {
    "AlphaDropout(p=0.5, inplace=false)": () => new nn.AlphaDropout(),
    "AlphaDropout(p=0.3, inplace=true)": () => new nn.AlphaDropout({ p: 0.3, inplace: true }),
  }),
  Dropout: dropout((o) => new nn.Dropout(o), any, {
    "Dropout(p=0.5, inplace=false)": () => new nn.Dropout(),
    "Dropout(p=0.3, inplace=true)": () => new nn.Dropout({ p: 0.3, inplace: true }),
  }),
  Dropout1d: dropout(
    (o) => new nn.Dropout1d(o),
    { batch: [2, 4, 3], unbatched: [4, 3], "empty batch": [0, 4, 3] },
    {
      "Dropout1d(p=0.5, inplace=false)": () => new nn.Dropout1d(),
      "Dropout1d(p=0.3, inplace=true)": () => new nn.Dropout1d({ p: 0.3, inplace: true }),
    },
  ),
  Dropout2d: dropout(
    (o) => new nn.Dropout2d(o),
    { batch: [2, 4, 2, 2], unbatched: [4, 2, 2], "empty batch": [0, 4, 2, 2] },
    {
      "Dropout2d(p=0.5, inplace=false)": () => new nn.Dropout2d(),
      "Dropout2d(p=0.3, inplace=true)": () => new nn.Dropout2d({ p: 0.3, inplace: true }),
    },
  ),
  Dropout3d: dropout(
    (o) => new nn.Dropout3d(o),
    { batch: [2, 4, 1, 2, 2], unbatched: [4, 1, 2, 2], "empty batch": [0, 4, 1, 2, 2] },
    {
      "Dropout3d(p=0.5, inplace=false)": () => new nn.Dropout3d(),
      "Dropout3d(p=0.3, inplace=true)": () => new nn.Dropout3d({ p: 0.3, inplace: true }),
    },
  ),
  FeatureAlphaDropout: dropout(
    (o) => new nn.FeatureAlphaDropout(o),
    { batch: [2, 4, 3], images: [2, 3, 2, 2], "empty batch": [0, 4, 3] },
    {
      "FeatureAlphaDropout(p=0.5, inplace=false)": () => new nn.FeatureAlphaDropout(),
      "FeatureAlphaDropout(p=0.3, inplace=true)": () => new nn.FeatureAlphaDropout({ p: 0.3, inplace: true }),
    },
  ),
} satisfies Partial<LayerRegistry>;
