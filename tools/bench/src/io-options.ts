import { accessSync, constants, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { IO_JOBS, type IoJob, jobsNamed } from "./io-jobs.ts";
import { MissingPeer } from "./missing-peer.ts";

/** Who can take part. "node" and "native" are this machine itself. */
export const CONTESTANTS = ["xen-node", "qcow2", "qemu", "node", "native"] as const;
export type Contestant = (typeof CONTESTANTS)[number];

/** What the command line of `npm run bench:io` asks for. */
export interface IoOptions {
  /** Timed rounds of each job. */
  readonly rounds: number;
  readonly jobs: readonly IoJob[];
  readonly contestants: readonly Contestant[];
  /** How long a peer may print no mark, in milliseconds. */
  readonly limitMs: number;
  /** Where the folder of the run is made, with the images. */
  readonly folder: string;
  /** Path of a file for everything that was measured. */
  readonly json: string | undefined;
}

/** @throws MissingPeer for what nobody can mean; in one sentence */
export function ioOptions(parameters: string[]): IoOptions {
  const values = parse(parameters);
  const wholeNumber = (option: "rounds" | "limit"): number => {
    const value = Number(values[option]);
    if (!(Number.isInteger(value) && value >= 1)) throw new MissingPeer(`--${option} takes a whole number from 1 on.`);
    return value;
  };
  const { only, json, peers, folder } = values;
  if (json !== undefined) {
    requireFolder(dirname(resolve(json)), "--json takes the path of a file that can be written");
  }
  requireFolder(resolve(folder), "--folder takes the path of a folder that can be written");
  return {
    rounds: wholeNumber("rounds"),
    jobs: only === undefined ? IO_JOBS : jobsNamed(only),
    contestants: peers === undefined ? CONTESTANTS : contestantsNamed(peers),
    limitMs: wholeNumber("limit") * 1000,
    folder: resolve(folder),
    json,
  };
}

function parse(parameters: string[]) {
  try {
    return parseArgs({
      args: parameters,
      options: {
        rounds: { type: "string", default: "5" },
        only: { type: "string" },
        peers: { type: "string" },
        limit: { type: "string", default: "120" },
        folder: { type: "string", default: tmpdir() },
        json: { type: "string" },
      },
    }).values;
  } catch (error) {
    // What is wrong with the parameters stands in the first sentence.
    const [what] = (error as Error).message.split(". ");
    throw new MissingPeer(`${what}: there are --rounds, --only, --peers, --limit, --folder and --json.`);
  }
}

function contestantsNamed(list: string): Contestant[] {
  const names = list.split(",").map((name) => name.trim());
  const unknown = names.find((name) => !CONTESTANTS.some((known) => known === name));
  if (unknown !== undefined) {
    throw new MissingPeer(`--peers takes names out of ${CONTESTANTS.join(", ")}; "${unknown}" is none of them.`);
  }
  return CONTESTANTS.filter((contestant) => names.includes(contestant));
}

/** Asked before anything takes long. */
function requireFolder(folder: string, what: string): void {
  try {
    accessSync(folder, constants.W_OK);
    if (statSync(folder).isDirectory()) return;
  } catch {
    // It is not there, or not ours.
  }
  throw new MissingPeer(`${what}, and nothing can be in ${folder}.`);
}
