import type { Domain, Hypervisor } from "@xen-node/hypervisor-core";
import type { Guest } from "@xen-node/toolstack";
import { ExitReason } from "@xen-node/x86-cpu";
import { RUNSTATE_runnable, RUNSTATE_running } from "@xen-node/xen-abi";
import { Registry } from "prom-client";
import { hypercallNames } from "../report/hypercall-names.ts";
import { Metrics, type Sample } from "./metrics.ts";

/** What metrics tell of: a machine, and its guests with the domains that they have now. */
export interface MetricsSource {
  readonly hypervisor: Pick<Hypervisor, "cpupools" | "domains" | "now" | "processor">;
  readonly totalMemoryKib: number;
  readonly freeMemoryKib: number;
}
export type MetricsGuests = Iterable<{
  readonly guest: Pick<Guest, "name" | "uuid" | "statistics">;
  readonly domain: Domain;
  readonly startTime: number;
}>;

const NS_PER_S = 1e9;
const KIB = 1024;
const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;

const EXIT_KINDS = new Map<number, string>(
  (["EXCEPTION", "SOFT_INT", "SYSCALL", "SYSENTER", "PRIVILEGED"] as const).map((name) => [
    ExitReason[name],
    name.toLowerCase(),
  ]),
);

/** Numbers about a machine and its guests, for Prometheus; each is read when it is asked for. */
export function machineMetrics(machine: MetricsSource, guests: MetricsGuests): Registry {
  const registry = new Registry();
  const metrics = new Metrics(registry);
  ofMachine(metrics, machine);
  ofTranslator(metrics, machine);
  ofDomains(metrics, machine, guests);
  ofDevices(metrics, guests);
  return registry;
}

function ofMachine(metrics: Metrics, machine: MetricsSource): void {
  const { hypervisor } = machine;
  metrics.gauge("xen_info", "The scheduler of Pool-0; always 1.", ["scheduler"], () => [
    [{ scheduler: hypervisor.cpupools.initial.scheduler.name }, 1],
  ]);
  metrics.gauge("xen_cpupool_processors", "Processors of a pool.", ["pool", "scheduler"], () =>
    hypervisor.cpupools.list.map(({ name, scheduler, processors }) => [
      { pool: name, scheduler: scheduler.name },
      processors.length,
    ]),
  );
  metrics.single("gauge", "xen_memory_bytes", "Memory of all guests.", () => machine.totalMemoryKib * KIB);
  metrics.single(
    "gauge",
    "xen_memory_free_bytes",
    "Memory that another guest can have.",
    () => machine.freeMemoryKib * KIB,
  );
  metrics.single(
    "counter",
    "xen_instructions_total",
    "Instructions that guests have retired.",
    () => hypervisor.processor.retired,
  );
}

function ofTranslator(metrics: Metrics, { hypervisor }: MetricsSource): void {
  const { translator } = hypervisor.processor;
  if (translator === undefined) return;
  const counters = [
    ["compiled", "Regions of guest code that were translated."],
    ["shared", "Regions for which a translation made before was taken."],
    ["invalidated", "Regions given up because their code changed."],
    ["evicted", "Regions given up for lack of room."],
  ] as const;
  for (const [name, help] of counters)
    metrics.single("counter", `xen_translator_${name}_regions_total`, help, () => translator.counters[name]);
  metrics.single(
    "gauge",
    "xen_translator_regions",
    "Translated regions of guest code in use.",
    () => translator.counters.regions,
  );
  metrics.single(
    "gauge",
    "xen_translator_code_bytes",
    "WebAssembly of the translations that are kept.",
    () => translator.counters.wasmBytes,
  );
}

