import * as abi from "@xen-node/xen-abi";

const PREFIX = "__HYPERVISOR_";

/** Names of the hypercalls by number, as the ABI's header spells them. */
export const hypercallNames: ReadonlyMap<number, string> = new Map(
  Object.entries(abi)
    .filter(([name]) => name.startsWith(PREFIX))
    .map(([name, number]) => [number as number, name.slice(PREFIX.length)]),
);
