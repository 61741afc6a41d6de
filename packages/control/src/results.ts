import * as v from "valibot";

const count = v.number();

export const vcpuInfo = v.strictObject({
  id: count,
  online: v.boolean(),
  running: v.boolean(),
  blocked: v.boolean(),
  /** Time it had a processor. */
  timeNs: count,
  /** The one that it has, or had last. */
  processor: count,
  /** Those that it is pinned to; null: to none in particular. */
  affinity: v.nullable(v.array(count)),
});
export type VcpuInfo = v.InferOutput<typeof vcpuInfo>;

/** A domain as XEN_DOMCTL_getdomaininfo has it (xen/include/public/domctl.h), with its name. */
export const domainInfo = v.strictObject({
  domid: count,
  name: v.string(),
  uuid: v.string(),
  /** What it has, and the most that it may have, KiB. */
  memoryKib: count,
  maxMemoryKib: count,
  vcpus: v.array(vcpuInfo),
  /** Name of the pool whose processors they run on. */
  pool: v.string(),
  /** Some vcpu is on the processor. */
  running: v.boolean(),
  /** Every vcpu that is up waits for an event. */
  blocked: v.boolean(),
  paused: v.boolean(),
  dying: v.boolean(),
  /** SHUTDOWN_*; null while it runs. */
  shutdownReason: v.nullable(count),
  timeNs: count,
  /** When it was built, seconds since 1970. */
  startTime: count,
});
export type DomainInfo = v.InferOutput<typeof domainInfo>;

/** What a domain's devices have done. */
export const domainStatistics = v.strictObject({
  domid: count,
  /** From the guest's view. */
  networks: v.array(
    v.strictObject({
      handle: count,
      sentBytes: count,
      receivedBytes: count,
      sentPackets: count,
      receivedPackets: count,
      /** IP flows that it began to send. */
      sentFlows: count,
      /** Packets that did not get through, for whatever reason. */
      sentDrops: count,
      receivedDrops: count,
    }),
  ),
  disks: v.array(
    v.strictObject({
      /** Virtual device number. */
      vdev: count,
      reads: count,
      writes: count,
      /** Of 512 bytes. */
      readSectors: count,
      writtenSectors: count,
      /** How often requests waited because too many were under way. */
      waits: count,
    }),
  ),
});
export type DomainStatistics = v.InferOutput<typeof domainStatistics>;

export const machineInfo = v.strictObject({
  host: v.string(),
  release: v.string(),
  version: v.string(),
  machine: v.string(),
  cpuMhz: count,
  /** Feature words: leaf 1 edx, ecx; 80000001h edx, ecx; Dh/1 eax; 7 ebx, ecx; 80000007h edx. */
  hwCaps: v.array(count),
  totalMemoryMib: count,
  freeMemoryMib: count,
  /** Memory of pages that several guests share, and what would be used besides if they did not. */
  sharingUsedMib: count,
  sharingFreedMib: count,
  xenMajor: count,
  xenMinor: count,
  xenExtra: v.string(),
  capabilities: v.string(),
  scheduler: v.string(),
  /** How many there are, and how many of them belong to no pool. */
  processors: count,
  freeProcessors: count,
  changeset: v.string(),
  commandline: v.string(),
  compiler: v.string(),
  startTime: count,
});
export type MachineInfo = v.InferOutput<typeof machineInfo>;

export const diskStatus = v.strictObject({
  vdev: count,
  state: count,
  eventChannel: v.nullable(count),
  ringRef: v.nullable(count),
  backendPath: v.string(),
});
export type DiskInfo = v.InferOutput<typeof diskStatus>;

export const vifStatus = v.strictObject({
  handle: count,
  mac: v.string(),
  state: count,
  eventChannel: v.nullable(count),
  txRingRef: v.nullable(count),
  rxRingRef: v.nullable(count),
  backendPath: v.string(),
});
export type VifInfo = v.InferOutput<typeof vifStatus>;

/** What the header of a save file says. */
export const saveFileInfo = v.strictObject({
  mandatoryFlags: count,
  optionalFlags: count,
  optionalBytes: count,
  /** Whether the domain's configuration is in it. */
  hasConfig: v.boolean(),
});
export type SaveFileInfo = v.InferOutput<typeof saveFileInfo>;
