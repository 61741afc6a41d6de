// A thread of `npm run bench:isolation`: asks the web server in a guest for its page, again and again, over several
// connections at once, and counts the answers in shared memory: [0] those that came whole, [1] those that did not.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { workerData } from "node:worker_threads";

export interface WebClientData {
  readonly port: number;
  readonly connections: number;
  readonly counts: Int32Array;
}

/** As long as guest/isolation's page. */
const LEAST_BYTES = 8000;
/** A guest that has so much to do that it does not answer is asked again. */
const PATIENCE_MS = 5000;

function ask(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    let bytes = 0;
    const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.setTimeout(PATIENCE_MS, () => socket.destroy());
    socket.on("data", (chunk) => {
      bytes += chunk.length;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(bytes >= LEAST_BYTES));
  });
}

async function askOnAndOn({ port, counts }: WebClientData): Promise<never> {
  for (;;) {
    const whole = await ask(port);
    Atomics.add(counts, whole ? 0 : 1, 1);
    if (!whole) await sleep(10);
  }
}

const data = workerData as WebClientData;
for (let n = 0; n < data.connections; n++) void askOnAndOn(data);
