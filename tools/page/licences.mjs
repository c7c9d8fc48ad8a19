// Prints the licence of every package that ends up in the bundle.
import { readFileSync, readdirSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
for (const [path, entry] of Object.entries(lock.packages)) {
  if (!path || entry.dev) continue;
  const file = readdirSync(path).find((name) => /^licen[cs]e/i.test(name));
  console.log(`${path.replace(/^.*node_modules\//, "")} ${entry.version} (${entry.license})\n`);
  if (file) console.log(readFileSync(`${path}/${file}`, "utf8").trim() + "\n");
  console.log("-".repeat(80) + "\n");
}
