import { ControlError, type OperationHandlers, type StreamHandlers } from "@xen-node/control";
import type { DeviceStatistics, Machine } from "@xen-node/toolstack";
import { configJson } from "./config-json.ts";
import type { GuestHost } from "./guest-host.ts";
import type { GuestTable } from "./guest-table.ts";
import { savingHandlers } from "./saving-handlers.ts";

const PAGE_KIB = 4;

/** What xentop shows of it. */
const deviceStatistics = (domid: number, { networks, disks }: DeviceStatistics) => ({
  domid,
  networks,
  disks: disks.map(({ vdev, reads, writes, readSectors, writtenSectors, waits }) => ({
    vdev,
    reads,
    writes,
    readSectors,
    writtenSectors,
    waits,
  })),
});

/** A domain's life, as xl's commands change it. */
export function domainHandlers(machine: Machine, table: GuestTable, host: GuestHost) {
  return {
    list: ({ domain }) => table.list(domain),
    statistics: () => [...table].map(({ guest, domain }) => deviceStatistics(domain.domid, guest.statistics())),
    sharing: () =>
      [...table].map(({ domain: { domid } }) => ({
        domid,
        sharedKib: machine.hypervisor.mmu.frames.usage(domid).shared * PAGE_KIB,
      })),
    create: async ({ paused, dryRun, ...source }) => {
      const { config, warnings } = host.readConfig(source);
      if (dryRun) return { domid: null, warnings, config: configJson(config, config.uuid) };
      const { guest, domain } = await host.create(config, paused);
      return { domid: domain.domid, warnings, config: configJson(config, guest.uuid) };
    },
    config: ({ domain }) => {
      if (domain === "0")
        return { c_info: { type: "pv", name: "Domain-0" }, b_info: { max_memkb: 0, target_memkb: 0 } };
      const { guest } = table.find(domain);
      return configJson(guest.currentConfig, guest.uuid);
    },
    pause: ({ domain }) => {
      table.find(domain).guest.pause();
      return null;
    },
    unpause: ({ domain }) => {
      table.find(domain).guest.unpause();
      return null;
    },
    destroy: async ({ domain }) => {
      const { guest } = table.find(domain);
      guest.destroy();
      machine.wake();
      await guest.gone;
      return null;
    },
    shutdown: ({ domain, request }) => {
      const { guest, domain: now } = table.find(domain);
      if (now.shutdownReason !== undefined)
        throw new ControlError("refused", `${guest.name} has shut down already: end it with xl destroy.`);
      guest.requestShutdown(request);
      return null;
    },
    ...savingHandlers(table, host),
    wait: ({ domid, gone }, caller) => table.wait(domid, gone, caller),
    rename: async ({ domain, name }) => {
      await host.rename(table.find(domain), name);
      return null;
    },
    sysrq: ({ domain, key }) => {
      table.find(domain).guest.sendSysrq(key);
      return null;
    },
    nmi: ({ domain, vcpu: id }) => {
      const { guest, domain: now } = table.find(domain);
      const vcpu = now.vcpus[id];
      if (vcpu === undefined || vcpu.down) throw new ControlError("refused", `${guest.name} has no vcpu ${id} online.`);
      vcpu.nmiPending = true;
      machine.hypervisor.wake(vcpu);
      machine.wake();
      return null;
    },
    "mem-set": ({ domain, kib }) => {
      table.find(domain).guest.setMemoryTarget(kib);
      return null;
    },
    "mem-max": ({ domain, kib }) => {
      table.find(domain).guest.setMaxMemory(kib);
      return null;
    },
    "vcpu-set": ({ domain, vcpus }) => {
      table.find(domain).guest.setAvailableVcpus(vcpus);
      return null;
    },
  } satisfies OperationHandlers;
}

export function consoleStream(table: GuestTable) {
  return {
    console: ({ domain }) => {
      const { viewers } = table.find(domain);
      return (socket) => viewers.attach(socket);
    },
  } satisfies StreamHandlers;
}
