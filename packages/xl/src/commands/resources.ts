import { ControlError } from "@xen-node/control";
import { domainOf, type XlCommand, XlError } from "../command.ts";
import { parseMemorySize } from "../memory-size.ts";

function memoryCommand(name: "mem-set" | "mem-max", summary: string, what: string): XlCommand {
  return {
    name,
    usage: "<Domain> <MemMB['b'[bytes]|'k'[KB]|'m'[MB]|'g'[GB]|'t'[TB]]>",
    summary,
    needs: 2,
    takes: 2,
    async run(context, [domain, size]) {
      const { domid } = await domainOf(context, domain);
      const kib = parseMemorySize(size);
      if (kib === undefined) throw new XlError(`invalid memory size: ${size}`);
      await context.client.call(name, { domain: String(domid), kib }).catch((error: unknown) => {
        if (error instanceof ControlError && error.kind === "refused")
          throw new XlError(`cannot set domid ${domid} ${what} memory to : ${size}: ${error.message}`);
        throw error;
      });
    },
  };
}

const vcpuSet: XlCommand = {
  name: "vcpu-set",
  usage: "[option] <Domain> <vCPUs>",
  summary: "Set the number of active VCPUs allowed for the domain",
  options: { "ignore-host": { type: "boolean", short: "i" } },
  optionHelp: ["-i, --ignore-host  Don't limit the vCPU based on the host CPU count"],
  needs: 2,
  takes: 2,
  async run(context, [domain, count], options) {
    if (!/^[1-9]\d{0,3}$/.test(count)) throw new XlError(`Error: Invalid argument ${count} as number of vCPUs.`);
    const vcpus = Number(count);
    const { domid, vcpus: now } = await domainOf(context, domain);
    const online = now.filter((vcpu) => vcpu.online).length;
    const { processors } = await context.client.call("info", {});
    if (!options["ignore-host"] && vcpus > online && vcpus > processors)
      throw new XlError(
        `You are overcommmitting! You have ${processors} physical CPUs and want ${vcpus} vCPUs! Aborting, use --ignore-host to continue`,
      );
    await context.client.call("vcpu-set", { domain: String(domid), vcpus });
  },
};

/** Commands about what a domain may have. */
export const resourceCommands: XlCommand[] = [
  memoryCommand("mem-max", "Set the maximum amount reservation for a domain", "static max"),
  memoryCommand("mem-set", "Set the current memory usage for a domain", "dynamic max"),
  vcpuSet,
];
