import { accessSync, constants } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { MissingPeer } from "./missing-peer.ts";
import { programsNamed, SUITE_PROGRAMS, type SuiteProgram } from "./suite-programs.ts";

/** What the command line of `npm run bench` asks for. */
export interface SuiteOptions {
  /** Timed rounds of each program in a pass. */
  readonly rounds: number;
  /** How often all peers have their turn. */
  readonly passes: number;
  readonly programs: readonly SuiteProgram[];
  /** How long a peer may print no mark, in milliseconds. */
  readonly limitMs: number;
  readonly skipV86: boolean;
  /** Path of a file for everything that was measured. */
  readonly json: string | undefined;
}

/** @throws MissingPeer for what nobody can mean; in one sentence */
export function suiteOptions(parameters: string[]): SuiteOptions {
  const values = parse(parameters);
  const wholeNumber = (option: "rounds" | "passes" | "limit"): number => {
    const value = Number(values[option]);
    if (!(Number.isInteger(value) && value >= 1)) throw new MissingPeer(`--${option} takes a whole number from 1 on.`);
    return value;
  };
  const { only, json } = values;
  if (json !== undefined) requireFolder(json);
  return {
    rounds: wholeNumber("rounds"),
    passes: wholeNumber("passes"),
    programs: only === undefined ? SUITE_PROGRAMS : programsNamed(only),
    limitMs: wholeNumber("limit") * 1000,
    skipV86: values["skip-v86"],
    json,
  };
}

function parse(parameters: string[]) {
  try {
    return parseArgs({
      args: parameters,
      options: {
        rounds: { type: "string", default: "5" },
        passes: { type: "string", default: "1" },
        only: { type: "string" },
        limit: { type: "string", default: "300" },
        "skip-v86": { type: "boolean", default: false },
        json: { type: "string" },
      },
    }).values;
  } catch (error) {
    // What is wrong with the parameters stands in the first sentence.
    const [what] = (error as Error).message.split(". ");
    throw new MissingPeer(`${what}: there are --rounds, --passes, --only, --limit, --skip-v86 and --json.`);
  }
}

/** Asked before anything takes long: the file is written at the end. */
function requireFolder(file: string): void {
  const folder = dirname(resolve(file));
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    throw new MissingPeer(`--json takes the path of a file that can be written, and nothing can be in ${folder}.`);
  }
}
