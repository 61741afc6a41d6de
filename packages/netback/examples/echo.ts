// A guest written in TypeScript sends a packet through a vif to a network that sends it back.
import { NetworkFrontend, type NetworkPort, Vif } from "@xen-node/netback";
import { plainPacket } from "@xen-node/packets";
import { MemoryStore } from "@xen-node/xenbus";
import { toyMachine } from "./toy-machine.ts";

const store = new MemoryStore(); // on a machine: a client of xenstore
const { backend, frontend } = toyMachine(); // on a machine: Dom0, and a guest
const path = "/local/domain/0/backend/vif/1/0";
const frontendPath = "/local/domain/1/device/vif/0";
store.writeAll(frontendPath, { backend: path, "backend-id": "0", state: "1" });
store.writeAll(path, { frontend: frontendPath, "frontend-id": "1", online: "1", state: "1" });

const port: NetworkPort = {
  requestTransmit: () => queueMicrotask(() => port.onTransmit?.(64) && port.requestTransmit()),
  send: (packet) => {
    console.log(`the network got ${packet.bytes.length} bytes`);
    const taken = port.onReceive?.(packet) ?? true;
    port.onReceiveEnd?.();
    return taken;
  },
  receiveReady: () => port.onSendReady?.(),
  onTransmit: undefined,
  onReceive: undefined,
  onReceiveEnd: undefined,
  onSendReady: undefined,
};
const vif = new Vif({ store, domain: backend, path, port, mac: Uint8Array.of(0x00, 0x16, 0x3e, 0, 0, 1) });

await new Promise<void>((done) => {
  const guest = new NetworkFrontend({
    store,
    domain: frontend,
    path: frontendPath,
    onConnected: () => guest.send(plainPacket(new Uint8Array(1000))),
    onPacket: (packet) => {
      console.log(`the guest got ${packet.bytes.length} bytes`);
      guest.close();
    },
    onClosed: done,
  });
});
console.log(`sent by the guest: ${vif.statistics.transmit.packets}, received: ${vif.statistics.receive.packets}`);
