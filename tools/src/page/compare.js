/**
 * Two variants of a picture in one frame, left and right of a line, with zoom and pan; on request
 * their difference in place of them (only for pictures from data and blob URIs: browsers do not let a
 * page read the samples of files).
 *
 * `variants` are pairs of an id and a label. With `fit`, large pictures begin as small as fits the frame.
 */
class Compare {
  static ZOOMS = [1, 2, 4, 8, 16];
  static AMPLIFIED = 8;

  constructor({ variants, left, right, difference, fit = false }) {
    this.labels = new Map(variants);
    this.fit = fit;
    this.zoom = 1;
    this.centre = { x: 0, y: 0 };
    this.side = { left, right };
    this.pointers = new Map();
    this.build(variants, difference);
    this.listen();
    this.moveLine(50);
  }

  build(variants, difference) {
    this.images = {
      left: make("img", { draggable: false }),
      right: make("img", { draggable: false }),
    };
    this.canvas = make("canvas", { role: "img" });
    this.tags = {
      left: make("span", { className: "tag left" }),
      right: make("span", { className: "tag right split" }),
    };
    this.divider = make("div", {
      className: "divider split", role: "slider", tabIndex: 0, ariaLabel: "Line between left and right",
      ariaValueMin: "0", ariaValueMax: "100", ariaOrientation: "horizontal",
    });
    this.frame = make("div", { className: "frame", role: "group", tabIndex: 0 },
      make("div", { className: "layer right split" }, this.images.right),
      make("div", { className: "layer left split" }, this.images.left),
      make("div", { className: "layer whole" }, this.canvas),
      this.tags.left, this.tags.right, this.divider);

    this.choices = {};
    const bar = make("div", { className: "bar" });
    if (variants.length > 2) {
      for (const side of ["left", "right"]) {
        const label = side[0].toUpperCase() + side.slice(1);
        this.choices[side] = choice(label, variants, id => { this.side[side] = id; this.update(); });
        bar.append(this.choices[side].element);
      }
    }
    if (difference) {
      this.toggle = make("button", {
        type: "button", className: "difference", textContent: `Difference ×${Compare.AMPLIFIED}`,
        ariaPressed: "false", onclick: () => this.differ(this.toggle.ariaPressed !== "true"),
      });
      bar.append(this.toggle);
    }
    const zooms = Compare.ZOOMS.map(z => [z, z + "×"]);
    this.zooms = choice("Zoom", this.fit ? [["fit", "Fit"], ...zooms] : zooms,
      z => this.zoomTo(z === "fit" ? this.least() : z));
    bar.append(this.zooms.element);
    this.said = make("span", { className: "note" });
    bar.append(this.said);
    const help = make("p", {
      className: "note",
      textContent: "Drag the line, or focus it and use the arrow keys. Wheel after a click, or with Ctrl, + and −: zoom. " +
        "Drag, arrow keys: pan." + (this.fit ? " 0: fit." : "") + (difference ? " d: difference." : ""),
    });
    this.element = make("div", { className: "compare" }, bar, this.frame, help);
  }

  /** Shows a picture: its name, width and height, and a source and a tag for each variant id. */
  show(picture) {
    const resized = this.picture?.width !== picture.width || this.picture?.height !== picture.height;
    this.picture = picture;
    this.frame.ariaLabel = `${picture.name}: two variants side by side`;
    for (const { buttons } of Object.values(this.choices))
      for (const button of buttons) button.disabled = !(button.value in picture.sources);
    for (const side of ["left", "right"])
      if (!(this.side[side] in picture.sources)) this.side[side] = Object.keys(picture.sources)[0];
    if (resized) this.reframe();
    this.update();
  }

  /** Starts at the largest of the first zooms at which the whole picture fits. */
  reframe() {
    const { width, height } = this.picture;
    const room = { x: this.frame.clientWidth, y: 0.75 * innerHeight };
    const fitting = [4, 2].find(z => z * width <= room.x && z * height <= room.y);
    this.zoom = fitting ?? (this.fit ? Math.min(room.x / width, room.y / height, 1) : 1);
    this.fitted = this.zoom < 1;
    this.frame.style.height = Math.min(this.zoom * height, room.y) + 2 + "px";
    this.centre = { x: width / 2, y: height / 2 };
  }

