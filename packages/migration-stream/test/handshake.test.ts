import { describe, expect, it } from "vitest";
import {
  answerWhose,
  asksWhose,
  askWhose,
  ByteInput,
  expectHandshake,
  expectReport,
  readQuestion,
  sayHandshake,
  sayReport,
  writeSaveFileHeader,
} from "../src/index.ts";

const TOKEN = "01234567-89ab-4cde-8f01-23456789abcd";

function wire() {
  const chunks: Uint8Array[] = [];
  return { out: { write: async (bytes: Uint8Array) => void chunks.push(bytes.slice()) }, chunks };
}

describe("what the two ends of a migration say", () => {
  it("is understood, with no byte between", async () => {
    const { out, chunks } = wire();
    for (const text of ["banner", "ready", "permission"] as const) await sayHandshake(out, text);
    await sayReport(out, true);
    await sayReport(out, false);
    // However it is cut into pieces.
    const input = new ByteInput(chunks.flatMap((chunk) => [...chunk].map((byte) => Uint8Array.of(byte))));
    for (const text of ["banner", "ready", "permission"] as const) await expectHandshake(input, text);
    expect(await expectReport(input)).toEqual({ runs: true });
    expect(await expectReport(input)).toEqual({ runs: false });
  });

  it("is refused at its first wrong byte, and where it ends too early", async () => {
    const { out, chunks } = wire();
    await sayHandshake(out, "ready");
    await expect(expectHandshake(new ByteInput(chunks), "permission")).rejects.toMatchObject({ code: "malformed" });
    // Nobody waits for the rest of what is wrong already.
    const never = (async function* () {
      yield Buffer.from("xl: command");
      await new Promise(() => {});
    })();
    await expect(expectHandshake(new ByteInput(never), "banner")).rejects.toMatchObject({ code: "malformed" });
    const short = [chunks[0].subarray(0, 5)];
    await expect(expectHandshake(new ByteInput(short), "ready")).rejects.toMatchObject({ code: "truncated" });
  });

  it("tells the question whose a guest is from a guest", async () => {
    const sent = wire();
    const { out, chunks } = wire();
    await answerWhose(out, "refused");
    expect(await askWhose(new ByteInput(chunks), sent.out, TOKEN)).toBe("refused");
    const asked = new ByteInput(sent.chunks);
    expect(await asksWhose(asked)).toBe(true);
    expect(await readQuestion(asked)).toBe(TOKEN);
    const guest = wire();
    await writeSaveFileHeader(guest.out, "{}");
    const input = new ByteInput(guest.chunks);
    expect(await asksWhose(input)).toBe(false);
    expect(input.offset).toBe(0);
    expect(await input.read(3, "the magic")).toEqual(new Uint8Array(Buffer.from("Xen")));
  });
});
