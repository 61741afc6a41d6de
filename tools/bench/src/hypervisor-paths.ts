// A process of its own, so that V8 sees nothing but the hypervisor: hypervisor-paths ROUNDS NAME... measures paths that
// Dom0's backends live on, with two domains in TypeScript, and prints for each a line of JSON with the nanoseconds of its
// rounds.
import { type GrantCopyEnd, Hypervisor } from "@xen-node/hypervisor-core";

const WARM_UP_MS = 200;
const ROUND_MS = 50;
/** Operations between two looks at the clock. */
const BATCH = 256;
/** For a round trip; after so many the answer is lost. */
const MOST_SLICES = 1000;
const REF = 8;
/** xen/include/public/xen.h. */
const DOMID_SELF = 0x7ff0;
/** xen/include/public/grant_table.h: GTF_permit_access, GNTMAP_host_map. */
const PERMIT_ACCESS = 1;
const HOST_MAP = 2;

/** One operation; false if it did not do what it should. */
type Path = () => boolean;

const hypervisor = new Hypervisor({ memoryBytes: 80 * 2 ** 20 });
let answered = 0;
let guestPort = 0;
let ownPort = 0;
const dom0 = hypervisor.createDomain({
  kind: "typescript",
  domid: 0,
  maxPages: 16,
  onEvent: () => {
    answered++;
  },
});
const guest = hypervisor.createDomain({
  kind: "typescript",
  maxPages: 16,
  onEvent: () => {
    guest.hypercalls.eventChannel.send(guestPort);
  },
});
guestPort = guest.hypercalls.eventChannel.allocUnbound(guest.domid, 0);
ownPort = dom0.hypercalls.eventChannel.bindInterdomain(guest.domid, guestPort);
// Binding sets the port pending, as in Xen.
hypervisor.runSlice();
const granted = guest.hypercalls.memory.increaseReservation();
hypervisor.grants.writeEntry(guest.domid, REF, PERMIT_ACCESS, 0, granted);
const ownFrame = dom0.hypercalls.memory.increaseReservation();

/** Dom0 sends, the guest answers: from slice to slice, as the run loop serves them. */
function eventRoundTrip(): boolean {
  const before = answered;
  dom0.hypercalls.eventChannel.send(ownPort);
  // Mostly one: a slice also ends when the host took the processor away for so long.
  for (let slices = 0; answered === before && slices < MOST_SLICES; slices++) hypervisor.runSlice();
  return answered === before + 1;
}

function mapUnmap(): boolean {
  const { grantTable } = dom0.hypercalls;
  const { status, handle } = grantTable.mapGrantRef(guest.domid, REF, HOST_MAP);
  return status === 0 && grantTable.unmapGrantRef(handle) === 0;
}

/** From the guest's granted frame into one of Dom0's. */
function grantCopy(length: number): Path {
  const source: GrantCopyEnd = { domid: guest.domid, ref: REF, offset: 0 };
  const dest: GrantCopyEnd = { domid: DOMID_SELF, gfn: ownFrame, offset: 0 };
  return () => dom0.hypercalls.grantTable.copy(source, dest, length) === 0;
}

/** Between the guest's granted frame and Dom0's own memory. */
function ownMemory(way: "copyFromGrant" | "copyToGrant", length: number): Path {
  const { grantTable } = dom0.hypercalls;
  const bytes = new Uint8Array(length);
  return () => grantTable[way](guest.domid, REF, 0, bytes) === 0;
}

function pathNamed(name: string): Path {
  if (name === "event-round-trip") return eventRoundTrip;
  if (name === "map-unmap") return mapUnmap;
  const [, path, length] = /^(.*)-(\d+)$/.exec(name) ?? [];
  if (path === "grant-copy") return grantCopy(Number(length));
  if (path === "copy-from-grant") return ownMemory("copyFromGrant", Number(length));
  if (path === "copy-to-grant") return ownMemory("copyToGrant", Number(length));
  throw new Error(`there is no path ${name}`);
}

/** Nanoseconds of one operation. */
function time(name: string, path: Path, milliseconds: number): number {
  let operations = 0;
  const start = performance.now();
  let elapsed: number;
  do {
    for (let i = 0; i < BATCH; i++) if (!path()) throw new Error(`${name} failed`);
    operations += BATCH;
    elapsed = performance.now() - start;
  } while (elapsed < milliseconds);
  return (elapsed * 1e6) / operations;
}

const [rounds, ...names] = process.argv.slice(2);
for (const name of names) {
  const path = pathNamed(name);
  time(name, path, WARM_UP_MS);
  const nanoseconds = Array.from({ length: Number(rounds) }, () => time(name, path, ROUND_MS));
  process.stdout.write(`${JSON.stringify({ name, nanoseconds })}\n`);
}
