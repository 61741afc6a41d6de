import { readFile } from "node:fs/promises";
import { parseRule, RuleError } from "@xen-node/virtual-network";
import { UserError } from "../user-error.ts";

/**
 * Reads the rules of a file: one a line, in the syntax of @xen-node/virtual-network; empty lines and lines that begin
 * with # mean nothing.
 *
 * @throws UserError, one sentence that names file and line.
 */
export async function readFirewall(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === "ENOENT" ? "there is no such file" : error.message;
    throw new UserError(`the rules ${file} cannot be read: ${reason}.`);
  });
  const rules: string[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const rule = line.trim();
    if (rule === "" || rule.startsWith("#")) continue;
    try {
      parseRule(rule);
    } catch (error) {
      if (error instanceof RuleError) throw new UserError(`${file}, line ${index + 1}: ${error.message}`);
      throw error;
    }
    rules.push(rule);
  }
  return rules;
}
