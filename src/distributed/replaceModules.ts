/** Putting other modules in the place of some of a model. */
import type { AnyModule } from "../nn/base.js";

/**
 * Puts `replace(module, path)` in the place of each module for which it gives one, the root included, and returns the
 * root. A module that is found in several places is replaced by one. Nothing changes when `replace` throws.
 */
export function replaceModules(
  root: AnyModule,
  replace: (module: AnyModule, path: string) => AnyModule | null,
): AnyModule {
  const all = [...root.namedModules()];
  const made = new Map<AnyModule, AnyModule>();
  for (const [path, module] of all) {
    const by = replace(module, path);
    if (by !== null) made.set(module, by);
  }
  for (const [, parent] of all) {
    const target = made.get(parent) ?? parent;
    for (const [key, child] of parent._namedChildren()) {
      const by = made.get(child) ?? child;
      if (target !== parent || by !== child) target._set(target._fieldOf(key), by);
    }
  }
  return made.get(root) ?? root;
}
