import { arch, hostname, machine as machineName, release, version } from "node:os";
import type { MachineInfo } from "@xen-node/control";
import { TSC_KHZ, XEN_EXTRAVERSION, XEN_VERSION } from "@xen-node/hypervisor-core";
import type { Machine } from "@xen-node/toolstack";

const KIB_PER_MIB = 1024;
const PAGES_PER_MIB = 256;

/** What `xl info` tells of the machine. The operating system's names are those of the host. */
export function machineInfo(machine: Machine, startTime: number): MachineInfo {
  const { cpupools } = machine.hypervisor;
  const { version: calls } = machine.dom0.calls;
  const { lentPlaces, lentFrames } = machine.hypervisor.mmu.frames.places;
  return {
    host: hostname(),
    release: release(),
    version: version(),
    machine: machineName?.() ?? arch(),
    cpuMhz: TSC_KHZ / 1000,
    hwCaps: featureWords(machine),
    totalMemoryMib: Math.floor(machine.totalMemoryKib / KIB_PER_MIB),
    freeMemoryMib: Math.floor(machine.freeMemoryKib / KIB_PER_MIB),
    sharingUsedMib: Math.floor(lentPlaces / PAGES_PER_MIB),
    sharingFreedMib: Math.floor((lentFrames - lentPlaces) / PAGES_PER_MIB),
    xenMajor: XEN_VERSION >>> 16,
    xenMinor: XEN_VERSION & 0xffff,
    xenExtra: XEN_EXTRAVERSION,
    capabilities: calls.capabilities(),
    scheduler: cpupools.initial.scheduler.name,
    processors: cpupools.processors,
    freeProcessors: cpupools.free.length,
    changeset: calls.changeset(),
    commandline: calls.commandline(),
    compiler: `TypeScript, Node.js ${process.versions.node}, V8 ${process.versions.v8}`,
    startTime,
  };
}

/** The registers of CPUID that Xen's hw_cap lists, in its order: leaf, subleaf, register. */
const FEATURE_WORDS = [
  [1, 0, 3],
  [1, 0, 2],
  [0x80000001, 0, 3],
  [0x80000001, 0, 2],
  [0xd, 1, 0],
  [7, 0, 1],
  [7, 0, 2],
  [0x80000007, 0, 3],
] as const;

function featureWords({ hypervisor: { processor } }: Machine): number[] {
  const registers = new Uint32Array(4);
  return FEATURE_WORDS.map(([leaf, subleaf, register]) => {
    processor.cpuid(leaf, subleaf, registers);
    return registers[register];
  });
}