function ofDomains(metrics: Metrics, { hypervisor }: MetricsSource, guests: MetricsGuests): void {
  const labels = ["domid", "domain"] as const;
  const each = (value: (domain: Domain) => number) => () =>
    [...guests].map(({ guest, domain }): Sample => [labelsOf(guest, domain), value(domain)]);
  const many = (name: string, help: string, label: string, values: (domain: Domain) => Iterable<[string, number]>) =>
    metrics.counter(name, help, [...labels, label], () =>
      [...guests].flatMap(({ guest, domain }) =>
        [...values(domain)].map(([key, value]): Sample => [{ ...labelsOf(guest, domain), [label]: key }, value]),
      ),
    );
  const spent = (state: number) => (domain: Domain) =>
    domain.vcpus.reduce((sum, { runstate }) => {
      const open = runstate.state === state ? Math.max(0, hypervisor.now() - runstate.entryNs) : 0;
      return sum + runstate.timeNs[state] + open;
    }, 0) / NS_PER_S;

  metrics.gauge("xen_domain_info", "A domain's UUID; always 1.", [...labels, "uuid"], () =>
    [...guests].map(({ guest, domain }): Sample => [{ ...labelsOf(guest, domain), uuid: guest.uuid }, 1]),
  );
  metrics.gauge("xen_domain_start_time_seconds", "When the domain was built, since 1970.", labels, () =>
    [...guests].map(({ guest, domain, startTime }): Sample => [labelsOf(guest, domain), startTime]),
  );
  metrics.counter(
    "xen_domain_cpu_seconds_total",
    "Time that the domain's vcpus had a processor.",
    labels,
    each(spent(RUNSTATE_running)),
  );
  metrics.counter(
    "xen_domain_steal_seconds_total",
    "Time that the domain's vcpus wanted a processor and had none.",
    labels,
    each(spent(RUNSTATE_runnable)),
  );
  metrics.counter(
    "xen_domain_service_seconds_total",
    "Time that Dom0 spent on the domain's requests; taken from its share of the processor.",
    labels,
    each(({ servedNs }) => servedNs / NS_PER_S),
  );
  metrics.gauge(
    "xen_domain_memory_bytes",
    "Memory that the domain has.",
    labels,
    each(({ totalPages }) => totalPages * PAGE_BYTES),
  );
  metrics.gauge(
    "xen_domain_memory_limit_bytes",
    "The most memory that the domain may have.",
    labels,
    each(({ maxPages }) => maxPages * PAGE_BYTES),
  );
  metrics.gauge(
    "xen_domain_vcpus",
    "Vcpus of the domain that are up.",
    labels,
    each(({ vcpus }) => vcpus.filter(({ down }) => !down).length),
  );
  metrics.counter(
    "xen_domain_events_total",
    "Events that were announced to the domain's vcpus.",
    labels,
    each(({ activity }) => activity.events),
  );
  many("xen_domain_hypercalls_total", "Hypercalls of the domain.", "hypercall", ({ activity }) =>
    named(activity.hypercalls, hypercallNames),
  );
  many("xen_domain_exits_total", "Times that the domain's code stopped for the hypervisor.", "kind", ({ activity }) =>
    named(activity.exits, EXIT_KINDS),
  );
}

function ofDevices(metrics: Metrics, guests: MetricsGuests): void {
  const labels = ["domid", "domain", "device"] as const;
  const networks = [
    ["receive_bytes", "Bytes that the interface received.", "receivedBytes"],
    ["transmit_bytes", "Bytes that the interface sent.", "sentBytes"],
    ["receive_packets", "Packets that the interface received.", "receivedPackets"],
    ["transmit_packets", "Packets that the interface sent.", "sentPackets"],
    ["transmit_flows", "IP flows that the interface began to send.", "sentFlows"],
    ["receive_drops", "Packets to the interface that were dropped.", "receivedDrops"],
    ["transmit_drops", "Packets from the interface that were dropped.", "sentDrops"],
  ] as const;
  for (const [name, help, key] of networks)
    metrics.counter(`xen_domain_network_${name}_total`, help, labels, () =>
      [...guests].flatMap(({ guest, domain }) =>
        guest
          .statistics()
          .networks.map((one): Sample => [{ ...labelsOf(guest, domain), device: String(one.handle) }, one[key]]),
      ),
    );
  const blocks = [
    ["read_bytes", "Bytes that the disk read.", "readSectors"],
    ["written_bytes", "Bytes that the disk wrote.", "writtenSectors"],
  ] as const;
  for (const [name, help, key] of blocks)
    metrics.counter(`xen_domain_block_${name}_total`, help, labels, () =>
      [...guests].flatMap(({ guest, domain }) =>
        guest
          .statistics()
          .disks.map((disk): Sample => [{ ...labelsOf(guest, domain), device: disk.name }, disk[key] * SECTOR_BYTES]),
      ),
    );
  const operations = [
    ["read", "reads"],
    ["write", "writes"],
    ["flush", "flushes"],
    ["discard", "discards"],
  ] as const;
  metrics.counter("xen_domain_block_operations_total", "Requests to the disk.", [...labels, "operation"], () =>
    [...guests].flatMap(({ guest, domain }) =>
      guest
        .statistics()
        .disks.flatMap((disk) =>
          operations.map(
            ([operation, key]): Sample => [{ ...labelsOf(guest, domain), device: disk.name, operation }, disk[key]],
          ),
        ),
    ),
  );
}

const labelsOf = ({ name }: Pick<Guest, "name">, { domid }: Domain) => ({ domid: String(domid), domain: name });

/** Those that have a name and ever happened. */
function named(counts: Float64Array, names: ReadonlyMap<number, string>): [string, number][] {
  return [...counts].flatMap((count, at): [string, number][] => {
    const name = names.get(at);
    return name === undefined || count === 0 ? [] : [[name, count]];
  });
}
