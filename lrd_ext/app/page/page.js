// SPDX-License-Identifier: Apache-2.0
// The page asks for a view again whenever a control moves, one request at a time, always the latest.

const $ = (id) => document.getElementById(id);
const controls = $("controls");
const place = { x: 0.5, y: 0.5 }; // middle of the part shown, shares of the picture
const MOST_PIXELS = 1e6; // of a view, so that it answers at once
const PLOTS_AFTER_MS = 250; // without a change; they take longer than the picture
let choices, picture, overview;

async function get(path, query) {
  const answer = await fetch(`${path}?${query}`);
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}
const json = async (path, query = "") => (await get(path, query)).json();

// Numbers behind the sliders, a third of a stop a step.
const RATIOS = [1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.4, 8];
function isoRange() {
  const [low, high] = choices.cameras[$("camera").value].iso;
  const learned = choices.generators[$("noise").value.slice("generator:".length)];
  if (!learned) return [low, high];
  const both = [Math.max(low, learned.iso[0]), Math.min(high, learned.iso[1])];
  return both[0] <= both[1] ? both : [low, high]; // the answer says what does not fit
}
const thirds = (iso) => 3 * Math.log2(iso / 100);
function iso() {
  const [low, high] = isoRange();
  return Math.min(high, Math.max(low, Number((100 * 2 ** ($("iso").value / 3)).toPrecision(3))));
}
const ratio = () => RATIOS[$("ratio").value % 10] * 10 ** Math.floor($("ratio").value / 10);

function stageSize() {
  const scale = devicePixelRatio, stage = $("stage");
  const width = Math.max(16, Math.round(stage.clientWidth * scale));
  const height = Math.round(stage.clientHeight * scale);
  return [width, Math.max(16, Math.min(height, Math.floor(MOST_PIXELS / width)))];
}

function part() {
  const [width, height] = stageSize();
  return { picture: $("picture").value, ...place, width, height, ev: $("ev").value };
}
function query(changes = {}) {
  return new URLSearchParams({
    ...part(), camera: $("camera").value, iso: iso(), ratio: ratio(), noise: $("noise").value,
    seed: $("seed").value || 0, ...changes,
  });
}

function wanted() {
  const other = $("before").value;
  const before = other
    ? `noisy.bmp?${query({ camera: other, noise: "profile" })}`
    : `clean.bmp?${new URLSearchParams(part())}`;
  const kind = controls.elements.after.value;
  const after = `${kind}.bmp?${query(kind === "residual" ? { ev: 0 } : {})}`;
  const light = `ISO ${iso()}, 1/${ratio()} of the light`;
  return {
    before, after, query: query({ ev: 0 }),
    labels: [other ? `${other}, ${light}` : "as read", kind === "residual" ? "residual" : `${$("camera").value}, ${light}`],
  };
}

async function show(img, address) {
  if (img.dataset.address === address) return false;
  const [path, parameters] = address.split("?");
  const made = URL.createObjectURL(await (await get(path, parameters)).blob());
  const old = img.src;
  img.src = made;
  await img.decode();
  URL.revokeObjectURL(old);
  img.dataset.address = address;
  return true;
}
async function showAtFullSize(img, address) {
  const changed = await show(img, address);
  img.style.width = `${img.naturalWidth / devicePixelRatio}px`;
  return changed;
}

// "asking", then "shown" (the pictures) and "measured" (plots and figures too), or "refused".
const state = (text) => { document.body.dataset.state = text; };

let next = null, busy = false, plotsTimer = 0, version = 0;
async function refresh() {
  if (!picture) return;
  state("asking");
  describeControls();
  next = wanted();
  version += 1;
  clearTimeout(plotsTimer);
  if (busy) return;
  busy = true;
  let failed = false;
  while (next) {
    const now = next, start = performance.now();
    next = null;
    failed = false;
    try {
      const pictures = [showAtFullSize($("left"), now.before), showAtFullSize($("right"), now.after)];
      const changed = await Promise.all(pictures);
      [$("left-label").textContent, $("right-label").textContent] = now.labels;
      if (changed.some(Boolean)) $("time").textContent = `picture: ${Math.round(performance.now() - start)} ms`;
      $("message").textContent = "";
    } catch (error) {
      failed = true;
      $("message").textContent = error.message;
    }
    $("stage").classList.toggle("stale", failed);
  }
  busy = false;
  state(failed ? "refused" : "shown");
  if (!failed) plotsTimer = setTimeout(measure, PLOTS_AFTER_MS);
}

async function measure() {
  const own = version, { query } = wanted();
  const current = () => own === version;
  try {
    const facts = await json("facts", query);
    if (!current()) return;
    describe(facts, query);
    for (const [id, path] of [["residual-plot", "residual.png"], ["mean-variance-plot", "mean_variance.png"]]) {
      if (current()) await show($(id), `${path}?${query}`);
    }
    if (current()) state("measured");
  } catch (error) {
    if (current()) $("message").textContent = error.message;
  }
}

