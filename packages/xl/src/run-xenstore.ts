import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { ControlError } from "@xen-node/control";
import { type CommandRun, ExitStatus, XlError } from "./command.ts";
import { escapeValue, storeTree, unescapeValue } from "./format/store-tree.ts";
import type { XlOptions } from "./run-xl.ts";

type Context = Pick<XlOptions, "client" | "print" | "complain" | "noServer">;
type Flags = Record<string, string | boolean | undefined>;

interface Mode {
  usage: string;
  flags: string[];
  needs: number;
  run(context: Context, args: string[], flags: Flags): CommandRun;
}

const MODES: Record<string, Mode> = {
  read: {
    usage: "[-h] [-p] [-R] key [...]",
    flags: ["p", "R", "s"],
    needs: 1,
    async run({ client, print }, paths, { p, R }) {
      for (const path of paths) {
        const value = await client.call("store-read", { path });
        if (value === null) throw new XlError(`couldn't read path ${path}`);
        print(`${p ? `${path}: ` : ""}${R ? toText(value) : escapeValue(value)}`);
      }
    },
  },
  write: {
    usage: "[-h] [-R] key value [...]",
    flags: ["R", "s"],
    needs: 2,
    async run({ client }, args, { R }) {
      if (args.length % 2 === 1) throw new XlError("each key needs a value", ExitStatus.usage);
      for (let at = 0; at < args.length; at += 2) {
        const bytes = Buffer.from(args[at + 1], "utf8").toString("latin1");
        await client.call("store-write", { path: args[at], value: R ? bytes : unescapeValue(bytes) });
      }
    },
  },
  list: {
    usage: "[-h] [-p] key [...]",
    flags: ["p", "s"],
    needs: 1,
    async run({ client, print }, paths, { p }) {
      for (const path of paths) {
        const names = await client.call("store-list", { path });
        if (names === null) throw new XlError(`couldn't list path ${path}`);
        for (const name of names) print(p ? `${path === "/" ? "" : path}/${name}` : name);
      }
    },
  },
  ls: {
    usage: "[-h] [-f] [-p] [path]",
    flags: ["f", "p", "s"],
    needs: 0,
    async run({ client, print }, [path = "/"], { f, p }) {
      const nodes = await client.call("store-tree", { path });
      if (nodes === null) throw new XlError(`couldn't list path ${path}`);
      const columns = process.stdout.columns;
      const options = {
        fullPaths: f === true,
        permissions: p === true,
        ...(columns === undefined ? {} : { width: columns - 2 }),
      };
      for (const line of storeTree(path, nodes, options)) print(line);
    },
  },
  exists: {
    usage: "[-h] key [...]",
    flags: ["s"],
    needs: 1,
    async run({ client }, paths) {
      for (const path of paths) if ((await client.call("store-read", { path })) === null) return ExitStatus.failure;
    },
  },
  rm: {
    usage: "[-h] [-t] key [...]",
    flags: ["t", "s"],
    needs: 1,
    async run({ client }, paths, { t }) {
      for (const path of paths) {
        const gone = await client.call("store-rm", { path }).catch((error: Error) => error);
        if (gone !== null) throw new XlError(`could not remove path ${path}`);
        if (t) await tidy(client, parentOf(path));
      }
    },
  },
  chmod: {
    usage: "[-h] [-u] [-r] key <mode [modes...]>",
    flags: ["u", "r", "s"],
    needs: 2,
    async run({ client }, [path, ...permissions], { u, r }) {
      const paths = [path];
      if (u) for (let above = parentOf(path); above !== ""; above = parentOf(above)) paths.push(above);
      if (r) paths.push(...((await client.call("store-tree", { path })) ?? []).map((node) => node.path));
      for (const each of paths) await client.call("store-chmod", { path: each, permissions });
    },
  },
  watch: {
    usage: "[-h] [-n NR] key [...]",
    flags: ["s"],
    needs: 1,
    async run({ client, print }, paths, { n }) {
      let left = typeof n === "string" ? Number(n) : -1;
      if (Number.isNaN(left)) throw new XlError(`"${n}" is no number`, ExitStatus.usage);
      if (left === 0) return;
      const socket = await client.open("store-watch", { paths });
      const lines = createInterface({ input: socket });
      for await (const line of lines) {
        print(line);
        if (--left === 0) break;
      }
      socket.destroy();
      return left === 0 ? ExitStatus.success : ExitStatus.failure;
    },
  },
};

/**
 * Runs a xenstore tool: `ls`, `read` and so on, as xenstore-ls, xenstore-read.
 *
 * @returns the exit status.
 */
export async function runXenstore([name, ...args]: readonly string[], context: Context): Promise<number> {
  const mode = name !== undefined && Object.hasOwn(MODES, name) ? MODES[name] : undefined;
  if (mode === undefined) {
    context.complain(`Usage: xenstore <mode> [-h] [...]; modes: ${Object.keys(MODES).join(", ")}`);
    return ExitStatus.failure;
  }
  const usage = `Usage: xenstore-${name} ${mode.usage}`;
  const options = Object.fromEntries(mode.flags.map((flag) => [flag, { type: "boolean" as const, short: flag }]));
  try {
    const { values, positionals } = parseArgs({
      args,
      options: {
        ...options,
        ...(name === "watch" ? { n: { type: "string" as const, short: "n" } } : {}),
        help: { type: "boolean", short: "h" },
      },
      allowPositionals: true,
    });
    if (values.help === true) {
      context.print(usage);
      return ExitStatus.success;
    }
    if (positionals.length < mode.needs) throw new XlError(usage, ExitStatus.failure);
    const status = await mode.run(context, positionals, values as Flags);
    return typeof status === "number" ? status : ExitStatus.success;
  } catch (error) {
    return tell(error, name, usage, context);
  }
}

function tell(error: unknown, name: string, usage: string, { complain, noServer }: Context): number {
  if (error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith("ERR_PARSE_ARGS")) {
    complain(usage);
    return ExitStatus.failure;
  }
  if (error instanceof XlError) {
    complain(error.message.startsWith("Usage") ? error.message : `xenstore-${name}: ${error.message}`);
    return error.status;
  }
  if (!(error instanceof ControlError)) throw error;
  complain(`xenstore-${name}: ${error.kind === "no-server" ? noServer() : error.message}`);
  return ExitStatus.failure;
}

/** The node above; "" for one below the root, and for the root. */
const parentOf = (path: string): string => path.slice(0, Math.max(0, path.lastIndexOf("/")));

/** Removes a node if it is empty, that is, it has neither a value nor nodes below it; then the one above it, and so on. */
async function tidy(client: XlOptions["client"], path: string): Promise<void> {
  for (let at = path; at !== ""; at = parentOf(at)) {
    if ((await client.call("store-read", { path: at })) !== "") return;
    if ((await client.call("store-list", { path: at }))?.length !== 0) return;
    await client.call("store-rm", { path: at });
  }
}

const toText = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");
