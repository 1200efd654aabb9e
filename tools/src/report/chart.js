
const svg = (tag, attributes = {}, ...children) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

const MARKS = [
  "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0Z",
  "M-3.7,-3.7h7.4v7.4h-7.4Z",
  "M0,-5.2L5.2,0L0,5.2L-5.2,0Z",
  "M0,-5L4.8,3.6H-4.8Z",
];

/** Curves over a logarithmic x axis. */
class Chart {
  static MARGIN = { left: 56, right: 18, top: 12, bottom: 46 };

  constructor() {
    this.svg = svg("svg", { tabindex: 0, role: "img" });
    this.tip = make("div", { className: "tip", hidden: true });
    this.legend = make("div", { className: "legend", role: "group", ariaLabel: "Curves shown" });
    this.hidden = new Set();
    this.element = make("div", {}, this.legend, make("div", { className: "chart" }, this.svg, this.tip));
    this.svg.onpointermove = this.svg.onpointerdown = e => this.chooseNear(e);
    this.svg.onpointerleave = this.svg.onblur = () => this.choose(null);
    this.svg.onkeydown = e => this.key(e);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  /** Each of `series` has a name, a colour, a mark and points by x: x, y and lines of text. */
  show({ label, x, y, series }) {
    Object.assign(this, { labels: { x, y }, series: series.filter(s => s.points.length) });
    this.svg.setAttribute("aria-label", label + " Arrow keys step through the points.");
    this.legend.replaceChildren(...this.series.map(s => this.entry(s)));
    this.draw();
  }

  /** A button of the legend: shows and hides its curve. */
  entry(s) {
    const toggle = () => {
      if (!this.hidden.delete(s.name)) this.hidden.add(s.name);
      button.ariaPressed = String(!this.hidden.has(s.name));
      this.draw();
    };
    const button = make("button", { type: "button", onclick: toggle, ariaPressed: String(!this.hidden.has(s.name)) },
      svg("svg", { viewBox: "-15 -6 30 12", style: `--own: var(${s.colour})`, "aria-hidden": "true" },
        svg("path", { class: "curve", d: "M-15,0H15", ...Chart.dash(s) }),
        svg("path", { class: "mark", d: MARKS[s.mark] })), s.name);
    return button;
  }

  static dash(series) {
    return series.dashed ? { "stroke-dasharray": "5 4" } : {};
  }

  draw() {
    if (!this.series) return;
    this.choose(null);
    const width = Math.max(this.element.clientWidth, 200);
    const height = clamp(width / 2, 280, 460);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const visible = this.series.filter(s => !this.hidden.has(s.name));
    const points = Chart.inView(visible);
    if (!points.length) {
      this.svg.replaceChildren(svg("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "no points"));
      return;
    }
    const { left, right, top, bottom } = Chart.MARGIN;
    const x = scale(points.map(p => Math.log(p.x)), left, width - right);
    const y = scale(points.map(p => p.y), height - bottom, top);
    const inside = svg("clipPath", { id: "inside" },
      svg("rect", { x: left, y: top, width: width - left - right, height: height - top - bottom }));
    this.svg.replaceChildren(inside, ...this.axes(x, y, width, height));
    this.marks = [];
    const shown = new Set(points);
    for (const series of visible) this.svg.append(this.curve(series, x, y, shown));
  }

  /** Points of guest series are left out where they are far off the others' rates. */
  static inView(series) {
    const guests = series.every(s => s.guest);
    const own = series.filter(s => guests || !s.guest).flatMap(s => s.points);
    const low = Math.min(...own.map(p => p.x)) / 1.3;
    const high = Math.max(...own.map(p => p.x)) * 1.3;
    return series.flatMap(s => s.points).filter(p => p.x >= low && p.x <= high);
  }

  axes(x, y, width, height) {
    const { left, right, top, bottom } = Chart.MARGIN;
    const out = [];
    for (const tick of logTicks(Math.exp(x.low), Math.exp(x.high), width < 500 ? 5 : 10)) {
      const at = x(Math.log(tick));
      out.push(svg("line", { class: "grid", x1: at, x2: at, y1: top, y2: height - bottom }),
        svg("text", { x: at, y: height - bottom + 18, "text-anchor": "middle" }, String(tick)));
    }
    const step = niceStep((y.high - y.low) / 9);
    for (let i = Math.ceil(y.low / step); i * step <= y.high; i++) {
      const at = y(i * step);
      const text = (i * step).toFixed(Math.max(0, -Math.floor(Math.log10(step))));
      out.push(svg("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }),
        svg("text", { x: left - 8, y: at + 4, "text-anchor": "end" }, text));
    }
    out.push(svg("path", { class: "axis", fill: "none", d: `M${left},${top}V${height - bottom}H${width - right}` }),
      svg("text", { x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle" }, this.labels.x),
      svg("text", { transform: `translate(14,${(top + height - bottom) / 2}) rotate(-90)`, "text-anchor": "middle" },
        this.labels.y));
    return out;
  }

  curve(series, x, y, shown) {
    const place = p => [x(Math.log(p.x)), y(p.y)];
    const line = series.points.map(p => place(p).map(v => v.toFixed(1)).join(",")).join("L");
    const group = svg("g", { style: `--own: var(${series.colour})`, "data-name": series.name },
      svg("path", { class: "curve", d: "M" + line, "clip-path": "url(#inside)", ...Chart.dash(series) }));
    for (const point of series.points.filter(p => shown.has(p))) {
      const [px, py] = place(point);
      const element = svg("path", { class: "mark", d: MARKS[series.mark], transform: `translate(${px},${py})` });
      this.marks.push({ element, x: px, y: py, series, point });
      group.append(element);
    }
    return group;
  }

  chooseNear(e) {
    const box = this.svg.getBoundingClientRect();
    const away = m => Math.hypot(m.x - (e.clientX - box.left), m.y - (e.clientY - box.top));
    const near = this.marks?.filter(m => away(m) < 40).sort((a, b) => away(a) - away(b))[0];
    this.choose(near ?? null);
  }

  key(e) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
    if (!step || !this.marks?.length) return;
    e.preventDefault();
    const next = this.chosen ? this.marks.indexOf(this.chosen) + step : 0;
    this.choose(this.marks.at(next % this.marks.length));
  }

  choose(mark) {
    this.chosen?.element.classList.remove("chosen");
    this.chosen = mark;
    this.tip.hidden = !mark;
    if (!mark) return;
    mark.element.classList.add("chosen");
    this.tip.style.setProperty("--own", `var(${mark.series.colour})`);
    this.tip.replaceChildren(make("b", { textContent: mark.series.name }),
      ...mark.point.lines.map(text => make("div", { textContent: text })));
    const room = this.svg.clientWidth - this.tip.offsetWidth;
    this.tip.style.left = clamp(mark.x + 12, 0, Math.max(room, 0)) + "px";
    const above = mark.y - this.tip.offsetHeight - 12;
    this.tip.style.top = (above < 0 ? mark.y + 14 : above) + "px";
  }
}

/** From values to pixels, with some room at both ends. */
function scale(values, from, to) {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const room = 0.06 * (most - least) || 0.1;
  const [low, high] = [least - room, most + room];
  return Object.assign(v => from + (v - low) / (high - low) * (to - from), { low, high });
}

function niceStep(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 5, 10].find(n => n * power >= step * 0.999);
}

/** Round numbers between `low` and `high`, as dense as `most` of them allow. */
function logTicks(low, high, most) {
  const tries = [
    [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 9],
    [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9], [1, 1.5, 2, 3, 4, 5, 7], [1, 2, 3, 5], [1, 2, 5], [1],
  ];
  let ticks = [];
  for (const digits of tries) {
    ticks = [];
    for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
      ticks.push(...digits.map(d => Number((d * 10 ** power).toPrecision(2))));
    ticks = ticks.filter(t => t >= low && t <= high);
    if (ticks.length <= most) break;
  }
  return ticks;
}
