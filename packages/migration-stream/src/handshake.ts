import type { ByteInput, ByteOutput } from "./byte-input.ts";
import { StreamError } from "./stream-error.ts";

// What the two ends of `xl migrate` say to each other around the stream (tools/xl/xl_migrate.c). No text is followed by a
// NUL; the banner ends with its line.

/** In the order in which they are said. */
const TEXTS = {
  /** Receiver: the sender may begin. */
  banner: "xl migration receiver ready, send binary domain data.\n",
  /** Receiver: all of the stream is read. */
  ready: "domain received, ready to unpause",
  /** Sender: the domain is the receiver's. From a receiver, after it reported a failure: it is the sender's again. */
  permission: "domain is yours, you are cleared to unpause",
  /** Receiver: a byte follows, 0 if the domain runs. */
  report: "my copy unpause results are as follows",
} as const;
export type HandshakeText = keyof typeof TEXTS;

const NAMES: Record<HandshakeText, string> = {
  banner: "the receiver's banner",
  ready: "the receiver's word that it has the domain",
  permission: "the permission to run the domain",
  report: "the receiver's report",
};

export async function sayHandshake(out: ByteOutput, text: HandshakeText): Promise<void> {
  await out.write(new TextEncoder().encode(TEXTS[text]));
}

/** Waits for that text and no other. @throws StreamError: the other side ended, or says something else */
export async function expectHandshake(input: ByteInput, text: HandshakeText): Promise<void> {
  const { offset } = input;
  const expected = new TextEncoder().encode(TEXTS[text]);
  // Byte by byte: whoever says something else may say less, and waits for an answer then.
  for (let at = 0; at < expected.length; at++) {
    const [byte] = await input.read(1, NAMES[text]);
    if (byte !== expected[at]) throw new StreamError("malformed", NAMES[text], offset, "is not what was said there");
  }
}

/** The receiver's report: whether the domain runs there. */
export async function sayReport(out: ByteOutput, runs: boolean): Promise<void> {
  await sayHandshake(out, "report");
  await out.write(Uint8Array.of(runs ? 0 : 1));
}

/** @throws StreamError */
export async function expectReport(input: ByteInput): Promise<{ runs: boolean }> {
  await expectHandshake(input, "report");
  const [status] = await input.read(1, NAMES.report);
  return { runs: status === 0 };
}

// What xen-node says beside that: the question of a sender that lost its receiver after it had given permission. It stands
// where a save file's header would.

/** As long as the magic of a save file. */
const QUESTION = "xen-node: whose is the domain?  ";
const TOKEN_BYTES = 36;
const ANSWERS = { accepted: "the receiver's\n", refused: "the sender's. \n" } as const;
const ANSWER_BYTES = ANSWERS.accepted.length;

/** Asks whose a domain is that was offered under a token, 36 characters. @throws StreamError */
export async function askWhose(input: ByteInput, out: ByteOutput, token: string): Promise<keyof typeof ANSWERS> {
  const encoder = new TextEncoder();
  await out.write(encoder.encode(`${QUESTION}${token}`));
  const text = new TextDecoder().decode(await input.read(ANSWER_BYTES, "the answer"));
  if (text === ANSWERS.accepted) return "accepted";
  if (text === ANSWERS.refused) return "refused";
  throw new StreamError("malformed", "the answer", 0, "is none of those that there are");
}

/** Whether that question comes next, and not a save file. Nothing is taken from the input. @throws StreamError */
export async function asksWhose(input: ByteInput): Promise<boolean> {
  return new TextDecoder("latin1").decode(await input.peek(QUESTION.length, "what the sender sends")) === QUESTION;
}

/** The question's token. @throws StreamError */
export async function readQuestion(input: ByteInput): Promise<string> {
  await input.read(QUESTION.length, "the question");
  return new TextDecoder("latin1").decode(await input.read(TOKEN_BYTES, "the token"));
}

export async function answerWhose(out: ByteOutput, answer: keyof typeof ANSWERS): Promise<void> {
  await out.write(new TextEncoder().encode(ANSWERS[answer]));
}
