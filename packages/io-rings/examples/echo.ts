// Two sides of a block ring in one page: the frontend asks, the backend answers with the request's own id.
import { BackRing, blkifRing, FrontRing } from "@xen-node/io-rings";

const page = new Uint8Array(4096); // on a machine: a frame of the guest, granted to the backend
const front = new FrontRing([page], blkifRing("x86_64"));
const back = new BackRing([page], blkifRing("x86_64"));

front.request.setUint32(8, 7, true); // blkif_request.id
front.ask();
const wakeBackend = front.push();

for (let left = back.pending(); left > 0; left--) {
  back.take();
  back.response.setUint32(0, back.request.getUint32(8, true), true); // blkif_response.id
  back.respond();
}
const wakeFrontend = back.push();

front.take();
console.log(`${back.size} entries; id ${front.response.getUint32(0, true)}; events ${wakeBackend} ${wakeFrontend}`);
