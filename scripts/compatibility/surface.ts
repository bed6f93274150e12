/** Reads names.txt, PyTorch's public names one a line, and looks each up in the library. */
import { readFileSync } from "node:fs";
import * as kindling from "kindling";
import * as data from "kindling/data";
import * as distributed from "kindling/distributed";
import * as io from "kindling/io";
import * as nn from "kindling/nn";
import * as optim from "kindling/optim";
import * as testing from "kindling/testing";

/** A line of names.txt. */
export interface Entry {
  readonly group: string;
  readonly line: number;
  /** `torch.sum`, `nn.Conv2d`, `Module.train`. */
  readonly name: string;
  /** What stands in brackets after the name; null for an attribute and other things that are not called. */
  readonly signature: string | null;
  /** What stands in square brackets: `method inplace`, `attribute`, `2.1`. */
  readonly tag: string;
  /** After `=>`: where it is in Kindling, unless the rule finds it; after `;` a note. */
  readonly targets: readonly string[];
  readonly note: string;
  /** After `==`: what takes its place where the language or another habit does, so that there is nothing to look up. */
  readonly instead: string;
  /** After `--`: why it is left out. */
  readonly reason: string;
  /** The same of the whole group: for those of its names that are not there. */
  readonly groupReason: string;
}

/** What became of an entry. */
export interface Finding {
  readonly entry: Entry;
  readonly status: "there" | "instead" | "left out" | "missing";
  /** Where it is, or would be. */
  readonly paths: readonly string[];
  /** Forms that are there beside the function. */
  readonly forms: readonly string[];
  /** What is wrong: a name without a home or a reason, or a reason for what is there. */
  readonly problem: string;
}

const FILE = new URL("names.txt", import.meta.url);

/** Where the bracket that opens at `at` closes. */
function closing(text: string, at: number): number {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    if (text[i] === "(") depth++;
    if (text[i] === ")" && --depth === 0) return i;
  }
  throw new Error(`names.txt: a bracket is open in ${text}`);
}

function parseLine(text: string, group: string, groupReason: string, line: number): Entry {
  const parts = /^(.*?)(?:\s+=>\s+(.*?))?(?:\s+==\s+(.*?))?(?:\s+--\s+(.*))?$/.exec(text);
  const [, head = "", found = "", instead = "", reason = ""] = parts ?? [];
  const [targets = "", note = ""] = found.split(/\s+;\s+/);
  const name = /^[\w.*]+/.exec(head)?.[0] ?? "";
  const end = head[name.length] === "(" ? closing(head, name.length) + 1 : name.length;
  const [, more = "", tag = ""] = /^\s*(.*?)\s*(?:\[([^\]]*)\])?$/.exec(head.slice(end)) ?? [];
  return {
    group,
    line,
    name: more === "" ? name : `${name} ${more}`,
    signature: end === name.length ? null : head.slice(name.length + 1, end - 1),
    tag,
    targets: targets === "" ? [] : targets.split(/,\s*/),
    note,
    instead,
    reason,
    groupReason,
  };
}

/** All entries of names.txt. */
export function readEntries(): Entry[] {
  const entries: Entry[] = [];
  let [group, groupReason] = ["", ""];
  for (const [i, text] of readFileSync(FILE, "utf8").split("\n").entries()) {
    if (text.startsWith("## ")) [group = "", groupReason = ""] = text.slice(3).split(" -- ");
    else if (text.trim() !== "" && !text.startsWith("#"))
      entries.push(parseLine(text, group, groupReason, i + 1));
  }
  return entries;
}

