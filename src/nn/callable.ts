/** The base that makes objects callable: its constructor returns a function whose prototype is the class's own. */

/** What a callable object does when it is called. */
interface Invocable {
  /** @internal */
  _invoke(args: unknown[]): unknown;
}

/** An object that is called: the base of Module. */
export class Callable {
  constructor() {
    const self = ((...args: unknown[]) => (self as unknown as Invocable)._invoke(args)) as unknown as this;
    // The function's own properties would hide fields and getters of these names.
    Reflect.deleteProperty(self, "name");
    Reflect.deleteProperty(self, "length");
    // biome-ignore lint/correctness/noConstructorReturn: a class cannot be callable otherwise
    return Object.setPrototypeOf(self, new.target.prototype) as this;
  }
}
