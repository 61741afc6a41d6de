// A machine in a process of its own, on the built packages, moved by messages: the code that vitest transforms runs many
// times slower than what users run.
import { Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";

const [guestMemoryMiB, nominalMemoryMiB = guestMemoryMiB] = process.argv.slice(2).map(Number);
const tell = (message) => process.send?.(message);
const ports = [];
const machine = new Machine({
  guestMemoryMiB,
  nominalMemoryMiB,
  uplinks: new Map(),
  onVif: (port) => ports.push(port),
  onError: (error) => tell({ kind: "error", text: String(error) }),
});
/** The switch port of a guest's first interface. */
const portOf = (name) => ports.find((port) => port.name === `vif${guests.get(name).domain.domid}.0`);
const guests = new Map();
const { frames } = machine.hypervisor.mmu;
const freeAtFirst = frames.freeFrames;
machine.hypervisor.listen({ onDestroyed: ({ domid }) => tell({ kind: "destroyed", domid }) });
machine.start();

const actions = {
  async create({ name, config }) {
    const checked = validateDomainConfig(config);
    const guest = machine.createGuest(checked, await readGuestFiles(checked), {
      onStart: ({ domid }) => tell({ kind: "started", name, domid }),
      onEnd: (end, fate) => tell({ kind: "ended", name, end: end.kind, fate }),
    });
    guests.set(name, guest);
    guest.console.onOutput((bytes) => tell({ kind: "output", name, text: Buffer.from(bytes).toString("latin1") }));
  },
  input: ({ name, text }) => guests.get(name).console.write(Buffer.from(text)),
  shutDown: ({ name }) => guests.get(name).requestShutdown("poweroff"),
  destroy: ({ name }) => guests.get(name).destroy(),
  audit() {
    const violations = machine.hypervisor.auditFrames();
    tell({ kind: "audit", violations, leaked: freeAtFirst - frames.freeFrames });
  },
  port: ({ name }) => tell({ kind: "port", drops: portOf(name).counters().out.drops }),
  addRule: ({ name, rule }) => tell({ kind: "rule", id: portOf(name).rules.append(rule) }),
  removeRule: ({ name, id }) => tell({ kind: "rule", id: portOf(name).rules.remove(id) ? id : -1 }),
  counters: () => tell({ kind: "counters", counters: machine.hypervisor.processor.cpu.regions.counters }),
  async end() {
    await machine.close();
    process.disconnect();
  },
};

process.on("message", async (message) => {
  try {
    await actions[message.action](message);
  } catch (error) {
    tell({ kind: "error", text: String(error) });
  }
});
