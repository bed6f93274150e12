/** Being told of backward passes: which passes count, what is known before gradients flow, when the end is called. */
import { beforeEach, describe, expect, test } from "vitest";
import { type BackwardPass, observe } from "../../src/autograd/mode.js";
import { checkpoint, grad, noGrad, type Tensor, tensor } from "../../src/index.js";

const leaf = (value: number) => tensor(value, { dtype: "float64", requiresGrad: true });

class Recorder {
  readonly events: string[] = [];
  readonly passes: BackwardPass[] = [];
  leaves: Record<string, Tensor> = {};

  passStarts(pass: BackwardPass): void {
    const awaited = Object.keys(this.leaves).filter((name) => pass.awaits(this.leaves[name] as Tensor));
    this.events.push(`starts, awaits ${awaited.join("")}`);
    this.passes.push(pass);
    pass.whenDone(() => this.events.push(`done, over: ${pass.over}`));
  }

  watch(name: string, t: Tensor): void {
    this.leaves[name] = t;
    t.registerPostAccumulateGradHook((p) => this.events.push(`${name} ${p.grad?.item()}`));
  }
}

let recorder: Recorder;
let [a, b, c] = [leaf(2), leaf(3), leaf(5)];

beforeEach(() => {
  recorder = new Recorder();
  [a, b, c] = [leaf(2), leaf(3), leaf(5)];
  recorder.watch("a", a);
  recorder.watch("b", b);
  recorder.watch("c", c);
});

describe("observe", () => {
  test("tells of the start with the leaves to come, and of the end after the last of them", () => {
    const y = observe(recorder, () => a.mul(b)).mul(4);
    y.backward();
    expect(recorder.events).toEqual(["starts, awaits ab", "a 12", "b 8", "done, over: false"]);
    expect(recorder.passes[0]?.over).toBe(true);
    expect(recorder.passes[0]?.create).toBe(false);
  });

  test("ops recorded outside do not count, nor does what runs without recording", () => {
    observe(recorder, () => noGrad(() => a.mul(b)));
    a.mul(b).backward();
    expect(recorder.events).toEqual(["a 3", "b 2"]);
  });

  test("is told once of a pass, however many forwards it goes through", () => {
    const first = observe(recorder, () => a.mul(b));
    const second = observe(recorder, () => a.mul(c));
    first.add(second).backward();
    expect(recorder.events).toEqual(["starts, awaits abc", "c 2", "a 8", "b 2", "done, over: false"]);
  });

  test("each of two passes is told of", () => {
    const first = observe(recorder, () => a.mul(b));
    const second = observe(recorder, () => a.mul(c));
    second.backward();
    first.backward();
    expect(recorder.events.filter((e) => e.startsWith("starts"))).toEqual([
      "starts, awaits ac",
      "starts, awaits ab",
    ]);
  });

  test("inside one another, all are told", () => {
    const outer = new Recorder();
    const y = observe(outer, () => observe(recorder, () => a.mul(b)));
    y.backward();
    expect(outer.events).toEqual(["starts, awaits ", "done, over: false"]);
    expect(recorder.events[0]).toBe("starts, awaits ab");
  });

  test("grad() accumulates nothing, so nobody is told", () => {
    const y = observe(recorder, () => a.mul(b));
    grad(y, a);
    expect(recorder.events).toEqual([]);
  });

  test("backward({ inputs }) awaits and gives only those, before the end is called", () => {
    const y = observe(recorder, () => a.mul(b));
    y.backward({ inputs: [b] });
    expect(recorder.events).toEqual(["starts, awaits b", "b 2", "done, over: false"]);
    expect(a.grad).toBeNull();
  });

  test("the ops of a checkpoint count, by the pass that goes through it", () => {
    const y = observe(recorder, () => checkpoint((x: Tensor) => x.mul(b).sin(), [a]));
    y.backward();
    expect(recorder.events.map((e) => e.split(" ")[0])).toEqual(["starts,", "a", "b", "done,"]);
  });

  test("an error ends the pass without calling the end", () => {
    const boom = (x: Tensor) => {
      x.registerHook(() => {
        throw new Error("boom");
      });
      return x.mul(2);
    };
    const y = observe(recorder, () => boom(a.mul(b)));
    expect(() => y.backward()).toThrow("boom");
    expect(recorder.events).toEqual(["starts, awaits ab"]);
    expect(recorder.passes[0]?.over).toBe(true);
  });

  test("after an error inside, what is recorded is no longer observed", () => {
    expect(() =>
      observe(recorder, () => {
        throw new Error("in the forward");
      }),
    ).toThrow("in the forward");
    a.mul(b).backward();
    expect(recorder.events).toEqual(["a 3", "b 2"]);
  });
});
