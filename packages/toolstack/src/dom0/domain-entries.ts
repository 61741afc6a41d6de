import type { DomainConfig } from "../config/domain-config.ts";

/** A node of xenstore to be written: path, value, and permissions in wire form ("n0", "r1": owner first). */
export interface StoreEntry {
  path: string;
  value: string;
  permissions: string[];
}

/** What is known of a domain once it is built. */
export interface BuiltDomain {
  domid: number;
  uuid: string;
  config: DomainConfig;
  /** Machine frames of the ring pages; xenstore calls them ring-ref. */
  storeMfn: number;
  consoleMfn: number;
  /** The guest's event channel ports. */
  storePort: number;
  consolePort: number;
  /** Seconds since 1970. */
  startTime: number;
}

/**
 * The entries that the toolstack writes for a new domain: what xl writes (observed on Xen 4.17), without devices. The
 * guest finds itself at /local/domain/DOMID, which it may read; the nodes that it answers in belong to it.
 */
export function domainEntries(domain: BuiltDomain): StoreEntry[] {
  const { domid, uuid, config } = domain;
  const home = `/local/domain/${domid}`;
  const vm = `/vm/${uuid}`;
  const library = `/libxl/${domid}`;
  const readable = ["n0", `r${domid}`];
  const owned = [`n${domid}`];
  const ownedReadable = [`n${domid}`, "r0"];
  const entries: StoreEntry[] = [];
  const add = (permissions: string[], root: string, values: Record<string, string | number>): void => {
    for (const [name, value] of Object.entries(values)) {
      entries.push({ path: name === "" ? root : `${root}/${name}`, value: String(value), permissions });
    }
  };

  const { memory, maxMemory = memory, vcpus, maxVcpus = vcpus } = config;
  add(readable, home, {
    "": "",
    vm,
    name: config.name,
    domid,
    cpu: "",
    memory: "",
    "memory/static-max": maxMemory * 1024,
    "memory/target": memory * 1024,
    "memory/videoram": 0,
    device: "",
    control: "",
    "control/platform-feature-multiprocessor-suspend": 1,
    "control/platform-feature-xs_reset_watches": 1,
    store: "",
    "store/port": domain.storePort,
    "store/ring-ref": domain.storeMfn,
    console: "",
    "console/backend": `/local/domain/0/backend/console/${domid}/0`,
    "console/backend-id": 0,
    "console/limit": 1048576,
    "console/type": "xenconsoled",
    "console/output": "pty",
    "console/tty": "",
    "console/port": domain.consolePort,
    "console/ring-ref": domain.consoleMfn,
  });
  for (let vcpu = 0; vcpu < maxVcpus; vcpu++) {
    add(readable, `${home}/cpu/${vcpu}`, { "": "", availability: vcpu < vcpus ? "online" : "offline" });
  }
  // The guest answers and announces in these.
  add(owned, home, {
    "control/shutdown": "",
    "control/feature-poweroff": "",
    "control/feature-reboot": "",
    "control/feature-suspend": "",
    "control/sysrq": "",
    "device/suspend": "",
    "device/suspend/event-channel": "",
    data: "",
    drivers: "",
    feature: "",
    attr: "",
    error: "",
  });
  const backend = `/local/domain/0/backend/console/${domid}/0`;
  add(["n0", `r${domid}`], backend, {
    "": "",
    frontend: `${home}/console`,
    "frontend-id": domid,
    online: 1,
    state: 1,
    protocol: "vt100",
  });
  add(ownedReadable, vm, {
    "": "",
    name: config.name,
    uuid,
    start_time: domain.startTime,
    image: "",
    "image/ostype": "linux",
    "image/kernel": config.kernel,
    "image/ramdisk": config.ramdisk ?? "",
    "image/cmdline": config.cmdline,
  });
  add(["n0"], library, { "": "", type: config.type, "dm-version": "qemu_xen" });
  return entries;
}
