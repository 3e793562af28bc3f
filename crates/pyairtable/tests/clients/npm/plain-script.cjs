// A user's script: it says nothing about where Airtable is. Arguments: base, table.

const Airtable = require("airtable");

const [base, table] = process.argv.slice(2);
Airtable.base(base)(table)
  .select({ view: "Grid view", maxRecords: 3 })
  .firstPage()
  .then((records) => console.log(JSON.stringify(records.map((record) => record.get("SKU")))));
