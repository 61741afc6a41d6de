import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { ControlError, type SaveFileInfo } from "@xen-node/control";
import { domainOf, ExitStatus, type XlCommand, XlError } from "../command.ts";
import { showConsole } from "./console.ts";

/** A guest may take a minute to answer and another to stand still, and its memory has to be written. */
const NO_TIMEOUT = { timeoutMs: 0 };

const hex = (number: number): string => `0x${number.toString(16)}`;
const inParentheses = ({ mandatoryFlags, optionalFlags, optionalBytes }: SaveFileInfo): string =>
  `${hex(mandatoryFlags)}/${hex(optionalFlags)}/${optionalBytes}`;

const save: XlCommand = {
  name: "save",
  usage: "[options] <Domain> <CheckpointFile>",
  summary: "Save a domain state to restore later",
  options: {
    checkpoint: { type: "boolean", short: "c" },
    paused: { type: "boolean", short: "p" },
    preserve: { type: "boolean", short: "D" },
  },
  optionHelp: [
    "-c                      Leave domain running after creating the snapshot.",
    "-p                      Leave domain paused after creating the snapshot.",
    "-D                      Not there: a domain that is restored always has a new number.",
  ],
  needs: 2,
  takes: 2,
  async run(context, [domain, file], { checkpoint, paused, preserve }) {
    if (preserve) throw new XlError("xl save -D is not there: a domain that is restored always has a new number.");
    const { client, complain, folder } = context;
    const { domid } = await domainOf(context, domain);
    const after = paused ? "pause" : checkpoint ? "continue" : "end";
    const saved = await client.call("save", { domain: String(domid), file, folder, after }, NO_TIMEOUT);
    complain(`Saving to ${file} new xl format (info ${inParentheses(saved)})`);
  },
};

const restore: XlCommand = {
  name: "restore",
  usage: "[options] [<ConfigFile>] <CheckpointFile>",
  summary: "Restore a domain from a saved state",
  options: {
    console: { type: "boolean", short: "c" },
    debug: { type: "boolean", short: "d" },
    noWait: { type: "boolean", short: "e" },
    paused: { type: "boolean", short: "p" },
  },
  optionHelp: [
    "-c                      Connect to the console after the domain is restored.",
    "-d                      Does nothing.",
    "-e                      Does nothing: the daemon waits for the death of the domain.",
    "-p                      Do not unpause domain after restoring it.",
  ],
  needs: 1,
  takes: 2,
  async run(context, args, options) {
    const { client, complain, folder } = context;
    const file = args[args.length - 1];
    const text = args.length > 1 ? await readConfig(args[0]) : undefined;
    const paused = options.paused === true || options.console === true;
    const made = await client
      .call("restore", { file, folder, ...(text === undefined ? {} : { text }), paused }, NO_TIMEOUT)
      .catch((error: unknown) => {
        if (!(error instanceof ControlError) || error.kind !== "refused") throw error;
        throw new XlError(error.message, ExitStatus.createFailed);
      });
    complain(`Loading new save file ${file} (new xl fmt info ${inParentheses(made.saved)})`);
    if (made.saved.hasConfig) complain(" Savefile contains xl domain config in JSON format");
    for (const warning of made.warnings) complain(`WARNING: ${warning}`);
    const domain = String(made.domid);
    if (!options.console) return ExitStatus.success;
    return await showConsole(context, domain, {
      onAttached: async () => {
        if (!options.paused) await client.call("unpause", { domain });
      },
    });
  },
};

async function readConfig(file: string): Promise<string> {
  return await readFile(resolve(file), "utf8").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "No such file or directory" : error.message;
    throw new XlError(`Failed to read config file: ${file}: ${why}`, ExitStatus.createFailed);
  });
}

const fork: XlCommand = {
  name: "fork",
  usage: "[options] <Domain>",
  summary: "Make domains that go on from where a domain stands",
  options: {
    number: { type: "string", short: "n" },
    paused: { type: "boolean", short: "p" },
    disks: { type: "string", short: "d" },
    limit: { type: "string", short: "l" },
  },
  optionHelp: [
    "-n Number               How many domains to make (default: 1).",
    "-p                      Leave the new domains paused.",
    "-d Folder               Keep what they write to disks in files there, until they end (default: in memory).",
    "-l MiB                  Memory for each disk of each, and for what the domain itself overwrites (default: 1024).",
  ],
  needs: 1,
  takes: 1,
  async run(context, [domain], { number = "1", paused = false, disks, limit }) {
    const count = Number(number);
    if (!/^\d+$/.test(String(number)) || count < 1 || count > 1000)
      throw new XlError(`xl fork -n takes a number from 1 to 1000, not "${number}".`, ExitStatus.usage);
    const diskLimitMib = limit === undefined ? undefined : Number(limit);
    if (diskLimitMib !== undefined && !(/^\d+$/.test(String(limit)) && diskLimitMib >= 1))
      throw new XlError(`xl fork -l takes a number of MiB, not "${limit}".`, ExitStatus.usage);
    const { client, print, folder } = context;
    const { domid } = await domainOf(context, domain);
    const kept = {
      ...(disks === undefined ? {} : { disks: String(disks) }),
      ...(diskLimitMib === undefined ? {} : { diskLimitMib }),
    };
    const request = { domain: String(domid), count, paused: paused === true, folder, ...kept };
    const made = await client.call("fork", request, NO_TIMEOUT);
    for (const each of made) print(`${each.name} ${each.domid}`);
  },
};

const dumpCore: XlCommand = {
  name: "dump-core",
  usage: "<Domain> <filename>",
  summary: "Core dump the specified domain",
  needs: 2,
  takes: 2,
  async run({ client, folder }, [domain, file]) {
    await client.call("dump-core", { domain, file, folder }, NO_TIMEOUT);
  },
};

/** Commands that put domains into files and take them out again. */
export const savingCommands: XlCommand[] = [save, restore, fork, dumpCore];
