import { spawn } from "node:child_process";
import { askWhose, ByteInput, expectHandshake } from "@xen-node/migration-stream";

const PATIENCE_MS = 30_000;

/**
 * Runs what reaches a receiver and asks it whose a guest is.
 *
 * @throws Error: it cannot be reached, or does not answer
 */
export async function askReceiver(command: string, folder: string, token: string): Promise<"accepted" | "refused"> {
  const child = spawn("sh", ["-c", command], { cwd: folder, stdio: ["pipe", "pipe", "ignore"] });
  const timer = setTimeout(() => child.kill(), PATIENCE_MS);
  const { stdin, stdout } = child;
  const failed = new Promise<never>((_, reject) => {
    child.on("error", reject);
    stdin.on("error", reject);
  });
  failed.catch(() => {});
  const ask = async (): Promise<"accepted" | "refused"> => {
    const input = new ByteInput(stdout);
    await expectHandshake(input, "banner");
    const write = (bytes: Uint8Array): Promise<void> => new Promise((resolve) => stdin.write(bytes, () => resolve()));
    return await askWhose(input, { write }, token);
  };
  try {
    return await Promise.race([ask(), failed]);
  } finally {
    clearTimeout(timer);
    stdin.end();
    child.kill();
  }
}
