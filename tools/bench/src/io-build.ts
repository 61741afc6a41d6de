import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { explainMissing } from "./missing-peer.ts";

const SOURCES = fileURLToPath(new URL("../guest/io/", import.meta.url));

const FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-static"];

/** Compiles guest/io into one static program for the guests and for this machine. @throws MissingPeer without a compiler */
export function buildIoProgram(output: string): void {
  const sources = readdirSync(SOURCES).filter((name) => name.endsWith(".c"));
  try {
    const parameters = [...FLAGS, "-o", output, ...sources.map((name) => join(SOURCES, name))];
    execFileSync("gcc", parameters, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8" });
  } catch (error) {
    throw explainMissing("gcc", error);
  }
}
