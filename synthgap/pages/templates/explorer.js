const data = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const VARIANTS = ["trained", "centred"], MODALITIES = ["image", "text"];
const CHARTS = [["rmg", "gap (RMG)"], ["l2m", "distance of the means (L2M)"], ["spread", "spread within modalities"],
  ["mean_cosine", "cosine of the means"], ["entropy", "matching entropy, nats"], ["temperature", "temperature τ"],
  ["recall@1", "retrieval (R@1, image → text)"]];
const NAMES = Object.fromEntries(CHARTS);
const shown = x => x === null ? "–" : x.toFixed(Math.abs(x) < .0995 && x !== 0 ? 3 : 2).replace("-", "−");
const make = (tag, attributes = {}, ...children) => {
  const svg = ["svg", "path", "line", "circle", "rect"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

// What is shown: the run that the sliders choose, a moment of it, and how.
const state = { places: data.sliders.map(() => 0), moment: 0, centred: false, lines: true, colour: "", pair: -1 };
let run, before = null, turn = [-.5, .35], timer = null;

const key = places => places.join();
const byPlaces = new Map(data.runs.map(each => [key(each.at), each]));
const pick = (places, moved) => byPlaces.get(key(places)) ?? data.runs
  .filter(each => moved === undefined || each.at[moved] === places[moved])
  .reduce((best, each) => {
    const alike = other => other.at.filter((place, i) => place === places[i]).length;
    return best && alike(best) >= alike(each) ? best : each;
  }, null);
const variant = () => VARIANTS[+state.centred];
const last = some => some.steps.length - 1;
const points = some => {
  if (!some.decoded) {
    const bytes = Uint8Array.from(atob(some.positions), c => c.charCodeAt(0));
    const view = new DataView(bytes.buffer), n = bytes.length / 2;
    some.decoded = Float32Array.from({ length: n }, (_, i) => view.getInt16(2 * i, true) / 32767);
  }
  return some.decoded;
};
const size = () => data.pairs[run.pairs].codes.length;
const where = (modality, pair) => {
  const start = (((+state.centred * run.steps.length + state.moment) * 2 + modality) * size() + pair) * 3;
  return points(run).subarray(start, start + 3);
};

// The sphere
const canvas = at("sphere"), pen = canvas.getContext("2d");
const colours = {};
const factorColour = (value, of) => `hsl(${Math.round(360 * value / of + 20)} ${colours.dark ? "80% 72%" : "75% 36%"})`;
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["image", "text-dot", "soft", "line", "page", "box", "mean", "text"])
    colours[name] = style.getPropertyValue("--" + name).trim();
  colours.dark = matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;
}
const rotated = ([x, y, z]) => {
  const [a, b] = turn, X = x * Math.cos(a) + z * Math.sin(a), Z = -x * Math.sin(a) + z * Math.cos(a);
  return [X, y * Math.cos(b) - Z * Math.sin(b), y * Math.sin(b) + Z * Math.cos(b)];
};
let drawn = [];
function draw() {
  const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
  if (!width) return;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = canvas.height = Math.round(width * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, width);
  const middle = width / 2, radius = width * .46;
  const flat = p => { const [x, y, z] = rotated(p); return [middle + radius * x, middle - radius * y, z]; };
  const shade = pen.createRadialGradient(middle * .8, middle * .75, radius * .1, middle, middle, radius);
  shade.addColorStop(0, colours.page); shade.addColorStop(1, colours.box);
  pen.fillStyle = shade; pen.strokeStyle = colours.soft; pen.lineWidth = 1;
  pen.beginPath(); pen.arc(middle, middle, radius, 0, 2 * Math.PI); pen.fill(); pen.stroke();
  pen.strokeStyle = colours.line;
  for (let circle = 0; circle < 6; circle++) {
    pen.beginPath();
    for (let i = 0; i <= 72; i++) {
      const t = 2 * Math.PI * i / 72, h = (circle - 3) * Math.PI / 6, c = Math.PI * circle / 3;
      const p = circle < 3 ? [Math.cos(c) * Math.cos(t), Math.sin(t), Math.sin(c) * Math.cos(t)]
        : [Math.cos(h) * Math.cos(t), Math.sin(h), Math.cos(h) * Math.sin(t)];
      const [x, y] = flat(p);
      if (i) pen.lineTo(x, y); else pen.moveTo(x, y);
    }
    pen.stroke();
  }
  const n = size(), codes = data.pairs[run.pairs].codes, factor = Object.keys(data.factors).indexOf(state.colour);
  const colour = (modality, pair) => factor < 0 ? colours[modality ? "text-dot" : "image"]
    : factorColour(codes[pair][factor], data.factors[state.colour].length);
  const items = [], means = [[0, 0, 0], [0, 0, 0]];
  for (let pair = 0; pair < n; pair++) for (const modality of [0, 1]) {
    const p = where(modality, pair), [x, y, z] = flat(p);
    for (let i = 0; i < 3; i++) means[modality][i] += p[i] / n;
    items.push({ modality, pair, x, y, z });
  }
  if (state.lines) for (let pair = 0; pair < n; pair++) {
    const [a, b] = [items[2 * pair], items[2 * pair + 1]], chosen = state.pair === pair;
    pen.globalAlpha = chosen ? 1 : .15 + .2 * (2 + a.z + b.z) / 4;
    pen.strokeStyle = chosen ? colours.text : factor < 0 ? colours.soft : colour(0, pair);
    pen.lineWidth = chosen ? 2.5 : 1;
    pen.beginPath(); pen.moveTo(a.x, a.y); pen.lineTo(b.x, b.y); pen.stroke();
  }
  drawn = items.slice().sort((a, b) => a.z - b.z);
  for (const item of drawn) {
    const r = Math.max(3, width / 130) * (1 + .3 * item.z) * (state.pair === item.pair ? 1.8 : 1);
    pen.globalAlpha = .35 + .325 * (1 + Math.max(-1, Math.min(1, item.z)));
    pen.fillStyle = colour(item.modality, item.pair); pen.strokeStyle = colours.page; pen.lineWidth = 1;
    pen.beginPath();
    if (item.modality) pen.rect(item.x - r * .9, item.y - r * .9, 1.8 * r, 1.8 * r);
    else pen.arc(item.x, item.y, r, 0, 2 * Math.PI);
    pen.fill(); pen.stroke();
  }
  pen.globalAlpha = 1;
  const [a, b] = means.map(flat);
  pen.strokeStyle = colours.mean; pen.lineWidth = 4;
  pen.beginPath(); pen.moveTo(a[0], a[1]); pen.lineTo(b[0], b[1]); pen.stroke();
  [a, b].forEach(([x, y], modality) => {
    pen.fillStyle = colours[modality ? "text-dot" : "image"]; pen.lineWidth = 2.5;
    pen.beginPath();
    if (modality) pen.rect(x - 8, y - 8, 16, 16); else pen.arc(x, y, 9, 0, 2 * Math.PI);
    pen.fill(); pen.stroke();
  });
}

