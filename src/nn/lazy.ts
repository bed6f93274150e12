/** Lazy modules: shapes are inferred from the first input, and then the module is one of the plain class. */
import { noGrad } from "../autograd/mode.js";
import { ValueError } from "../tensor/errors.js";
import type { Tensor } from "../tensor/tensor.js";
import type { AnyModule } from "./base.js";
import { dematerialize, isLazy } from "./uninitialized.js";

/** What a lazy layer has besides its plain class. */
export interface LazyModule {
  /** Whether some parameter or buffer still waits for its shape. */
  hasUninitializedParams(): boolean;
  /** Gives the parameters their shapes and first values, for the arguments of the first call. */
  initializeParameters(...args: never[]): void;
}

/** A class that may be abstract, with any constructor. */
// biome-ignore lint/suspicious/noExplicitAny: TypeScript requires it of the constructors of mixins
export type AnyConstructor<T> = abstract new (...args: any[]) => T;

/** A class as what a lazy layer becomes. */
export interface LazyTarget {
  /** What its layers inherit from. */
  readonly prototype: object;
}

/** What the mixin adds to a class. */
export interface LazyClass extends AnyConstructor<LazyModule> {
  /** The class of the object after its first call. Source: `cls_to_become`. */
  readonly clsToBecome: LazyTarget;
}

function tensorsOf(module: AnyModule): Tensor[] {
  return [...module.parameters({ recurse: false }), ...module.buffers({ recurse: false })];
}

/**
 * Makes a lazy variant of a layer: a subclass sets uninitialised parameters in its constructor and gives
 * `initializeParameters`. The first call initialises and, once it has succeeded, the object's class is the plain
 * layer's; a first call that throws leaves the module as it was. LazyLinear is an example.
 * Source: `torch.nn.modules.lazy.LazyModuleMixin`.
 */
export function LazyModuleMixin<C extends AnyConstructor<AnyModule>>(Base: C): C & LazyClass {
  abstract class Lazy extends Base implements LazyModule {
    static readonly clsToBecome: LazyTarget = Base;

    abstract initializeParameters(...args: never[]): void;

    hasUninitializedParams(): boolean {
      return tensorsOf(this).some(isLazy);
    }

    /** Does nothing before the first call: there is nothing to reset. */
    resetParameters(): void {
      if (this.hasUninitializedParams()) return;
      const { resetParameters } = Base.prototype as { resetParameters?: () => void };
      resetParameters?.call(this);
    }

    /** @internal */
    override _invoke(args: unknown[]): unknown {
      const waiting = tensorsOf(this).filter(isLazy);
      const lazy: object = Object.getPrototypeOf(this);
      const fields = Object.entries(this).filter(([, value]) => typeof value === "number");
      try {
        noGrad(() => this.initializeParameters(...(args as never[])));
        if (this.hasUninitializedParams()) {
          throw new ValueError(
            `[${this._getName()}] initializeParameters left parameters without a shape; try materialize(shape) there`,
          );
        }
        Object.setPrototypeOf(this, (this.constructor as typeof Lazy).clsToBecome.prototype);
        return this._invoke(args);
      } catch (error) {
        Object.setPrototypeOf(this, lazy);
        for (const t of waiting) if (!isLazy(t)) dematerialize(t);
        Object.assign(this, Object.fromEntries(fields));
        throw error;
      }
    }
  }
  return Lazy;
}
