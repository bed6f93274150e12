/** Which implementation attention runs on (`torch.nn.attention`). */

import { during, type ModeScope } from "../../autograd/mode.js";
import { ValueError } from "../../tensor/errors.js";
import { checkNames, checkOptions, type OptionNames } from "../../tensor/options.js";

/** Implementations of attention by PyTorch's names. Source: `torch.nn.attention.SDPBackend`. */
export const SDPBackend = {
  /** Out of plain ops: weights (..., L, S) in memory, every option, the oracle of the others. */
  MATH: "math",
  /** One op by blocks of queries, memory linear in the sequence; no mask, no dropout. */
  FLASH_ATTENTION: "flashAttention",
  /** The same op with a mask, which may not need a gradient. */
  EFFICIENT_ATTENTION: "efficientAttention",
  /** NVIDIA's; never able to run here. */
  CUDNN_ATTENTION: "cudnnAttention",
} as const;

/** Name of an implementation of attention. */
export type SDPBackend = (typeof SDPBackend)[keyof typeof SDPBackend];

const NAMES: readonly SDPBackend[] = Object.values(SDPBackend);
const FASTEST_FIRST: readonly SDPBackend[] = ["flashAttention", "efficientAttention", "math"];

let allowed: readonly SDPBackend[] = FASTEST_FIRST;

/** What an attention asks of the implementation that runs it. @internal */
export interface AttentionNeeds {
  readonly dropout: boolean;
  readonly mask: boolean;
  /** The mask needs a gradient. */
  readonly learnedMask: boolean;
}

/** The first allowed implementation that can do it. @internal */
export function chooseBackend(op: string, needs: AttentionNeeds): SDPBackend {
  const able = (backend: SDPBackend): boolean => {
    if (backend === "math") return true;
    if (needs.dropout || needs.learnedMask) return false;
    return backend === "efficientAttention" || (backend === "flashAttention" && !needs.mask);
  };
  const found = allowed.find(able);
  if (found !== undefined) return found;
  const why = Object.entries({ dropout: needs.dropout, "a mask": needs.mask }).flatMap(([what, is]) =>
    is ? [what] : [],
  );
  throw new ValueError(
    `[${op}] no implementation is left: sdpaKernel allows ${allowed.join(", ")}` +
      `${why.length > 0 ? `, which cannot do ${why.join(" and ")}` : ""}; try SDPBackend.MATH besides`,
  );
}

/** Options of {@link sdpaKernel}. */
export interface SdpaKernelOptions {
  /** Try the backends in the order given, not the fastest first (default false). */
  setPriority?: boolean;
}

const SDPA_KERNEL_OPTIONS: OptionNames<SdpaKernelOptions> = { setPriority: 1 };

/**
 * Runs `fn` with these implementations of attention only; without a function, for a `using` block.
 * Source: `torch.nn.attention.sdpa_kernel`.
 * @throws ValueError for an unknown name, or none; inside, where no allowed implementation can do what is asked.
 * @example
 * const x = randn([2, 8, 16]);
 * const plain = nn.attention.sdpaKernel(nn.attention.SDPBackend.MATH, () =>
 *   nn.functional.scaledDotProductAttention(x, x, x),
 * );
 * allclose(plain, nn.functional.scaledDotProductAttention(x, x, x), { atol: 1e-6 }); // true
 */
export function sdpaKernel(
  backends: SDPBackend | readonly SDPBackend[],
  options?: SdpaKernelOptions,
): ModeScope;
export function sdpaKernel<T>(
  backends: SDPBackend | readonly SDPBackend[],
  fn: () => T,
  options?: SdpaKernelOptions,
): T;
export function sdpaKernel<T>(
  backends: SDPBackend | readonly SDPBackend[],
  fnOrOptions?: (() => T) | SdpaKernelOptions,
  given?: SdpaKernelOptions,
): T | ModeScope {
  checkNames("sdpaKernel", fnOrOptions, SDPA_KERNEL_OPTIONS);
  checkOptions("sdpaKernel", given, SDPA_KERNEL_OPTIONS);
  const [fn, options] = typeof fnOrOptions === "function" ? [fnOrOptions, given] : [undefined, fnOrOptions];
  const list = typeof backends === "string" ? [backends] : [...backends];
  const unknown = list.find((name) => !NAMES.includes(name));
  if (unknown !== undefined || list.length === 0) {
    throw new ValueError(
      `[sdpaKernel] backends: got ${list.length === 0 ? "none" : `"${unknown}"`}, expected some of ${NAMES.join(", ")}`,
    );
  }
  const before = allowed;
  return during(() => {
    allowed = options?.setPriority === true ? list : FASTEST_FIRST.filter((name) => list.includes(name));
    return () => {
      allowed = before;
    };
  }, fn);
}
