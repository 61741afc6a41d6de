import { parseArgs } from "node:util";
import { ControlError } from "@xen-node/control";
import { ExitStatus, type XlCommand, type XlContext, XlError } from "./command.ts";
import { absentCommands } from "./commands/absent.ts";
import { consoleCommand } from "./commands/console.ts";
import { cpupoolCommands } from "./commands/cpupools.ts";
import { create } from "./commands/create.ts";
import { deviceCommands } from "./commands/devices.ts";
import { lifecycleCommands } from "./commands/lifecycle.ts";
import { listingCommands } from "./commands/listing.ts";
import { machineCommands } from "./commands/machine.ts";
import { migrationCommands } from "./commands/migration.ts";
import { processorCommands } from "./commands/processors.ts";
import { resourceCommands } from "./commands/resources.ts";
import { rtdsCommand } from "./commands/rtds.ts";
import { savingCommands } from "./commands/saving.ts";
import { schedulerCommands } from "./commands/schedulers.ts";

const COMMANDS: XlCommand[] = [
  create,
  ...listingCommands,
  consoleCommand,
  ...lifecycleCommands,
  ...savingCommands,
  ...migrationCommands,
  ...resourceCommands,
  ...processorCommands,
  ...cpupoolCommands,
  ...schedulerCommands,
  rtdsCommand,
  ...deviceCommands,
  ...machineCommands,
];

export interface XlOptions extends Omit<XlContext, "dryRun"> {
  /** How the program is called, in messages. */
  program?: string;
  /** What to say where nobody listens. */
  noServer(): string;
  /** What to say about a domain that is not there; default: xl's words. */
  noDomain?(domain: string): string;
}

/**
 * Runs xl.
 *
 * @param args what stands behind "xl".
 * @returns the exit status.
 */
export async function runXl(args: readonly string[], options: XlOptions): Promise<number> {
  const rest = [...args];
  let dryRun = false;
  for (; rest[0]?.startsWith("-"); rest.shift()) {
    if (!/^-[vfNtT]+$/.test(rest[0])) {
      if (rest[0] === "-h" || rest[0] === "--help") return help(options, ExitStatus.success);
      options.complain(`unknown global option ${rest[0]}`);
      return ExitStatus.usage;
    }
    dryRun ||= rest[0].includes("N");
  }
  const name = rest.shift();
  if (name === undefined) return help(options, ExitStatus.failure);
  if (name === "help") return helpAbout(options, rest[0]);
  const command = lookUp(name);
  if (command === undefined) {
    options.complain(`command "${name}" not implemented: xl help lists those that are.`);
    return ExitStatus.failure;
  }
  if (dryRun && command !== create) {
    options.complain("command does not implement -N (dryrun) option");
    return ExitStatus.failure;
  }
  return await perform(command, rest, { ...options, dryRun }, options);
}

/** A subcommand, or what its name begins with if that is clear. */
function lookUp(name: string): XlCommand | undefined {
  const all = [...COMMANDS, ...absentCommands];
  const exact = all.find((command) => command.name === name);
  if (exact !== undefined) return exact;
  const begun = all.filter((command) => command.name.startsWith(name));
  return begun.length === 1 ? begun[0] : undefined;
}

async function perform(command: XlCommand, args: string[], context: XlContext, options: XlOptions): Promise<number> {
  const usage = (problem: string): number => {
    options.complain(`${problem}\n`);
    for (const line of commandHelp(command)) options.complain(line);
    return ExitStatus.usage;
  };
  let positionals: string[];
  try {
    const parsed = parseArgs({
      args,
      options: { ...command.options, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
      strict: !absentCommands.includes(command),
    });
    if (parsed.values.help === true) {
      for (const line of commandHelp(command)) options.print(line);
      return ExitStatus.success;
    }
    ({ positionals } = parsed);
    const { needs = 0, takes = Number.POSITIVE_INFINITY } = command;
    if (positionals.length < needs)
      return usage(`'xl ${command.name}' requires at least ${needs} argument${needs > 1 ? "s" : ""}.`);
    if (positionals.length > takes) return usage(`'xl ${command.name}' takes no argument "${positionals[takes]}".`);
    const status = await command.run(context, positionals, parsed.values);
    return typeof status === "number" ? status : ExitStatus.success;
  } catch (error) {
    if (isParseError(error)) return usage(`xl ${command.name}: ${error.message.split(".")[0]}.`);
    const domain = args.find((word) => !word.startsWith("-")) ?? "";
    return tell(error, domain, options);
  }
}

const isParseError = (error: unknown): error is Error =>
  error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith("ERR_PARSE_ARGS");

function tell(error: unknown, domain: string, options: XlOptions): number {
  const { complain, program = "xl" } = options;
  if (error instanceof XlError) {
    complain(error.message);
    return error.status;
  }
  if (!(error instanceof ControlError)) throw error;
  switch (error.kind) {
    case "no-server":
      complain(`${program}: ${options.noServer()}`);
      break;
    case "unknown-domain":
      if (options.noDomain !== undefined) complain(`${program}: ${options.noDomain(domain)}`);
      else if (/^\d+$/.test(domain)) complain(`Error: Domain '${domain}' does not exist.`);
      else complain(`${domain} is an invalid domain identifier (rc=-6)`);
      break;
    default:
      complain(`${program}: ${error.message}`);
  }
  return ExitStatus.failure;
}

function commandHelp({ name, usage, summary, options, optionHelp = [] }: XlCommand): string[] {
  return [
    `Usage: xl [-vftTN] ${name} ${usage}`,
    "",
    `${summary}.`,
    "",
    ...(options === undefined ? [] : ["Options:", "", ...optionHelp]),
  ];
}

function helpAbout(options: XlOptions, name: string | undefined): number {
  const command = name === undefined ? undefined : lookUp(name);
  if (command === undefined) return help(options, ExitStatus.success);
  for (const line of commandHelp(command)) options.print(line);
  return ExitStatus.success;
}

function help({ print }: XlOptions, status: number): number {
  print("Usage xl [-vfNtT] <subcommand> [args]");
  print("");
  print("xl full list of subcommands:");
  print("");
  for (const { name, summary } of COMMANDS) print(` ${name.padEnd(19)} ${summary}`);
  return status;
}
