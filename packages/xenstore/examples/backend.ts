// Domain 0's program and a domain's ring, without a hypervisor in between.
import { StoreFrontend, textToBytes, XenStore } from "@xen-node/xenstore";

const store = new XenStore();
const dom0 = store.client();
dom0.transaction((tx) => {
  tx.writeAll("/local/domain/1", { name: "demo", "device/vbd/51712/state": "1" });
  tx.setPermissions("/local/domain/1/device/vbd/51712/state", ["n1"]); // the domain's own from here on
});
dom0.watch("/local/domain/1/device", (path) => console.log("changed:", path, dom0.read(path)));

const page = new Uint8Array(4096); // on a machine: the domain's page, mapped by grant reference 1
const connection = store.introduceDomain(1, { bytes: page, notify: () => {} });
const guest = new StoreFrontend({ bytes: page, notify: () => connection.onEvent() });
guest.send({ type: 11, reqId: 1, txId: 0, payload: textToBytes("device/vbd/51712/state\x003") }); // XS_WRITE
const reply = guest.receive();
console.log("reply:", reply && new TextDecoder().decode(reply.payload).replaceAll("\0", "|"));
