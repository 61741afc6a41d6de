// Installs the workspace's dependencies on a machine that has only Node.js and npm.
// Says nothing when there is nothing to do.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

const stampPath = join(root, "node_modules", ".bootstrap-stamp");

function lockHash() {
  return createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .digest("hex");
}

function isInstalled() {
  return existsSync(stampPath) && readFileSync(stampPath, "utf8") === lockHash();
}

/** Installs what pnpm-lock.yaml names, if that has not been done yet. Ends the process when it fails. */
export function bootstrap() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) {
    console.error(`xen-node needs Node.js 20 or newer; this is ${process.versions.node}.`);
    process.exit(1);
  }
  if (isInstalled()) return;
  // The package manager's version stands in package.json once; any other version of pnpm would try to switch to it.
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  console.error(`Installing dependencies with ${packageManager} (only needed once) ...`);
  const result = spawnSync("npx", ["-y", packageManager, "install", "--frozen-lockfile"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (result.error || result.status !== 0) {
    console.error(
      `Installing the dependencies failed${result.error ? ` (${result.error.message})` : ""}: check that npm reaches its registry, then run this again.`,
    );
    process.exit(1);
  }
  writeFileSync(stampPath, lockHash());
}

/** Runs a tool of node_modules/.bin and says whether it succeeded. */
export function runTool(name, args, env = {}) {
  const result = spawnSync(join(root, "node_modules", ".bin", name), args, {
    cwd: root,
    stdio: "inherit",
    env: { ...toolEnvironment(), ...env },
    shell: process.platform === "win32",
  });
  if (result.error) {
    console.error(`${name} could not be started: ${result.error.message}`);
    return false;
  }
  return result.status === 0;
}

/**
 * Starts a tool of node_modules/.bin.
 * @returns when it has ended: whether it succeeded, and what it wrote
 */
export function startTool(name, args) {
  const child = spawn(join(root, "node_modules", ".bin", name), args, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: toolEnvironment(),
    shell: process.platform === "win32",
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  return new Promise((resolve) => {
    child.on("error", (error) =>
      resolve({ succeeded: false, output: `${name} could not be started: ${error.message}\n` }),
    );
    child.on("close", (status) => resolve({ succeeded: status === 0, output }));
  });
}

function toolEnvironment() {
  // turbo looks for the package manager on PATH; the pinned one lies in node_modules/.bin.
  const bin = join(root, "node_modules", ".bin");
  const separator = process.platform === "win32" ? ";" : ":";
  return {
    ...process.env,
    PATH: `${bin}${separator}${process.env.PATH ?? ""}`,
    TURBO_TELEMETRY_DISABLED: "1",
    DO_NOT_TRACK: "1",
  };
}

/** Builds every package that changed since its last build. Output only where a build fails, unless `verbose`. */
export function build({ verbose = false, only } = {}) {
  const args = ["run", "build", `--output-logs=${verbose ? "new-only" : "errors-only"}`, "--log-order=stream"];
  if (only) args.push(`--filter=${only}`);
  if (!verbose) args.push("--ui=stream", "--summarize=false");
  if (verbose) {
    if (!runTool("turbo", args)) process.exit(1);
    return;
  }
  console.error("Building (quick when nothing changed) ...");
  const result = spawnSync(join(root, "node_modules", ".bin", "turbo"), args, {
    cwd: root,
    encoding: "utf8",
    env: toolEnvironment(),
    shell: process.platform === "win32",
  });
  if (result.error || result.status !== 0) {
    process.stderr.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
    console.error("The build failed; its messages stand above.");
    process.exit(1);
  }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) bootstrap();
