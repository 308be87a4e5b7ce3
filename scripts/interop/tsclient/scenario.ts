// Drives a gateway by the client that is generated from its OpenAPI document: what
// compiles here is what the document promises, and what runs is what it keeps.
//
//   node scenario.js URL < file with an administrator's token
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./api.js";

type Problem = components["schemas"]["Problem"];

// What is read; lists can be had as NDJSON too.
type Media = "application/json" | "application/problem+json";

const url = process.argv[2];
assert(url, "the address of the gateway is missing");
const token = readFileSync(0, "utf8").trim();

const withToken: Middleware = {
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${token}`);
    return request;
  },
};
const client = createClient<paths, Media>({ baseUrl: `${url}/api/v1` });
client.use(withToken);

// good returns the body of a reply that had to succeed.
function good<T>(reply: { data?: T; error?: unknown; response: Response }): T {
  assert(reply.response.ok, `${reply.response.url}: ${reply.response.status} ${JSON.stringify(reply.error)}`);
  assert(reply.data !== undefined, `${reply.response.url}: no body`);
  return reply.data;
}

// refused returns the problem of a reply that had to fail.
function refused(reply: { error?: Problem; response: Response }, status: number): Problem {
  assert.equal(reply.response.status, status, JSON.stringify(reply.error));
  assert.equal(reply.response.headers.get("Content-Type"), "application/problem+json");
  assert(reply.error?.title && reply.error.request_id);
  return reply.error;
}

function etagOf(reply: { response: Response }): string {
  const etag = reply.response.headers.get("ETag");
  assert(etag, "a document has no ETag");
  return etag;
}

const steps: [string, () => Promise<void>][] = [
  ["a listener is made, patched and summed up", listener],
  ["a destination control is changed under If-Match; the one who comes late gets 412", destinationControl],
  ["faults come all at once, with pointers", faults],
  ["a list is read page by page", paging],
  ["a certificate is made and activated", certificate],
  ["explain says how mail would leave", explain],
  ["the queue is listed, and a message read with its attempts", messages],
  ["revisions tell what was changed", revisions],
  ["no token, no reply", credentials],
];

async function listener(): Promise<void> {
  const made = await client.PUT("/listeners/{name}", {
    params: { path: { name: "partners" }, query: { wait: "10s" }, header: { "If-None-Match": "*" } },
    body: { kind: "private", address: "127.0.0.1", port: 0, protocol: "smtp", host_name: "partners.example.com", default_policy_parameters: {} },
  });
  assert.equal(good(made).name, "partners");
  assert.equal(made.response.status, 201);
  assert.equal(made.response.headers.get("Location"), "/api/v1/listeners/partners");
  const patched = good(await client.PATCH("/listeners/{name}", {
    params: { path: { name: "partners" }, query: { wait: "10s" } },
    body: { default_policy_parameters: { tls: "off" }, max_concurrency: 20 },
    headers: { "Content-Type": "application/merge-patch+json" },
  }));
  assert.equal(patched.max_concurrency, 20);
  const summary = good(await client.GET("/listeners/{name}/summary", { params: { path: { name: "partners" } } }));
  assert(summary);
  const status = good(await client.GET("/status"));
  assert.equal(status.revision_applied, status.revision_committed);
}

async function destinationControl(): Promise<void> {
  const path = { pattern: "partner.example" };
  good(await client.PUT("/destination-controls/{pattern}", { params: { path }, body: { tls_level: "preferred" } }));
  const read = await client.GET("/destination-controls/{pattern}", { params: { path } });
  const seen = etagOf(read);
  assert.equal(good(read).tls_level, "preferred");
  const unchanged = await client.GET("/destination-controls/{pattern}", { params: { path, header: { "If-None-Match": seen } } });
  assert.equal(unchanged.response.status, 304);

  const first = await client.PUT("/destination-controls/{pattern}", {
    params: { path, header: { "If-Match": seen, "Change-Comment": "the contract asks for TLS" } },
    body: { tls_level: "required" },
  });
  assert.equal(good(first).tls_level, "required");
  const late = await client.PUT("/destination-controls/{pattern}", {
    params: { path, header: { "If-Match": seen } }, body: { tls_level: "none" },
  });
  refused(late, 412);
  assert.equal(etagOf(late), etagOf(first), "a 412 tells the ETag of now");

  const again = await client.PUT("/destination-controls/{pattern}", {
    params: { path, header: { "If-Match": etagOf(late) } }, body: { tls_level: "required_verify" },
  });
  assert.equal(good(again).tls_level, "required_verify");
}

async function faults(): Promise<void> {
  const problem = refused(await client.PUT("/destination-controls/{pattern}", {
    params: { path: { pattern: "other.example" } },
    // @ts-expect-error The document knows no such level.
    body: { tls_level: "sometimes", max_connections: -1 },
  }), 422);
  const pointers = (problem.errors ?? []).map((fault) => fault.pointer).sort();
  assert.deepEqual(pointers, ["/max_connections", "/tls_level"]);
}

async function paging(): Promise<void> {
  for (const pattern of ["a.example", "b.example", "c.example"]) {
    good(await client.PUT("/destination-controls/{pattern}", { params: { path: { pattern } }, body: { tls_level: "required" } }));
  }
  const patterns: string[] = [];
  let cursor: string | undefined;
  do {
    const reply = await client.GET("/destination-controls", { params: { query: { limit: 2, ...(cursor ? { cursor } : {}) } } });
    const page = good(reply);
    assert(page.items.length <= 2);
    assert.equal(reply.response.headers.has("Link"), page.next_cursor !== undefined);
    patterns.push(...page.items.map((control) => control.pattern ?? ""));
    cursor = page.next_cursor;
  } while (cursor);
  assert.deepEqual(patterns, [...new Set(patterns)].sort(), "each once, in order");
  assert(["a.example", "b.example", "c.example", "partner.example"].every((pattern) => patterns.includes(pattern)));
  refused(await client.GET("/destination-controls", { params: { query: { cursor: "bm9uZQ" } } }), 400);
}

async function certificate(): Promise<void> {
  const made = good(await client.POST("/certificates/self-signed", {
    body: { host_name: "mail.example.com", label: "made by the TypeScript client", key_type: "ecdsa_p256" },
  }));
  assert.equal(made.state, "inactive");
  const id = made.id;
  assert(id);
  const active = await client.POST("/certificates/{id}/activate", { params: { path: { id }, query: { wait: "10s" } } });
  assert.equal(good(active).state, "active");
  assert.equal(active.response.headers.get("Activation-Applied"), active.response.headers.get("Activation-Committed"));
  assert.equal(good(await client.GET("/certificates/active")).id, id);
}

async function explain(): Promise<void> {
  const found = good(await client.GET("/tls/explain", { params: { query: { domain: "partner.example" } } }));
  assert.equal(found.destination?.destination_control?.tls_level, "required_verify");
}

async function messages(): Promise<void> {
  const page = good(await client.GET("/messages", { params: { query: { recipient_domain: "stuck.example", limit: 10 } } }));
  const message = page.items[0];
  assert(message?.id, "no message waits");
  const read = good(await client.GET("/messages/{id}", { params: { path: { id: message.id } } }));
  assert.equal(read.recipients?.[0]?.address, "someone@stuck.example");
  const attempts = good(await client.GET("/messages/{id}/attempts", { params: { path: { id: message.id } } }));
  assert.equal(attempts.items[0]?.results?.[0]?.outcome?.status, "deferred");
  const held = await client.POST("/messages/{id}/hold", { params: { path: { id: message.id } } });
  assert.equal(held.response.status, 204);
  refused(await client.GET("/messages/{id}", { params: { path: { id: "0000000000000" } } }), 404);
}

async function revisions(): Promise<void> {
  const page = good(await client.GET("/revisions", { params: { query: { limit: 100 } } }));
  assert(page.items.some((revision) => revision.comment === "the contract asks for TLS"));
}

async function credentials(): Promise<void> {
  const stranger = createClient<paths, Media>({ baseUrl: `${url}/api/v1` });
  const reply = await stranger.GET("/status");
  refused(reply, 401);
  assert(reply.response.headers.get("WWW-Authenticate")?.includes("Bearer"));
}

let failures = 0;
for (const [text, step] of steps) {
  try {
    await step();
    console.log(`ok ${text}`);
  } catch (error) {
    failures++;
    console.log(`not ok ${text}: ${error instanceof Error ? error.message : error}`);
  }
}
process.exit(failures > 0 ? 1 : 0);
