
const data = JSON.parse(document.getElementById("data").textContent);
const { results } = data;
const VARIANTS = ["codec", "base", "update"];
const SHOWN = ["original", ...VARIANTS];
const pictures = [...new Set(results.points.map(p => p.picture))];
const ofPictures = pictures.length === 1 ? "1 picture" : `${pictures.length} pictures`;
const colour = results.points.some(p => p.codec.psnr.length > 1);
const quality = q => `${data.quality_name} ${q}`;
const byId = id => document.getElementById(id);

const known = v => v !== null && v !== undefined;
const fixed = (v, digits) => known(v) ? v.toFixed(digits).replace("-", "−") : "–";
const signed = (v, digits) => known(v) ? (v < 0 ? "−" : "+") + Math.abs(v).toFixed(digits) : "–";
const whole = v => known(v) ? Math.round(v).toLocaleString("en-US") : "–";
const less = (a, b) => known(a) && known(b) ? a - b : null;
const mean = values => {
  const all = values.filter(known);
  return all.length ? all.reduce((a, b) => a + b, 0) / all.length : null;
};

/** Where lower is better, or where higher is. */
const judged = (text, goodness) =>
  make("span", { textContent: text, className: goodness > 0 ? "good" : goodness < 0 ? "bad" : "" });

/**
 * A table. Columns have a head, a cell (of a row: text or nodes) and perhaps words (aligned left) and
 * a value to sort by; rows may have a className, and those of class "mean" stay on top.
 */
function table(columns, rows) {
  const body = make("tbody");
  const fill = rows => body.replaceChildren(...rows.map(row => make("tr", { className: row.className ?? "" },
    ...columns.map(c => make("td", { className: c.words ? "words" : "" }, ...[c.cell(row)].flat())))));
  const heads = columns.map(c => {
    const head = make("th", { scope: "col", className: c.words ? "words" : "" });
    const text = c.head.replaceAll("-", "\u2011"); // lines do not break there
    head.append(c.value ? make("button", { type: "button", textContent: text, onclick: () => sort(c, head) }) : text);
    return head;
  });
  const sort = (column, head) => {
    const down = head.ariaSort === "ascending";
    for (const other of heads) other.ariaSort = null;
    head.ariaSort = down ? "descending" : "ascending";
    const compare = (a, b) => {
      const [x, y] = [column.value(a), column.value(b)];
      if (!known(x) || !known(y)) return known(y) - known(x);
      return (typeof x === "string" ? x.localeCompare(y) : x - y) * (down ? -1 : 1);
    };
    const first = rows.filter(r => r.className === "mean");
    fill([...first, ...rows.filter(r => !first.includes(r)).sort(compare)]);
  };
  fill(rows);
  return make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
}

