import { type GuestProgramClass, GuestRuntime } from "@xen-node/guest-runtime";
import {
  BuildError,
  builderTarget,
  buildPvDomain,
  buildPvhDomain,
  type Domain,
  type DomainConfig as DomainSettings,
  kernelAbi,
  pvhBuilderTarget,
  type SuspendedDomain,
  Timer,
} from "@xen-node/hypervisor-core";
import type { ByteInput } from "@xen-node/migration-stream";
import { errnoName } from "@xen-node/xen-abi";
import type { XenStoreClient } from "@xen-node/xenstore";
import type { DomainConfig } from "./config/domain-config.ts";
import { applyScheduling, poolFor, schedulingError } from "./guest-scheduling.ts";
import type { GuestFiles } from "./images/guest-files.ts";
import type { Machine } from "./machine.ts";
import { readDomain } from "./save/read-domain.ts";
import { applyShares, type RunningState } from "./save/running-state.ts";

const PAGES_PER_MIB = 256;
const PAGE_KIB = 4;

/** Machine frames of the pages that Dom0 serves rings in. */
interface RingFrames {
  storeMfn: number;
  consoleMfn: number;
}

/** A domain that was created, and how it comes to life. */
export interface MadeDomain {
  readonly domain: Domain;
  /** Fills its memory; Dom0 has opened the ports. */
  build(storePort: number, consolePort: number): RingFrames;
  /** Its nodes are written: it may run. */
  run(): void;
  /** It is about to be taken apart. */
  end(): void;
  /** What its balloon driver was told before it was saved, if that was not what its configuration says. */
  readonly memoryTargetKib?: number | undefined;
}

interface Named {
  readonly name: string;
  readonly config: DomainConfig;
  readonly uuid: string;
  /** The pool that it was in before, if that is not as its configuration says. */
  readonly pool?: string | undefined;
}

function emptyKernelDomain(
  { hypervisor }: Machine,
  { name, config, uuid, pool = config.pool }: Named,
  kind: Pick<DomainSettings, "kind" | "abi">,
): Domain {
  const { memory, maxMemory = memory, vcpus, maxVcpus = vcpus } = config;
  const maxPages = memory * PAGES_PER_MIB;
  const create = (): Domain => {
    try {
      const settings = { name, uuid, maxPages, vcpus: maxVcpus, pool: poolFor(hypervisor, name, pool) };
      return hypervisor.createDomain({ ...kind, ...settings });
    } catch (error) {
      throw schedulingError(name, error);
    }
  };
  const domain = create();
  // A kernel sees how much it may have one day, and prepares for that.
  domain.memoryMap = [{ address: 0, size: maxMemory * 2 ** 20, type: 1 }];
  return domain;
}

/**
 * A domain for a kernel.
 *
 * @throws RangeError: the machine is full; ConfigError: the scheduler takes no more vcpus; BuildError: there is no such kind of domain
 */
export function createKernelDomain(machine: Machine, named: Named, files: GuestFiles): MadeDomain {
  return named.config.type === "pvh" ? createPvhDomain(machine, named, files) : createPvDomain(machine, named, files);
}

function createPvDomain(machine: Machine, named: Named, files: GuestFiles): MadeDomain {
  const { hypervisor } = machine;
  const { config } = named;
  const pages = config.memory * PAGES_PER_MIB;
  const domain = emptyKernelDomain(machine, named, { kind: "pv", abi: kernelAbi(files.kernel) });
  return {
    domain,
    build(storeEvtchn, consoleEvtchn) {
      applyScheduling(hypervisor, domain, config);
      const built = buildPvDomain(builderTarget(hypervisor.mmu, hypervisor.grants, domain), {
        kernel: files.kernel,
        initrd: files.ramdisk,
        commandLine: config.cmdline,
        pages,
        storeEvtchn,
        consoleEvtchn,
      });
      const booted = hypervisor.bootDomain(domain, built.vcpu);
      if (booted < 0)
        throw new BuildError("machine", `the hypervisor refused to start the domain (${errnoName(-booted)})`);
      return built;
    },
    run: () => hypervisor.unpauseDomain(domain),
    end: () => {},
  };
}

