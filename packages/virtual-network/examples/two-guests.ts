// Two guests on a switch: one may not send mail, and what passes it is recorded.
import { plainPacket } from "@xen-node/packets";
import { VirtualSwitch } from "@xen-node/virtual-network";

const network = new VirtualSwitch({ onLog: ({ summary }) => process.stdout.write(`dropped: ${summary}\n`) });
const web = network.addPort({ name: "web", mac: "52:54:00:00:00:01", addresses: ["10.0.2.15"], rateLimit: "10Mb/s" });
const db = network.addPort({ name: "db", mac: "52:54:00:00:00:02", addresses: ["10.0.2.16"] });
web.rules.append("out drop tcp from 10.0.2.0/24 to any port 25 log");
const capture = web.captureTo(() => true); // a file's write(), for example

// A device (a guest's network card, an uplink) sets these and calls send(); here it is only a printer.
db.onReceive = (packet) => process.stdout.write(`db received ${packet.bytes.length} bytes\n`);
for (const port of [5432, 25]) {
  const frame = new Uint8Array(54);
  frame.set([0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1, 0x08, 0x00]); // Ethernet: to db, from web, IPv4
  frame.set([0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 16], 14); // IPv4, 40 bytes, TCP
  frame.set([0x9c, 0x40, port >> 8, port, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02], 34); // TCP from port 40000
  web.send(plainPacket(frame));
}
process.stdout.write(`captured ${capture.packets}, ${JSON.stringify(web.counters().out.drops)}\n`);