function showSetup() {
  const { setup, run } = results;
  const pixels = pictures.map(name => results.points.find(p => p.picture === name)).reduce((sum, p) => sum + p.width * p.height, 0);
  const planes = {
    colour: "luma, and chroma 4:2:0 of colour pictures", luma: "luma alone, as gray pictures",
    limited: "limited-range luma (BT.601), as gray pictures",
  };
  const { machine } = run;
  const memory = known(machine.memory_gib) ? `, ${machine.memory_gib.toFixed(0)} GiB` : "";
  const time = s => new Date(s * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";
  const rows = {
    Codec: setup.codec_version,
    Planes: planes[setup.planes] ?? setup.planes,
    Pictures: `${pictures.length}, ${(pixels / 1e6).toFixed(2)} megapixels` + (pictures.length <= 8 ? `: ${pictures.join(", ")}` : ""),
    Qualities: results.qualities.map(quality).join(", "),
    Updates: known(setup.steps) ? `${setup.steps} training steps` : `effort ${setup.effort}`,
    Measured: time(run.time),
    Machine: `${machine.cpu}, ${machine.cores} cores${memory}; ${machine.system}`,
    Build: `commit ${run.commit}`,
  };
  for (const [name, text] of Object.entries(rows))
    byId("setup").append(make("dt", { textContent: name }), make("dd", { textContent: text }));
}

function showLead() {
  const rate = name => results.summary.bd_rate[`${name} against codec`]?.y;
  const [base, update] = [rate("base"), rate("update")];
  if (!known(base) || !known(update)) return;
  byId("lead").append(`Bytes at equal PSNR-Y (mean BD-rate, ${ofPictures}): `, judged(signed(base, 1) + " %", -base),
    " with the base model, ", judged(signed(update, 1) + " %", -update), " with an update.");
}

function showQualities() {
  const rows = results.summary.qualities.flatMap(q => VARIANTS.map(variant => ({
    q, variant, own: q[variant], className: variant === "codec" ? "first" : "",
  })));
  const gained = (row, digits, of) => {
    const gain = row.variant === "codec" ? null : less(of(row.own), of(row.q.codec));
    return [fixed(of(row.own), digits), ...known(gain) ? [make("small", {}, judged(signed(gain, digits), Number(gain.toFixed(digits))))] : []];
  };
  const plane = (head, i) => ({ head, cell: r => gained(r, 2, m => m.psnr[i]) });
  const ofUpdate = (head, cell) => ({ head, cell: r => r.variant === "update" ? cell(r.q) : "" });
  byId("qualities").append(table([
    { head: data.quality_name, cell: r => r.variant === "codec" ? String(r.q.quality) : "" },
    { head: "Variant", words: true, cell: r => [swatch(VARIANTS.indexOf(r.variant)), r.variant] },
    { head: "Bytes", cell: r => whole(r.own.bytes) },
    plane("PSNR-Y", 0),
    ...colour ? [plane("Cb", 1), plane("Cr", 2), { head: "YUV", cell: r => gained(r, 2, m => m.psnr_yuv) }] : [],
    { head: "SSIM", cell: r => gained(r, 4, m => m.ssim) },
    { head: "MS-SSIM", cell: r => gained(r, 4, m => m.ms_ssim) },
    ofUpdate("Payload bytes", q => fixed(q.payload_bytes, 1)),
    ofUpdate("Updates sent", q => `${q.updates} / ${q.pictures}`),
    ofUpdate("Net gain", q => judged(signed(q.net_gain_db, 3), q.net_gain_db)),
  ], rows));
  const time = (head, of) => ({ head, cell: q => seconds(q.seconds[of]) });
  byId("seconds").append(table([
    { head: data.quality_name, cell: q => String(q.quality) },
    time("Codec, encode", "codec_encode"), time("Update: tune, code, choose", "payload_encode"),
    time("Codec, decode", "codec_decode"), time("Payload, decode", "payload_decode"), time("Filter", "filter"),
  ], results.summary.qualities));
}

const seconds = v => v < 0.01 ? v.toFixed(4) : v < 1 ? v.toFixed(3) : v.toFixed(2);

const swatch = index => {
  const element = make("span", { className: "swatch" });
  element.style.setProperty("--own", `var(--c${index % 9})`);
  return element;
};

function showRates() {
  const comparisons = Object.entries(results.summary.bd_rate);
  const of = row => (comparison, metric) => row.name
    ? comparison.pictures.find(p => p.picture === row.name)?.[metric] : comparison[metric];
  const rate = (head, comparison, metric) => ({
    head, value: r => of(r)(comparison, metric),
    cell: r => judged(signed(of(r)(comparison, metric), 2), -of(r)(comparison, metric)),
  });
  const columns = comparisons.flatMap(([name, comparison]) => [
    rate(`${name}, Y`, comparison, "y"),
    ...colour ? [rate(`${name}, YUV`, comparison, "yuv")] : [],
  ]);
  const rows = [{ className: "mean" }, ...pictures.map(name => ({ name }))];
  byId("rates").append(table([
    { head: "Picture", words: true, value: r => r.name, cell: r => r.name ?? `mean of ${pictures.length}` }, ...columns,
  ], rows));
}

function showLosses() {
  const { losses } = data;
  const section = byId("losses");
  const sent = results.points.filter(p => p.payload.mode === "update").length;
  const off = results.points.filter(p => p.payload.mode === "off").length;
  const modes = `Of ${results.points.length} points, ${sent} got an update, ${results.points.length - sent - off} the base ` +
    `model alone, ${off} no filtering.`;
  if (!losses.length) {
    section.append(make("p", { textContent: "Nowhere: no picture at any quality has a lower PSNR with the base model than " +
      "without, or with an update than with the base model; every known net gain and BD-rate is on the right side." }),
    make("p", { className: "note", textContent: modes }));
    return;
  }
  const points = new Set(losses.filter(l => known(l.quality)).map(l => `${l.picture} ${l.quality}`)).size;
  const rates = losses.filter(l => !known(l.quality)).length;
  section.append(
    make("p", { textContent: `At ${points} of ${results.points.length} points, and in ${rates} BD-rates of pictures.` }),
    make("p", { className: "note", textContent: modes }),
    make("div", { className: "scroll tall" }, table([
      { head: "Picture", words: true, value: l => l.picture, cell: l => l.picture },
      { head: data.quality_name, value: l => l.quality, cell: l => known(l.quality) ? String(l.quality) : "all" },
      { head: "Comparison", words: true, value: l => l.comparison, cell: l => l.comparison },
      { head: "Figure", words: true, value: l => l.figure, cell: l => l.figure },
      { head: "Value", value: l => l.value, cell: l => judged(signed(l.value, 4), -1) },
    ], losses)));
}

const METRICS = {
  y: { name: "PSNR-Y", unit: " dB", digits: 2, of: m => m.psnr[0] },
  yuv: { name: "PSNR-YUV", unit: " dB", digits: 2, of: m => m.psnr_yuv },
  ssim: { name: "SSIM", unit: "", digits: 4, of: m => m.ssim },
  ms_ssim: { name: "MS-SSIM", unit: "", digits: 4, of: m => m.ms_ssim },
  ssimulacra2: { name: "SSIMULACRA 2", unit: "", digits: 2, of: m => m.ssimulacra2 },
};

/** What the curves need of each point of a variant or of a peer. */
function samplesOf(points, measured, metric) {
  return points.flatMap(point => {
    const { width, height } = results.points.find(p => p.picture === point.picture) ?? {};
    const own = measured(point);
    const y = METRICS[metric].of(own);
    const x = 8 * own.bytes / (width * height);
    return width && known(y) ? [{ quality: point.quality, setting: point.setting, x, y, bytes: own.bytes }] : [];
  });
}

/** Means of the samples of a quality. */
function byQuality(samples) {
  const qualities = [...new Set(samples.map(s => s.quality))];
  const means = qualities.map(quality => {
    const own = samples.filter(s => s.quality === quality);
    const settings = new Set(own.map(s => s.setting));
    return {
      quality, setting: settings.size === 1 ? own[0].setting : null, pictures: own.length,
      x: mean(own.map(s => s.x)), y: mean(own.map(s => s.y)), bytes: mean(own.map(s => s.bytes)),
    };
  });
  return means.sort((a, b) => a.x - b.x);
}

function curves(picture, metric) {
  const own = points => points.filter(p => !picture || p.picture === picture);
  const { unit, digits, name } = METRICS[metric];
  const variants = VARIANTS.map((variant, i) =>
    ({ name: variant, colour: `--c${i}`, mark: i, samples: byQuality(samplesOf(own(results.points), p => p[variant], metric)) }));
  const peers = data.peers.map((peer, i) => ({
    name: peer.name, colour: `--c${3 + i % 7}`, mark: (3 + i) % MARKS.length, dashed: true, guest: peer.kind,
    samples: byQuality(samplesOf(own(peer.points), p => p, metric)),
  }));
  const lines = (series, s) => {
    const codec = series.guest ? null : variants[0].samples.find(c => c.quality === s.quality);
    const gain = codec && series !== variants[0] ? ` (${signed(s.y - codec.y, digits)} over the codec)` : "";
    const at = series.guest === "codec" ? `setting ${s.setting ?? s.quality}`
      : quality(s.quality) + (s.setting ? `, setting ${s.setting}` : "");
    return [
      at + (picture ? "" : `, mean of ${s.pictures}`),
      `${s.x.toFixed(4)} bit per pixel, ${whole(s.bytes)} bytes`,
      `${name} ${s.y.toFixed(digits)}${unit}${gain}`,
    ];
  };
  return [...variants, ...peers].map(series => ({ ...series, points: series.samples.map(s => ({ ...s, lines: lines(series, s) })) }));
}

function showCurves() {
  const chart = new Chart();
  let metric = "y";
  const draw = () => chart.show({
    label: `${METRICS[metric].name} over bits per luma pixel, ${picker.value || "mean over the pictures"}.`,
    x: "bits per luma pixel", y: METRICS[metric].name + METRICS[metric].unit.replace(" ", ", "), series: curves(picker.value, metric),
  });
  const picker = make("select", { id: "rd-picture", onchange: draw },
    make("option", { value: "", textContent: `mean of ${ofPictures}` }),
    ...pictures.map(name => make("option", { value: name, textContent: name })));
  const measured = ([id, m]) => (colour || id !== "yuv") && results.points.some(p => known(m.of(p.codec)));
  const metrics = choice("Distortion", Object.entries(METRICS).filter(measured)
    .map(([id, m]) => [id, m.name]), id => { metric = id; metrics.pick(id); draw(); });
  byId("rd").append(
    make("div", { className: "bar" }, labelled("Picture", picker), metrics.element), chart.element,
    make("p", { className: "note", textContent: "Means are of each picture's bits per pixel and distortion. Filters after " +
      "the codec have the codec's bytes. SSIM and SSIMULACRA 2 are known of evaluations' curves only. " +
      "The legend's entries show and hide curves." }),
    make("p", { className: "note", textContent: peerVersions() }));
  metrics.pick(metric);
  draw();
}

function peerVersions() {
  const versions = new Set(data.peers.map(p => p.version).filter(known));
  const names = version => data.peers.filter(p => p.version === version).map(p => p.name).join(", ");
  return [...versions].map(version => `${names(version)}: ${version}`).join("; ");
}

const labelled = (text, control) => make("div", {},
  make("label", { className: "label", textContent: text, htmlFor: control.id }), control);

function showPictures() {
  const { sets, data: sources, crop } = data.pictures;
  const section = byId("compare");
  if (!sets.length) {
    section.append(make("p", { textContent: "This evaluation stored no pictures to show." }));
    return;
  }
  const view = new Compare({
    variants: SHOWN.map(id => [id, id]), left: "codec", right: "update", difference: true,
  });
  const names = [...new Set(sets.map(s => s.picture))];
  const picker = make("select", { id: "compare-picture", onchange: () => pickPicture(picker.value) },
    ...names.map(name => make("option", { value: name, textContent: name })));
  const qualities = make("div");
  const figures = make("div", { className: "scroll" });
  let chosen = sets[0].quality;
  const pickPicture = name => {
    const own = sets.filter(s => s.picture === name);
    if (!own.some(s => s.quality === chosen)) chosen = own[0].quality;
    const buttons = choice(data.quality_name, own.map(s => [s.quality, s.quality]), q => {
      chosen = Number(q);
      pickPicture(name);
    });
    buttons.pick(chosen);
    const focused = qualities.contains(document.activeElement);
    qualities.replaceChildren(buttons.element);
    if (focused) buttons.buttons.find(b => b.ariaPressed === "true").focus();
    const set = own.find(s => s.quality === chosen);
    const point = results.points.find(p => p.picture === name && p.quality === chosen);
    view.show({
      name: `${name} at ${quality(chosen)}`, width: set.width, height: set.height,
      sources: Object.fromEntries(Object.entries(set.variants).map(([id, index]) => [id, sources[index]])),
      tags: Object.fromEntries(SHOWN.map(id => [id, tag(point, id)])),
    });
    figures.replaceChildren(pointTable(point));
  };
  const tag = (point, id) => id === "original" ? "original"
    : `${id} · ${fixed(point[id].psnr[0], 2)} dB · ${whole(point[id].bytes)} B`;
  section.append(make("div", { className: "bar" }, labelled("Picture", picker), qualities), view.element, figures);
  if (known(crop))
    section.append(make("p", { textContent: `Whole pictures would make this page too large: these are centres of at most ` +
      `${crop} × ${crop} pixels. Figures are of whole pictures.` }));
  pickPicture(names[0]);
}

function pointTable(point) {
  return table([
    { head: "Variant", words: true, cell: v => [swatch(VARIANTS.indexOf(v)), v] },
    { head: "Bytes", cell: v => whole(point[v].bytes) },
    ...["PSNR-Y", "Cb", "Cr"].slice(0, point.codec.psnr.length).map((head, i) => ({ head, cell: v => fixed(point[v].psnr[i], 2) })),
    { head: "SSIM", cell: v => fixed(point[v].ssim, 4) },
    { head: "MS-SSIM", cell: v => fixed(point[v].ms_ssim, 4) },
    { head: "Net gain", cell: v => v === "update" ? signed(point.payload.net_gain_db, 3) : "" },
  ], VARIANTS);
}

/** Bytes by part of some payloads: their mean. */
function anatomy(name, points) {
  const parts = new Map();
  for (const { payload } of points)
    for (const part of payload.parts) parts.set(part.name, (parts.get(part.name) ?? 0) + part.bytes / points.length);
  const container = mean(points.map(p => p.payload.container_bytes));
  const modes = new Set(points.map(p => p.payload.mode));
  const mode = modes.size === 1 && !modes.has("update") ? [...modes][0] : "";
  return { name, parts, container, mode, bytes: mean(points.map(p => p.payload.bytes)) };
}

/** A colour for each kind of part ("layer 2 scales" and "layer 3 scales" are of one), paler from part to part. */
function shade(parts, index) {
  const kind = name => name.replace(/\d+/g, "");
  const kinds = [...new Set(parts.map(kind))];
  const own = parts.filter(name => kind(name) === kind(parts[index]));
  const pale = 60 * own.indexOf(parts[index]) / own.length;
  return `color-mix(in srgb, var(--c${3 + kinds.indexOf(kind(parts[index])) % 7}), var(--back) ${pale}%)`;
}

function showAnatomy() {
  const parts = [...new Set(results.points.flatMap(p => p.payload.parts.map(part => part.name)))];
  const stacks = make("div", { className: "stacks" });
  const own = element => index => { element.style.setProperty("--own", shade(parts, index)); return element; };
  const stack = (row, most) => {
    const bar = make("div", { className: "stack", role: "img" });
    const add = (name, bytes, element) => {
      element.title = `${name}: ${fixed(bytes, 1)} bytes`;
      element.style.width = 100 * bytes / most + "%";
      bar.append(element);
    };
    for (const [name, bytes] of [...row.parts].filter(([, bytes]) => bytes > 0)) add(name, bytes, own(make("span"))(parts.indexOf(name)));
    add("container", row.container, make("span", { className: "container" }));
    bar.ariaLabel = [...bar.children].map(e => e.title).join(", ");
    return bar;
  };
  const pick = value => {
    qualities.pick(value);
    const points = results.points.filter(p => p.quality === Number(value));
    const rows = [{ ...anatomy("mean", points), all: true }, ...points.map(p => anatomy(p.picture, [p]))];
    const most = Math.max(...rows.map(r => r.bytes + r.container), 1);
    stacks.replaceChildren(...rows.flatMap(row => [
      make("span", { className: row.all ? "name all" : "name", textContent: row.name, title: row.name }), stack(row, most),
      make("span", { className: row.all ? "sum all" : "sum" }, `${fixed(row.bytes, row.all ? 1 : 0)} + ${fixed(row.container, row.all ? 1 : 0)}`,
        row.mode ? make("small", { textContent: row.mode }) : ""),
    ]));
  };
  const qualities = choice(data.quality_name, results.qualities.map(q => [q, q]), pick);
  const legend = make("div", { className: "legend" },
    ...parts.map((name, i) => make("span", {}, own(make("span", { className: "swatch" }))(i), name)),
    make("span", {}, make("span", { className: "swatch container" }), "container"));
  byId("payload").append(make("p", { className: "note", textContent: "Bytes of the payload by part + bytes of the container " +
    "that carries it. Small word: the payload's mode where it is no update." }),
  make("div", { className: "bar" }, qualities.element), legend, stacks);
  pick(results.qualities[0]);
}

function showFilters() {
  const filters = data.peers.filter(p => p.kind === "filter");
  if (!filters.length) return;
  const codec = (picture, quality) => results.points.find(p => p.picture === picture && p.quality === quality)?.codec;
  const row = (name, points, measured) => ({
    name,
    gain: (metric, quality) => mean(points.filter(p => p.quality === quality).map(p => {
      const from = codec(p.picture, quality);
      return from ? less(METRICS[metric].of(measured(p)), METRICS[metric].of(from)) : null;
    })),
  });
  const rows = [
    ...["base", "update"].map(v => row(v, results.points, p => p[v])),
    ...filters.map(f => row(f.name, f.points, p => p)),
  ];
  const gains = ["y", ...colour ? ["yuv"] : []].flatMap(metric => results.qualities.map(q => {
    const head = `${METRICS[metric].name.replace("PSNR-", "")}, ${quality(q)}`;
    return { head, value: r => r.gain(metric, q), cell: r => judged(signed(r.gain(metric, q), 3), r.gain(metric, q)) };
  }));
  byId("peers").hidden = false;
  byId("peers").append(make("p", { className: "note", textContent: "Mean gains over the codec, dB of PSNR. Filters cost no " +
    "bytes; what the base model and updates cost is not taken off here." }),
  make("div", { className: "scroll" }, table([{ head: "Filter", words: true, value: r => r.name, cell: r => r.name }, ...gains], rows)));
}

/** Names and numbers, whatever they are. */
function showCoders() {
  const given = data.update_coders;
  if (!known(given)) return;
  const lists = [given, ...Object.values(given)].filter(v => Array.isArray(v) && v.every(row => row && typeof row === "object"));
  const rows = (lists[0] ?? []).map(row => flat(row));
  const words = head => rows.some(r => typeof r[head] === "string");
  const heads = [...new Set(rows.flatMap(Object.keys))].sort((a, b) => (b === "name") - (a === "name") || words(a) - words(b));
  const text = v => typeof v === "number" ? (Number.isInteger(v) ? whole(v) : v.toPrecision(4)) : known(v) ? String(v) : "–";
  const others = Object.entries(flat(given)).filter(([, v]) => typeof v !== "object" || v === null);
  byId("coders").hidden = false;
  byId("coders").append(make("div", { className: "scroll" }, table(heads.map(head =>
    ({ head: head.replaceAll("_", " "), words: words(head), value: r => r[head], cell: r => text(r[head]) })), rows)));
  if (others.length)
    byId("coders").append(make("p", { className: "note", textContent: others.map(([k, v]) => `${k.replaceAll("_", " ")}: ${text(v)}`).join("; ") }));
}

/** Objects within objects as one; lists are left out. */
function flat(object, prefix = "") {
  return Object.fromEntries(Object.entries(object).flatMap(([key, value]) =>
    Array.isArray(value) ? []
      : value && typeof value === "object" ? Object.entries(flat(value, `${prefix}${key} `)) : [[prefix + key, value]]));
}

function showFailures() {
  if (!results.failures.length) return;
  byId("failures").hidden = false;
  byId("failures").append(table([
    { head: "Picture", words: true, cell: f => f.picture }, { head: "Error", words: true, cell: f => f.error },
  ], results.failures));
}

function showLinks() {
  for (const section of document.querySelectorAll("main > section:not([hidden])"))
    document.querySelector("nav").append(make("a", { href: "#" + section.id, textContent: section.querySelector("h2").textContent }));
}

for (const show of [showSetup, showLead, showQualities, showRates, showLosses, showCurves, showPictures, showAnatomy,
  showFilters, showCoders, showFailures, showLinks]) show();
