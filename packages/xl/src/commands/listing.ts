import type { DomainInfo } from "@xen-node/control";
import { domainOf, ExitStatus, type XlCommand, type XlContext, XlError } from "../command.ts";
import { domainList, sharingLines, vmLines } from "../format/domain-list.ts";
import { uptimeList } from "../format/uptime.ts";
import { vcpuList } from "../format/vcpu-list.ts";

const INDENT = 4;

/** The domains that are named, or all. */
async function domainsOf(context: XlContext, names: readonly string[]): Promise<DomainInfo[]> {
  if (names.length === 0) return await context.client.call("list", {});
  const infos: DomainInfo[] = [];
  for (const name of names) infos.push(await domainOf(context, name));
  return infos;
}

const list: XlCommand = {
  name: "list",
  usage: "[options] [Domain]",
  summary: "List information about all/some domains",
  options: {
    long: { type: "boolean", short: "l" },
    verbose: { type: "boolean", short: "v" },
    context: { type: "boolean", short: "Z" },
    cpupool: { type: "boolean", short: "c" },
    numa: { type: "boolean", short: "n" },
  },
  optionHelp: [
    "-l, --long              Output all VM details",
    "-v, --verbose           Prints out UUIDs and security context",
    "-Z, --context           Prints out security context",
    "-c, --cpupool           Prints the cpupool the domain is in",
    "-n, --numa              Prints out NUMA node affinity",
  ],
  takes: 1,
  async run(context, names, { long, ...given }) {
    const domains = await domainsOf(context, names);
    if (!long) {
      const columns = {
        verbose: given.verbose === true,
        context: given.context === true,
        cpupool: given.cpupool === true,
        numa: given.numa === true,
      };
      for (const line of domainList(domains, columns)) context.print(line);
      return;
    }
    const details = [];
    for (const { domid } of domains)
      details.push({ domid, config: await context.client.call("config", { domain: String(domid) }) });
    context.print(JSON.stringify(details, undefined, INDENT));
  },
};

const vcpus: XlCommand = {
  name: "vcpu-list",
  usage: "[Domain, ...]",
  summary: "List the VCPUs for all/some domains",
  async run(context, names) {
    for (const line of vcpuList(await domainsOf(context, names))) context.print(line);
  },
};

const uptime: XlCommand = {
  name: "uptime",
  usage: "[-s] [Domain]",
  summary: "Print uptime for all/some domains",
  options: { short: { type: "boolean", short: "s" } },
  async run(context, names, { short }) {
    for (const line of uptimeList(await domainsOf(context, names), context.now(), short === true)) context.print(line);
  },
};

const domid: XlCommand = {
  name: "domid",
  usage: "<DomainName>",
  summary: "Convert a domain name to domain id",
  needs: 1,
  takes: 1,
  async run({ client, print }, [name]) {
    const found = (await client.call("list", {})).find((domain) => domain.name === name);
    if (found === undefined)
      throw new XlError(`Can't get domid of domain name '${name}', maybe this domain does not exist.`);
    print(String(found.domid));
  },
};

const domname: XlCommand = {
  name: "domname",
  usage: "<DomainId>",
  summary: "Convert a domain id to domain name",
  needs: 1,
  takes: 1,
  async run({ client, print }, [id]) {
    if (!/^\d+$/.test(id)) throw new XlError("Invalid domain id.", ExitStatus.failure);
    const found = (await client.call("list", {})).find((domain) => domain.domid === Number(id));
    if (found === undefined)
      throw new XlError(`Can't get domain name of domain id '${id}', maybe this domain does not exist.`);
    print(found.name);
  },
};

const claims: XlCommand = {
  name: "claims",
  usage: "",
  summary: "List outstanding claim information about all domains",
  takes: 0,
  async run(context) {
    for (const line of domainList(await domainsOf(context, []), { claims: true })) context.print(line);
  },
};

const vmList: XlCommand = {
  name: "vm-list",
  usage: "",
  summary: "List all domains with their UUIDs",
  takes: 0,
  async run(context) {
    for (const line of vmLines(await domainsOf(context, []))) context.print(line);
  },
};

const sharing: XlCommand = {
  name: "sharing",
  usage: "[Domain]",
  summary: "Get information about page sharing",
  takes: 1,
  async run(context, names) {
    const domains = await domainsOf(context, names);
    for (const line of sharingLines(domains, await context.client.call("sharing", {}))) context.print(line);
  },
};

/** Commands that show what there is. */
export const listingCommands: XlCommand[] = [claims, vmList, sharing, list, vcpus, uptime, domid, domname];
