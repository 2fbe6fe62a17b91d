// Does what Storage Explorer does with the JavaScript client, and prints what it saw as one line of JSON.
import { createRequire } from "node:module";

const require = createRequire(process.env.CLIENT_PACKAGE);
const storage = require("@azure/storage-blob");
const [url, account, key, name] = process.argv.slice(2);
const credential = new storage.StorageSharedKeyCredential(account, key);
const service = new storage.BlobServiceClient(url, credential);
const seen = {};

const listed = async (pages) => {
  const found = [];
  for await (const entry of pages) found.push(entry);
  return found;
};
const refused = async (action) => {
  try {
    await action();
    return "nothing was refused";
  } catch (error) {
    return `${error.statusCode} ${error.code ?? error.details?.errorCode}`;
  }
};

// starting up
seen.kind = (await service.getAccountInfo()).accountKind;
seen.cors = (await service.getProperties()).cors ?? [];
const rule = { allowedOrigins: "*", allowedMethods: "GET", allowedHeaders: "", exposedHeaders: "", maxAgeInSeconds: 5 };
await service.setProperties({ cors: [rule] });
seen.corsSet = (await service.getProperties()).cors.map((one) => one.allowedMethods);
await service.setProperties({ cors: [] });
const container = service.getContainerClient(name);
await container.create({ metadata: { MadeBy: "test" }, access: "blob" });
const containers = await listed(service.listContainers({ prefix: name, includeMetadata: true }));
seen.containers = containers.map((one) => [one.name, one.metadata, one.properties.publicAccess]);
seen.properties = (await container.getProperties()).metadata;
const policy = { startsOn: new Date(0), expiresOn: new Date("2050-01-01"), permissions: "rl" };
await container.setAccessPolicy(undefined, [{ id: "readers", accessPolicy: policy }]);
seen.policies = (await container.getAccessPolicy()).signedIdentifiers.map((one) => [one.id, one.accessPolicy.permissions]);

// files up and down
const blob = container.getBlockBlobClient("folder/ü file.txt");
const data = Buffer.alloc(5_000_000, "0123456789");
await blob.uploadData(data, {
  blockSize: 1 << 20, maxSingleShotSize: 1 << 20, concurrency: 4,
  metadata: { MixedCase: "Value" }, tags: { kind: "test" }, blobHTTPHeaders: { blobContentType: "text/plain" },
});
const properties = await blob.getProperties();
seen.blob = [properties.contentLength, properties.contentType, properties.metadata, properties.tagCount];
seen.same = data.equals(await blob.downloadToBuffer(0, undefined, { blockSize: 1 << 20, concurrency: 4 }));
const range = await blob.download(10, 5, { rangeGetContentMD5: true });
seen.range = [(await new Response(range.readableStreamBody).text()), range.contentMD5.length];
const small = container.getBlockBlobClient("folder/small");
await small.upload("small", 5);
await container.getAppendBlobClient("log").create();
await container.getAppendBlobClient("log").appendBlock("line\n", 5);
seen.hierarchy = (await listed(container.listBlobsByHierarchy("/"))).map((one) => [one.kind, one.name]);
const flat = await listed(container.listBlobsFlat({ includeMetadata: true, includeTags: true, includeSnapshots: true }));
seen.flat = flat.map((one) => [one.name, one.metadata || {}, one.tags || {}]);

// what the context menu offers
seen.tags = (await blob.getTags()).tags;
await small.setAccessTier("Cool");
seen.tier = (await small.getProperties()).accessTier;
const snapshot = await small.createSnapshot();
await small.upload("other", 5);
seen.snapshot = (await small.withSnapshot(snapshot.snapshot).downloadToBuffer()).toString();
seen.deletion = await refused(() => small.delete());
const lease = small.getBlobLeaseClient();
await lease.acquireLease(15);
seen.leased = await refused(() => small.setMetadata({ a: "1" }));
await lease.releaseLease();
const copy = await container.getBlobClient("copy").beginCopyFromURL(blob.url);
seen.copied = (await copy.pollUntilDone()).copyStatus;
seen.found = (await listed(service.findBlobsByTags(`@container = '${name}' AND kind = 'test'`))).map((one) => one.name);
const token = storage.generateBlobSASQueryParameters({ containerName: name, identifier: "readers" }, credential);
const reader = new storage.ContainerClient(`${container.url}?${token}`);
seen.byPolicy = (await listed(reader.listBlobsFlat())).length;
seen.byPolicyRefused = await refused(() => reader.getBlockBlobClient("x").upload("", 0));
const batch = service.getBlobBatchClient();
const answers = await batch.deleteBlobs([blob, container.getBlobClient("copy"), container.getBlobClient("none")]);
seen.batch = answers.subResponses.map((one) => one.status);
await small.delete({ deleteSnapshots: "include" });
seen.missing = await refused(() => small.getProperties());
await container.delete();
console.log(JSON.stringify(seen));