  /** The least zoom. */
  least() {
    if (!this.fit) return Compare.ZOOMS[0];
    const { width, height } = this.picture;
    return Math.min(this.frame.clientWidth / width, this.frame.clientHeight / height, Compare.ZOOMS[0]);
  }

  /** After a change of the picture or of what stands left and right. */
  update() {
    for (const side of ["left", "right"]) {
      const id = this.side[side];
      this.images[side].src = this.picture.sources[id];
      this.images[side].alt = `${this.picture.name}, ${this.labels.get(id)}`;
      this.choices[side]?.pick(id);
    }
    this.moveLine(this.cut);
    this.place();
    this.tag();
    if (this.differing) this.drawDifference();
  }

  tag() {
    const { left, right } = this.side;
    const name = id => this.labels.get(id);
    this.tags.right.textContent = this.picture.tags[right];
    this.tags.left.textContent = this.differing
      ? `|${name(left)} − ${name(right)}| × ${Compare.AMPLIFIED}` : this.picture.tags[left];
  }

  moveLine(percent) {
    this.cut = clamp(percent, 0, 100);
    this.frame.style.setProperty("--cut", this.cut + "%");
    this.divider.ariaValueNow = String(Math.round(this.cut));
    this.divider.ariaValueText = `${Math.round(this.cut)} % ${this.labels.get(this.side.left)}`;
  }

  zoomTo(zoom, at = { x: this.frame.clientWidth / 2, y: this.frame.clientHeight / 2 }) {
    const from = this.zoom;
    this.zoom = clamp(zoom, this.least(), Compare.ZOOMS.at(-1));
    this.fitted = this.zoom < Compare.ZOOMS[0] && this.zoom === this.least();
    // What lies under `at` stays there.
    this.centre.x += (at.x - this.frame.clientWidth / 2) * (1 / from - 1 / this.zoom);
    this.centre.y += (at.y - this.frame.clientHeight / 2) * (1 / from - 1 / this.zoom);
    this.place();
  }

  pan(x, y) {
    this.centre.x -= x / this.zoom;
    this.centre.y -= y / this.zoom;
    this.place();
  }

  place() {
    if (!this.picture) return;
    const { width, height } = this.picture;
    const room = { x: this.frame.clientWidth, y: this.frame.clientHeight };
    if (this.fitted) this.zoom = this.least();
    const held = (centre, size, room) => {
      const half = room / 2 / this.zoom;
      return 2 * half >= size ? size / 2 : clamp(centre, half, size - half);
    };
    this.centre = { x: held(this.centre.x, width, room.x), y: held(this.centre.y, height, room.y) };
    for (const element of [this.images.left, this.images.right, this.canvas])
      Object.assign(element.style, {
        width: width * this.zoom + "px",
        height: height * this.zoom + "px",
        left: Math.round(room.x / 2 - this.centre.x * this.zoom) + "px",
        top: Math.round(room.y / 2 - this.centre.y * this.zoom) + "px",
      });
    // Half a pixel is for what fits the frame but for rounding.
    this.pannable = width * this.zoom > room.x + 0.5 || height * this.zoom > room.y + 0.5;
    this.frame.classList.toggle("pannable", this.pannable);
    this.frame.classList.toggle("near", this.zoom > 2);
    this.zooms.pick(this.fitted ? "fit" : this.zoom);
  }

  differ(on) {
    this.differing = on;
    this.toggle.ariaPressed = String(on);
    this.frame.classList.toggle("differing", on);
    this.said.textContent = "";
    this.tag();
    if (on) this.drawDifference();
  }

