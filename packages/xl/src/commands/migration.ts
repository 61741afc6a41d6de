import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import type { MigrationReport } from "@xen-node/control";
import { carry } from "../carry.ts";
import { domainOf, type XlCommand, XlError } from "../command.ts";
import { followMigration } from "../migration-events.ts";

/** xl's words to a user whose guest may be in either place (tools/xl/xl_migrate.c says more). */
const IN_DOUBT = [
  "** The daemon ended before it was known which side has the domain **",
  "Please check at both ends, and start it again only where it is not on the other one.",
];

/** With -e, Xen's xl leaves nobody on the other host to act on on_poweroff and the like. */
const ALWAYS_WAITS =
  "the daemon that receives a domain always waits for its death; on_poweroff, on_reboot and on_crash of its configuration say what it does then. Leave -e out.";

const seconds = (ns: number): string => (ns / 1e9).toFixed(2);

function describe({ rounds, pages, bytes, totalNs, downtimeNs }: MigrationReport): string {
  const mib = bytes / 2 ** 20;
  const how = rounds === 0 ? "not live" : `${rounds} round${rounds === 1 ? "" : "s"} while it ran`;
  const rate = totalNs > 0 ? ` at ${Math.round(mib / (totalNs / 1e9))} MiB/s` : "";
  return `migration sender: ${pages} pages, ${Math.round(mib)} MiB${rate} in ${seconds(totalNs)} s (${how}); the domain stood still for ${seconds(downtimeNs)} s.`;
}

const migrate: XlCommand = {
  name: "migrate",
  usage: "[options] <Domain> <host>",
  summary: "Migrate a domain to another host",
  options: {
    config: { type: "string", short: "C" },
    ssh: { type: "string", short: "s" },
    noWait: { type: "boolean", short: "e" },
    paused: { type: "boolean", short: "p" },
    preserve: { type: "boolean", short: "D" },
    timestamps: { type: "boolean", short: "T" },
    debug: { type: "boolean" },
    live: { type: "boolean" },
    "non-live": { type: "boolean" },
  },
  optionHelp: [
    "-s <sshcommand>         Use <sshcommand> instead of ssh. String will be passed to sh.",
    "                        If empty, run <host> instead of ssh <host> xl migrate-receive [-p].",
    "-T                      Show timestamps during the migration process.",
    "-p                      Do not unpause domain after migrating it.",
    "--debug                 Send all pages once more at the end, and compare them.",
    "--live                  The default: send pages while the domain runs.",
    "--non-live              Suspend the domain first.",
    "-C <config>, -D, -e     Not there.",
  ],
  needs: 2,
  takes: 2,
  async run(context, [domain, host], { config, ssh = "ssh", noWait, paused, preserve, timestamps, debug, ...how }) {
    if (config !== undefined)
      throw new XlError(
        "xl migrate -C is not there: the domain keeps its configuration; xl rename and others change it.",
      );
    if (preserve) throw new XlError("xl migrate -D is not there: a domain that is moved always has a new number.");
    if (noWait) throw new XlError(`xl migrate -e is not there: ${ALWAYS_WAITS}`);
    const { client, complain, folder, now } = context;
    const { domid } = await domainOf(context, domain);
    const receive = `exec ${String(ssh)} ${host} xl migrate-receive${paused ? " -p" : ""}`;
    const command = ssh === "" ? host : receive;
    const id = randomUUID();
    const say = (text: string): void => complain(timestamps ? `${now().toISOString()} ${text}` : text);
    const live = how["non-live"] !== true;
    const socket = await client.open("migrate", {
      domain: String(domid),
      id,
      live,
      verify: debug === true,
      command,
      folder,
    });
    const child = spawn("sh", ["-c", command], { stdio: ["pipe", "pipe", "inherit"] });
    child.on("error", (error) => {
      say(`xl: sh cannot be run: ${error.message}.`);
      socket.destroy();
    });
    carry(socket, child.stdin);
    carry(child.stdout, socket);
    const end = await followMigration(client, id, say);
    socket.destroy();
    child.kill();
    if (end?.kind === "moved") {
      if (end.report !== undefined) say(describe(end.report));
      say("Migration successful.");
      return;
    }
    if (end?.kind === "failed")
      throw new XlError(`migration sender: ${end.reason}\nMigration failed, resumed at sender.`);
    throw new XlError(IN_DOUBT.join("\n"));
  },
};

const migrateReceive: XlCommand = {
  name: "migrate-receive",
  usage: "[options]",
  summary: "Restore a domain, internal command",
  options: {
    noWait: { type: "boolean", short: "e" },
    debug: { type: "boolean", short: "d" },
    paused: { type: "boolean", short: "p" },
  },
  optionHelp: [
    "-d                      Does nothing.",
    "-e                      Not there.",
    "-p                      Do not unpause the domain after receiving it.",
  ],
  takes: 0,
  async run({ client, complain }, _, { noWait, paused }) {
    if (noWait) throw new XlError(`xl migrate-receive -e is not there: ${ALWAYS_WAITS}`);
    const id = randomUUID();
    const socket = await client.open("migrate-receive", { id, paused: paused === true });
    carry(process.stdin, socket);
    const written = new Promise<void>((resolve) => socket.on("close", resolve));
    socket.pipe(process.stdout, { end: false });
    process.stdout.on("error", () => socket.destroy());
    const end = await followMigration(client, id, complain);
    if (end?.kind === "failed") {
      socket.destroy();
      throw new XlError(`migration target: ${end.reason}`);
    }
    await written;
    if (end === undefined) throw new XlError("migration target: the daemon has ended.");
  },
};

/** Commands that move domains. */
export const migrationCommands: XlCommand[] = [migrate, migrateReceive];