function createPvhDomain(machine: Machine, named: Named, files: GuestFiles): MadeDomain {
  const { hypervisor } = machine;
  const { config } = named;
  const domain = emptyKernelDomain(machine, named, { kind: "pvh" });
  return {
    domain,
    build(storeEvtchn, consoleEvtchn) {
      applyScheduling(hypervisor, domain, config);
      const built = buildPvhDomain(pvhBuilderTarget(hypervisor.mmu, hypervisor.grants, domain), domain, {
        kernel: files.kernel,
        initrd: files.ramdisk,
        commandLine: config.cmdline,
        pages: config.memory * PAGES_PER_MIB,
        storeEvtchn,
        consoleEvtchn,
      });
      hypervisor.bootPvhDomain(domain, built.vcpu);
      return built;
    },
    run: () => hypervisor.unpauseDomain(domain),
    end: () => {},
  };
}

/**
 * A domain with the memory of a saved one; nothing is left of it when this throws.
 *
 * @throws StreamError, DomainImageError or ConfigError, one sentence; RangeError: the machine is full
 */
export async function readKernelDomain(
  machine: Machine,
  named: Named,
  input: ByteInput,
  state: RunningState = {},
): Promise<MadeDomain> {
  const { hypervisor } = machine;
  // Others cannot be saved.
  const domain = emptyKernelDomain(machine, named, { kind: "pv", abi: "x86_64" });
  const { pages, state: image } = await readDomain(input, hypervisor, domain).catch((error: unknown) => {
    machine.destroyDomain(domain);
    throw error;
  });
  return {
    domain,
    build(storeEvtchn, consoleEvtchn) {
      applyScheduling(hypervisor, domain, named.config);
      applyShares(hypervisor, domain, state);
      const { maxKib } = state;
      if (maxKib !== undefined)
        domain.maxPages = Math.min(Math.floor(maxKib / PAGE_KIB), domain.maxPages + machine.freeMemoryKib / PAGE_KIB);
      return pages.finish(image, { storeEvtchn, consoleEvtchn });
    },
    run: () => hypervisor.unpauseDomain(domain),
    end: () => {},
    memoryTargetKib: state.targetKib,
  };
}

/**
 * A domain with the memory of a suspended one, most of which they share; nothing is left of it when this throws.
 *
 * @throws DomainImageError or ConfigError, one sentence; RangeError: the machine is full
 */
export function forkKernelDomain(machine: Machine, named: Named, image: SuspendedDomain): MadeDomain {
  const { hypervisor } = machine;
  const domain = emptyKernelDomain(machine, named, { kind: "pv", abi: "x86_64" });
  try {
    const { pages, state } = image.forkInto(domain);
    return {
      domain,
      build(storeEvtchn, consoleEvtchn) {
        applyScheduling(hypervisor, domain, named.config);
        return pages.finish(state, { storeEvtchn, consoleEvtchn });
      },
      run: () => hypervisor.unpauseDomain(domain),
      end: () => {},
    };
  } catch (error) {
    machine.destroyDomain(domain);
    throw error;
  }
}

/** A domain for a TypeScript class. @throws RangeError: the machine is full */
export function createProgramDomain(
  machine: Machine,
  { name, config, uuid }: Named,
  program: GuestProgramClass,
): MadeDomain {
  const { hypervisor } = machine;
  let runtime: GuestRuntime | undefined;
  let store: XenStoreClient | undefined;
  const domain = hypervisor.createDomain({
    kind: "typescript",
    name,
    uuid,
    maxPages: config.memory * PAGES_PER_MIB,
    onEvent: (port) => runtime?.events.deliver(port),
  });
  return {
    domain,
    build(_storePort, consolePort) {
      store = machine.store.client(domain.domid);
      runtime = new GuestRuntime({
        hypercalls: domain.hypercalls,
        store,
        commandLine: config.cmdline,
        consolePort,
        backendDomid: machine.dom0.domid,
        nowNs: () => hypervisor.now(),
        setTimer: (deadlineNs, callback) => setTimer(machine, deadlineNs, callback),
        reportFailure: (text) =>
          hypervisor.log.log("error", "domain", `d${domain.domid} (${config.name}) failed: ${text}`),
      });
      return runtime;
    },
    run: () => runtime?.start(program),
    end() {
      runtime?.end();
      // Its frontends would act on what the backends do now, in a domain that is no more.
      store?.close();
      store = undefined;
    },
  };
}

function setTimer(machine: Machine, deadlineNs: number, callback: () => void): () => void {
  const { timers } = machine.hypervisor;
  const timer = new Timer(callback);
  timers.set(timer, deadlineNs);
  // The machine may be asleep until a later time.
  machine.wake();
  return () => timers.stop(timer);
}
