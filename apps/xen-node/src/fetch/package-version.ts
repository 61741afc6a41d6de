/**
 * Compares two versions of a Debian package as dpkg does (deb-version(7)): negative if `a` is older than `b`, 0 if they are
 * the same, positive if it is newer.
 */
export function compareVersions(a: string, b: string): number {
  const left = parts(a);
  const right = parts(b);
  return (
    left.epoch - right.epoch || compareText(left.upstream, right.upstream) || compareText(left.revision, right.revision)
  );
}

function parts(version: string): { epoch: number; upstream: string; revision: string } {
  const colon = version.indexOf(":");
  const rest = version.slice(colon + 1);
  const hyphen = rest.lastIndexOf("-");
  return {
    epoch: colon < 0 ? 0 : Number(version.slice(0, colon)),
    upstream: hyphen < 0 ? rest : rest.slice(0, hyphen),
    revision: hyphen < 0 ? "" : rest.slice(hyphen + 1),
  };
}

/** Runs of other characters and runs of digits in turn, the latter as numbers. */
function compareText(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = rank(a, i) - rank(b, j);
      if (difference !== 0) return difference;
      i++;
      j++;
    }
    const [aDigits] = /^\d*/.exec(a.slice(i)) ?? [""];
    const [bDigits] = /^\d*/.exec(b.slice(j)) ?? [""];
    const difference = compareNumbers(aDigits, bDigits);
    if (difference !== 0) return difference;
    i += aDigits.length;
    j += bDigits.length;
  }
  return 0;
}

const isDigit = (text: string, at: number): boolean => text[at] >= "0" && text[at] <= "9";

/** "~" comes before the end, the end before letters, letters before all else. */
function rank(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  if (text[at] === "~") return -1;
  const code = text.charCodeAt(at);
  return /[A-Za-z]/.test(text[at]) ? code : code + 0x10000;
}

/** Dates and the like have more digits than a number holds exactly. */
function compareNumbers(a: string, b: string): number {
  const left = a.replace(/^0+/, "");
  const right = b.replace(/^0+/, "");
  if (left.length !== right.length) return left.length - right.length;
  return left < right ? -1 : left > right ? 1 : 0;
}