// Turning, and looking at a pair
let held = null;
canvas.addEventListener("pointerdown", e => { held = [e.clientX, e.clientY, ...turn]; canvas.setPointerCapture(e.pointerId); });
canvas.addEventListener("pointerup", () => { held = null; });
canvas.addEventListener("pointermove", e => {
  if (held) {
    const scale = 3 / canvas.clientWidth;
    turn = [held[2] + (e.clientX - held[0]) * scale, tilted(held[3] + (e.clientY - held[1]) * scale)];
    draw();
  } else look(e.offsetX, e.offsetY);
});
canvas.addEventListener("pointerleave", () => choose(-1));
canvas.addEventListener("keydown", e => {
  const step = { ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, -.1], ArrowDown: [0, .1] }[e.key];
  const way = { p: 1, o: -1 }[e.key.toLowerCase()];
  if (step) { turn = [turn[0] + step[0], tilted(turn[1] + step[1])]; draw(); }
  else if (way) choose((state.pair + way + size() + (state.pair < 0 && way < 0)) % size());
  else if (e.key === "Escape") choose(-1);
  else return;
  e.preventDefault();
});
const tilted = angle => Math.max(-1.5, Math.min(1.5, angle));
function look(x, y) {
  let best = null, near = 14 ** 2;
  for (const item of drawn) {
    const far = (item.x - x) ** 2 + (item.y - y) ** 2;
    if (far <= near) { near = far; best = item; }
  }
  choose(best ? best.pair : -1, best);
}
function choose(pair, item = drawn.find(each => each.pair === pair)) {
  if (pair === state.pair) return;
  state.pair = pair;
  draw();
  const tip = at("tip");
  tip.hidden = pair < 0;
  if (pair < 0) return;
  const about = data.pairs[run.pairs], names = Object.keys(data.factors);
  tip.replaceChildren();
  const values = about.codes[pair].map((code, i) => `${names[i]}: ${data.factors[names[i]][code]}`);
  if (about.images) tip.append(make("img", { src: about.images[pair], alt: values.join(", ") }));
  tip.append(make("div", {}, `image: ${values.join(", ")}`), make("div", {}, make("b", {}, "caption: "), data.captions[run.captions][pair] || "(empty)"));
  const left = Math.min(item.x + 14, canvas.clientWidth - tip.offsetWidth - 4);
  tip.style.left = Math.max(0, left) + "px";
  tip.style.top = Math.min(item.y + 14, canvas.clientHeight - tip.offsetHeight) + "px";
}