/** `log_softmax` to `logSoftmax`; underscores at the ends stay. */
export function camelCase(name: string): string {
  return name.replaceAll(/(?<=[A-Za-z0-9])_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** What stands for an instance in paths. */
const sample = {
  Tensor: kindling.zeros([2]),
  Generator: new kindling.Generator(),
  Dataset: data.Dataset.prototype,
  DistributedDataParallel: distributed.DistributedDataParallel.prototype,
  FunctionContext: new kindling.autograd.FunctionContext(),
  Module: new nn.Linear(1, 1),
  Optimizer: new optim.SGD([kindling.zeros([1], { requiresGrad: true })], { lr: 1 }),
};

/** Where the first part of a target is looked up. */
const ROOTS: Readonly<Record<string, object>> = {
  ...sample,
  nn,
  F: nn.functional,
  optim,
  data,
  distributed,
  io,
  testing,
  autograd: kindling.autograd,
};

/** The door and prefix of PyTorch's prefixes. */
const PREFIXES: readonly (readonly [python: string, target: string])[] = [
  ["torch.testing.", "testing."],
  ["torch.", ""],
  ["init.", "nn.init."],
  ["utils.", "nn.utils."],
  ["rnn.", "nn.utils.rnn."],
  ["parametrize.", "nn.utils.parametrize."],
  ["parametrizations.", "nn.utils.parametrizations."],
  ["prune.", "nn.utils.prune."],
  ["attention.", "nn.attention."],
  ["lr_scheduler.", "optim.lrScheduler."],
  ["swa_utils.", "optim.swaUtils."],
  ["dist.", "distributed."],
];

/** Where the rule expects a name: camelCase behind the door. */
export function expected(name: string): string {
  const [python, target] = PREFIXES.find(([prefix]) => name.startsWith(prefix)) ?? ["", ""];
  return target + name.slice(python.length).split(".").map(camelCase).join(".");
}

/** Whether the library has something at a path such as `nn.utils.rnn.padSequence` or `Tensor.add_`. */
export function exists(path: string): boolean {
  const [first = "", ...rest] = path.split(".");
  let value: unknown = ROOTS[first];
  if (value === undefined) {
    value = kindling;
    rest.unshift(first);
  }
  for (const [i, part] of rest.entries()) {
    if (value === null || (typeof value !== "object" && typeof value !== "function")) return false;
    if (!(part in value)) return false;
    if (i < rest.length - 1) value = (value as Record<string, unknown>)[part];
  }
  return true;
}

/** Parameters that are not Kindling's: there is one device, and `reduction` replaced the older pair. */
const DROPPED = new Set([
  "out",
  "device",
  "layout",
  "memory_format",
  "non_blocking",
  "size_average",
  "reduce",
  "pin_memory",
]);

/** A parameter of PyTorch's, in camelCase. */
export interface Parameter {
  readonly name: string;
  /** As PyTorch writes it. */
  readonly python: string;
  readonly optional: boolean;
  /** `*name`: takes all that follow. */
  readonly variadic: boolean;
}

/** The parameters of an entry's signature that mean something here. */
export function parametersOf(entry: Entry): Parameter[] {
  const parts = (entry.signature ?? "").split(/,\s*(?![^([]*[)\]])/);
  return parts.flatMap((part) => {
    const match = /^(\*{0,2})(\w+)(=.*)?$/s.exec(part.trim());
    const name = match?.[2];
    if (name === undefined || match?.[1] === "**" || DROPPED.has(name)) return [];
    return [
      {
        name: camelCase(name),
        python: name,
        optional: match?.[3] !== undefined,
        variadic: match?.[1] === "*",
      },
    ];
  });
}

/** A path as it is written: methods on a variable. */
export const spoken = (path: string): string =>
  path
    .replace(/^Tensor\./, "x.")
    .replace(/^Module\./, "module.")
    .replace(/^Optimizer\./, "optimizer.")
    .replace(/^FunctionContext\./, "ctx.")
    .replace(/^Generator\./, "generator.")
    .replace(/^Dataset\./, "dataset.")
    .replace(/^DistributedDataParallel\./, "ddp.");

function find(entry: Entry): Finding {
  const targets = entry.targets.length > 0 ? entry.targets : [expected(entry.name)];
  const absent = targets.filter((target) => !exists(target));
  const last = entry.name.split(".").at(-1) as string;
  const wanted = entry.targets.length > 0 ? [] : entry.tag.split(" ");
  const forms: string[] = [];
  const lost: string[] = [];
  for (const [tag, form, path] of [
    ["method", "method", `Tensor.${camelCase(last)}`],
    ["inplace", "in-place", `Tensor.${camelCase(last)}_`],
  ] as const) {
    if (!wanted.includes(tag)) continue;
    (exists(path) ? forms : lost).push(form);
  }
  const base = { entry, paths: targets, forms };
  if (entry.instead !== "") return { ...base, status: "instead", problem: "" };
  if (absent.length > 0) {
    const why = entry.reason || entry.groupReason;
    return {
      ...base,
      status: why === "" ? "missing" : "left out",
      problem: why === "" ? `no ${absent.join(", no ")}` : "",
    };
  }
  const stale = entry.reason !== "" && lost.length === 0 ? "there, and yet a reason for leaving it out" : "";
  const formless = lost.length > 0 && entry.reason === "" ? `no ${lost.join(", no ")}` : "";
  return { ...base, status: "there", problem: stale || formless };
}

/** What became of every name. */
export function survey(): Finding[] {
  return readEntries().map(find);
}
