import type { Cpupool, Domain, Hypervisor } from "@xen-node/hypervisor-core";
import { SchedulingError } from "@xen-node/schedulers";
import { ConfigError } from "./config/config-error.ts";
import type { DomainConfig } from "./config/domain-config.ts";
import { parseProcessorList } from "./config/processor-list.ts";

/**
 * The pool whose processors a new domain runs on.
 *
 * @param name undefined: Pool-0
 * @throws ConfigError, one sentence: there is none of this name or number, or it has no processors
 */
export function poolFor({ cpupools }: Hypervisor, guest: string, name: string | undefined): Cpupool {
  const pool = name === undefined ? cpupools.initial : cpupools.find(name);
  if (pool === undefined)
    throw new ConfigError(
      `${guest}: there is no cpupool ${JSON.stringify(name)}: use one of ${cpupools.list.map((one) => one.name).join(", ")}, or make it with xl cpupool-create.`,
    );
  if (pool.processors.length === 0)
    throw new ConfigError(`${guest}: cpupool ${pool.name} has no processors: give it one with xl cpupool-cpu-add.`);
  return pool;
}

/**
 * Gives a new domain the share of the processor that its configuration names.
 *
 * @throws ConfigError, one sentence: its pool's scheduler has no such thing, or cannot give that much
 */
export function applyScheduling(hypervisor: Hypervisor, domain: Domain, config: DomainConfig): void {
  const { scheduler, name } = domain.pool;
  const { cpuWeight, cap, cpus } = config;
  try {
    if (cpuWeight !== undefined || cap !== undefined) {
      const key = cpuWeight !== undefined ? "cpu_weight" : "cap";
      if (scheduler.name !== "credit2")
        throw new SchedulingError(`${key} is credit2's, and ${name}'s scheduler is ${scheduler.name}: remove it.`);
      scheduler.adjust(domain.domid, {
        ...(cpuWeight === undefined ? {} : { weight: cpuWeight }),
        ...(cap === undefined ? {} : { cap }),
      });
    }
    if (cpus === undefined) return;
    for (const { id, unit } of domain.vcpus) {
      // Vcpus that a list does not reach may run anywhere.
      const list = typeof cpus === "string" ? cpus : (cpus[id] ?? "all");
      scheduler.pin(unit, parseProcessorList(list), hypervisor.now());
    }
  } catch (error) {
    throw schedulingError(config.name, error);
  }
}

/** The user's error for what the scheduler cannot do; every other error as it is. */
export function schedulingError(guest: string, error: unknown): unknown {
  return error instanceof SchedulingError ? new ConfigError(`${guest}: ${error.message}`) : error;
}
