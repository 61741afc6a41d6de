import { spawnSync } from "node:child_process";

/** Tests that compile are skipped without a compiler, but never in CI. */
export const noCompiler = spawnSync("gcc", ["--version"]).status !== 0 && !process.env.CI;
