// A device from its creation to its end, with a frontend that is played by hand.
import { XenbusStateClosed, XenbusStateConnected } from "@xen-node/xen-abi";
import { BackendDevice, MemoryStore } from "@xen-node/xenbus";

const store = new MemoryStore(); // on a machine: a client of xenstore
const backend = "/local/domain/0/backend/vif/1/0";
const frontend = "/local/domain/1/device/vif/0";
store.writeAll(frontend, { backend, "backend-id": "0", state: "1" });
store.writeAll(backend, { frontend, "frontend-id": "1", online: "1", state: "1" });

const device = new BackendDevice({
  store,
  path: backend,
  connectAt: XenbusStateConnected,
  driver: {
    advertise: (tree, path) => tree.write(`${path}/feature-rx-copy`, "1"),
    connect: (path) => console.log(`connect to ring ${store.read(`${path}/tx-ring-ref`)}`),
    describe: () => {},
    disconnect: (done) => done(),
  },
  onClosed: () => console.log("closed"),
});
const state = async () => {
  await Promise.resolve(); // watches report in a microtask
  return store.read(`${backend}/state`);
};
console.log(`offered: ${await state()}`);
store.writeAll(frontend, { "tx-ring-ref": "8", state: String(XenbusStateConnected) });
console.log(`connected: ${await state()}`);
device.close(); // `xl network-detach`
console.log(`closing: ${await state()}`);
store.write(`${frontend}/state`, String(XenbusStateClosed));
console.log(`gone: ${await state()}`);