// Courses of training
const range = {};
for (const [name] of CHARTS) {
  const all = data.runs.flatMap(each => VARIANTS.flatMap(v => each.numbers[v][name])).filter(x => x !== null);
  range[name] = [Math.min(0, ...all), Math.max(...all, 1e-9)];
}
const path = (values, name) => {
  const [low, high] = range[name], y = x => 4 + 92 * (high - x) / (high - low);
  return values.map((x, i) => x === null ? "" : `${i && values[i - 1] !== null ? "L" : "M"}${200 * i / (values.length - 1)} ${y(x).toFixed(1)}`).join("");
};
const charts = CHARTS.map(([name, label]) => {
  const old = make("path", { class: "before" }), line = make("path"), now = make("line", { y1: 0, y2: 100 }), value = make("b");
  const picture = make("svg", { viewBox: "0 0 200 100", preserveAspectRatio: "none", role: "img" }, old, line, now);
  at("charts").append(make("figure", { class: "chart" }, make("figcaption", {}, label, value), picture));
  return { name, label, old, line, now, value, picture };
});
function chart() {
  for (const { name, label, old, line, now, value, picture } of charts) {
    const values = run.numbers[variant()][name], x = 200 * state.moment / last(run);
    line.setAttribute("d", path(values, name));
    old.setAttribute("d", before ? path(before.run.numbers[before.variant][name], name) : "");
    now.setAttribute("x1", x); now.setAttribute("x2", x);
    value.textContent = shown(values[state.moment]);
    picture.setAttribute("aria-label", `${label}: from ${shown(values[0])} to ${shown(values[last(run)])}, now ${shown(values[state.moment])}`);
  }
}

// Controls
const moment = at("moment");
const inputs = data.sliders.map((slider, i) => {
  const id = `slider-${i}`, value = make("output", { for: id });
  const input = make("input", { type: "range", id, min: 0, max: slider.values.length - 1, value: 0, step: 1 });
  at("sliders").append(make("div", { class: "slider" }, make("label", { for: id }, slider.label, value), input));
  input.addEventListener("input", () => go(() => { state.places[i] = +input.value; }, i));
  return { input, value };
});
for (const name of Object.keys(data.factors)) at("colour").add(new Option(name, name));
// A change of what is shown leaves the course before it in the charts, to be compared.
function go(change, moved) {
  const was = { run, variant: variant() };
  change();
  run = pick(state.places, moved);
  state.places = run.at.slice();
  if (was.run && (was.run !== run || was.variant !== variant())) before = was;
  state.moment = Math.min(state.moment, last(run));
  show();
  tell();
}
function show() {
  moment.max = last(run);
  moment.value = state.moment;
  moment.setAttribute("aria-valuetext", `step ${run.steps[state.moment]}`);
  at("step").textContent = `${run.steps[state.moment]} of ${run.steps[last(run)]}`;
  inputs.forEach(({ input, value }, i) => {
    const text = data.sliders[i].values[state.places[i]];
    input.value = state.places[i]; value.textContent = text; input.setAttribute("aria-valuetext", text);
  });
  at("centred").checked = state.centred;
  const share = run.shares[variant()][state.moment];
  at("projection").textContent = run.dimensions <= 3 ? "The embedding has three dimensions or fewer, and is shown as it is."
    : `The embedding has ${run.dimensions} dimensions. Shown are three: the axis of the gap, and two principal components of both ` +
      `modalities together. They hold ${Math.round(100 * share)} % of the variance here; the rest is not seen, so dots lie inside the sphere.`;
  draw();
  chart();
}
function tell() {
  const now = run.numbers[variant()], of = name => shown(now[name][state.moment]);
  at("told").textContent = `Step ${run.steps[state.moment]}${state.centred ? ", centred" : ""}: RMG ${of("rmg")}, distance of the means ${of("l2m")}, ` +
    `spread ${of("spread")}, R@1 ${of("recall@1")}.`;
  canvas.setAttribute("aria-label", `Embeddings of ${size()} images and their captions on a sphere`);
  ask();
}
moment.addEventListener("input", () => { stop(); state.moment = +moment.value; show(); });
moment.addEventListener("change", tell);
at("centred").addEventListener("input", e => go(() => { state.centred = e.target.checked; }));
at("lines").addEventListener("input", e => { state.lines = e.target.checked; draw(); });
at("colour").addEventListener("input", e => { state.colour = e.target.value; legend(); draw(); });
function stop() {
  clearInterval(timer); timer = null;
  at("play").setAttribute("aria-pressed", "false"); at("play").textContent = "Play training";
}
at("play").addEventListener("click", () => {
  if (timer) { stop(); return; }
  if (state.moment === last(run)) state.moment = 0;
  at("play").setAttribute("aria-pressed", "true"); at("play").textContent = "Pause";
  show();
  timer = setInterval(() => {
    state.moment += 1; show();
    if (state.moment >= last(run)) { stop(); tell(); }
  }, 180);
});
function legend() {
  const dot = (colour, square) => {
    const mark = square ? make("rect", { x: 1, y: 1, width: 10, height: 10 }) : make("circle", { cx: 6, cy: 6, r: 5.5 });
    mark.setAttribute("fill", colour);
    return make("svg", { width: 12, height: 12, "aria-hidden": "true" }, mark);
  };
  const values = data.factors[state.colour];
  const rows = values ? values.map((value, i) => [factorColour(i, values.length), false, value])
    : [[colours.image, false, "images (round)"], [colours["text-dot"], true, "captions (square)"]];
  at("legend").replaceChildren(...rows.map(([colour, square, text]) => make("li", {}, dot(colour, square), text)));
}

