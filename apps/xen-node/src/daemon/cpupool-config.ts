import type { Cpupools } from "@xen-node/hypervisor-core";
import { allOf, processorsOf, SCHEDULER_NAMES, type SchedulerName } from "@xen-node/schedulers";
import { ConfigError, parseProcessorList, parseXlSyntax, type XlValue } from "@xen-node/toolstack";

const KEYS = ["name", "sched", "cpus", "nodes"];

/** A pool to be made. */
export interface CpupoolConfig {
  name: string;
  scheduler: SchedulerName;
  /** Their numbers. */
  processors: number[];
  warnings: string[];
}

/**
 * Reads an xlcpupool.cfg(5).
 *
 * @throws ConfigError, in the words of xl's main_cpupoolcreate where it has some
 */
export function readCpupoolConfig(
  { text, file, defaultName }: { text: string; file: string; defaultName?: string | undefined },
  cpupools: Cpupools,
): CpupoolConfig {
  const settings = new Map<string, XlValue>();
  const warnings: string[] = [];
  for (const { key, value, line } of parseXlSyntax(text, file)) {
    if (KEYS.includes(key)) settings.set(key, value);
    else warnings.push(`${file}, line ${line}: ${key} is no key of a cpupool (${KEYS.join(", ")}): it is passed over.`);
  }
  const name = settings.get("name") ?? defaultName;
  if (name === undefined) throw new ConfigError("Missing cpupool name!");
  if (typeof name !== "string") throw new ConfigError(`${file}: name must be a text in quotes.`);
  if (cpupools.list.some((pool) => pool.name === name))
    throw new ConfigError(`Pool name ${JSON.stringify(name)} already exists`);
  const scheduler = schedulerOf(settings.get("sched"), cpupools);
  return { name, scheduler, processors: chosenProcessors(settings, cpupools), warnings };
}

function schedulerOf(sched: XlValue | undefined, { initial }: Cpupools): SchedulerName {
  if (sched === undefined) return initial.scheduler.name;
  const found = SCHEDULER_NAMES.find((known) => known === sched);
  if (found === undefined) throw new ConfigError(`Unknown scheduler: there are ${SCHEDULER_NAMES.join(", ")}.`);
  return found;
}

function chosenProcessors(settings: ReadonlyMap<string, XlValue>, cpupools: Cpupools): number[] {
  const [nodes, cpus] = [settings.get("nodes"), settings.get("cpus")];
  if (Array.isArray(nodes)) {
    // All processors are of node 0.
    const free = nodes.some((node) => Number(node) === 0) ? cpupools.free : [];
    if (free.length === 0) throw new ConfigError("no free cpu found");
    return free;
  }
  if (cpus === undefined) return [];
  const chosen = Array.isArray(cpus) ? cpus.map(Number) : processorsIn(String(cpus), cpupools);
  const wrong = chosen.find((cpu) => !cpupools.free.includes(cpu));
  if (wrong !== undefined) throw new ConfigError(`cpu ${wrong} illegal or not free`);
  return [...new Set(chosen)];
}

/** The numbers that a list in xl's syntax stands for: "all", those that there are. */
export function processorsIn(text: string, { processors }: Cpupools): number[] {
  const mask = parseProcessorList(text);
  return processorsOf(mask === -1 ? allOf(processors) : mask);
}
