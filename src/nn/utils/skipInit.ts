/** Layers without initial values (`torch.nn.utils.skip_init`). */
import type { AnyModule } from "../base.js";
import { withoutInit } from "../init.js";

/**
 * Makes a module whose parameters are not initialised: their values are undefined and no random numbers are drawn.
 * Source: `torch.nn.utils.skip_init`.
 * @example
 * nn.utils.skipInit(nn.Linear, 100, 200).weight.shape; // [200, 100]
 */
export function skipInit<M extends AnyModule, A extends unknown[]>(
  moduleClass: new (...args: A) => M,
  ...args: A
): M {
  return withoutInit(() => new moduleClass(...args));
}
