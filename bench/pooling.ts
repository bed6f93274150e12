/** Pooling, padding and resampling layers, forward and as a training step, beside PyTorch. */
import { nn } from "kindling";
import { type Layer, layerWorkloads } from "./conv.js";
import type { Workload } from "./harness.js";

const layers: Layer[] = [
  {
    name: "maxPool2d 64x16x28x28, k2",
    input: [64, 16, 28, 28],
    kindling: () => new nn.MaxPool2d(2),
    pytorch: "nn.MaxPool2d(2)",
  },
  {
    name: "maxPool2d 8x64x56x56, k3 s2",
    input: [8, 64, 56, 56],
    kindling: () => new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
    pytorch: "nn.MaxPool2d(3, stride=2, padding=1)",
  },
  {
    name: "avgPool2d 64x16x28x28, k2",
    input: [64, 16, 28, 28],
    kindling: () => new nn.AvgPool2d(2),
    pytorch: "nn.AvgPool2d(2)",
  },
  {
    name: "adaptiveAvgPool2d 32x512x7x7 to 1",
    input: [32, 512, 7, 7],
    kindling: () => new nn.AdaptiveAvgPool2d(1),
    pytorch: "nn.AdaptiveAvgPool2d(1)",
  },
  {
    name: "reflectionPad2d 8x32x64x64 by 3",
    input: [8, 32, 64, 64],
    kindling: () => new nn.ReflectionPad2d(3),
    pytorch: "nn.ReflectionPad2d(3)",
  },
  {
    name: "zeroPad2d 8x32x64x64 by 1",
    input: [8, 32, 64, 64],
    kindling: () => new nn.ZeroPad2d(1),
    pytorch: "nn.ZeroPad2d(1)",
  },
  {
    name: "upsample nearest 8x32x32x32 to 64x64",
    input: [8, 32, 32, 32],
    kindling: () => new nn.Upsample({ scaleFactor: 2 }),
    pytorch: "nn.Upsample(scale_factor=2)",
  },
  {
    name: "upsample bilinear 8x32x32x32 to 64x64",
    input: [8, 32, 32, 32],
    kindling: () => new nn.Upsample({ scaleFactor: 2, mode: "bilinear" }),
    pytorch: "nn.Upsample(scale_factor=2, mode='bilinear')",
  },
];

export const pooling: Workload[] = layers.flatMap(layerWorkloads);
