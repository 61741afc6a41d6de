import type { MachineInfo } from "@xen-node/control";

const hex = (word: number): string => word.toString(16).padStart(8, "0");

/** Processors, devices and memory by their places: cores of one socket, no devices, one node. */
function topologyLines({ processors, totalMemoryMib, freeMemoryMib }: MachineInfo): string[] {
  const mib = (memory: number): string => String(memory).padStart(6);
  return [
    "cpu_topology           :",
    "cpu:    core    socket     node",
    ...Array.from({ length: processors }, (_, cpu) => {
      const number = String(cpu);
      return `${number.padStart(3)}:    ${number.padStart(4)}        0        0`;
    }),
    "device topology        :",
    "device           node",
    "No device topology data available",
    "numa_info              :",
    "node:    memsize    memfree    distances",
    `   0:    ${mib(totalMemoryMib)}     ${mib(freeMemoryMib)}      10`,
  ];
}

/** The lines of `xl info`, with `numa` those of `xl info -n`. */
export function machineInfoLines(info: MachineInfo, { numa = false } = {}): string[] {
  const entries: [string, string | number][] = [
    ["host", info.host],
    ["release", info.release],
    ["version", info.version],
    ["machine", info.machine],
    ["nr_cpus", info.processors],
    ["max_cpu_id", info.processors - 1],
    ["nr_nodes", 1],
    ["cores_per_socket", info.processors],
    ["threads_per_core", 1],
    ["cpu_mhz", info.cpuMhz.toFixed(3)],
    ["hw_caps", info.hwCaps.map(hex).join(":")],
    ["virt_caps", "pv"],
    ["total_memory", info.totalMemoryMib],
    ["free_memory", info.freeMemoryMib],
    ["sharing_freed_memory", info.sharingFreedMib],
    ["sharing_used_memory", info.sharingUsedMib],
    ["outstanding_claims", 0],
    ["free_cpus", info.freeProcessors],
    ["xen_major", info.xenMajor],
    ["xen_minor", info.xenMinor],
    ["xen_extra", info.xenExtra],
    ["xen_version", `${info.xenMajor}.${info.xenMinor}${info.xenExtra}`],
    ["xen_caps", info.capabilities],
    ["xen_scheduler", info.scheduler],
    ["xen_pagesize", 4096],
    ["platform_params", "virt_start=0xffff800000000000"],
    ["xen_changeset", info.changeset],
    ["xen_commandline", info.commandline],
    ["cc_compiler", info.compiler],
    ["xend_config_format", 4],
  ];
  const lines = entries.map(([name, value]) => `${name.padEnd(23)}: ${value}`);
  const versionAt = entries.findIndex(([name]) => name === "xen_major");
  return numa ? [...lines.slice(0, versionAt), ...topologyLines(info), ...lines.slice(versionAt)] : lines;
}
