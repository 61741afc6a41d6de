// The floors of ARCHITECTURE.md: imports run downward only, and packages of one floor do not know each other.
const floors = [
  ["xen-abi", "mmu", "wasm-emit", "x86-assembler", "guest-images", "packets", "migration-stream", "schedulers"],
  ["event-channels", "grant-tables", "x86-cpu", "io-rings", "xenbus", "demo-guest"],
  ["hypervisor-core"],
  ["xenstore", "console", "blkback", "netback", "virtual-disk", "virtual-network", "user-net"],
  ["guest-runtime"],
  ["toolstack", "control"],
  ["xl"],
  ["xen-node"],
];

// An image is read for the ELF notes that the ABI defines.
const sideways = { "guest-images": ["xen-abi"] };

// What runs inside a guest stands outside of the floors, and no floor knows it.
const outside = { "guest-sdk": ["xen-abi"] };

const folder = (names) => `^(packages|apps)/(${names.join("|")})/`;

const downwardOnly = floors.flatMap((names, floor) =>
  names.map((name) => ({
    name: `downward-only-from-${name}`,
    comment: `${name} stands on floor ${floor}: it may import from the floors below it and from nothing else of the workspace.`,
    severity: "error",
    from: { path: folder([name]) },
    to: {
      path: "^(packages|apps)/",
      pathNot: [folder([name, ...(sideways[name] ?? []), ...floors.slice(0, floor).flat(), ...Object.keys(outside)])],
    },
  })),
);

const outsideRules = Object.entries(outside).flatMap(([name, known]) => [
  {
    name: `outside-${name}`,
    comment: `${name} is for what runs inside a guest: of the workspace it may import ${known.join(", ")} alone.`,
    severity: "error",
    from: { path: folder([name]) },
    to: { path: "^(packages|apps)/", pathNot: [folder([name, ...known])] },
  },
  {
    name: `nobody-imports-${name}`,
    comment: "The hypervisor's packages do not know what their guests are made with; tests may.",
    severity: "error",
    from: { path: "^(packages|apps)/[^/]+/src/", pathNot: [folder([name])] },
    to: { path: folder([name]) },
  },
]);

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...downwardOnly,
    ...outsideRules,
    {
      name: "every-package-has-a-floor",
      comment: "A new package is given its floor at the top of this file.",
      severity: "error",
      from: { path: "^(packages|apps)/", pathNot: [folder([...floors.flat(), ...Object.keys(outside)])] },
      to: {},
    },
    {
      name: "no-circles",
      comment: "Modules that import each other cannot be understood, tested or replaced alone.",
      severity: "error",
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
    },
    {
      name: "packages-through-their-front-door",
      comment: "Another package is imported by its name, never by a path into its folder.",
      severity: "error",
      from: { path: "^(?:packages|apps)/([^/]+)/" },
      to: {
        path: "^(packages|apps)/",
        pathNot: ["^(?:packages|apps)/$1/", "^(packages|apps)/[^/]+/src/index\\.ts$", "^packages/[^/]+/dist/"],
      },
    },
    {
      name: "resolvable",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: "declared-dependencies",
      comment: "What a package imports stands in its own package.json.",
      severity: "error",
      from: { path: "^(packages|apps)/[^/]+/src/" },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "(^|/)(dist|node_modules)/" },
    tsPreCompilationDeps: "specify",
    combinedDependencies: false,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["source", "import", "node", "default"],
      extensions: [".ts", ".js", ".mjs", ".cjs", ".json"],
    },
  },
};
