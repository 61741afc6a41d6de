/** What one thread is to do. */
export type ResumeAction =
  | { kind: "continue" }
  | { kind: "step" }
  /** Step until the instruction pointer leaves [start, end), both as unsigned 64-bit numbers. */
  | { kind: "range"; start: bigint; end: bigint };

/** An action with the thread that it is for; undefined = every thread without an action of its own. */
interface ThreadAction {
  thread: number | undefined;
  action: ResumeAction;
}

const ACTION = /^(?:([cs])|([CS])[0-9a-f]{2}|r([0-9a-f]{1,16}),([0-9a-f]{1,16}))(?::([0-9a-f]+|-1))?$/i;

/** Parses what follows `vCont`: `;action[:thread]…`. Signals to deliver are dropped: a vcpu has none. Undefined: malformed. */
function parseActions(text: string): ThreadAction[] | undefined {
  if (!text.startsWith(";")) return undefined;
  const actions: ThreadAction[] = [];
  for (const part of text.slice(1).split(";")) {
    const match = ACTION.exec(part);
    if (match === null) return undefined;
    const [, plain, withSignal, start, end, thread] = match;
    const letter = (plain ?? withSignal)?.toLowerCase();
    actions.push({
      thread: thread === undefined || thread === "-1" || thread === "0" ? undefined : Number.parseInt(thread, 16),
      action:
        letter === undefined
          ? { kind: "range", start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) }
          : { kind: letter === "s" ? "step" : "continue" },
    });
  }
  return actions;
}

/** The action of each thread that is to move: the leftmost that names it counts. Undefined: malformed. */
export function resumeActions(text: string, threads: readonly number[]): Map<number, ResumeAction> | undefined {
  const parsed = parseActions(text);
  if (parsed === undefined) return undefined;
  const actions = new Map<number, ResumeAction>();
  for (const thread of threads) {
    const first = parsed.find((candidate) => candidate.thread === undefined || candidate.thread === thread);
    if (first !== undefined) actions.set(thread, first.action);
  }
  return actions;
}
