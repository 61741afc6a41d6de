/** One paragraph of a Debian Packages index, or of what `apt-cache show` prints: field names in lower case. */
export type PackageParagraph = ReadonlyMap<string, string>;

/** Parses a Debian control file of many paragraphs (deb-control(5)). Continuation lines are joined with line breaks. */
export function* parsePackagesIndex(text: string): Generator<PackageParagraph> {
  let fields = new Map<string, string>();
  let last: string | undefined;
  for (const line of text.split("\n")) {
    if (line.trim() === "") {
      if (fields.size > 0) yield fields;
      fields = new Map();
      last = undefined;
    } else if (/^[ \t]/.test(line)) {
      if (last !== undefined) fields.set(last, `${fields.get(last)}\n${line.trim()}`);
    } else {
      const colon = line.indexOf(":");
      if (colon < 0) continue;
      last = line.slice(0, colon).toLowerCase();
      fields.set(last, line.slice(colon + 1).trim());
    }
  }
  if (fields.size > 0) yield fields;
}

/**
 * The versioned kernel package that a meta package such as linux-image-amd64 stands for: the first linux-image-* among
 * its dependencies.
 */
export function kernelPackageOf(metaPackage: PackageParagraph): string | undefined {
  return metaPackage
    .get("depends")
    ?.split(/[,|]/)
    .map((dependency) => dependency.trim().split(/[ (]/)[0])
    .find((name) => /^linux-image-\d/.test(name));
}
