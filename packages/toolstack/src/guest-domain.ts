import { type GuestProgramClass, GuestRuntime } from "@xen-node/guest-runtime";
import {
  BuildError,
  builderTarget,
  buildPvDomain,
  buildPvhDomain,
  type Domain,
  pvhBuilderTarget,
  Timer,
} from "@xen-node/hypervisor-core";
import { errnoName } from "@xen-node/xen-abi";
import type { XenStoreClient } from "@xen-node/xenstore";
import type { DomainConfig } from "./config/domain-config.ts";
import type { GuestFiles } from "./images/guest-files.ts";
import type { Machine } from "./machine.ts";

const PAGES_PER_MIB = 256;

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
}

interface Named {
  readonly name: string;
  readonly config: DomainConfig;
  readonly uuid: string;
}

/** A domain for a kernel. @throws RangeError: the machine is full */
export function createKernelDomain(machine: Machine, named: Named, files: GuestFiles): MadeDomain {
  return named.config.type === "pvh" ? createPvhDomain(machine, named, files) : createPvDomain(machine, named, files);
}

function createPvhDomain(machine: Machine, { name, config, uuid }: Named, files: GuestFiles): MadeDomain {
  const { hypervisor } = machine;
  const pages = config.memory * PAGES_PER_MIB;
  const domain = hypervisor.createDomain({ kind: "pvh", name, uuid, maxPages: pages });
  return {
    domain,
    build(storeEvtchn, consoleEvtchn) {
      const built = buildPvhDomain(pvhBuilderTarget(hypervisor.mmu, hypervisor.grants, domain), domain, {
        kernel: files.kernel,
        initrd: files.ramdisk,
        commandLine: config.cmdline,
        pages,
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

function createPvDomain(machine: Machine, { name, config, uuid }: Named, files: GuestFiles): MadeDomain {
  const { hypervisor } = machine;
  const { memory, maxMemory = memory, vcpus, maxVcpus = vcpus } = config;
  const pages = memory * PAGES_PER_MIB;
  const domain = hypervisor.createDomain({ kind: "pv", name, uuid, maxPages: pages, vcpus: maxVcpus });
  // A kernel sees how much it may have one day, and prepares for that.
  domain.memoryMap = [{ address: 0, size: maxMemory * 2 ** 20, type: 1 }];
  return {
    domain,
    build(storeEvtchn, consoleEvtchn) {
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
