// The dashboard's scripts are joined into one, as the component does it, and share their functions.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const UI = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "pruning", "ui");

// The functions `names` of the joined scripts.
export function functions(files, names) {
  const source = files
    .map((file) => readFileSync(join(UI, file), "utf8"))
    .join("\n")
    .replace("export default function", "function component"); // a component's own entry
  return new Function(`${source}\nreturn { ${names.join(", ")} };`)();
}

export function close(actual, expected, relative = 1e-12) {
  if (Math.abs(actual - expected) > relative * Math.max(Math.abs(expected), 1e-300)) {
    throw new Error(`${actual} is not ${expected}`);
  }
}
