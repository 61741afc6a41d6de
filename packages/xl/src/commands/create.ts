import { ControlError } from "@xen-node/control";
import { ExitStatus, type GivenOptions, type XlCommand, type XlContext, XlError } from "../command.ts";
import { readSource } from "./config-source.ts";
import { showConsole } from "./console.ts";

const INDENT = 4;

export const create: XlCommand = {
  name: "create",
  usage: "<ConfigFile> [options] [vars]",
  summary: "Create a domain from config file <filename>",
  options: {
    console: { type: "boolean", short: "c" },
    debug: { type: "boolean", short: "d" },
    noWait: { type: "boolean", short: "e" },
    foreground: { type: "boolean", short: "F" },
    defconfig: { type: "string", short: "f" },
    dryrun: { type: "boolean", short: "n" },
    paused: { type: "boolean", short: "p" },
    quiet: { type: "boolean", short: "q" },
  },
  optionHelp: [
    "-c                      Connect to the console after the domain is created.",
    "-d                      Print the configuration.",
    "-e                      Does nothing: the daemon waits for the death of the domain.",
    "-F                      Run in foreground until death of the domain.",
    "-f FILE, --defconfig=FILE",
    "                        Use the given configuration file.",
    "-n, --dryrun            Dry run - prints the resulting configuration",
    "-p                      Leave the domain paused after it is created.",
    "-q, --quiet             Quiet.",
  ],
  async run(context, args, options) {
    const { client, print, complain } = context;
    const { file, text } = await readSource("create", args, options, ExitStatus.createFailed);
    if (!options.quiet) complain(`Parsing config from ${file}`);
    const dryRun = context.dryRun || options.dryrun === true;
    const paused = options.paused === true || options.console === true;
    const made = await client
      .call("create", { text, file, folder: context.folder, paused, dryRun }, { timeoutMs: 0 })
      .catch((error: unknown) => {
        if (!(error instanceof ControlError) || error.kind !== "refused") throw error;
        throw new XlError(error.message, ExitStatus.createFailed);
      });
    for (const warning of made.warnings) complain(`WARNING: ${warning}`);
    const { domid } = made;
    if (domid === null || options.debug) print(JSON.stringify({ domid, config: made.config }, undefined, INDENT));
    if (domid === null) return;
    const domain = String(domid);
    if (options.console) {
      const shown = await showConsole(context, domain, { onAttached: () => start(context, domain, options) });
      if (shown !== ExitStatus.success || !options.foreground) return shown;
    }
    if (options.foreground) await client.call("wait", { domid, gone: true }, { timeoutMs: 0 });
  },
};

/** After the console is joined, so that the first words are seen. */
async function start({ client }: XlContext, domain: string, options: GivenOptions): Promise<void> {
  if (!options.paused) await client.call("unpause", { domain });
}
