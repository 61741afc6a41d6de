import type { DomainInfo } from "@xen-node/control";
import { domainOf, ExitStatus, type XlCommand, type XlContext, XlError } from "../command.ts";

const pauseCommands: XlCommand[] = (["pause", "unpause"] as const).map((name) => ({
  name,
  usage: "<Domain>",
  summary: name === "pause" ? "Pause execution of a domain" : "Unpause a paused domain",
  needs: 1,
  takes: 1,
  async run({ client }, [domain]) {
    await client.call(name, { domain });
  },
}));

const destroy: XlCommand = {
  name: "destroy",
  usage: "<Domain>",
  summary: "Terminate a domain immediately",
  needs: 1,
  takes: 1,
  async run({ client }, [domain]) {
    await client.call("destroy", { domain });
  },
};

const rename: XlCommand = {
  name: "rename",
  usage: "<Domain> <NewDomainName>",
  summary: "Rename a domain",
  needs: 2,
  takes: 2,
  async run({ client }, [domain, name]) {
    await client.call("rename", { domain, name });
  },
};

/** `xl shutdown` and `xl reboot` differ in a word. */
function asking(name: "shutdown" | "reboot", request: "poweroff" | "reboot", doing: string): XlCommand {
  return {
    name,
    usage: "[options] <-a|Domain>",
    summary: `Issue a ${name} signal to a domain`,
    options: {
      all: { type: "boolean", short: "a" },
      wait: { type: "boolean", short: "w" },
      fallback: { type: "boolean", short: "F" },
    },
    optionHelp: [
      "-a, --all               All guest domains.",
      `-w, --wait              Wait for guest(s) to ${name}.`,
      "-F                      Does nothing: PV guests have no ACPI to fall back to.",
    ],
    takes: 1,
    async run(context, args, { all, wait }) {
      if ((args.length === 0) === !all) throw new XlError("You must specify -a or a domain id.");
      const domains = all
        ? (await context.client.call("list", {})).filter(
            ({ domid, shutdownReason }) => domid > 0 && shutdownReason === null,
          )
        : [await domainOf(context, args[0])];
      let status: number = ExitStatus.success;
      for (const { domid } of domains) {
        context.complain(`${doing} domain ${domid}`);
        await context.client.call("shutdown", { domain: String(domid), request }).catch((error: Error) => {
          if (!all) throw error;
          context.complain(error.message);
          status = ExitStatus.failure;
        });
      }
      if (wait && status === ExitStatus.success) await waitFor(context, domains);
      return status;
    },
  };
}

async function waitFor({ client, complain }: XlContext, domains: readonly DomainInfo[]): Promise<void> {
  complain(`Waiting for ${domains.length} domains`);
  await Promise.all(
    domains.map(async ({ domid }) => {
      const reason = await client.call("wait", { domid, gone: false }, { timeoutMs: 0 });
      complain(
        reason === null
          ? `Domain ${domid} has been destroyed`
          : `Domain ${domid} has been shut down, reason code ${reason}`,
      );
    }),
  );
}

const sysrq: XlCommand = {
  name: "sysrq",
  usage: "<Domain> <letter>",
  summary: "Send a sysrq to a domain",
  needs: 2,
  takes: 2,
  async run({ client }, [domain, key]) {
    if (key.length !== 1) throw new XlError("Invalid sysrq: write one letter, such as s.");
    await client.call("sysrq", { domain, key });
  },
};

const TRIGGERS = ["nmi", "reset", "init", "power", "sleep", "s3resume"];

const trigger: XlCommand = {
  name: "trigger",
  usage: "<Domain> <nmi|reset|init|power|sleep|s3resume> [<VCPU>]",
  summary: "Send a trigger to a domain",
  needs: 2,
  takes: 3,
  async run({ client }, [domain, name, vcpu = "0"]) {
    if (!TRIGGERS.includes(name)) throw new XlError(`Invalid trigger "${name}"`);
    if (name !== "nmi") throw new XlError(`trigger ${name} is for HVM guests: PV guests have no such thing.`);
    if (!/^\d+$/.test(vcpu)) throw new XlError(`"${vcpu}" is no number of a vcpu.`);
    await client.call("nmi", { domain, vcpu: Number(vcpu) });
  },
};

/** Commands that change what a domain does. */
export const lifecycleCommands: XlCommand[] = [
  ...pauseCommands,
  destroy,
  asking("shutdown", "poweroff", "Shutting down"),
  asking("reboot", "reboot", "Rebooting"),
  rename,
  sysrq,
  trigger,
];
