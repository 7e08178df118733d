// Renders /api/openapi.json. Every text goes in as text, never as markup.
const METHODS = ["get", "post", "put", "patch", "delete"];
const DEPTH_MAX = 6;

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolve(root, schema) {
  if (!schema?.$ref) return [schema ?? {}, null];
  const path = schema.$ref.replace(/^#\//, "").split("/");
  return [path.reduce((part, key) => part?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], root) ?? {}, path.at(-1)];
}

function typeName(root, schema) {
  const [real, name] = resolve(root, schema);
  const either = real.oneOf ?? real.anyOf;
  if (either) return either.map((each) => typeName(root, each)).join(" or ");
  if (real.enum) return real.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (real.const !== undefined) return JSON.stringify(real.const);
  if (real.type === "array") return `list of ${typeName(root, real.items)}`;
  if (name) return name;
  const type = Array.isArray(real.type) ? real.type.join(" or ") : (real.type ?? "anything");
  return real.format ? `${type} (${real.format})` : type;
}

function bounds(schema) {
  const words = { minimum: "at least", maximum: "at most", minLength: "min. length", maxLength: "max. length", default: "default" };
  return Object.entries(words).filter(([key]) => schema[key] !== undefined && schema[key] !== null)
    .map(([key, word]) => `${word} ${schema[key]}`).join(", ");
}

function fields(root, schema, depth = 0) {
  const [real] = resolve(root, schema);
  if (real.type === "array") return fields(root, real.items, depth);
  if (!real.properties || depth > DEPTH_MAX) return null;
  const rows = Object.entries(real.properties).map(([name, part]) => {
    const [inner] = resolve(root, part);
    const text = [part.description ?? inner.description, bounds(inner)].filter(Boolean).join(" · ");
    const nested = fields(root, (inner.oneOf ?? inner.anyOf)?.find((each) => each.type !== "null") ?? part, depth + 1);
    const cell = make("td", {}, text);
    if (nested) cell.append(make("details", {}, make("summary", {}, "fields"), nested));
    const needed = real.required?.includes(name) ? "" : " ?";
    return make("tr", {}, make("td", {}, make("code", {}, name + needed)), make("td", {}, typeName(root, part)), cell);
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

function parameters(root, list) {
  const rows = list.map((given) => {
    const [each] = resolve(root, given);
    const text = [each.description, bounds(each.schema ?? {})].filter(Boolean).join(" · ");
    return make("tr", {}, make("td", {}, make("code", {}, each.name + (each.required ? "" : " ?"))),
      make("td", {}, `${each.in}, ${typeName(root, each.schema)}`), make("td", {}, text));
  });
  return make("table", {}, make("tbody", {}, ...rows));
}

function section(title, content) {
  return content ? [make("h4", {}, title), content] : [];
}

function chain(root, passed) {
  const titles = new Map((root["x-bitcurrent-chain"] ?? []).map((layer) => [layer.name, layer.title]));
  const steps = passed.map((step) => make("li", {}, make("b", {}, titles.get(step.layer) ?? step.layer), ` · ${step.asks}`));
  return make("details", { class: "chain" }, make("summary", {}, `passes ${passed.length} layers before it runs`), make("ol", {}, ...steps));
}

function wholeChain(layers) {
  const steps = layers.map((layer) => make("li", {}, make("b", {}, layer.title), ` · ${layer.does} `,
    make("small", {}, `Declared in ${layer.declared}.`)));
  return make("details", { class: "chain" }, make("summary", {}, "The chain that every request passes, in this order"), make("ol", {}, ...steps));
}

function operationCard(root, path, method, operation) {
  const body = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
  const answers = Object.entries(operation.responses ?? {}).flatMap(([status, given]) => {
    const [answer] = resolve(root, given);
    const schema = Object.values(answer.content ?? {})[0]?.schema;
    const title = `${status === "default" ? "any refusal" : status} · ${answer.description ?? ""}${schema ? ` · ${typeName(root, schema)}` : ""}`;
    return [make("details", {}, make("summary", {}, title), (schema && fields(root, schema)) || "")];
  });
  return make("article", { id: operation.operationId },
    make("h3", {}, operation.summary ?? operation.operationId),
    make("p", { class: "address" }, make("span", { class: "method" }, method.toUpperCase()), path),
    operation.security?.length ? make("p", { class: "lock" }, "Needs a session or an API key.") : null,
    operation.description ? make("p", {}, operation.description) : null,
    operation["x-bitcurrent-repeatable"] ? make("p", {}, `Takes no Idempotency-Key: ${operation["x-bitcurrent-repeatable"]}`) : null,
    operation["x-bitcurrent-chain"] ? chain(root, operation["x-bitcurrent-chain"]) : null,
    ...section("Parameters", operation.parameters?.length ? parameters(root, operation.parameters) : null),
    ...section("Body", body ? fields(root, body) ?? make("p", {}, typeName(root, body)) : null),
    ...section("Answers", make("div", {}, ...answers)));
}

function render(root) {
  document.getElementById("about").replaceChildren(
    `${root.info.description ?? ""} Version ${root.info.version}. `,
    make("a", { href: "/api/openapi.json" }, "The OpenAPI document"), ".",
    wholeChain(root["x-bitcurrent-chain"] ?? []));
  const groups = new Map();
  for (const [path, item] of Object.entries(root.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const operation = item[method];
      const tag = operation.tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push({ path, method, operation });
    }
  }
  const contents = document.getElementById("contents");
  const main = document.getElementById("operations");
  for (const [tag, list] of groups) {
    const links = list.map(({ path, method, operation }) => {
      const link = make("a", { href: `#${operation.operationId}` }, operation.summary ?? path);
      const card = operationCard(root, path, method, operation);
      const words = `${path} ${method} ${operation.summary} ${operation.operationId} ${tag}`.toLowerCase();
      link.dataset.words = card.dataset.words = words;
      main.append(card);
      return link;
    });
    contents.append(make("h2", {}, tag), ...links);
  }
  document.getElementById("search").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const each of document.querySelectorAll("[data-words]")) each.hidden = !each.dataset.words.includes(wanted);
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

try {
  const answer = await fetch("/api/openapi.json");
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  render(await answer.json());
} catch (error) {
  document.getElementById("about").textContent = `The document could not be read: ${error.message}. Reload the page to try again.`;
}
