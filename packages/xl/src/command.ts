import type { ParseArgsConfig } from "node:util";
import type { ControlClient, DomainInfo } from "@xen-node/control";
import type { TerminalStreams } from "./terminal.ts";

/** Where a command's words go, and whom it asks. */
export interface XlContext {
  client: ControlClient;
  /** Prints a line on stdout. */
  print(line: string): void;
  /** Prints a line on stderr. */
  complain(line: string): void;
  /** The global option -N: say what would be done. */
  dryRun: boolean;
  /** Where relative paths begin. */
  folder: string;
  now(): Date;
  /** The user's terminal; default: the process's streams. */
  terminal?: TerminalStreams;
}

/** The options that were given: true, a value, or values. */
export type GivenOptions = Record<string, string | boolean | (string | boolean)[] | undefined>;

/** Ends with an exit status; without one it is 0. */
export type CommandRun = Promise<number | undefined> | Promise<void>;

/** A subcommand. */
export interface XlCommand {
  name: string;
  /** Its arguments, as help shows them. */
  usage: string;
  summary: string;
  options?: NonNullable<ParseArgsConfig["options"]>;
  /** Lines of help about the options. */
  optionHelp?: string[];
  /** How many arguments it needs. */
  needs?: number;
  /** How many it takes at most. */
  takes?: number;
  run(context: XlContext, args: string[], options: GivenOptions): CommandRun;
}

export const ExitStatus = {
  success: 0,
  /** xl's EXIT_FAILURE. */
  failure: 1,
  /** Too few arguments, or an option that does not exist. */
  usage: 2,
  /** A domain could not be created: libxl's ERROR_FAIL without its sign. */
  createFailed: 3,
} as const;

/** Ends a command with a line on stderr. */
export class XlError extends Error {
  override readonly name = "XlError";

  constructor(
    message: string,
    readonly status: number = ExitStatus.failure,
  ) {
    super(message);
  }
}

/** The one domain of that name or number. @throws ControlError */
export async function domainOf({ client }: XlContext, domain: string): Promise<DomainInfo> {
  const [info] = await client.call("list", { domain });
  return info;
}
