/** Which arguments and options functions and classes take, as their declarations say. */
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));
const DOORS = {
  "": "index",
  nn: "nn/index",
  optim: "optim/index",
  data: "data/index",
  distributed: "distributed/index",
  io: "io/index",
  testing: "testing/index",
};

function createProgram(): ts.Program {
  const config = ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const files = Object.values(DOORS).map((door) => `${root}src/${door}.ts`);
  return ts.createProgram(files, { ...options, noEmit: true, skipLibCheck: true });
}

/** What can be given to a function or class. */
export interface Arguments {
  /** Names of the parameters. */
  readonly positional: ReadonlySet<string>;
  /** Names of the properties of options objects. */
  readonly options: ReadonlySet<string>;
  /** Whether it takes any number of arguments (`...tensors`). */
  readonly rest: boolean;
}

/** Looks up declarations by the targets of names.txt, such as `nn.Conv2d`, `Tensor.add_` or `F.gelu`. */
export class Declarations {
  private readonly program = createProgram();
  private readonly checker = this.program.getTypeChecker();
  private readonly doors = new Map<string, ts.Type>();

  constructor() {
    for (const [name, door] of Object.entries(DOORS)) {
      const file = this.program.getSourceFile(`${root}src/${door}.ts`);
      const symbol = file && this.checker.getSymbolAtLocation(file);
      if (symbol === undefined) throw new Error(`no declarations of src/${door}.ts`);
      this.doors.set(name, this.checker.getTypeOfSymbol(symbol));
    }
  }

  private property(type: ts.Type, name: string): ts.Type | undefined {
    const symbol = type.getProperty(name) ?? type.getApparentProperties().find((p) => p.name === name);
    return symbol && this.checker.getTypeOfSymbol(symbol);
  }

  /** The type at a path; instances of Tensor, Module and Optimizer have their classes' names. */
  private typeAt(path: string): ts.Type | undefined {
    const [first = "", ...rest] = path.split(".");
    const main = this.doors.get("") as ts.Type;
    const instances: Record<string, readonly [string, string]> = {
      Tensor: ["", "Tensor"],
      Module: ["nn", "Linear"],
      Optimizer: ["optim", "SGD"],
      Dataset: ["data", "TensorDataset"],
      DistributedDataParallel: ["distributed", "DistributedDataParallel"],
      Generator: ["", "Generator"],
    };
    const instance = rest.length > 0 ? instances[first] : undefined;
    let type: ts.Type | undefined;
    if (first === "FunctionContext") {
      type = this.typeAt("autograd.FunctionContext")?.getConstructSignatures()[0]?.getReturnType();
    } else if (instance !== undefined) {
      const made = this.property(this.doors.get(instance[0]) as ts.Type, instance[1]);
      type = made?.getConstructSignatures()[0]?.getReturnType();
    } else if (first === "F") type = this.property(this.property(main, "nn") as ts.Type, "functional");
    else type = this.doors.get(first) ?? this.property(main, first);
    for (const part of rest) type = type && this.property(type, part);
    return type;
  }

  private optionNames(type: ts.Type, into: Set<string>): void {
    for (const part of type.isUnion() ? type.types : [type]) {
      if ((part.flags & ts.TypeFlags.Object) === 0 && !part.isIntersection()) continue;
      if (this.checker.isArrayType(part) || this.checker.isTupleType(part)) continue;
      if (part.getCallSignatures().length > 0 || part.getProperty("storage") !== undefined) continue;
      for (const property of part.getProperties()) into.add(property.name);
    }
  }

  /** What can be given to what is at a path; null where nothing can be called. */
  argumentsOf(path: string): Arguments | null {
    const type = this.typeAt(path);
    if (type === undefined) return null;
    const isClass = /^[A-Z]/.test(path.split(".").at(-1) ?? "");
    const signatures = isClass ? type.getConstructSignatures() : type.getCallSignatures();
    if (signatures.length === 0) return null;
    const positional = new Set<string>();
    const options = new Set<string>();
    let rest = false;
    for (const signature of signatures) {
      for (const parameter of signature.parameters) {
        const own = this.checker.getTypeOfSymbol(parameter);
        const type = this.checker.getBaseConstraintOfType(own) ?? own;
        positional.add(parameter.name);
        const declared = parameter.valueDeclaration;
        rest ||=
          declared !== undefined &&
          ts.isParameter(declared) &&
          declared.dotDotDotToken !== undefined &&
          (type.isUnion() ? type.types : [type]).some((part) => this.checker.isArrayType(part));
        // A rest parameter of a method made from a function is a tuple with the function's names.
        for (const part of type.isUnion() ? type.types : [type]) {
          if (!this.checker.isTupleType(part)) continue;
          const elements = this.checker.getTypeArguments(part as ts.TypeReference);
          const { labeledElementDeclarations: labels } = (part as ts.TupleTypeReference).target;
          elements.forEach((element, i) => {
            const label = labels?.[i]?.name;
            if (label !== undefined && ts.isIdentifier(label)) positional.add(label.text);
            this.optionNames(element, options);
          });
        }
        this.optionNames(type, options);
      }
    }
    return { positional, options, rest };
  }
}
