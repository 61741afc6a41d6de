import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ControlClient, ControlServer } from "@xen-node/control";

const folder = await mkdtemp(join(tmpdir(), "control-example-"));
const server = await ControlServer.listen(folder, "daemon.sock", {
  operations: { "store-read": ({ path }) => (path === "/local/domain/0/name" ? "Domain-0" : null) },
});
const client = new ControlClient(async () => [server.path]);
process.stdout.write(`${await client.call("store-read", { path: "/local/domain/0/name" })}\n`);
server.close();
await rm(folder, { recursive: true });
