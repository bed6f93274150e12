/** Long lives of an optimizer that keeps what it knows of parameters between steps: as one made anew for every step. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { manualSeed, memory, noGrad, randn, scope, setMemoryLimit, Tensor } from "kindling";
import { deepCopy } from "kindling/nn";
import { describe, expect, test } from "vitest";
import { make } from "./problem.js";

type State = Record<string, unknown>;
type Group = { params: Tensor[]; lr: number } & Record<string, unknown>;

const isTensor = (v: unknown): v is Tensor => v instanceof Tensor;

/** Parameters in groups, and something that steps them. */
interface World {
  readonly groups: () => Group[];
  readonly state: Map<Tensor, State>;
  readonly addGroup: (params: Tensor[], lr: number) => void;
  readonly reload: () => void;
  readonly step: () => void;
}

const SHAPES = [[3], [2, 3], [], [5, 4], [0], [1100], [7, 2]] as const;

/** A parameter, drawn from the generator as it stands. */
function parameter(k: number): Tensor {
  const shape = [...(SHAPES[k % SHAPES.length] as readonly number[])];
  const dtype = k % 5 === 4 ? "float64" : "float32";
  const t =
    k % 3 === 2 && shape.length === 2 ? randn(shape.reverse(), { dtype }).t() : randn(shape, { dtype });
  return t.requiresGrad_();
}

function real(name: string, options: object, first: Tensor[]): World {
  const optimizer = make(name, first, { lr: 0.1, ...options });
  return {
    groups: () => optimizer.paramGroups as unknown as Group[],
    state: optimizer.state,
    addGroup: (params, lr) => optimizer.addParamGroup({ params, lr }),
    reload: () => optimizer.loadStateDict(deepCopy(optimizer.stateDict())),
    step: () => optimizer.step(),
  };
}

/** The same with an optimizer for each parameter and each step. */
function model(name: string, options: object, first: Tensor[]): World {
  const groups: Group[] = [{ params: first, lr: 0.1 }];
  const state = new Map<Tensor, State>();
  return {
    groups: () => groups,
    state,
    addGroup: (params, lr) => void groups.push({ params, lr }),
    reload: () => {
      for (const [p, s] of state) state.set(p, deepCopy(s));
    },
    step() {
      for (const { params, lr } of groups) {
        for (const p of params) {
          if (p.grad === null) continue;
          const optimizer = make(name, [p], { lr, ...options });
          const before = state.get(p);
          if (before !== undefined) optimizer.state.set(p, before as never);
          optimizer.step();
          state.set(p, optimizer.state.get(p) as State);
        }
      }
    },
  };
}

/** What happens to a world; `pick` chooses parameters and values, alike in both worlds. */
const EVENTS: Record<string, (world: World, pick: number) => void> = {
  "new gradients": ({ groups }, pick) => {
    for (const { params } of groups()) {
      params.forEach((p, i) => {
        const turned = p.ndim === 2 && (i + pick) % 2 === 0;
        const grad = turned
          ? randn([...p.shape].reverse(), { dtype: p.dtype }).t()
          : randn([...p.shape], { dtype: p.dtype });
        p.grad = (i + pick) % 4 === 3 ? null : grad;
      });
    }
  },
  "gradients from a backward pass": ({ groups }) => {
    scope(() => {
      for (const { params } of groups()) for (const p of params) p.square().sum().backward();
    });
  },
  "gradients are forgotten": ({ groups }) => {
    for (const { params } of groups()) for (const p of params) p.grad = null;
  },
  "gradients become zeros": ({ groups }) => {
    for (const { params } of groups()) for (const p of params) p.grad?.zero_();
  },
  "the rate changes": ({ groups }, pick) => {
    for (const group of groups()) group.lr = 0.01 * (1 + (pick % 7));
  },
  "a group is added": ({ addGroup, groups }, pick) => {
    if (groups().length < 4) addGroup([parameter(pick), parameter(pick + 1)], 0.05);
  },
  "parameters change places": ({ groups }) => {
    for (const { params } of groups()) params.reverse();
  },
  "a parameter leaves": ({ groups }, pick) => {
    for (const { params } of groups()) if (params.length > 2) params.splice(pick % params.length, 1);
  },
  "the state is saved and loaded": ({ reload }) => reload(),
  "a state is forgotten": ({ groups, state }, pick) => {
    for (const { params } of groups()) state.delete(params[pick % params.length] as Tensor);
  },
  "a state is replaced": ({ groups, state }, pick) => {
    for (const { params } of groups()) {
      const p = params[pick % params.length] as Tensor;
      const before = state.get(p);
      if (before !== undefined) state.set(p, deepCopy(before));
    }
  },
  "arrays of a state are replaced": ({ state }, pick) => {
    for (const s of state.values()) {
      for (const [key, t] of Object.entries(s)) {
        if (isTensor(t)) s[key] = t.ndim === 2 && pick % 2 === 0 ? t.t().clone().contiguous().t() : t.clone();
      }
    }
  },
  "arrays of a state take other data": ({ state }) => {
    for (const s of state.values()) {
      for (const t of Object.values(s)) if (isTensor(t) && t.isContiguous()) t.data = t.mul(0.5);
    }
  },
  "parameters take other data": ({ groups }) => {
    for (const { params } of groups())
      for (const p of params) if (p.isContiguous()) p.data = p.detach().mul(0.5);
  },
  "parameters change in place": ({ groups }) => {
    noGrad(() => {
      for (const { params } of groups()) for (const p of params) p.mul_(1.5);
    });
  },
  "all goes out of the heap": () => {
    const { limit } = memory();
    setMemoryLimit(0);
    setMemoryLimit(limit);
  },
  "a step": ({ step }) => step(),
};

/** Digests of the bits of all parameters and their states; of what is null there is nothing. */
function bits({ groups, state }: World): string[] {
  return groups().flatMap(({ params }) =>
    params.map((p) => {
      const hash = createHash("sha1");
      for (const [key, v] of [["param", p] as const, ...Object.entries(state.get(p) ?? {})]) {
        if (typeof v === "number") hash.update(`${key} ${v}`);
        else if (isTensor(v)) hash.update(key).update(v.detach().contiguous().toTypedArray());
      }
      return hash.digest("hex");
    }),
  );
}

const event = fc.tuple(fc.constantFrom("a step", "new gradients", ...Object.keys(EVENTS)), fc.nat(100));

describe("whatever happens between steps, results have the bits of an optimizer made anew", () => {
  test.each([
    ["SGD", { momentum: 0.9, dampening: 0.3 }],
    ["SGD", {}],
    ["Adam", { amsgrad: true }],
    ["NAdam", {}],
    ["RMSprop", { centered: true, momentum: 0.5 }],
    ["ASGD", { t0: 2, lambd: 0.1 }],
    ["Adafactor", {}],
  ])(
    "%s %o",
    (name, options) => {
      fc.assert(
        fc.property(fc.array(event, { minLength: 4, maxLength: 24 }), (events) => {
          const [a, b] = [real, model].map((world) => {
            manualSeed(1);
            return world(
              name,
              options,
              Array.from({ length: 8 }, (_, k) => parameter(k)),
            );
          }) as [World, World];
          for (const [i, [what, pick]] of [
            ["new gradients", 0] as const,
            ["a step", 0] as const,
            ...events,
          ].entries()) {
            for (const world of [a, b]) {
              manualSeed(100 + i);
              (EVENTS[what] as (world: World, pick: number) => void)(world, pick);
            }
            expect(bits(a)).toEqual(bits(b));
          }
        }),
        { numRuns: 30 },
      );
    },
    60_000,
  );
});
