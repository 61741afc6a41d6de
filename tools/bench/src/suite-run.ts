import type { Command } from "./emulators.ts";
import { explainMissing } from "./missing-peer.ts";
import { endPeer, startPeer } from "./peer-process.ts";
import { processorMs } from "./processor-time.ts";
import { SuiteMarks, type SuiteRound } from "./suite-marks.ts";
import type { SuiteProgram } from "./suite-programs.ts";

/** What became of a program on a peer. */
export interface Outcome {
  /** Without those that warm up. */
  readonly rounds: SuiteRound[];
  /** Why there are not as many rounds as there should be. */
  failure?: string;
}

/** Something that runs programs between marks in a process of its own. */
export interface MarkedPeer<P extends { readonly name: string }> {
  /** Starts programs one after another, so many rounds each. */
  suite(programs: readonly P[], rounds: number): Command;
  /** The programs run in the process that `suite` starts, so that its processor time is theirs. */
  readonly isOneProcess: boolean;
  /** What ends it when it is done; SIGKILL if it has nothing to do then. */
  readonly endSignal?: NodeJS.Signals;
  /** What each line of its console begins with that could be a mark. */
  readonly linePrefix?: string;
}

export interface SuiteRunOptions<P extends { readonly name: string } = SuiteProgram> {
  /** Timed rounds of each program. */
  readonly rounds: number;
  /** Rounds before those. */
  readonly warmUp: number;
  /** How long a peer may print no mark. */
  readonly limitMs: number;
  /** A program has come to its end, in one way or the other. */
  onOutcome(program: P, outcome: Outcome): void;
  /** The peer ended before its programs did: how, and what it printed last. */
  onBreakdown(end: string): void;
}

/** Characters of a peer's last lines that are kept. */
const CONSOLE_TAIL = 2000;

/**
 * Runs programs on a peer that starts once for all of them. Where a program hangs or takes the peer down with it, that is
 * its outcome, and the peer starts again for those that are left.
 */
export async function runSuite<P extends { readonly name: string }>(
  peer: MarkedPeer<P>,
  programs: readonly P[],
  options: SuiteRunOptions<P>,
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  let left = programs;
  while (left.length > 0) {
    const { reached, end } = await runOnce(peer, left, outcomes, options);
    const open = left.findIndex(({ name }) => !isOver(outcomes.get(name), options.rounds));
    if (open < 0) break;
    options.onBreakdown(end);
    // A peer that does not come to its first program does not come to the others.
    const failed = reached ? [left[open]] : left;
    for (const program of failed) {
      const outcome = { rounds: outcomes.get(program.name)?.rounds ?? [], failure: end.split(":\n")[0] };
      outcomes.set(program.name, outcome);
      options.onOutcome(program, outcome);
    }
    left = reached ? left.slice(open + 1) : [];
  }
  return outcomes;
}

const isOver = (outcome: Outcome | undefined, rounds: number): boolean =>
  outcome !== undefined && (outcome.failure !== undefined || outcome.rounds.length >= rounds);

/** One start of the peer. Answers whether any program began, and how it ended. */
function runOnce<P extends { readonly name: string }>(
  peer: MarkedPeer<P>,
  programs: readonly P[],
  outcomes: Map<string, Outcome>,
  options: SuiteRunOptions<P>,
): Promise<{ reached: boolean; end: string }> {
  return new Promise((resolve, reject) => {
    const command = peer.suite(programs, options.warmUp + options.rounds);
    const child = startPeer(command);
    let tail = "";
    let reached = false;
    let end: string | undefined;
    const stop = (how: string, signal?: NodeJS.Signals): void => {
      end ??= how;
      endPeer(child, signal);
    };
    const stalled = (): void => {
      const what = reached ? "printed no mark for" : "did not come to its first mark in";
      stop(`${what} ${options.limitMs / 1000} s:\n${tail}`);
    };
    const timer = setTimeout(stalled, options.limitMs);
    const outcomeOf = (name: string): Outcome => {
      reached = true;
      timer.refresh();
      const outcome = outcomes.get(name) ?? { rounds: [] };
      outcomes.set(name, outcome);
      return outcome;
    };
    const settle = (name: string): void => {
      const known = programs.find((candidate) => candidate.name === name);
      if (known) options.onOutcome(known, outcomeOf(name));
    };
    const marks = new SuiteMarks(
      { wall: () => performance.now(), processor: () => (peer.isOneProcess ? processorMs(child.pid!) : Number.NaN) },
      {
        onRound: (name, round, result) => {
          const { rounds } = outcomeOf(name);
          if (round >= options.warmUp) rounds.push(result);
          if (rounds.length === options.rounds) settle(name);
        },
        onFailure: (name, status) => {
          outcomeOf(name).failure = `ended with status ${status}`;
          settle(name);
        },
        onDone: () => stop("is done", peer.endSignal),
        onOther: (line) => {
          tail = `${tail}${line}\n`.slice(-CONSOLE_TAIL);
        },
      },
      peer.linePrefix,
    );
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(explainMissing(command.program, error));
    });
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({ reached, end: end ?? `ended with ${status} before its programs did:\n${tail}` });
    });
    child.stderr.on("data", (chunk: Buffer) => {
      tail = `${tail}${chunk}`.slice(-CONSOLE_TAIL);
    });
    child.stdout.on("data", (chunk: Buffer) => marks.push(chunk));
  });
}
