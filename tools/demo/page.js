
const rows = JSON.parse(document.getElementById("data").textContent);

function showPicture(name) {
  const own = rows.filter(r => r.picture === name);
  const view = new Compare({
    variants: [["jpeg", "JPEG"], ["base", "Base model"], ["update", "With update"],
      ["optimised", "Optimised, with update"]],
    left: "jpeg", right: "update",
  });
  const caption = make("p", { className: "note" });
  const pick = qf => {
    const r = own.find(r => r.qf === Number(qf));
    const files = id => `${name}-q${r.qf}-${id}.png`;
    const image = new Image();
    image.onload = () => view.show({
      name, width: image.naturalWidth, height: image.naturalHeight,
      sources: { jpeg: files("jpeg"), base: files("base"), update: files("update"), optimised: files("optimised") },
      tags: { jpeg: "JPEG", base: "Base model", update: "With update", optimised: "Optimised, with update" },
    });
    image.src = files("jpeg");
    caption.textContent = `${r.jpeg_bytes} bytes of JPEG at ${r.psnr_jpeg.toFixed(2)} dB, ` +
      `${r.container_bytes} bytes more for ${r.psnr_update.toFixed(2)} dB ` +
      `(+${(r.psnr_update - r.psnr_jpeg).toFixed(2)} dB; base model alone ${r.psnr_base.toFixed(2)} dB). ` +
      `Optimised, with update: ` +
      `${r.optimised_bytes} bytes in all for ${r.psnr_optimised.toFixed(2)} dB.`;
    quality.pick(qf);
  };
  const quality = choice("QF", own.map(r => [r.qf, r.qf]), pick);
  document.getElementById("pictures").append(make("h2", { textContent: name }),
    make("div", { className: "bar" }, quality.element), view.element, caption);
  pick(own[0].qf);
}

function showFigures() {
  const body = document.querySelector("#figures tbody");
  for (const r of rows)
    body.append(make("tr", {}, make("td", { className: "words", textContent: r.picture }),
      ...[r.qf, r.jpeg_bytes, r.payload_bytes, r.psnr_jpeg.toFixed(3), r.psnr_base.toFixed(3),
        r.psnr_update.toFixed(3), r.net_gain_db.toFixed(3), r.encode_s.toFixed(2),
        r.decode_ms.toFixed(1), r.optimised_bytes, r.psnr_optimised.toFixed(3),
        r.optimised_net_gain_db.toFixed(3)].map(v => make("td", { textContent: v }))));
}

new Set(rows.map(r => r.picture)).forEach(showPicture);
showFigures();
