// Which MAC address a guest's IP address belongs to: what was seen, and asking (ARP, NDP) for what wasn't.

import { parseIpv4, sameBytes } from "@xen-node/packets";
import { formatIp } from "./address-plan.ts";
import { NS_PER_SECOND, type Timer, type TimerQueue } from "./timers.ts";

const ASK_AGAIN_NS = NS_PER_SECOND;
const MOST_QUESTIONS = 3;
const MOST_WAITING = 64;

type Answer = (mac: Uint8Array | undefined) => void;

interface Question {
  address: Uint8Array;
  waiting: Answer[];
  asked: number;
  timer: Timer;
}

export class Neighbors {
  readonly #limit: number;
  readonly #timers: TimerQueue;
  readonly #ask: (address: Uint8Array) => void;
  /** In the order of use, the oldest first. */
  readonly #macs = new Map<string, Uint8Array>();
  readonly #questions = new Map<string, Question>();

  /** `ask` sends an ARP request or a neighbour solicitation. */
  constructor(timers: TimerQueue, limit: number, ask: (address: Uint8Array) => void) {
    this.#timers = timers;
    this.#limit = limit;
    this.#ask = ask;
  }

  get size(): number {
    return this.#macs.size;
  }

  /** An address was seen with a MAC address (6 bytes at `offset`). */
  learn(address: Uint8Array, bytes: Uint8Array, offset = 0): void {
    if ((bytes[offset] & 1) !== 0) return;
    const name = formatIp(address);
    const known = this.#macs.get(name);
    this.#macs.delete(name);
    const mac = known !== undefined && sameBytes(known, 0, bytes, offset, 6) ? known : bytes.slice(offset, offset + 6);
    this.#macs.set(name, mac);
    if (this.#macs.size > this.#limit) {
      const [oldest] = this.#macs.keys();
      this.#macs.delete(oldest);
    }
    const question = this.#questions.get(name);
    if (question !== undefined) this.#answer(name, question, mac);
  }

  /** The IPv4 address of the only guest, if there is just one. */
  get only4(): Uint8Array | undefined {
    let only: Uint8Array | undefined;
    for (const name of this.#macs.keys()) {
      const address = parseIpv4(name);
      if (address === undefined) continue;
      if (only !== undefined) return undefined;
      only = address;
    }
    return only;
  }

  get(address: Uint8Array): Uint8Array | undefined {
    return this.#macs.get(formatIp(address));
  }

  /** Calls `answer` with the MAC address, at once or later; undefined: nobody answers, or too many questions are open. */
  resolve(address: Uint8Array, answer: Answer): void {
    const name = formatIp(address);
    const known = this.#macs.get(name);
    if (known !== undefined) {
      answer(known);
      return;
    }
    const open = this.#questions.get(name);
    if (open !== undefined) {
      if (open.waiting.length < MOST_WAITING) open.waiting.push(answer);
      else answer(undefined);
      return;
    }
    if (this.#questions.size >= MOST_WAITING) {
      answer(undefined);
      return;
    }
    const timer = this.#timers.timer(() => this.#again(name));
    this.#questions.set(name, { address, waiting: [answer], asked: 1, timer });
    timer.arm(ASK_AGAIN_NS);
    this.#ask(address);
  }

  /** Forgets a guest's addresses. */
  forget(mac: Uint8Array): void {
    for (const [name, known] of this.#macs) if (sameBytes(known, 0, mac, 0, 6)) this.#macs.delete(name);
  }

  close(): void {
    for (const [name, question] of [...this.#questions]) this.#answer(name, question, undefined);
    this.#macs.clear();
  }

  #again(name: string): void {
    const question = this.#questions.get(name);
    if (question === undefined) return;
    if (question.asked++ >= MOST_QUESTIONS) {
      this.#answer(name, question, undefined);
      return;
    }
    question.timer.arm(ASK_AGAIN_NS);
    this.#ask(question.address);
  }

  #answer(name: string, question: Question, mac: Uint8Array | undefined): void {
    this.#questions.delete(name);
    question.timer.dispose();
    for (const waiting of question.waiting) waiting(mac);
  }
}
