// Signs in and mints a key with Node alone. BASE_URL, CERT, USERNAME and PASSWORD come from the environment.
import assert from "node:assert";
import { readFileSync } from "node:fs";
import https from "node:https";

const { BASE_URL, CERT, USERNAME, PASSWORD } = process.env;
const agent = new https.Agent({ ca: readFileSync(CERT) }); // trusts this certificate and no other

function post(path, body, headers = {}) {
  return new Promise((resolve, reject) => {
    const options = { method: "POST", agent, headers: { "Content-Type": "application/json", ...headers } };
    const request = https.request(new URL(path, BASE_URL), options, async (answer) => {
      let text = "";
      for await (const chunk of answer.setEncoding("utf8")) text += chunk;
      if (answer.statusCode !== 200) reject(new Error(`${path}: ${answer.statusCode} ${text}`));
      else resolve({ cookies: answer.headers["set-cookie"] ?? [], body: JSON.parse(text) });
    });
    request.on("error", reject);
    request.end(JSON.stringify(body));
  });
}

const session = await post("/api/sessions", { userName: USERNAME, password: PASSWORD });
const key = await post(
  "/api/apikeys",
  { keyName: "First key by Node", description: "Created using a request ID", roleID: 1 },
  { Cookie: session.cookies[0].split(";")[0], rID: session.body.RID },
);
agent.destroy();
assert(key.body.secretKey.startsWith(`${key.body.ID}:`));
console.log(JSON.stringify(key.body));