function describe(facts, query) {
  $("sentence").textContent = facts.sentence;
  $("doubts").replaceChildren(...facts.doubts.map((text) => element("li", text)));
  const columns = ["figure", "unit", "measured", "predicted", "verdict"];
  $("figures").replaceChildren(...facts.figures.map((row) => {
    const line = document.createElement("tr");
    line.append(...columns.map((name) => element("td", row[name])));
    return line;
  }));
  $("command").textContent = facts.command;
  $("python").textContent = facts.python;
  $("download").href = `noisy.dng?${query}`;
  $("download").download = facts.file;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
const option = (value, text) => Object.assign(element("option", text), { value });

function describeControls() {
  $("iso-value").textContent = iso();
  $("ratio-value").textContent = ratio();
  $("ev-value").textContent = `${$("ev").value > 0 ? "+" : ""}${$("ev").value} EV`;
  drawOverview();
}

// What a camera or a generator leaves to choose.
function fitToCamera() {
  const chosen = $("noise").value, camera = choices.cameras[$("camera").value];
  const models = Object.entries(camera.models).filter(([name]) => name !== camera.read);
  $("noise").replaceChildren(
    option("profile", `the profile's: ${camera.models[camera.read] ?? camera.read} read noise`),
    ...models.map(([name, label]) => option(`read:${name}`, `${label} read noise`)),
    option("read:none", "no read noise"),
    ...Object.keys(choices.generators).map((name) => option(`generator:${name}`, `learned: ${name}`)),
  );
  if ([...$("noise").options].some((o) => o.value === chosen)) $("noise").value = chosen;
  fitIso();
}
function fitIso() {
  const wish = iso(), [low, high] = isoRange();
  $("iso").min = Math.floor(thirds(low));
  $("iso").max = Math.ceil(thirds(high));
  $("iso").value = Math.round(thirds(Math.min(high, Math.max(low, wish))));
}

async function openPicture() {
  state("asking");
  const number = $("picture").value;
  try {
    picture = await json("picture", `picture=${number}`);
    overview = await createImageBitmap(await (await get("overview.jpg", `picture=${number}`)).blob());
  } catch (error) {
    picture = null;
    $("message").textContent = error.message;
    $("stage").classList.add("stale");
    state("refused");
    return;
  }
  $("told").textContent = picture.told;
  refresh();
}

function drawOverview() {
  const canvas = $("overview"), [width, height] = stageSize();
  canvas.width = overview.width;
  canvas.height = overview.height;
  const draw = canvas.getContext("2d");
  draw.drawImage(overview, 0, 0);
  const w = Math.min(1, width / picture.width), h = Math.min(1, height / picture.height);
  const left = Math.min(Math.max(place.x - w / 2, 0), 1 - w), top = Math.min(Math.max(place.y - h / 2, 0), 1 - h);
  draw.strokeStyle = "#ffd24d";
  draw.lineWidth = 2;
  draw.strokeRect(left * canvas.width + 1, top * canvas.height + 1, w * canvas.width - 2, h * canvas.height - 2);
}

function moveTo(x, y) {
  place.x = Math.min(1, Math.max(0, x));
  place.y = Math.min(1, Math.max(0, y));
  refresh();
}
function point(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const box = $("overview").getBoundingClientRect();
  moveTo((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}
const ARROWS = { ArrowLeft: [-0.05, 0], ArrowRight: [0.05, 0], ArrowUp: [0, -0.05], ArrowDown: [0, 0.05] };

function listen() {
  controls.addEventListener("submit", (event) => event.preventDefault());
  controls.addEventListener("input", (event) => {
    if (event.target.id === "picture") return openPicture();
    if (event.target.id === "camera") fitToCamera();
    if (event.target.id === "noise") fitIso();
    return refresh();
  });
  $("split").addEventListener("input", () => $("stage").style.setProperty("--split", `${$("split").value}%`));
  for (const kind of ["pointerdown", "pointermove"]) $("overview").addEventListener(kind, point);
  $("overview").addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    moveTo(place.x + step[0], place.y + step[1]);
  });
  for (const button of document.querySelectorAll("[data-copies]")) {
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText($(button.dataset.copies).textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
  addEventListener("resize", refresh);
}

choices = await json("choices");
$("picture").append(...choices.pictures.map((name, number) => option(number, name)));
const cameras = Object.entries(choices.cameras).map(([name, camera]) => [name, `${name} · ${camera.label}`]);
$("before").append(option("", "the picture as read"), ...cameras.map(([name, text]) => option(name, text)));
$("camera").append(...cameras.map(([name, text]) => option(name, text)));
if ("sony_a7s2" in choices.cameras && !cameras[0][0].endsWith(".json")) $("camera").value = "sony_a7s2";
$("iso").min = -30; // wide enough for any camera, until the first one is fitted
$("iso").max = 60;
$("iso").value = 15;
fitToCamera();
listen();
openPicture();
