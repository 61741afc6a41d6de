// A block device without a machine: the backend of Dom0 and a frontend of a guest, over a store and memory that are
// pretended here. On a machine, @xen-node/toolstack's Dom0 is the DriverDomain, and a guest's Linux is the frontend.
import { BlockBackend, type BlockDevice, BlockFrontend } from "@xen-node/blkback";
import { MemoryStore } from "@xen-node/xenbus";
import { FakeMachine } from "../test/support/fake-machine.ts";

const bytes = new Uint8Array(1 << 20);
const disk: BlockDevice = {
  name: "memory",
  sizeBytes: bytes.length,
  readOnly: false,
  sectorBytes: 512,
  discardGranularityBytes: 0,
  async read(offset, buffers) {
    for (const buffer of buffers) {
      buffer.set(bytes.subarray(offset, offset + buffer.length));
      offset += buffer.length;
    }
  },
  async write(offset, buffers) {
    for (const buffer of buffers) {
      bytes.set(buffer, offset);
      offset += buffer.length;
    }
  },
  async flush() {},
  async discard() {},
  async close() {},
};

const machine = new FakeMachine();
const store = new MemoryStore();
const front = "/local/domain/1/device/vbd/51712";
const back = "/local/domain/0/backend/vbd/1/51712";
store.write(`${front}/backend`, back);
store.write(`${front}/backend-id`, "0");
store.write(`${back}/frontend`, front);
store.write(`${back}/frontend-id`, "1");

const closed = new Promise<void>((resolve) => {
  const backend = new BlockBackend({
    store,
    domain: machine.driverDomain(),
    path: back,
    device: disk,
    onClosed: () => {
      const { rd_req, wr_req, f_req } = backend.statistics();
      console.log(`${rd_req} read, ${wr_req} written, ${f_req} flushed`);
      resolve();
    },
  });
});

const frontend = new BlockFrontend({ store, domain: machine.guest(1), path: front });
await frontend.connect();
await frontend.write(8, new TextEncoder().encode("hello".padEnd(512)));
await frontend.flush();
console.log(`${frontend.sectors} sectors; ${new TextDecoder().decode(await frontend.read(8, 1)).trim()}`);
await frontend.close();
store.rm(front);
await closed;
