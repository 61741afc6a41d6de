// `npm run test:installed`: packs every package as it would be published, installs the tarballs with npm into an empty folder,
// and runs there what their READMEs promise. Nothing of the workspace is in reach: what a package forgot to pack is missed here.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootstrap, build, root } from "./bootstrap.mjs";

/** Packages whose README begins with an example that prints something, and what that has to hold. */
const EXAMPLES = {
  "@xen-node/schedulers": /web ran \d+(\.\d+)? ms/,
  "@xen-node/xen-abi": /xen-3\.0-x86_64 1168 1112[\s\S]*4 7ff0 EFAULT/,
  "@xen-node/wasm-emit": /^5050$/m,
};

const windows = process.platform === "win32";

function run(program, parameters, cwd) {
  const { status, stdout, stderr, error } = spawnSync(program, parameters, { cwd, encoding: "utf8", shell: windows });
  if (error || status !== 0)
    throw new Error(`${program} ${parameters.join(" ")} failed:\n${error?.message ?? stderr}${stdout}`);
  return stdout;
}

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

function publishable() {
  const folders = ["packages", "apps"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(root, parent, name)),
  );
  return folders
    .map((folder) => ({ folder, manifest: readJson(join(folder, "package.json")) }))
    .filter(({ manifest }) => !manifest.private);
}

/** Tarballs by package name. */
function pack(packages, folder) {
  // They are built already, and their dependencies' versions stand in the tarballs instead of "workspace:".
  const pnpm = join(root, "node_modules", ".bin", "pnpm");
  const chosen = packages.flatMap(({ manifest }) => ["--filter", manifest.name]);
  const options = ["--json", "--config.ignore-scripts=true", "--pack-destination", folder];
  const packed = JSON.parse(run(pnpm, ["--recursive", ...chosen, "pack", ...options], root));
  return Object.fromEntries(packed.map(({ name, filename }) => [name, `file:${filename}`]));
}

/** Importing a package must work, and print nothing. */
function checkImports(packages, folder) {
  const program = packages
    .map(({ manifest: { name } }) => `console.log("${name}", Object.keys(await import("${name}")).length);`)
    .join("\n");
  const printed = run(process.execPath, ["--input-type=module", "-e", program], folder);
  const lines = printed.trimEnd().split(/\r?\n/);
  const isExpected = packages.every(({ manifest: { name } }, i) => new RegExp(`^${name} \\d+$`).test(lines[i]));
  if (lines.length !== packages.length || !isExpected) throw new Error(`importing the packages printed:\n${printed}`);
  console.error(`${packages.length} packages can be imported`);
}

/** The first example of a README, as JavaScript. */
function exampleOf(folder) {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(folder, "README.md"), "utf8")) ?? [];
  // esbuild comes with tsup and is linked nowhere else.
  const require = createRequire(join(root, "package.json"));
  const { transformSync } = createRequire(require.resolve("tsup"))("esbuild");
  return transformSync(code, { loader: "ts", format: "esm" }).code;
}

function check(name, holds, output) {
  if (!holds) throw new Error(`${name} answered otherwise than it should:\n${output}`);
  console.error(`${name}: ${output.trim().split("\n")[0]}`);
}

function checkInstalled(packages, folder) {
  const npx = (...parameters) => run("npx", ["--no-install", ...parameters], folder);
  const version = npx("xen-node", "--version");
  check("npx xen-node --version", /^\d+\.\d+\.\d+\s*$/.test(version), version);
  const help = npx("xl", "help");
  check("npx xl help", /xl list|list/.test(help), help);
  const sdk = npx("xen-guest", "--help");
  check("npx xen-guest --help", /build/.test(sdk), sdk);
  checkImports(packages, folder);
  for (const { folder: source, manifest } of packages) {
    if (!(manifest.name in EXAMPLES)) continue;
    const program = join(folder, `${manifest.name.split("/").pop()}.mjs`);
    writeFileSync(program, exampleOf(source));
    const output = run(process.execPath, [program], folder);
    check(`the example of ${manifest.name}`, EXAMPLES[manifest.name].test(output), output);
  }
}

bootstrap();
const packages = publishable();
// What is tested is the packing: npm test has built before, and nobody needs to wait for that twice.
if (packages.every(({ folder }) => existsSync(join(folder, "dist"))))
  console.error("taking the packages as they are built (npm run build brings them up to date)");
else build();
const folder = mkdtempSync(join(tmpdir(), "xen-node-installed-"));
try {
  const packed = join(folder, "packed");
  mkdirSync(packed);
  console.error(`packing ${packages.length} packages`);
  const dependencies = pack(packages, packed);
  const user = join(folder, "user");
  mkdirSync(user);
  writeFileSync(
    join(user, "package.json"),
    JSON.stringify({ name: "user", private: true, type: "module", dependencies }),
  );
  console.error("installing them with npm");
  run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts"], user);
  checkInstalled(packages, user);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
