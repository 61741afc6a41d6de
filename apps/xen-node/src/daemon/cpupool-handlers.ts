import { ControlError, type CpupoolInfo, type OperationHandlers } from "@xen-node/control";
import type { Cpupool, Cpupools } from "@xen-node/hypervisor-core";
import type { Machine } from "@xen-node/toolstack";
import { processorsIn, readCpupoolConfig } from "./cpupool-config.ts";
import type { GuestTable } from "./guest-table.ts";

/** Pools of processors, as xl's cpupool-* ask for them. */
export function cpupoolHandlers(machine: Pick<Machine, "hypervisor" | "wake">, table: Pick<GuestTable, "find">) {
  const { cpupools } = machine.hypervisor;
  return {
    "cpupool-list": () => cpupools.list.map((pool) => describe(cpupools, pool)),
    "cpupool-create": ({ dryRun, ...source }) => {
      const { name, scheduler, processors, warnings } = readCpupoolConfig(source, cpupools);
      if (!dryRun) cpupools.create(name, scheduler, processors);
      return { name, scheduler, processors, warnings };
    },
    "cpupool-destroy": ({ pool }) => {
      cpupools.destroy(findPool(cpupools, pool));
      return null;
    },
    "cpupool-rename": ({ pool, name }) => {
      cpupools.rename(findPool(cpupools, pool), name);
      return null;
    },
    "cpupool-cpu-add": ({ pool: text, processors }) => {
      const pool = findPool(cpupools, text);
      for (const processor of processorsIn(processors, cpupools)) cpupools.addProcessor(pool, processor);
      machine.wake();
      return null;
    },
    "cpupool-cpu-remove": ({ pool: text, processors }) => {
      const pool = findPool(cpupools, text);
      for (const processor of processorsIn(processors, cpupools)) cpupools.removeProcessor(pool, processor);
      machine.wake();
      return null;
    },
    "cpupool-migrate": ({ domain, pool }) => {
      cpupools.move(table.find(domain).domain, findPool(cpupools, pool));
      machine.wake();
      return null;
    },
  } satisfies OperationHandlers;
}

/** @param text a name or a number; undefined: Pool-0. @throws ControlError */
export function findPool(cpupools: Cpupools, text: string | undefined): Cpupool {
  const pool = text === undefined ? cpupools.initial : cpupools.find(text);
  if (pool === undefined) throw new ControlError("refused", `unknown cpupool '${text}'`);
  return pool;
}

function describe(cpupools: Cpupools, pool: Cpupool): CpupoolInfo {
  const { id, name, scheduler, processors } = pool;
  return { id, name, scheduler: scheduler.name, processors, domains: cpupools.domainsIn(pool) };
}
