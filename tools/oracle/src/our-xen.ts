import type { ConformanceGuest } from "@xen-node/guest-sdk";
import { VirtualClock } from "@xen-node/hypervisor-core";
import { Machine, readGuestFiles, validateDomainConfig } from "@xen-node/toolstack";

const MS = 1e6;
const LIMIT_MS = 60_000;
const SEED_MS = 1_700_000_000_000;

/** Runs a guest on our hypervisor, in virtual time. @returns what it printed */
export async function runOnOurs({ name, vcpus, memoryMiB }: ConformanceGuest, elf: string): Promise<string> {
  const machine = new Machine({
    guestMemoryMiB: memoryMiB,
    clock: new VirtualClock({ wallclockMs: SEED_MS }),
    uplinks: new Map(),
  });
  const config = validateDomainConfig({ name, kernel: elf, memory: memoryMiB, vcpus }, name);
  let output = "";
  let ended = false;
  const guest = machine.createGuest(config, await readGuestFiles(config), { onEnd: () => (ended = true) });
  guest.console.onOutput((bytes) => {
    output += Buffer.from(bytes).toString("latin1");
  });
  for (let ms = 0; ms < LIMIT_MS && !ended; ms++) machine.stepFor(MS);
  // What it printed last is still in the ring.
  machine.stepFor(MS);
  return output;
}