  async drawDifference() {
    const [left, right] = await Promise.all([this.samples("left"), this.samples("right")]);
    const out = new ImageData(left.width, left.height);
    let sum = 0;
    let most = 0;
    for (let i = 0; i < out.data.length; i++) {
      const error = Math.abs(left.data[i] - right.data[i]);
      sum += error;
      most = Math.max(most, error);
      out.data[i] = i % 4 === 3 ? 255 : error * Compare.AMPLIFIED;
    }
    Object.assign(this.canvas, { width: left.width, height: left.height });
    this.canvas.getContext("2d").putImageData(out, 0, 0);
    this.canvas.ariaLabel = `${this.picture.name}: difference, amplified`;
    const mean = sum / (3 * left.width * left.height);
    this.said.textContent = `difference of RGB samples: mean ${mean.toFixed(2)}, largest ${most}`;
  }

  async samples(side) {
    const image = this.images[side];
    await image.decode();
    const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  }

  listen() {
    const { frame, divider } = this;
    frame.onpointerdown = e => this.press(e);
    frame.onpointermove = e => this.drag(e);
    frame.onpointerup = frame.onpointercancel = e => this.pointers.delete(e.pointerId);
    frame.addEventListener("wheel", e => this.wheel(e), { passive: false });
    frame.onkeydown = e => this.key(e);
    divider.onkeydown = e => this.lineKey(e);
    new ResizeObserver(() => this.place()).observe(frame);
  }

  /** An event's place in the frame. */
  at(e) {
    const box = this.frame.getBoundingClientRect();
    return { x: e.clientX - box.left, y: e.clientY - box.top };
  }

  press(e) {
    if (e.button !== 0) return;
    this.frame.setPointerCapture(e.pointerId);
    this.pointers.set(e.pointerId, this.at(e));
    const onLine = e.target === this.divider;
    this.panning = this.differing || (this.pannable && !onLine);
    if (!this.panning) this.lineTo(e);
  }

  lineTo(e) {
    this.moveLine(100 * this.at(e).x / this.frame.clientWidth);
  }

  drag(e) {
    const from = this.pointers.get(e.pointerId);
    if (!from) return;
    const to = this.at(e);
    const other = [...this.pointers].find(([id]) => id !== e.pointerId)?.[1];
    this.pointers.set(e.pointerId, to);
    if (other) {
      const apart = p => Math.hypot(p.x - other.x, p.y - other.y) || 1;
      this.zoomTo(this.zoom * apart(to) / apart(from), { x: (to.x + other.x) / 2, y: (to.y + other.y) / 2 });
    } else if (this.panning) {
      this.pan(to.x - from.x, to.y - from.y);
    } else {
      this.lineTo(e);
    }
  }

  /** Zooms only once the frame has the focus, or with Ctrl: the page can be scrolled past it. */
  wheel(e) {
    if (!e.ctrlKey && !e.metaKey && !this.frame.contains(document.activeElement)) return;
    e.preventDefault();
    this.zoomTo(this.zoom * 2 ** (-Math.sign(e.deltaY) * Math.min(Math.abs(e.deltaY), 100) / 200), this.at(e));
  }

  key(e) {
    const step = 48;
    const actions = {
      ArrowLeft: () => this.pan(step, 0),
      ArrowRight: () => this.pan(-step, 0),
      ArrowUp: () => this.pan(0, step),
      ArrowDown: () => this.pan(0, -step),
      "+": () => this.zoomTo(2 * this.zoom),
      "=": () => this.zoomTo(2 * this.zoom),
      "-": () => this.zoomTo(this.zoom / 2),
      0: () => this.zoomTo(this.least()),
      d: () => this.toggle?.click(),
    };
    Compare.act(e, actions);
  }

  lineKey(e) {
    const step = e.shiftKey ? 10 : 1;
    Compare.act(e, {
      ArrowLeft: () => this.moveLine(this.cut - step),
      ArrowRight: () => this.moveLine(this.cut + step),
      PageDown: () => this.moveLine(this.cut - 10),
      PageUp: () => this.moveLine(this.cut + 10),
      Home: () => this.moveLine(0),
      End: () => this.moveLine(100),
    });
  }

  static act(e, actions) {
    if (!(e.key in actions) || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    e.stopPropagation();
    actions[e.key]();
  }
}
