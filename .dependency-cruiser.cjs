// The architecture as rules: imports run one way through the layers, without cycles, and the core imports no
// node: module.

/** Lowest layer first; a layer imports itself and the layers of earlier lines. */
const LAYERS = [
  ["kernels"],
  ["tensor"],
  ["autograd"],
  ["ops"],
  ["nn"],
  ["optim"],
  ["data", "io"],
  ["distributed"],
];

const folders = (names) => `^src/(${names.join("|")})/`;

const directions = LAYERS.flatMap((layer, i) => {
  const above = LAYERS.slice(i + 1).flat();
  return layer.map((name) => ({
    name: `${name}-imports-no-higher-layer`,
    severity: "error",
    comment: `src/${name} may import ${[...LAYERS.slice(0, i).flat(), name].join(", ")} only`,
    from: { path: folders([name]) },
    to: { path: ["^src/index\\.ts$", folders(["testing", ...layer.filter((n) => n !== name), ...above])] },
  }));
});

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...directions,
    {
      name: "testing-stands-on-ops",
      severity: "error",
      comment: "src/testing is a side door on top of autograd and ops; only tests and users import it",
      from: { path: folders(["testing"]) },
      to: { path: ["^src/index\\.ts$", folders(["nn", "optim", "data", "io", "distributed"])] },
    },
    {
      name: "main-door-opens-no-side-door",
      severity: "error",
      comment: "kindling must not load what kindling/data, io, testing and distributed need",
      from: { path: "^src/index\\.ts$" },
      to: { path: folders(["data", "io", "testing", "distributed"]) },
    },
    {
      name: "public-doors-only",
      severity: "error",
      comment: "examples, benches and the conformance runner use what users can use",
      from: { path: "^(examples|bench|conformance)/" },
      to: { path: "^src/", pathNot: "^src/((nn|optim|data|io|testing|distributed)/)?index\\.ts$" },
    },
    {
      name: "no-import-out-of-src",
      severity: "error",
      comment: "the package is src alone",
      from: { path: "^src/" },
      to: { path: "^(examples|bench|conformance|test|scripts)/" },
    },
    {
      name: "no-static-node-import-in-core",
      severity: "error",
      comment:
        "the core runs in a browser too: ask for node: modules at run time, or move the code to a side door",
      from: { path: "^src/", pathNot: folders(["data", "io", "testing", "distributed"]) },
      to: { dependencyTypes: ["core"], dynamic: false },
    },
    {
      name: "no-package-in-src",
      severity: "error",
      comment: "the library has no run-time dependency; fast-check is a peer of kindling/testing alone",
      from: { path: "^src/" },
      to: {
        dependencyTypes: ["npm", "npm-dev", "npm-peer", "npm-optional", "npm-no-pkg", "npm-unknown"],
        pathNot: "fast-check",
      },
    },
    {
      name: "fast-check-in-testing-only",
      severity: "error",
      from: { path: "^src/", pathNot: folders(["testing"]) },
      to: { path: "fast-check" },
    },
    {
      name: "no-cycles",
      severity: "error",
      comment: "cycles of values; a type-only import carries no code and may close one",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^src/kernels/assembly/" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.check.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "require", "node", "default", "types"],
    },
  },
};