// Questions
const slider = names => data.sliders.findIndex(each => names.includes(each.key));
const QUESTIONS = [
  { title: "Why does a cold temperature keep modalities apart?", slider: slider(["temperature", "temperature.init"]), metrics: ["l2m", "spread", "entropy"],
    text: "The loss asks that a caption is nearer to its own image than to others, by a few τ. Where τ is small, a small difference is enough: a modality " +
      "needs only a part of the sphere (its spread is small), and the rest is room in which the means can stand apart. Where τ is large, the difference " +
      "has to be large, and that takes the whole sphere. Move the temperature, then the start, and see where the means end." },
  { title: "What does one more attribute do?", slider: slider(["captions.attributes"]), metrics: ["rmg", "entropy", "recall@1"],
    text: "A caption that names few attributes fits many images, and cannot lie on all of them at once. Move the number of attributes, and look at the lines: " +
      "how many images share a caption, and how far they lie from it?" },
  { title: "Does centring help?", slider: -1, metrics: ["l2m", "rmg", "recall@1"],
    text: "Centring takes each modality's mean off, after training. The means then coincide. Tick “Centre” and see whether images come to lie on " +
      "their captions, or whether only the means have moved." },
].map(question => {
  const button = make("button", { type: "button" }, "Show me"), table = make("table");
  const box = make("article", {}, make("h3", {}, question.title), make("p", {}, question.text), button, table);
  button.addEventListener("click", () => {
    stop();
    go(() => {
      state.moment = last(run);
      if (question.slider < 0) state.centred = !state.centred;
      else { state.centred = false; state.places[question.slider] = (state.places[question.slider] + 1) % data.sliders[question.slider].values.length; }
    }, question.slider < 0 ? undefined : question.slider);
    at("sphere").scrollIntoView({ block: "nearest" });
  });
  if (question.slider >= 0 || question.title.includes("centring")) at("questions").append(box);
  return { ...question, table };
});
function ask() {
  for (const { table, metrics, slider: i } of QUESTIONS) {
    const head = make("tr", {}, make("th", { scope: "col" }, i < 0 ? "centred" : data.sliders[i].short),
      ...metrics.map(name => make("th", { scope: "col", class: "number" }, { rmg: "RMG", l2m: "L2M", spread: "spread", entropy: "entropy", "recall@1": "R@1" }[name])));
    const rows = i < 0 ? VARIANTS.map((name, v) => [v ? "yes" : "no", run, name, +state.centred === v])
      : data.sliders[i].values.map((value, place) => {
        const places = state.places.slice();
        places[i] = place;
        return [value, byPlaces.get(key(places)), variant(), place === state.places[i]];
      });
    table.replaceChildren(make("caption", {}, "At the end of training"), make("thead", {}, head), make("tbody", {}, ...rows.filter(row => row[1]).map(([value, some, name, now]) =>
      make("tr", now ? { class: "now" } : {}, make("th", { scope: "row" }, value),
        ...metrics.map(metric => make("td", { class: "number" }, shown(some.numbers[name][metric][last(some)])))))));
  }
}

for (const query of ["(prefers-color-scheme: dark)", "print"])
  matchMedia(query).addEventListener("change", () => { readColours(); legend(); draw(); });
new ResizeObserver(draw).observe(canvas);
readColours();
legend();
// The page opens where the means end furthest apart.
const apart = some => some.numbers.trained.l2m[last(some)];
go(() => {
  const widest = data.runs.reduce((best, some) => apart(some) > apart(best) ? some : best);
  state.places = widest.at.slice(); state.moment = last(widest);
});
