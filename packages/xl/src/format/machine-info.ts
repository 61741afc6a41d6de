import type { MachineInfo } from "@xen-node/control";

const hex = (word: number): string => word.toString(16).padStart(8, "0");

/** The lines of `xl info`. */
export function machineInfoLines(info: MachineInfo): string[] {
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
  return entries.map(([name, value]) => `${name.padEnd(23)}: ${value}`);
}
