import { once } from "node:events";
import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DaemonProcess } from "../support/daemon-process.ts";
import { BOOT_MS, configureDebian } from "../support/debian-with-disk.ts";
import { VERIFIER } from "../support/disk-verifier.ts";
import { noRealGuests, PROMPT } from "../support/real-guests.ts";

/** How often something is killed. */
const KILLS = Number(process.env.MIGRATION_KILLS ?? 2);

/** Who is killed. */
const VICTIMS = ["sender's xl", "receiver's xl", "receiver's daemon", "sender's daemon"] as const;
type Victim = (typeof VICTIMS)[number];
/** When: some time after one of these was seen. */
const MOMENTS = [
  /Ready to receive/,
  /round 1:/,
  /requesting permission/,
  /has acknowledged/,
  /Giving target permission/,
  /Got permission/,
  /started successfully/,
];
const MOST_LATER_MS = 120;

const seed = Number(process.env.MIGRATION_SEED ?? Date.now() % 2 ** 31);
let state = seed;
/** 0 to 1, the same for the same seed. */
function random(): number {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  return (state >>> 8) / 2 ** 24;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Where the guest runs; one that stands still while nobody knows whose it is does not. */
async function running(daemon: DaemonProcess): Promise<boolean> {
  return (await daemon.list()).some((line) => line.startsWith("deb ") && !/ [rbp-]{3}s/.test(line));
}

const accepted = async (daemon: DaemonProcess): Promise<number> =>
  (await readdir(join(daemon.state, "received"))).filter((name) => !name.endsWith(".new")).length;

describe.skipIf(noRealGuests)("killing either side of a migration", () => {
  const daemons: DaemonProcess[] = [];
  beforeEach(async () => {
    daemons.push(await DaemonProcess.create(), await DaemonProcess.create());
  });
  afterEach(async () => {
    for (const daemon of daemons.splice(0)) await daemon.end();
  });

  it("leaves the guest to exactly one of them", { timeout: BOOT_MS + KILLS * 120_000 }, async () => {
    let [sender, receiver] = daemons;
    const { config } = await configureDebian(sender);
    for (const daemon of daemons) await daemon.start(160);
    await sender.xl("create", "-q", config);
    const viewer = sender.console("deb");
    await viewer.stream.expect(PROMPT, BOOT_MS);
    await viewer.stream.command(VERIFIER);
    viewer.leave();
    const file = join(sender.folder, "deb.save");
    expect((await sender.xl("save", "-c", "deb", file)).status).toBe(0);

    for (let kill = 0; kill < KILLS; kill++) {
      const victim = VICTIMS[Math.floor(random() * VICTIMS.length)];
      const moment = MOMENTS[Math.floor(random() * MOMENTS.length)];
      const laterMs = Math.floor(random() * MOST_LATER_MS);
      const about = `seed ${seed}, kill ${kill}: ${victim} ${laterMs} ms after ${moment}`;
      const before = await accepted(receiver);
      await killDuring(sender, receiver, victim, moment, laterMs);
      for (const daemon of [sender, receiver]) if (!daemon.runs) await daemon.start(160);
      // Whoever accepted it for good has it, and had it if that was who was killed.
      const taken = (await accepted(receiver)) > before;
      const owner = taken ? receiver : sender;
      const lost = victim === (taken ? "receiver's daemon" : "sender's daemon");
      for (let tries = 0; !lost && !(await running(owner)); tries++) {
        expect(tries, `${about}: it runs nowhere`).toBeLessThan(60);
        await sleep(500);
      }
      // Nor does it come to life on the other side later.
      await sleep(1500);
      expect([await running(owner), await running(owner === sender ? receiver : sender)], about).toEqual([
        !lost,
        false,
      ]);
      process.stdout.write(`${about}: ${lost ? "lost with" : "runs on"} ${taken ? "the receiver" : "the sender"}\n`);
      if (lost) expect((await owner.xl("restore", file)).stderr, about).toMatch(/^Loading/);
      if (taken) [sender, receiver] = [receiver, sender];
      const console = sender.console("deb");
      console.stream.send("\r");
      await console.stream.expect(PROMPT, 60_000);
      expect(await console.stream.command("wc -c </bad", 60_000), about).toMatch(/^0$/m);
      console.leave();
    }
  });
});

/** Moves the guest and kills the victim at that moment, or at the end. Resolves when xl has ended. */
async function killDuring(
  sender: DaemonProcess,
  receiver: DaemonProcess,
  victim: Victim,
  moment: RegExp,
  laterMs: number,
): Promise<void> {
  const xl = sender.startXl("migrate", "-s", "", "deb", receiver.command("migrate-receive"));
  const ended = once(xl, "close");
  let words = "";
  const seen = new Promise<void>((resolve) => {
    xl.stderr?.on("data", (chunk: Buffer) => {
      words += chunk;
      if (moment.test(words)) resolve();
    });
  });
  await Promise.race([seen, ended]);
  await sleep(laterMs);
  if (victim === "sender's daemon") await sender.kill("SIGKILL");
  else if (victim === "receiver's daemon") {
    await receiver.kill("SIGKILL");
    // A sender that cannot reach it waits until it can.
    await receiver.start(160);
  } else if (xl.exitCode === null && xl.pid !== undefined) {
    const children = readFileSync(`/proc/${xl.pid}/task/${xl.pid}/children`, "utf8");
    const pid = victim === "sender's xl" ? xl.pid : Number(children.trim().split(" ")[0]);
    if (pid > 0) process.kill(pid, "SIGKILL");
  }
  await ended;
}
