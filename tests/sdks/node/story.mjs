// What a partner's program does with HubSpot's client: prints what came of it as one line of JSON.
import { client } from "./sdk.mjs";

const { contacts } = client.crm;

async function everything() {
  const made = await contacts.basicApi.create({
    properties: { email: "ada+1@example.com", firstname: "Adä" },
    associations: [],
  });
  const read = await contacts.basicApi.getById("ada+1@example.com", ["firstname"], undefined, undefined, false, "email");
  await contacts.basicApi.update(made.id, { properties: { firstname: "Zoë & 9007199254740993" } });
  const changed = await contacts.basicApi.getById(made.id, ["firstname"]);
  const inputs = [0, 1, 2].map((number) => ({ properties: { email: `b${number}@example.com` }, associations: [] }));
  const batch = await contacts.batchApi.create({ inputs });
  const found = await contacts.searchApi.doSearch({
    filterGroups: [{ filters: [{ propertyName: "email", operator: "EQ", value: "ada+1@example.com" }] }],
    properties: ["email"],
    limit: 5,
    sorts: [],
  });
  const all = await contacts.getAll(2, undefined, ["email"]);
  const data = Buffer.alloc(256_000, 0xff);
  const uploaded = await client.files.filesApi.upload(
    { data, name: "a b.bin" }, undefined, "/", undefined, undefined, JSON.stringify({ access: "PRIVATE" }),
  );
  const own = await client.apiRequest({ path: `/crm/v3/objects/contacts/${made.id}` });
  await contacts.basicApi.archive(made.id);
  const refused = await contacts.basicApi.getById(made.id).catch((error) => error);
  return {
    isSame: read.id === made.id,
    changed: changed.properties.firstname,
    batch: batch.results.length,
    found: found.results.map((row) => row.id === made.id),
    distinct: new Set(all.map((row) => row.id)).size === all.length,
    pages: all.length > 3,
    file: uploaded.id,
    own: own.status,
    refused: { name: refused.constructor.name, code: refused.code, message: refused.body.message },
  };
}

async function page() {
  return (await contacts.basicApi.getPage(1)).results.length;
}

console.log(JSON.stringify(await { everything, page }[process.argv[2]]()));
