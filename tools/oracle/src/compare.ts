import { parseTap } from "@xen-node/guest-sdk";
import { reasonFor } from "./differences.ts";

export interface Comparison {
  checks: number;
  /** Checks that came out alike. */
  alike: number;
  explained: string[];
  /** Differences that nobody has explained, a line each. */
  unexplained: string[];
}

const withDetails = (output: string): Map<string, string> => {
  const lines = output.split(/\r?\n/);
  return new Map(
    lines.flatMap((line, i) => {
      const number = /^not ok (\d+)/.exec(line)?.[1];
      return number === undefined ? [] : [[number, (lines[i + 1] ?? "").replace(/^# /, "")]];
    }),
  );
};

/** Compares what one guest printed on the real Xen and on ours, check by check. */
export function compareRuns(guest: string, real: string, ours: string): Comparison {
  const theirs = parseTap(real);
  const mine = parseTap(ours);
  const comparison: Comparison = { checks: theirs.checks.length, alike: 0, explained: [], unexplained: [] };
  const realDetails = withDetails(real);
  const ourDetails = withDetails(ours);
  if (theirs.plan === undefined || mine.plan === undefined || theirs.plan !== mine.plan) {
    comparison.unexplained.push(
      `${guest}: ${theirs.plan ?? "not all"} checks on the real Xen, ${mine.plan ?? "not all"} on ours; the real one said last: ${real.trim().split("\n").at(-1)}`,
    );
  }
  for (const [index, check] of theirs.checks.entries()) {
    const other = mine.checks[index];
    if (other === undefined) break;
    if (check.ok === other.ok && check.name === other.name) {
      comparison.alike++;
      continue;
    }
    const text = `${guest} ${check.number}: ${check.name}: real Xen ${check.ok ? "as expected" : realDetails.get(`${check.number}`)}; ours ${other.ok ? "as expected" : ourDetails.get(`${other.number}`)}`;
    const reason = check.name === other.name ? reasonFor(guest, check.name) : undefined;
    if (reason === undefined) comparison.unexplained.push(text);
    else comparison.explained.push(`${text} (${reason})`);
  }
  return comparison;
}
