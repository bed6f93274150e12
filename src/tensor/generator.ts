/** Generators of random numbers: PyTorch's CPU generator (mt19937), its seeds and its state as bytes. */

import { kernels, mem } from "../kernels/index.js";
import { UINT8 } from "./dtype.js";
import { DTypeError, ValueError } from "./errors.js";
import { address, allocate, KEPT, nextOp, type Storage, startRecording, stopRecording } from "./heap.js";
import { fromTorchState, STATE_BYTES, seedHalves, seedOf, toTorchState } from "./mt19937.js";
import { checkOptions, type OptionNames } from "./options.js";
import { describe, fromTyped, toTyped } from "./raw.js";
import type { Tensor } from "./tensor.js";

/** The seed that PyTorch's generators have before anybody seeds them. */
const DEFAULT_SEED = 67280421310721;

/** A seed: a whole number from -2^63 to 2^64 - 1. */
export type Seed = number | bigint;

function checkSeed(seed: Seed): bigint {
  const value = typeof seed === "bigint" || Number.isInteger(seed) ? BigInt(seed) : null;
  if (value === null || value < -(2n ** 63n) || value >= 2n ** 64n) {
    throw new ValueError(
      `[manualSeed] expected a whole number from -2^63 to 2^64 - 1 as the seed, got ${String(seed)}`,
    );
  }
  return value;
}

/** A storage that no scope and no backward pass frees. */
function keptStorage(): Storage {
  const outer = startRecording([]);
  const storage = allocate(STATE_BYTES);
  stopRecording(outer);
  storage.flags |= KEPT;
  return storage;
}

const GENERATOR_OPTIONS: OptionNames<{ seed?: Seed }> = { seed: 1 };

/**
 * A source of random numbers with a state of its own: PyTorch's CPU generator, draw by draw.
 * Source: `torch.Generator`.
 * @example
 * const generator = new Generator({ seed: 0 });
 * rand([2], { generator }).toArray(); // [0.4962565898895264, 0.7682217955589294]
 */
export class Generator {
  private readonly state: Storage;

  /** @param options `seed`: as of {@link manualSeed}; PyTorch's default seed when left out. */
  constructor(options: { seed?: Seed } = {}) {
    checkOptions(new.target.name, options, GENERATOR_OPTIONS);
    const seed = checkSeed(options.seed ?? DEFAULT_SEED);
    this.state = keptStorage();
    this.reseed(seed);
  }

  /** @internal Address of the state, valid until the next op starts. */
  get ptr(): number {
    return address(this.state);
  }

  private reseed(seed: bigint): void {
    nextOp();
    const { low, high } = seedHalves(seed);
    kernels.mtSeed(this.ptr, low, high);
  }

  private bytes(): Uint8Array {
    nextOp();
    const at = this.ptr;
    return mem.u8.slice(at, at + STATE_BYTES);
  }

  /**
   * Starts the sequence that belongs to a seed; returns the generator.
   * @throws ValueError when the seed is no whole number of 64 bits.
   */
  manualSeed(seed: Seed): this {
    this.reseed(checkSeed(seed));
    return this;
  }

  /** Seeds with a number of 53 bits that nobody can foretell; returns it. */
  seed(): number {
    const [low, high] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
    const seed = (high & 0x1fffff) * 2 ** 32 + low;
    this.reseed(BigInt(seed));
    return seed;
  }

  /** The seed that the sequence started from: a number, or a bigint beyond 2^53. */
  initialSeed(): Seed {
    const seed = seedOf(this.bytes());
    return seed <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(seed) : seed;
  }

  /** The state as a uint8 tensor of 5,056 bytes, which PyTorch's `set_state` takes too. */
  getState(): Tensor {
    const state = toTorchState(this.bytes());
    return fromTyped(state, [state.length], UINT8);
  }

  /**
   * Goes on from a state that {@link getState}, PyTorch's `get_state` or `torch.get_rng_state` returned.
   * @throws DTypeError when it is no uint8 tensor; RangeError when its bytes are no state.
   */
  setState(state: Tensor): this {
    if (state.code !== UINT8) {
      throw new DTypeError(
        `[setState] expected a uint8 tensor, got ${describe(state)}; pass what getState() returned`,
      );
    }
    nextOp();
    mem.u8.set(fromTorchState(toTyped(state) as Uint8Array), this.ptr);
    return this;
  }

  /** Another generator at the same point of the same sequence. */
  clone(): Generator {
    const other = new Generator();
    const bytes = this.bytes();
    mem.u8.set(bytes, other.ptr);
    return other;
  }
}

/** The generator that draws are made from unless another one is given. Source: `torch.default_generator`. */
export const defaultGenerator: Generator = new Generator();

/**
 * Seeds the default generator and returns it. Source: `torch.manual_seed`.
 * @example
 * manualSeed(0);
 * rand([2]).toArray(); // [0.4962565898895264, 0.7682217955589294]
 */
export function manualSeed(seed: Seed): Generator {
  return defaultGenerator.manualSeed(seed);
}

/** Seeds the default generator with a number that nobody can foretell; returns it. Source: `torch.seed`. */
export function seed(): number {
  return defaultGenerator.seed();
}

/** The seed that the default generator started from. Source: `torch.initial_seed`. */
export function initialSeed(): Seed {
  return defaultGenerator.initialSeed();
}

/** The default generator's state, in PyTorch's bytes. Source: `torch.get_rng_state`. */
export function getRngState(): Tensor {
  return defaultGenerator.getState();
}

/** Sets the default generator's state. Source: `torch.set_rng_state`. */
export function setRngState(state: Tensor): void {
  defaultGenerator.setState(state);
}

/**
 * Runs `fn`, then puts the default generator back to where it was; a promise that `fn` returns is waited for.
 * Source: `torch.random.fork_rng`.
 */
export function forkRng<T>(fn: () => T): T {
  const before = defaultGenerator.clone();
  const restore = () => setRngState(before.getState());
  let result: T;
  try {
    result = fn();
  } catch (error) {
    restore();
    throw error;
  }
  if (result instanceof Promise) return result.finally(restore) as T;
  restore();
  return result;
}
