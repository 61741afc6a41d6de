/** One line of a test: "ok 3 - name" or "not ok 3 - name". */
export interface TapCheck {
  ok: boolean;
  number: number;
  name: string;
  /** A check that may fail, or was left out, as the line says itself ("# TODO", "# SKIP"). */
  excused: boolean;
}

export interface TapReport {
  checks: TapCheck[];
  /** How many checks there should be; undefined if the guest never said. */
  plan: number | undefined;
  /** What the guest said of the whole: a line "Test result: SUCCESS", or why it gave up ("Bail out!"). */
  result: string | undefined;
  /** Why the test has failed, a sentence each; none: it has passed. */
  problems: string[];
}

const CHECK = /^(not )?ok\b *(\d+)?(?: *-)? *([^#]*?)\s*(?:# *(todo|skip)\b.*)?$/i;

/** Reads what a guest printed: the Test Anything Protocol, or a line "Test result: SUCCESS" (FAILURE, ERROR, SKIP). */
export function parseTap(output: string): TapReport {
  const report: TapReport = { checks: [], plan: undefined, result: undefined, problems: [] };
  for (const line of output.split(/\r?\n/)) {
    const check = CHECK.exec(line);
    const plan = /^1\.\.(\d+)/.exec(line);
    const result = /^(?:Test result: *(\w+)|(Bail out!.*))/.exec(line);
    if (plan !== null) report.plan = Number(plan[1]);
    else if (result !== null) report.result = result[1] ?? result[2];
    else if (check !== null) {
      const number = check[2] === undefined ? report.checks.length + 1 : Number(check[2]);
      report.checks.push({ ok: check[1] === undefined, number, name: check[3], excused: check[4] !== undefined });
    }
  }
  report.problems = problemsOf(report);
  return report;
}

function problemsOf({ checks, plan, result }: TapReport): string[] {
  const problems = checks
    .filter(({ ok, excused }) => !ok && !excused)
    .map(({ number, name }) => `not ok ${number} - ${name}`);
  if (result !== undefined && result !== "SUCCESS" && result !== "SKIP") problems.push(`the guest says: ${result}`);
  if (plan !== undefined && plan !== checks.length) problems.push(`${checks.length} of ${plan} checks were made`);
  if (plan === undefined && result === undefined) {
    problems.push(
      checks.length > 0
        ? `the guest ended after ${checks.length} checks without saying that these are all (tap_done)`
        : "the guest printed no result: neither TAP nor a line Test result: SUCCESS",
    );
  }
  return problems;
}
